"""Names of ways out of a page, looked for in its text."""

from __future__ import annotations

import pytest

from edgecnn.package.privacy.web import other_ways
from edgecnn.package.web.sources import app_sources


def test_the_app_names_none() -> None:
    texts = app_sources()
    scripts = {name: text for name, text in texts.items() if name.endswith(".js")}
    assert len(scripts) >= 20
    assert other_ways(scripts, {"index.html": texts["index.html"]}) == []


@pytest.mark.parametrize(
    "code",
    [
        "new RTCPeerConnection()", "new webkitRTCPeerConnection()", "window.open(x)",
        "self?.open(x)", "globalThis . open(x)", "parent.open(x)", "open(x)", "window['open'](x)",
        "location = x", "location.href = x", "location['href'] = x", "location.assign(x)",
        "document.location?.replace(x)", "navigator.share(x)", "navigator?.share(x)",
        "link.ping = x", "link.setAttribute('ping', x)", "meta.httpEquiv = 'refresh'",
        'meta.setAttribute("http-equiv", "refresh")', "globalThis['RTCPeerConnection']",
    ],
)  # fmt: skip
def test_each_name_is_found_in_a_script(code: str) -> None:
    (said,) = other_ways({"app.js": f"const way = () => {{ {code}; }};"}, {})
    assert said.startswith("app.js has ")


@pytest.mark.parametrize(
    "code",
    ["caches.open(x)", "indexedDB.open(x)", "isopen(x)", "location.href === x", "location.reload()",
     "const relocation = x", "shared.share", "mapping = x"],
)  # fmt: skip
def test_others_are_not(code: str) -> None:
    assert other_ways({"app.js": code}, {}) == []


@pytest.mark.parametrize(
    "markup",
    [
        '<meta http-equiv="refresh" content="600;url=http://outside.invalid/">',
        "<meta content='1' http-equiv=refresh>",
        '<a href="#camera" ping="http://outside.invalid/">',
        '<link rel="preconnect" href="/x">', "<link rel=dns-prefetch href=/x>",
        '<a class="x" href="https://outside.invalid/">', '<img src="//outside.invalid/x.png">',
        "<form action='HTTP://outside.invalid/'>",
    ],
)  # fmt: skip
def test_each_is_found_in_markup(markup: str) -> None:
    (said,) = other_ways({}, {"index.html": f"<p>text</p>\n{markup}"})
    assert said.startswith("index.html has <")


def test_a_page_of_its_own_links_is_none() -> None:
    page = (
        '<meta http-equiv="Content-Security-Policy" content="x"><a href="#camera">'
        '<link rel="icon" href="icons/icon-192.png"><p>see https://outside.invalid/</p>'
    )
    assert other_ways({}, {"index.html": page}) == []
