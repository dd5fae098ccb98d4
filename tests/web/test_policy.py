"""The headers and policies, word for word: no change of them goes unnoticed."""

from __future__ import annotations

import urllib.request

from edgecnn.serve.policy import FOLDER_POLICY, single_page_policy
from edgecnn.serve.server import serving

FOLDER = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; worker-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)


def test_headers_of_a_served_file() -> None:
    with (
        serving({"index.html": b"a page"}) as server,
        urllib.request.urlopen(server.url, timeout=20) as answer,
    ):
        found = dict(answer.headers.items())
    for changing in ("Date", "ETag"):
        del found[changing]
    assert found == {
        "Server": "edgecnn",
        "Content-Type": "text/html; charset=utf-8",
        "Content-Length": "6",
        "Content-Security-Policy": f"{FOLDER}; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-cache",
        "Connection": "close",  # urllib asks for that
    }


def test_policies_in_the_pages() -> None:
    assert FOLDER_POLICY == FOLDER
    assert single_page_policy(scripts=["ONE=", "TWO="], style="LOOKS=") == (
        "default-src 'none'; script-src 'sha256-ONE=' 'sha256-TWO=' 'wasm-unsafe-eval'; "
        "style-src 'sha256-LOOKS='; img-src blob: data:; connect-src 'none'; "
        "base-uri 'none'; form-action 'none'"
    )
