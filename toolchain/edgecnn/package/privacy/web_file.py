"""Check what can be checked of a web bundle's single file alone, without the folder it was made of.

What is claimed of the folder stays unchecked: the file does not hold it.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import hashlib
import json
import re
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from edgecnn.errors import BundleError, EdgeError, PackageError
from edgecnn.package.privacy.again import web_exit_error
from edgecnn.package.privacy.browser import why_no_browser
from edgecnn.package.privacy.claims import Checked, Claim
from edgecnn.package.privacy.web import CONNECTS, other_ways, refusals, unchecked_web
from edgecnn.package.privacy.web_check import sample_pictures
from edgecnn.package.privacy.web_session import (
    SessionError,
    SingleSession,
    refusal_to_start,
    single_session,
)
from edgecnn.package.web.single import packed
from edgecnn.progress import NO_PROGRESS, Progress

_LARGEST: Final = 1 << 30
_PLACE: Final = "a browser"
_GOLDEN: Final = "golden.json"
_RESOURCE: Final = re.compile(
    r'<script type="text/plain" id="resource:([^"]*)">([A-Za-z0-9+/=]*)</script>'
)
_FOLDERS: Final = "it is about the folder, which the file does not hold: edgecnn privacy FOLDER"


def is_page(path: Path) -> bool:
    """Tell whether a path is that of one HTML file."""
    return path.suffix.lower() in (".html", ".htm") and path.is_file()


def check_file(path: Path, *, progress: Progress = NO_PROGRESS) -> Checked:
    """Check the claims of a single file that need nothing but itself.

    Args:
        path: The file.
        progress: Says what is done.

    Returns:
        Those claims; and those of its folder, not checked.

    Raises:
        BundleError: If it is no single file of a web bundle.
        PackageError: If its app does not work in this machine's browser.
    """
    page = _read(path)
    progress.message(f"{path}: opening it in a browser")
    reason = why_no_browser()
    sessions = None
    if reason is None:
        try:
            sessions = _opened(path, page)
        except _NoSessionError as error:
            reason = str(error)
    outcomes = [_WAYS.judged(page)]
    if sessions is None:
        outcomes += [one.outcome("not checked", reason or "") for one in _SESSIONS]
        setting = f"nothing was run: {reason}"
    else:
        outcomes += [one.judged(sessions) for one in _SESSIONS]
        version = sessions.used.browser.partition(".")[0]
        setting = f"the file itself, in {version} as an emulated phone"
    own = [one.id for one in outcomes]
    return Checked(
        subject=hashlib.sha256(page.data).hexdigest(),
        architecture=None if sessions is None else _PLACE,
        bundle_architecture=_PLACE,
        setting=setting,
        outcomes=(*outcomes, *(one for one in unchecked_web(_FOLDERS) if one.id not in own)),
    )


def file_exit_error(checked: Checked, named: str) -> EdgeError | None:
    """Return the error that a check of a file amounts to; None if all that is its own held."""
    ids = {_WAYS.id, *(one.id for one in _SESSIONS)}
    own = tuple(one for one in checked.outcomes if one.id in ids)
    return web_exit_error(replace(checked, outcomes=own), named)


@dataclass(frozen=True, kw_only=True)
class _Page:
    """A single file; ``golden`` is what it tests itself by, and ``pictures`` are made of that."""

    data: bytes
    text: str
    golden: dict[str, Any]
    pictures: dict[str, bytes]


@dataclass(frozen=True, kw_only=True)
class _Sessions:
    """What was seen of it in use, and why a copy that expects other answers refused to start."""

    used: SingleSession
    refusal: str | None


def _read(path: Path) -> _Page:
    try:
        if path.stat().st_size > _LARGEST:
            raise _no_page(path, "a file larger than any")
        data = path.read_bytes()
        text = data.decode()
        packed_golden = dict(_RESOURCE.findall(text))[_GOLDEN]
        golden = json.loads(gzip.decompress(base64.b64decode(packed_golden)))
        pictures = sample_pictures({_GOLDEN: json.dumps(golden).encode()})
        if not [one for one in golden["images"] if one.get("top") is not None]:
            raise _no_page(path, f"no answers in its {_GOLDEN}")
    except OSError as error:
        raise _no_page(path, error.strerror or str(error)) from error
    except KeyError as error:
        raise _no_page(path, f"no {error.args[0]} in it") from error
    except (ValueError, TypeError, AttributeError, EOFError, zlib.error, binascii.Error) as error:
        raise _no_page(path, f"{type(error).__name__}: {error}") from error
    return _Page(data=data, text=text, golden=golden, pictures=pictures)


class _NoSessionError(Exception):
    """The browser failed; the message says how."""


def _opened(path: Path, page: _Page) -> _Sessions:
    from playwright.sync_api import Error

    try:
        return _Sessions(
            used=single_session(page.data, page.pictures),
            refusal=refusal_to_start(_expecting_others(page)),
        )
    except SessionError as error:
        raise PackageError(
            f"{path} does not work in this machine's browser",
            observed=str(error),
            expected="an app that starts, and classifies",
            remedy="make it anew, if it was changed: edgecnn package BUILD --target web",
        ) from error
    except Error as error:
        raise _NoSessionError(" ".join(str(error).split())[:300]) from error


def _expecting_others(page: _Page) -> bytes:
    """Return the page with another expected class for each image that has one."""
    images = [
        one if one.get("top") is None else {**one, "top": 0 if one["top"] else 1}
        for one in page.golden["images"]
    ]
    other = packed(json.dumps({**page.golden, "images": images}).encode())
    return _RESOURCE.sub(
        lambda found: found[0].replace(found[2], other) if found[1] == _GOLDEN else found[0],
        page.text,
    ).encode()


def _connects(sessions: _Sessions) -> tuple[list[str], str]:
    wrong, good = refusals(sessions.used.attempts, sessions.used.arrived)
    wrong += [f"it asked elsewhere: {line}" for line in sessions.used.outside]
    return wrong, f"opened from a disk, it classified pictures; {good}"


def _tests_itself(sessions: _Sessions) -> tuple[list[str], str]:
    if sessions.refusal is None:
        return ["a copy that expects other answers of itself works all the same"], ""
    said = sessions.refusal.partition(". ")[0]
    return [], f"it works as it is; of the copy: {said}"


def _names_ways(page: _Page) -> tuple[list[str], str]:
    bare = _RESOURCE.sub("", page.text)
    wrong = other_ways({"it": bare}, {"it": bare})
    return wrong, f"{len(bare):,} characters of page, style and scripts"


def _no_page(path: Path, observed: str) -> BundleError:
    return BundleError(
        f"{path} is no single file of a web bundle",
        observed=observed,
        expected="an HTML file that edgecnn package BUILD --target web made",
        remedy="name that file; it is called MODEL-VERSION-classifier.html",
    )


_WAYS: Final[Claim[_Page]] = Claim(
    "no-other-way",
    "It names none of the ways out that a page's policy does not cover: WebRTC, leaving the page, "
    "other windows, sharing.",
    "All of its text is searched for their names, but for what is packed in it as data. That finds "
    "mistakes and is no proof.",
    _names_ways,
)
_SESSIONS: Final[tuple[Claim[_Sessions], ...]] = (
    Claim(
        "single-file",
        CONNECTS,
        "It is opened from a disk, used with camera and pictures, and each way of making a request "
        "is tried in it.",
        _connects,
    ),
    Claim(
        "self-test",
        "It tests itself at each start, and does not work where it answers otherwise than it "
        "should.",
        "It is opened as it is, and as a copy that expects other answers of itself.",
        _tests_itself,
    ),
)
