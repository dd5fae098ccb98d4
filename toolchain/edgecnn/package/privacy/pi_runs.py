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

PICTURES: Final = ("first.jpg", "second.png", "broken.jpg")
"""What there is to classify; the last is no picture."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One program's run, and what it was to do.

    Attributes:
        traced: The run.
        may_write: Paths, as the program sees them, that it was asked to write or remove; one that
            ends in a slash stands for all within.
        notify: The socket of a service manager that it was given, as the program sees it.
        written: Paths, as the program sees them, that it made, changed or removed, or tried to.
        changed: Paths, as the program sees them, that are other than before it.
    """

    traced: Traced
    may_write: tuple[str, ...] = ()
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
            the results.
    """

    all: tuple[Run, ...]
    lines: tuple[Mapping[str, Any], ...]
    attempts: Mapping[str, str]
    left: tuple[str, ...]


RUNS: Final = 8
"""So many programs are run."""


def run_bundle(
    place: CheckedPlace,
    *,
    model: str,
    python: str,
    begin: Callable[[str], object] = lambda _: None,
) -> Runs:
    """Install a bundle, use it in every way, and uninstall it.

    Args:
        place: With the bundle in ``bundle``.
        model: The model's name.
        python: The version of the Python that it is for.
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
        release = prefix / model / "current"
        tried = doing.run(
            "attempts",
            (f"python{python}", "-I", "-B", attempts, release / "runner", release / "lib",
             out / "never"),
        )  # fmt: skip
        remove = (release / "install.sh", "--uninstall", "--purge", "--json")
        doing.run("uninstall", remove, f"{prefix}/")
    texts = [shown.stdout, *(_text(path) for path in results.values())]
    return Runs(
        all=tuple(doing.runs),
        lines=(*_rows(classified.stdout), *(row for text in texts for row in _lines(text))),
        attempts=_object(tried.stdout),
        left=tuple(doing.left(except_for=[str(path) for path in results.values()], inbox=inbox)),
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

    def run(
        self,
        name: str,
        command: Sequence[str | Path],
        *may_write: str,
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
                notify=environment.get("NOTIFY_SOCKET"),
                written=tuple(written_paths(done.calls, root=place.root)),
                changed=changed,
            )
        )
        return done

    def left(self, *, except_for: list[str], inbox: Path) -> list[str]:
        """Return what is other than in the beginning, but for results and watched pictures."""
        paths = differences(self._first, self._last)
        return [
            self._inside(path)
            for path in paths
            if path not in except_for and not path.startswith(f"{inbox}/")
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
    noise = np.random.default_rng(len(name)).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    written = io.BytesIO()
    Image.fromarray(noise).save(written, "PNG" if name.endswith("png") else "JPEG")
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
