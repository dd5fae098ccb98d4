"""The claims of a web bundle, and what its sessions in a browser say of each."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from edgecnn.package.privacy.claims import Claim, Outcome
from edgecnn.package.privacy.web_session import FolderSession, SingleSession
from edgecnn.package.web.sources import WORKER, modules_of

__all__ = ["Seen", "judge_web", "other_ways", "refusals", "unchecked_web"]

# Ways out of a page that its policy has no word for (CSP level 3): code that has none of these
# names cannot take them.
_OTHER_WAYS: Final = re.compile(
    r"\b(?:RTCPeerConnection|webkitRTCPeerConnection|WebTransport)\b"
    r"|\b(?:window|self|globalThis)\.open\b|\blocation\.(?:assign|replace)\b"
    r"|\blocation(?:\.href)?\s*=[^=]|\bnavigator\.share\b|\.ping\s*="
)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """All that was seen of a bundle.

    Attributes:
        files: The bundle.
        folder: Session with the folder.
        single: Session with the single file.
    """

    files: Mapping[str, bytes]
    folder: FolderSession
    single: SingleSession


def judge_web(seen: Seen) -> list[Outcome]:
    """Return what the sessions say of each claim."""
    return [claim.judged(seen) for claim in _CLAIMS]


def unchecked_web(reason: str) -> list[Outcome]:
    """Return the claims as they stand where no browser could be run.

    Args:
        reason: Why.
    """
    return [claim.outcome("not checked", reason) for claim in _CLAIMS]


def _requests(seen: Seen) -> tuple[list[str], str]:
    session = seen.folder
    wrong = [f"it asked elsewhere: {line}" for line in session.outside]
    for line in session.asked:
        found = re.fullmatch(r'"GET /([\w./-]*) HTTP/1\.1" (200|304) -', line)
        if found is None or (found[1] or "index.html") not in seen.files:
            wrong.append(f"it asked its server for more than its files: {line}")
    return wrong, "nothing was asked for but the bundle's own files, by GET, with no query"


def _sends(seen: Seen) -> tuple[list[str], str]:
    return refusals(seen.folder.attempts, seen.folder.arrived)


def refusals(attempts: Mapping[str, str | None], arrived: Sequence[str]) -> tuple[list[str], str]:
    """Return what is wrong with how attempts to send ended, and what is said if nothing is.

    Args:
        attempts: See ``FolderSession``.
        arrived: See ``FolderSession``.
    """
    wrong = [f"{name} went out" for name in arrived]
    wrong += [
        f"{name} was not refused by the policy"
        for name, directive in attempts.items()
        if directive is None and name not in arrived
    ]
    return wrong, f"{len(attempts)} ways tried, each refused by the policy, none arrived: " + (
        ", ".join(attempts)
    )


def _images(seen: Seen) -> tuple[list[str], str]:
    stored = seen.folder.stored
    wrong = [f"it keeps {name}" for name in stored["odd"]]
    for name, digest in stored["kept"].items():
        if hashlib.sha256(seen.files.get(name, b"")).hexdigest() != digest:
            wrong.append(f"its cache holds {name}, which is no file of the app")
    for what, key in (
        ("database", "databases"), ("local storage", "local"), ("session storage", "session"),
        ("file system", "files"),
    ):  # fmt: skip
        wrong += [f"{what}: {name}" for name in stored[key]]
    if stored["cookies"]:
        wrong.append(f"cookies: {stored['cookies']}")
    return wrong, (
        f"after camera and pictures: {len(stored['kept'])} files of the app in the cache, each "
        "unchanged; no database, no local or session storage, no cookie, no private file system"
    )


def _offline(seen: Seen) -> tuple[list[str], str]:
    session = seen.folder
    wrong = []
    if not session.refused:
        wrong.append("the server could not be ended, so nothing was shown")
    if session.offline is None:
        wrong.append("it did not start again without its server")
    elif session.offline != session.answers:
        wrong.append(f"it answered {session.offline}, and with its server {session.answers}")
    return wrong, (
        "server ended, its port refused connections, page loaded again: the same answers to "
        f"{len(session.answers)} pictures"
    )


def _single(seen: Seen) -> tuple[list[str], str]:
    session = seen.single
    wrong, good = refusals(session.attempts, session.arrived)
    wrong += [f"it asked elsewhere: {line}" for line in session.outside]
    if session.answers != seen.folder.answers:
        wrong.append(f"it answered {session.answers}, the folder {seen.folder.answers}")
    return wrong, f"opened from a disk, it classified as the folder did; {good}"


def _other_ways(seen: Seen) -> tuple[list[str], str]:
    texts = {name: data.decode() for name, data in seen.files.items() if name.endswith(".js")}
    wrong = other_ways(texts)
    own = [name for name in (*modules_of(texts), WORKER) if "/" not in name]
    return wrong, f"{len(own)} scripts of the app and {len(texts) - len(own)} of the runtime"


def other_ways(texts: Mapping[str, str]) -> list[str]:
    """Say which texts name a way out of a page that its policy does not cover."""
    return [
        f"{name} has {found[0].strip()}"
        for name, text in sorted(texts.items())
        if (found := _OTHER_WAYS.search(text)) is not None
    ]


_CLAIMS: Final[tuple[Claim[Seen], ...]] = (
    Claim(
        "own-origin",
        "No request leaves the server that the app came from, and that one gets none but for the "
        "app's own files.",
        "A whole session on an emulated phone: start, self-test, camera, pictures, results saved, "
        "privacy page; all of the browser's traffic through a proxy that notes it.",
        _requests,
    ),
    Claim(
        "sends-refused",
        "The browser refuses what would send anything to another origin.",
        "In the app's page, each way of sending that a page has is tried; the browser says what "
        "its policy refuses, and the proxy, what arrives.",
        _sends,
    ),
    Claim(
        "images-not-stored",
        "No image and no result is stored; in the browser's storage lies the app and nothing else.",
        "After the session, all that a page can store is listed, and each kept file compared with "
        "the bundle by SHA-256.",
        _images,
    ),
    Claim(
        "offline",
        "Once opened, it works without its server and without a network.",
        "The server is ended, that its port refuses connections is made sure of, and the page is "
        "loaded again.",
        _offline,
    ),
    Claim(
        "single-file",
        "The single file cannot connect to anything at all.",
        "It is opened from a disk, used as the folder is, and each way of sending is tried in it.",
        _single,
    ),
    Claim(
        "no-other-way",
        "No script names one of the ways out that a page's policy does not cover: WebRTC, "
        "WebTransport, leaving the page, other windows, sharing.",
        "The text of every script is searched for their names.",
        _other_ways,
    ),
)
