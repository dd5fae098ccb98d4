"""What a bundle does on a device, done in a place where all of it is seen."""

from __future__ import annotations

import contextlib
import importlib.resources
import io
import json
import os
import socket
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from edgecnn.package.privacy.place import CheckedPlace
from edgecnn.package.privacy.traced import Traced, written_paths
from edgecnn_runner.errors import UsageError

PICTURES: Final = ("first.jpg", "second.png", "broken.jpg")
"""What there is to classify; the last is no picture."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One program's run, and what it was to do.

    Attributes:
        traced: The run.
        may_write: Paths, as the program sees them, that it was asked to write or remove; one that
            ends in a slash stands for all within.
        code: The exit code that it should end with.
        notify: The socket of a service manager that it was given, as the program sees it.
        written: Paths, as the program sees them, that it made, changed or removed, or tried to.
        changed: Paths, as the program sees them, that are other than before it.
    """

    traced: Traced
    may_write: tuple[str, ...] = ()
    code: int = 0
    notify: str | None = None
    written: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def beyond(self, paths: Sequence[str]) -> list[str]:
        """Return those of some paths that it was not asked to write."""
        return [path for path in paths if not any(_covers(one, path) for one in self.may_write)]


def _covers(allowed: str, path: str) -> bool:
    if allowed.endswith("/"):
        return path.startswith(allowed) or path == allowed[:-1]
    return path == allowed


