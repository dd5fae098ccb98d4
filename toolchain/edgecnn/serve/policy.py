"""What a browser is told about a web bundle: content types, security headers, the page's policy.

The policy is in the page itself, too, so that it holds whatever server the bundle lies on; only
``frame-ancestors`` works as a header alone. See https://www.w3.org/TR/CSP3/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

PAGE: Final = "index.html"
"""The file that is sent for a folder's address."""

FOLDER_POLICY: Final = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; worker-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)
"""The policy of a folder's page: its own origin and nothing else.

``'wasm-unsafe-eval'`` lets WebAssembly be compiled, and no JavaScript from text.
"""

MIME_TYPES: Final[Mapping[str, str]] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".wasm": "application/wasm",
    ".onnx": "application/octet-stream",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".md": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    "": "text/plain; charset=utf-8",
}
"""File name's suffix to content type. Fixed: a system's table may say something else of ``.js``,
and a browser then refuses the module."""

HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": FOLDER_POLICY + "; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Asked again each time, and answered with 304 where nothing changed.
    "Cache-Control": "no-cache",
}


def single_page_policy(*, scripts: Sequence[str], style: str) -> str:
    """Return the policy of the single file: nothing but its own scripts and style, no connection.

    Args:
        scripts: Base64 of the SHA-256 of each inline script's text, as UTF-8.
        style: The same of its inline style.
    """
    allowed = " ".join(f"'sha256-{digest}'" for digest in scripts)
    return (
        f"default-src 'none'; script-src {allowed} 'wasm-unsafe-eval'; "
        f"style-src 'sha256-{style}'; img-src blob: data:; connect-src 'none'; "
        "base-uri 'none'; form-action 'none'"
    )
