"""The app in WebKit and Firefox: started, waited for, given pictures."""

from __future__ import annotations

import contextlib
import csv
import io
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from web.engine import Engine, Wanted, until
from web.firefox import firefox, why_no_firefox
from web.made import files_of
from web.webkit import webkit, why_no_webkit

_STARTS: Mapping[str, Callable[[Path, Wanted], contextlib.AbstractContextManager[Engine]]] = {
    "WebKit": webkit,
    "Firefox": firefox,
}
_REASONS = {"WebKit": why_no_webkit(), "Firefox": why_no_firefox()}

ENGINES = [
    pytest.param(name, marks=pytest.mark.skipif(reason is not None, reason=f"{reason}"))
    for name, reason in _REASONS.items()
]
"""Names of the engines, those that are not here marked to be skipped."""

# Put before the page's first script. WebDriver has no words for a console.
_LISTENER = """
globalThis.heard = [];
addEventListener("error", (event) => {
  heard.push(`error: ${event.message ?? event.target.src ?? event.target.href}`);
}, true);
addEventListener("unhandledrejection", (event) => heard.push(`rejected: ${event.reason}`));
document.addEventListener("securitypolicyviolation", (event) => {
  heard.push(`${event.effectiveDirective}: ${event.blockedURI}`);
});
for (const kind of ["error", "warn"]) {
  console[kind] = (...words) => heard.push(`console.${kind}: ${words.join(" ")}`);
}
"""

_SAVED = """
const make = URL.createObjectURL;
let text;
URL.createObjectURL = (blob) => { text = blob.text(); return make.call(URL, blob); };
document.getElementById("save").click();
URL.createObjectURL = make;
return text;
"""


def listening(model: str) -> dict[str, bytes]:
    """Return a released model's bundle whose page notes all errors, from its first script on."""
    files = files_of(model, reject_below=0.3)
    return {**files, "start-check.js": _LISTENER.encode() + files["start-check.js"]}


def heard(page: Engine) -> list[str]:
    """Return what the page of such a bundle has noted."""
    found: list[str] = page.run("return heard")
    return found


@contextlib.contextmanager
def started(name: str, folder: Path, **wanted: Any) -> Iterator[Engine]:
    """Start a window of an engine, as ``Wanted`` says."""
    folder.mkdir()
    with _STARTS[name](folder, Wanted(**wanted)) as page:
        yield page


def settled(page: Engine) -> str:
    """Wait until the app says that it is ready, or that it is not; return which."""
    look = "return document.getElementById('status')?.dataset.kind"
    kind: str = until(lambda: (found := page.run(look)) != "busy" and found, "the app")
    return kind


def ready(page: Engine, url: str) -> float:
    """Open the app and wait until it is ready; return how many seconds that took."""
    began = time.monotonic()
    page.open(url)
    assert settled(page) == "good", page.run("return document.body.innerText")
    return time.monotonic() - began


def choose(page: Engine, folder: Path, pictures: Mapping[str, bytes]) -> None:
    """Choose pictures, in place of those that are shown, and wait until all are classified."""
    folder.mkdir(exist_ok=True)
    for name, data in pictures.items():
        (folder / name).write_bytes(data)
    page.run("document.getElementById('clear').click()")
    page.choose([folder / name for name in pictures])
    count = "return document.querySelectorAll('#results > li').length"
    until(lambda: page.run(count) == len(pictures), "the pictures' results")


def classify(page: Engine, folder: Path, pictures: Mapping[str, bytes]) -> list[dict[str, str]]:
    """Choose pictures; return the rows of the CSV file that the app saves then.

    MiniBrowser's window becomes lower by that: it shows what was saved in a bar of its own.
    """
    choose(page, folder, pictures)
    return list(csv.DictReader(io.StringIO(page.run(_SAVED))))
