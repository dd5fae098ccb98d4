"""What is said of each claim for what was seen: each finding, beside a session without any."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

import pytest

from edgecnn.package.privacy.again import web_exit_error
from edgecnn.package.privacy.claims import Checked
from edgecnn.package.privacy.web import Seen, judge_web, unchecked_web
from edgecnn.package.privacy.web_session import FolderSession, SingleSession
from edgecnn.package.web.contents import sealed
from edgecnn.package.web.sources import WORKER, app_sources
from web.made import files_of

ANSWERS = {"picture.png": "cat"}
REFUSED = {"fetch": "connect-src", "image": "img-src"}
FOLDER = FolderSession(
    browser="Chromium", asked=('"GET / HTTP/1.1" 200 -', '"GET /app.js HTTP/1.1" 304 -'),
    outside=(), attempts=REFUSED, arrived=(), answers=ANSWERS, offline=ANSWERS, refused=True,
    stored={"odd": [], "kept": {}, "databases": [], "local": [], "session": [], "cookies": "",
            "files": [], "caches": [], "headers": ["content-type", "etag"], "buckets": []},
)  # fmt: skip
SINGLE = SingleSession(
    browser="Chromium", outside=(), attempts=REFUSED, arrived=(), answers=ANSWERS
)


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return files_of("resnet8")


def broken(files: dict[str, bytes], folder: FolderSession, single: SingleSession) -> dict[str, str]:
    """Return the evidence of each claim that does not hold."""
    outcomes = judge_web(Seen(files=files, folder=folder, single=single))
    return {one.id: one.evidence for one in outcomes if one.state == "broken"}


def test_without_a_finding_every_claim_holds(files: dict[str, bytes]) -> None:
    stored = {"app.css": hashlib.sha256(files["app.css"]).hexdigest()}
    folder = dataclasses.replace(FOLDER, stored={**FOLDER.stored, "kept": stored})
    assert broken(files, folder, SINGLE) == {}


@pytest.mark.parametrize(
    ("changes", "claim", "said"),
    [
        ({"outside": ("GET http://x.invalid/",)}, "own-origin", "asked elsewhere: GET http://x"),
        ({"asked": ('"GET /app.js?cat HTTP/1.1" 200 -',)}, "own-origin", "more than its files"),
        ({"asked": ('"POST / HTTP/1.1" 405 -',)}, "own-origin", "more than its files"),
        ({"asked": ('"GET /other HTTP/1.1" 404 -',)}, "own-origin", "more than its files"),
        ({"attempts": {"fetch": None}}, "sends-refused", "fetch was not refused by the policy"),
        ({"arrived": ("image",)}, "sends-refused", "image went out"),
        ({"refused": False}, "offline", "the server could not be ended"),
        ({"offline": None}, "offline", "it did not start again"),
        ({"offline": {"picture.png": "dog"}}, "offline", "it answered {'picture.png': 'dog'}"),
    ],
)
def test_a_finding_in_the_folder(
    files: dict[str, bytes], changes: dict[str, Any], claim: str, said: str
) -> None:
    found = broken(files, dataclasses.replace(FOLDER, **changes), SINGLE)
    assert found.keys() == {claim}
    assert said in found[claim]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("odd", ["POST http://127.0.0.1/x"], "it keeps POST http://127.0.0.1/x"),
        ("kept", {"app.css": "0" * 64}, "its cache holds app.css"),
        ("kept", {"cat.png": "0" * 64}, "its cache holds cat.png"),
        ("caches", ["edgecnn http://127.0.0.1:80/ cat"], "a cache is called edgecnn http"),
        ("headers", ["x-label"], "an answer is kept with x-label"),
        ("databases", ["frames"], "database: frames"),
        ("local", ["last"], "local storage: last"),
        ("session", ["last"], "session storage: last"),
        ("cookies", "last=cat", "cookies: last=cat"),
        ("files", ["frame"], "file system: frame"),
        ("buckets", ["last"], "storage bucket: last"),
    ],
)
def test_a_finding_in_what_is_stored(
    files: dict[str, bytes], key: str, value: object, said: str
) -> None:
    folder = dataclasses.replace(FOLDER, stored={**FOLDER.stored, key: value})
    found = broken(files, folder, SINGLE)
    assert found.keys() == {"images-not-stored"}
    assert said in found["images-not-stored"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"outside": ("used RTCPeerConnection",)}, "it asked elsewhere: used RTCPeerConnection"),
        ({"attempts": {"fetch": None}}, "fetch was not refused by the policy"),
        ({"arrived": ("image",)}, "image went out"),
        ({"answers": {"picture.png": "dog"}}, "the folder {'picture.png': 'cat'}"),
    ],
)
def test_a_finding_in_the_single_file(
    files: dict[str, bytes], changes: dict[str, Any], said: str
) -> None:
    found = broken(files, FOLDER, dataclasses.replace(SINGLE, **changes))
    assert found.keys() == {"single-file"}
    assert said in found["single-file"]


def test_a_bundle_of_another_edgecnn_is_not_compared(files: dict[str, bytes]) -> None:
    record = json.loads(files["privacy.json"])
    other = {**files, "privacy.json": json.dumps({**record, "made": "edgecnn 99, now"}).encode()}
    outcomes = {one.id: one for one in judge_web(Seen(files=other, folder=FOLDER, single=SINGLE))}
    assert outcomes["own-files"].state == "not checked"
    assert "made by edgecnn 99" in outcomes["own-files"].evidence
    checked = Checked(
        subject="0",
        architecture=None,
        bundle_architecture="any",
        setting="opened",
        outcomes=tuple(outcomes.values()),
    )
    error = web_exit_error(checked, "x")
    assert error is not None
    assert "package it anew" in str(error.remedy)
    assert "chromium" not in str(error)
    without = tuple(unchecked_web("Chromium is not installed"))
    error = web_exit_error(dataclasses.replace(checked, outcomes=without), "x")
    assert error is not None
    assert "chromium" in str(error.remedy)


def test_a_record_that_does_not_say_who_made_it_is_compared(files: dict[str, bytes]) -> None:
    worker = app_sources()[WORKER].encode()
    other = sealed({**files, "privacy.json": b"{}", WORKER: worker})
    assert broken(other, FOLDER, SINGLE) == {}
    assert broken({**other, "app.js": b""}, FOLDER, SINGLE).keys() == {"own-files"}
