"""The claims of a web bundle, and what its sessions in a browser say of each."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from edgecnn import __version__
from edgecnn.package.privacy.claims import RECORD, CannotCheckError, Claim, Outcome
from edgecnn.package.privacy.web_session import FolderSession, SingleSession
from edgecnn.package.web.contents import sealed, version_of
from edgecnn.package.web.sources import WORKER, app_sources, modules_of
from edgecnn.package.web.vendor import read_vendor
from edgecnn.serve.policy import PAGE

# Of an answer of the session's server.
_HEADERS: Final = frozenset(
    {"cache-control", "connection", "content-length", "content-type", "date", "etag", "keep-alive",
     "server"}
)  # fmt: skip


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
        attempts: Way of sending to the directive that refused it; None where none did.
        arrived: Ways whose attempt was seen outside.
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
        if _sha256(seen.files.get(name, b"")) != digest:
            wrong.append(f"its cache holds {name}, which is no file of the app")
    # The one cache is called by the app's scope and version.
    own = rf"edgecnn http://127\.0\.0\.1:\d+/ {version_of(seen.files)}"
    wrong += [
        f"a cache is called {name}" for name in stored["caches"] if not re.fullmatch(own, name)
    ]
    odd = sorted({*stored["headers"]} - _HEADERS)
    wrong += [f"an answer is kept with {name}, which its server did not send" for name in odd]
    for what, key in (
        ("database", "databases"), ("local storage", "local"), ("session storage", "session"),
        ("file system", "files"), ("storage bucket", "buckets"),
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
    wrong = other_ways(texts, {PAGE: seen.files[PAGE].decode()})
    own = [name for name in (*modules_of(texts), WORKER) if "/" not in name]
    others = len(texts) - len(own)
    return wrong, f"the page, {len(own)} scripts of the app and {others} of the runtime"


OWN_FILES: Final = "own-files"
"""The claim that takes the edgecnn which made the bundle."""


def _own_files(seen: Seen) -> tuple[list[str], str]:
    made = str(json.loads(seen.files[RECORD]).get("made", "")).partition(",")[0]
    if made not in ("", f"edgecnn {__version__}"):
        raise CannotCheckError(
            f"made by {made}, and compared could only be with edgecnn {__version__}"
        )
    sources = {name: text.encode() for name, text in app_sources().items()}
    sources[WORKER] = sealed({**seen.files, WORKER: sources[WORKER]})[WORKER]  # filled in
    vendor = read_vendor()
    own = {name: _sha256(data) for name, data in sources.items()}
    own |= {f"vendor/{file.name}": file.sha256 for file in vendor.files}
    code = {name for name in seen.files if name.endswith((".js", ".html", ".css", ".wasm"))}
    wrong = [
        f"{name} is not edgecnn's"
        for name in sorted({*code, *own})
        if _sha256(seen.files.get(name, b"")) != own.get(name)
    ]
    return wrong, f"{len(sources)} files of the app, {len(vendor.files)} of the runtime"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


CONNECTS: Final = (
    "The single file makes no request of anything, and the browser refuses every one it could make."
)
"""What is claimed of a single file, also where it is all there is."""

_CLAIMS: Final[tuple[Claim[Seen], ...]] = (
    Claim(
        "own-origin",
        "No request leaves the server that the app came from, and that one gets none but for the "
        "app's own files.",
        "A whole session on an emulated phone: start, self-test, camera, pictures, results saved, "
        "privacy page, and once more without its server; what the browser asks for goes through a "
        "proxy that notes it, and calls of WebRTC, other windows and sharing are noted, too.",
        _requests,
    ),
    Claim(
        "sends-refused",
        "The browser refuses every request that the page could make of another origin.",
        "In the app's page, each way is tried; the browser says what its policy refuses, and the "
        "proxy, what arrives. Leaving the page and WebRTC are no requests of that kind: see the "
        "last claims.",
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
        CONNECTS,
        "It is opened from a disk, used as the folder is, and each way of making a request is "
        "tried in it.",
        _single,
    ),
    Claim(
        "no-other-way",
        "Neither page nor scripts name a way out that a page's policy does not cover: WebRTC, "
        "leaving the page, other windows, sharing.",
        "Their texts are searched for the names, which finds mistakes and is no proof; and in the "
        "sessions, each use of one counts as a request to elsewhere.",
        _other_ways,
    ),
    Claim(
        OWN_FILES,
        "Page, scripts, style and runtime are those of edgecnn, unchanged.",
        "Each is compared with the installed edgecnn's, the runtime's by its pinned SHA-256.",
        _own_files,
    ),
)

CLAIMS: Final = tuple(claim.claim for claim in _CLAIMS)
"""All that is claimed of a web bundle, in words."""

# A search finds what is there by mistake, and is no proof: a name can be put together when it runs.

# Not WebTransport: connect-src is about that (CSP level 3, 6.1.2).
_IN_SCRIPTS: Final = re.compile(
    r"\b(?:webkit)?RTC(?:PeerConnection|DataChannel)\b"
    r"|\b(?:window|self|globalThis|parent|top|opener)\s*(?:\?\.|\.)\s*open\b"
    r"|(?<![\w.$])open\s*\("
    r"|\blocation\s*(?:\?\.|\.)\s*(?:assign|replace)\b"
    r"|\blocation\s*(?:\.\s*href\s*)?=(?!=)"
    r"|\blocation\s*\["
    r"|\bnavigator\s*(?:\?\.|\.)\s*share\b"
    r"|\.\s*ping\s*="
    r"|\bhttpEquiv\b"
    r"|[\"'`](?:ping|http-equiv|RTCPeerConnection)[\"'`]"
    r"|\[\s*[\"'`](?:open|share|href)[\"'`]\s*\]"
)
_IN_MARKUP: Final = re.compile(
    r"""<meta\s[^>]*http-equiv\s*=\s*["']?(?!Content-Security-Policy)[\w-]+"""
    r"""|<a(?:rea)?\s[^>]*\bping\s*="""
    r"""|<link\s[^>]*\brel\s*=\s*["']?(?:dns-prefetch|preconnect|prefetch|prerender)\b"""
    r"""|<[a-z][^>]*\s(?:href|src|srcset|action|formaction|data|poster)\s*=\s*["']?\s*"""
    r"""(?:https?:)?//""",
    re.IGNORECASE,
)


def other_ways(scripts: Mapping[str, str], markup: Mapping[str, str]) -> list[str]:
    """Say which texts name a way out of a page that its policy does not cover.

    Args:
        scripts: Name to text.
        markup: Name to text of pages.

    Returns:
        One sentence for each text that names any, in the order of the names.
    """
    return [
        f"{name} has {' '.join(found[0].split())}"
        for texts, pattern in ((scripts, _IN_SCRIPTS), (markup, _IN_MARKUP))
        for name, text in sorted(texts.items())
        if (found := pattern.search(text)) is not None
    ]