@dataclass(frozen=True, kw_only=True)
class Runs:
    """All runs of a bundle.

    Attributes:
        all: In the order in which they were done.
        lines: What was printed and written as results: one JSON object each.
        attempts: What was tried, and how it ended, as the program ``attempts`` prints it; empty if
            that did not end well.
        left: What is there after the end that was not there before the installation, but for
            the results, and the pictures that were collected.
        collected: What the folder of collected pictures held after each run that was to fill it,
            and after the removal; empty where the bundle may collect nothing.
    """

    all: tuple[Run, ...]
    lines: tuple[Mapping[str, Any], ...]
    attempts: Mapping[str, str]
    left: tuple[str, ...]
    collected: tuple[Collected, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Collected:
    """What was in the folder of collected pictures at one time.

    Attributes:
        after: The run before it.
        files: How many files were there.
        pictures: How many of them the bundle made, and not the check.
        wrong: What is not as claimed of them, in words.
    """

    after: str
    files: int
    pictures: int
    wrong: tuple[str, ...]


RUNS: Final = 8
"""So many programs are run."""

COLLECTING_RUNS: Final = 5
"""So many more, where the bundle may collect."""

COLLECTED: Final = "collected"
"""The folder that pictures are collected in while the bundle is checked."""


def run_bundle(
    place: CheckedPlace,
    *,
    model: str,
    python: str,
    at_most: int | None = None,
    begin: Callable[[str], object] = lambda _: None,
) -> Runs:
    """Install a bundle, use it in every way, and uninstall it.

    Args:
        place: With the bundle in ``bundle``.
        model: The model's name.
        python: The version of the Python that it is for.
        at_most: How many pictures it may collect, in ``COLLECTED``; None if it may not.
        begin: Is told of each program before it is run.
    """
    doing = _Doing(place, begin)
    pictures, inbox, out = (doing.made(name) for name in ("pictures", "inbox", "out"))
    for name in PICTURES:
        for folder in (pictures, inbox):
            (folder / name).write_bytes(_picture(name))
    attempts = place.folder / "attempts.py"
    source = importlib.resources.files("edgecnn.package.privacy") / "attempts.py"
    attempts.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    bundle, prefix = place.folder / "bundle", place.folder / "prefix"
    program = prefix / model / "current/bin/edgecnn-run"
    results = {name: out / f"{name}.jsonl" for name in ("watch", "camera")}
    collected: list[Collected] = []
    printed: list[str] = []
    tries: tuple[str | Path, ...] = (out / "never",)
    if at_most is not None:
        tries = (*tries, place.folder / COLLECTED, str(at_most))
    with _service_manager(place.folder / "notify"):
        doing.begin()
        doing.run("install.sh", [bundle / "install.sh", "--prefix", prefix, "--json"], f"{prefix}/")
        doing.run("selftest", [program, "selftest", "--json"])
        good = [pictures / name for name in PICTURES[:2]]
        counted = str(len(PICTURES))
        classified = doing.run("classify", (program, "classify", *good, "--json"))
        doing.run(
            "watch",
            (
                program,
                "watch",
                inbox,
                "--delete-after",
                "--count",
                counted,
                "--interval",
                "0.1",
                "--output",
                results["watch"],
            ),
            *(str(inbox / name) for name in PICTURES),
            str(results["watch"]),
            notify=place.folder / "notify",
        )
        camera: tuple[str | Path, ...] = (program, "camera", "--source", pictures)
        doing.run("camera", (*camera, "--output", results["camera"]), str(results["camera"]))
        shown = doing.run("camera to standard output", camera)
        if at_most is not None:
            printed = _collect(doing, program, place.folder, at_most, collected)
        release = prefix / model / "current"
        tried = doing.run(
            "attempts",
            (f"python{python}", "-I", "-B", attempts, release / "runner", release / "lib", *tries),
            *(() if at_most is None else (f"{place.folder / COLLECTED}/",)),
        )
        remove = (release / "install.sh", "--uninstall", "--purge", "--json")
        there = _names(place.folder / COLLECTED)
        doing.run("uninstall", remove, f"{prefix}/")
        if at_most is not None:
            collected.append(_looked_at(place.folder / COLLECTED, "uninstall", there))
    texts = [shown.stdout, *printed, *(_text(path) for path in results.values())]
    return Runs(
        all=tuple(doing.runs),
        lines=(*_rows(classified.stdout), *(row for text in texts for row in _lines(text))),
        attempts=_object(tried.stdout),
        left=tuple(
            doing.left(
                except_for=[str(path) for path in results.values()],
                within=[inbox, place.folder / COLLECTED, place.folder / "frames"],
            )
        ),
        collected=tuple(collected),
    )


def _collect(
    doing: _Doing, program: Path, place: Path, at_most: int, collected: list[Collected]
) -> list[str]:
    """Let a bundle collect, also where it is full and where it may not; return what it printed."""
    frames, folder, elsewhere = doing.made("frames"), place / COLLECTED, place / "elsewhere"
    for index in range(_FRAMES):
        (frames / f"{index}.png").write_bytes(_noise(index, "PNG"))
    doing.look()

    def run(name: str, where: Path, most: int, *, code: int = 0) -> str:
        command = (program, "camera", "--source", frames, "--collect", where, "--every", "1")
        # Made for its owner alone, who is the one that runs this.
        done = doing.run(name, (*command, "--at-most", str(most)), f"{folder}/", code=code)
        return done.stdout

    printed = [run("camera, collecting", folder, at_most)]
    collected.append(_looked_at(folder, "camera, collecting"))
    if folder.is_dir():
        for index in range(len(_names(folder)), at_most - 1):
            (folder / f"{_FILLING}{index}").write_bytes(b"")
        doing.look()
    there = _names(folder)
    for name in ("collecting, after a restart", "collecting, full"):
        printed.append(run(name, folder, at_most))
        collected.append(_looked_at(folder, name, there))
        there = _names(folder)
    run("collecting elsewhere", elsewhere, at_most, code=UsageError.exit_code)
    run("collecting more", folder, at_most + 1, code=UsageError.exit_code)
    collected.append(_looked_at(folder, "collecting more", there))
    return printed


_FRAMES: Final = 4
_FILLING: Final = "there-before-"
_PNG: Final = b"\x89PNG\r\n\x1a\n"


def _names(folder: Path) -> frozenset[str]:
    return frozenset(os.listdir(folder) if folder.is_dir() else ())  # noqa: PTH208


def _looked_at(folder: Path, after: str, there: frozenset[str] = frozenset()) -> Collected:
    """Look at all that lies in the folder of collected pictures.

    Args:
        folder: The folder.
        after: The run before it.
        there: Names of the files that were there before that run.
    """
    wrong, pictures = [], 0
    if gone := there - _names(folder):
        wrong.append(f"{len(gone)} files were deleted there")
    if not folder.is_dir():
        return Collected(after=after, files=0, pictures=0, wrong=tuple(wrong))
    if stat.S_IMODE(folder.stat().st_mode) != 0o700:
        wrong.append(f"others can look into {folder.name}")
    names = sorted(_names(folder))
    for path in (folder / name for name in names if not name.startswith(_FILLING)):
        status = path.lstat()
        data = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        # The attempts leave a file of another kind where nothing keeps them from it.
        pictures += data.startswith(_PNG)
        if not stat.S_ISREG(status.st_mode) or stat.S_IMODE(status.st_mode) != 0o600:
            wrong.append(f"{path.name} is {stat.filemode(status.st_mode)}")
        elif not _is_plain_png(data):
            wrong.append(f"{path.name} is no PNG file of pixels alone")
    return Collected(after=after, files=len(names), pictures=pictures, wrong=tuple(wrong))


def _is_plain_png(data: bytes) -> bool:
    """Tell a PNG file that holds size and pixels, and nothing else (PNG, third edition, 5.6)."""
    if not data.startswith(_PNG):
        return False
    at, kinds = 8, []
    while at + 12 <= len(data):
        kinds.append(data[at + 4 : at + 8])
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return (
        at == len(data)
        and kinds[:1] == [b"IHDR"]
        and kinds[-1:] == [b"IEND"]
        and set(kinds[1:-1]) == {b"IDAT"}
    )


class _Doing:
    """Runs one program after the other, and looks at the files in between."""

    def __init__(self, place: CheckedPlace, begin: Callable[[str], object]) -> None:
        self._place, self._begin = place, begin
        self.runs: list[Run] = []
        self._first: Snapshot = {}
        self._last: Snapshot = {}

    def made(self, name: str) -> Path:
        folder = self._place.folder / name
        folder.mkdir()
        return folder

    def begin(self) -> None:
        self._first = self._last = self._look()

    def look(self) -> None:
        """See what the check itself has changed since the last run."""
        self._last = self._look()

    def run(
        self,
        name: str,
        command: Sequence[str | Path],
        *may_write: str,
        code: int = 0,
        notify: Path | None = None,
    ) -> Traced:
        place = self._place
        self._begin(name)
        environment = {} if notify is None else {"NOTIFY_SOCKET": place.inside(notify)}
        done = place.run(name, command, **environment)
        now = self._look()
        changed = tuple(self._inside(path) for path in differences(self._last, now))
        self._last = now
        self.runs.append(
            Run(
                traced=done,
                may_write=tuple(self._inside(path) for path in may_write),
                code=code,
                notify=environment.get("NOTIFY_SOCKET"),
                written=tuple(written_paths(done.calls, root=place.root)),
                changed=changed,
            )
        )
        return done

    def left(self, *, except_for: list[str], within: list[Path]) -> list[str]:
        """Return what is other than in the beginning, but for results, and within some folders."""
        paths = differences(self._first, self._last)
        return [
            self._inside(path)
            for path in paths
            if path not in except_for and not any(_covers(f"{one}/", path) for one in within)
        ]

    def _inside(self, path: str) -> str:
        root = self._place.root
        return path if root is None else path.removeprefix(str(root))

    def _look(self) -> Snapshot:
        root = self._place.root
        if root is None:
            return take_snapshot(self._place.folder)
        return take_snapshot(root, without=tuple(root / name for name in ("proc", "sys", "dev")))


def _picture(name: str) -> bytes:
    """Return the bytes of one of the pictures: noise, which no two files share by chance."""
    if name == "broken.jpg":
        return b"\xff\xd8 no picture"
    return _noise(len(name), "PNG" if name.endswith("png") else "JPEG")


def _noise(seed: int, kind: str) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    written = io.BytesIO()
    Image.fromarray(noise).save(written, kind)
    return written.getvalue()


@contextlib.contextmanager
def _service_manager(path: Path) -> Iterator[None]:
    """Listen as a service manager does; what it is told does not matter."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        yield


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _lines(text: str) -> Iterator[Mapping[str, Any]]:
    for line in text.splitlines():
        yield _object(line)


def _object(text: str) -> Mapping[str, Any]:
    """Return a JSON object; what is none stays in sight as a key that nothing declares."""
    try:
        found = json.loads(text)
    except ValueError:
        return {"no JSON": text[:80]}
    return found if isinstance(found, dict) else {"no object": str(found)[:80]}


def _rows(text: str) -> Iterator[Mapping[str, Any]]:
    try:
        rows = json.loads(text)
    except ValueError:
        rows = []
    yield from (row for row in rows if isinstance(row, dict))


Snapshot = Mapping[str, tuple[int, ...]]
"""Path to type and mode, size, time of the last change of content, and inode."""


def take_snapshot(*folders: Path, without: tuple[Path, ...] = ()) -> Snapshot:
    """Look at everything in some folders.

    Args:
        folders: Where.
        without: Folders and files to leave out, as ``/proc`` and what is not the program's doing.
    """
    left_out = {os.fspath(path) for path in without}
    return {path: state for folder in folders for path, state in _walk(os.fspath(folder), left_out)}


def _walk(folder: str, left_out: set[str]) -> Iterator[tuple[str, tuple[int, ...]]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.path in left_out:
                continue
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                # Its time says that an entry came or went, which the entries say by themselves.
                yield entry.path, (status.st_mode,)
                yield from _walk(entry.path, left_out)
            else:
                yield (
                    entry.path,
                    (status.st_mode, status.st_size, status.st_mtime_ns, status.st_ino),
                )


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    """Return the paths that were made, changed or removed, in order."""
    return sorted(
        path for path in before.keys() | after.keys() if before.get(path) != after.get(path)
    )
