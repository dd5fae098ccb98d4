"""Keeps some of the frames that a stream saw, in one folder, with the consent of who asked for it.

Off unless ``--collect`` asks for it. A bundle permits it only if it was made for it
(``edgecnn package --collect``): its manifest then names the folder, and how many pictures there may
be. The pictures are for ``edgecnn verify --unlabelled``, which compares the float model's answers
with a file's, and needs no labels for that.

Kept is the **model's own view**: the frame as it is once it has the model's size. It holds the
least of a scene that serves, and ``verify`` feeds the very same bytes, since resizing leaves a
picture of that size as it is. A rule that crops again (``centre-crop-0.875``) would not, so the
whole frame is kept there. Files are lossless PNG without metadata; their names are random.

A picture appears whole or not at all: it is written as ``.frame.part``, flushed, and renamed. There
is one such file at most, which a kill or a power cut leaves, and the next start takes it away.
Nothing else is ever removed or written over.
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import stat
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edgecnn_runner.errors import OutputError, UsageError
from edgecnn_runner.files import describe

if TYPE_CHECKING:
    import argparse

    import numpy as np
    import numpy.typing as npt

    from edgecnn_runner.contract import Contract

PART: Final = ".frame.part"
"""The one file that is being written."""

PICTURE: Final = re.compile(r"frame-[0-9a-f]{32}\.png")
"""Names of pictures: 128 random bits, which no two share."""

MOST: Final = 50_000
"""Pictures that may be asked for; ``edgecnn verify --unlabelled`` compares no more."""

_LARGEST_MANIFEST: Final = 16 << 20
_PACKAGE: Final = (
    "edgecnn package BUILD --target pi --collect /var/lib/NAME --collect-every N "
    "--collect-at-most M"
)
_REMEDIES: Final = {
    errno.ENOSPC: "free some space there, or leave out --collect",
    errno.EDQUOT: "free some of your quota, or leave out --collect",
    errno.EROFS: "the file system is read-only: mount it for writing, or leave out --collect",
    errno.ENOENT: "make the folder above it first",
}


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What is kept, and where.

    Attributes:
        folder: Absolute path of the folder.
        every: Every so manieth frame is kept, 1 or more; in a bundle, none more often.
        at_most: Files in the folder in all, 1 to ``MOST``; those that were there count.
    """

    folder: str
    every: int
    at_most: int

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            ValueError: If a value is none of those above.
            TypeError: If it is of another type.
        """
        if not (isinstance(self.folder, str) and type(self.every) is type(self.at_most) is int):
            raise TypeError("terms of collecting that are no text and two whole numbers")
        if not (self.folder.startswith("/") and self.folder.isprintable()):
            raise ValueError(f"{self.folder!a} is no absolute path")
        if self.every < 1 or not 1 <= self.at_most <= MOST:
            raise ValueError(f"every {self.every}, at most {self.at_most}")

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return asdict(self)


def own_bundle() -> Path | None:
    """Return the bundle that this runner lies in; None for one that was installed otherwise."""
    place = Path(__file__).resolve().parents[2]
    return place if (place / "bin/edgecnn-run").is_file() else None


def bundle_terms(bundle: Path) -> Terms | None:
    """Return what a bundle permits to collect; None if it permits nothing.

    Args:
        bundle: Its folder.

    Raises:
        UsageError: If its manifest cannot be read.
    """
    path = bundle / "manifest.json"
    try:
        if path.stat().st_size > _LARGEST_MANIFEST:
            raise ValueError(f"{path.stat().st_size:,} bytes")
        found = json.loads(path.read_bytes()).get("collect")
        return None if found is None else Terms(**found)
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"{path} does not say whether pictures may be collected",
            observed=f"{type(error).__name__}: {error}",
            expected="a bundle's manifest, as edgecnn package writes it",
            remedy="install the bundle again from a fresh copy, or leave out --collect",
        ) from error


def asked_terms(options: argparse.Namespace) -> Terms | None:
    """Return what a command line asks to collect; None if it does not.

    Args:
        options: ``collect``, ``every``, ``at_most``, ``output``, and ``folder`` or ``source``; a
            command without them never collects.

    Raises:
        UsageError: If they do not go together, or the bundle does not permit it.
    """
    given = {
        f"--{name.replace('_', '-')}": getattr(options, name, None)
        for name in ("collect", "every", "at_most")
    }
    if all(value is None for value in given.values()):
        return None
    bundle = own_bundle()
    permitted = None if bundle is None else bundle_terms(bundle)
    if bundle is not None and permitted is None:
        raise UsageError(
            "this bundle was made without collecting, and keeps no image",
            observed=" ".join(name for name, value in given.items() if value is not None),
            expected="no --collect",
            remedy=f"leave it out, or make the bundle able to, on the workstation: {_PACKAGE}",
        )
    missing = [name for name, value in given.items() if value is None]
    if missing and (permitted is None or "--collect" in missing):
        folder = "DIR" if permitted is None else permitted.folder
        raise UsageError(
            "collecting takes a folder, every how manieth frame, and a largest number",
            observed=f"no {' and no '.join(missing)}",
            expected="--collect DIR --every N --at-most M",
            remedy=f"name all of them: --collect {folder} --every 30 --at-most 500",
        )
    every, at_most = options.every, options.at_most
    if permitted is not None:
        every, at_most = every or permitted.every, at_most or permitted.at_most
        _check_permitted(permitted, options.collect, every, at_most)
    if at_most > MOST:
        raise UsageError(
            "so many pictures are not collected",
            observed=f"--at-most {at_most}",
            expected=f"1 to {MOST}",
            remedy=f"ask for fewer: --at-most {MOST}",
        )
    folder = os.path.abspath(options.collect)  # noqa: PTH100 - a link is looked at later
    terms = Terms(folder=folder, every=every, at_most=at_most)
    _check_apart(options, Path(folder))
    return terms


def _check_permitted(permitted: Terms, folder: str, every: int, at_most: int) -> None:
    same = os.path.abspath(folder) == os.path.abspath(permitted.folder)  # noqa: PTH100
    if same and every >= permitted.every and at_most <= permitted.at_most:
        return
    raise UsageError(
        "this bundle does not permit to collect that",
        observed=f"--collect {folder} --every {every} --at-most {at_most}",
        expected=f"--collect {permitted.folder} --every {permitted.every} or more "
        f"--at-most {permitted.at_most} or fewer",
        remedy=f"ask for that, or make another bundle on the workstation: {_PACKAGE}",
    )


def _check_apart(options: argparse.Namespace, folder: Path) -> None:
    """Refuse a folder that is read from, or that the results would lie in."""
    real = os.path.realpath(folder)
    read = getattr(options, "folder", None) or getattr(options, "source", None)
    if read is not None and os.path.realpath(read) == real:
        raise UsageError(
            "pictures cannot be collected in the folder that images are taken from",
            observed=f"both are {real}",
            expected="two folders",
            remedy=f"name another one: --collect {real}-collected",
        )
    if options.output is not None and os.path.realpath(Path(options.output).parent) == real:
        raise UsageError(
            "the results cannot lie among the pictures that are collected",
            observed=f"--output {options.output}, in {real}",
            expected="a folder that holds pictures alone",
            remedy="name another file: --output results.jsonl",
        )


def keeps_view(contract: Contract) -> bool:
    """Tell whether the model's own view is kept; else it is the whole frame.

    Args:
        contract: The model's. A picture of its size must stay as it is under its resize rule.
    """
    from edgecnn_runner.contract import parse_resize

    return parse_resize(contract.resize).fraction == 1000


class Collector:
    """Keeps every so manieth frame of a stream, until the folder holds as many as it may.

    Args:
        terms: What, and where. The folder is made where it is missing, for its owner alone.
        contract: The model's, whose view is kept.

    Attributes:
        folder: The folder's real path.
        there: Files in it.

    Raises:
        OutputError: If the folder is not fit, another program collects there, or a picture could
            not be written now.
    """

    def __init__(self, terms: Terms, contract: Contract) -> None:
        self._terms, self._contract = terms, contract
        self._views = keeps_view(contract)
        self._seen = 0
        _make(Path(terms.folder))
        self.folder = Path(os.path.realpath(terms.folder))
        self._descriptor = _locked(self.folder)
        try:
            self._part = self.folder / PART
            self._part.unlink(missing_ok=True)  # of a run that was killed; never a whole picture
            self.there = count_files(self.folder)
            if not self.full:
                self._try_one()
        except OSError as error:
            self.close()
            raise self._not_written(error) from error
        except BaseException:
            self.close()
            raise

    @property
    def full(self) -> bool:
        """Whether the folder holds as many files as it may."""
        return self.there >= self._terms.at_most

    def announcement(self) -> str:
        """Return, as one line, what is kept, where, how many, and how many there are."""
        what = "as the model sees it" if self._views else "as a whole"
        said = (
            f"keeping images: every {_ordinal(self._terms.every)} frame, {what}, in {self.folder}, "
            f"at most {self._terms.at_most} files there in all; {self.there} are there"
        )
        return f"{said}: {self.fullness()}" if self.full else said

    def fullness(self) -> str:
        """Return that no more is kept, in words."""
        return "it is full, and no more are kept; classifying goes on"

    def saw(self, rgb: npt.NDArray[np.uint8]) -> dict[str, Any]:
        """Count a frame, and keep it if it is its turn and there is room.

        Args:
            rgb: Shape (height, width, 3), uint8, of any size.

        Returns:
            For the frame's line: the folder, the name of the new file or None, how many files are
            there, and at most.

        Raises:
            OutputError: If it cannot be written. There is no half picture then.
        """
        self._seen += 1
        name = None
        if not self.full and self._seen % self._terms.every == 0:
            name = self._keep(rgb)
        return {
            "folder": str(self.folder),
            "file": name,
            "there": self.there,
            "at_most": self._terms.at_most,
        }

    def close(self) -> None:
        """Let other programs collect there."""
        os.close(self._descriptor)

    def __enter__(self) -> Collector:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _keep(self, rgb: npt.NDArray[np.uint8]) -> str:
        from edgecnn_runner.images.decode import png_bytes
        from edgecnn_runner.images.preprocess import prepare_for

        kept = prepare_for(self._contract, rgb) if self._views else rgb
        name = f"frame-{secrets.token_hex(16)}.png"
        try:
            self._write(png_bytes(kept))
            target = self.folder / name
            if os.path.lexists(target):  # by chance never; rename would write over it
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
            self._part.rename(target)
            os.fsync(self._descriptor)
        except OSError as error:
            self._part.unlink(missing_ok=True)
            raise self._not_written(error) from error
        self.there += 1
        return name

    def _try_one(self) -> None:
        """Write as many bytes as a picture takes, and take them away again."""
        spec = self._contract.input
        try:
            self._write(b"\0" * (spec.height * spec.width * spec.channels + 1024))
        finally:
            self._part.unlink(missing_ok=True)

    def _write(self, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(self._part, flags, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def _not_written(self, error: OSError) -> OutputError:
        return OutputError(
            f"cannot keep a picture in {self.folder}: {error.strerror or error}",
            observed=describe(self.folder),
            expected="a folder that takes a new file",
            remedy=_REMEDIES.get(
                error.errno or 0, "let the user that runs this write there, or leave out --collect"
            ),
        )


def count_files(folder: Path) -> int:
    """Return how many files are in a folder, of whatever kind; not the one being written."""
    with os.scandir(folder) as entries:
        return sum(entry.name != PART for entry in entries)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return
    except OSError as error:
        raise OutputError(
            f"cannot make the folder {folder}: {error.strerror or error}",
            observed=describe(folder.parent),
            expected="a folder in which another can be made",
            remedy=_REMEDIES.get(
                error.errno or 0,
                f"make it for the user that runs this: sudo install -d -m 700 -o USER {folder}",
            ),
        ) from error


def _locked(folder: Path) -> int:
    """Open a folder that only its owner can look into, and keep other collectors away.

    Raises:
        OutputError: If it is no such folder, or one is at work there.
    """
    import fcntl

    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise OutputError(
            f"{folder} is no folder that pictures can be collected in",
            observed=f"{error.strerror}: {describe(folder)}",
            expected="a folder of the user that runs this, or none yet",
            remedy="name another one with --collect, or let the user that runs this read it",
        ) from error
    try:
        status = os.fstat(descriptor)
        if stat.S_IMODE(status.st_mode) & 0o077 or status.st_uid != os.geteuid():
            raise OutputError(
                f"others can look into {folder}, or it is somebody else's",
                observed=describe(folder)
                + f" of user {status.st_uid}; this runs as user {os.geteuid()}",
                expected="a folder of this user, mode 0700",
                remedy=f"if nobody else needs what is in it: sudo chown {os.geteuid()} {folder} && "
                f"sudo chmod 700 {folder}; else name a new folder",
            )
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise OutputError(
            f"another program collects in {folder}",
            observed="the folder is locked",
            expected="one at a time",
            remedy="stop the other one, or name another folder",
        ) from error
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _ordinal(number: int) -> str:
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{({1: 'st', 2: 'nd', 3: 'rd'}).get(number % 10, 'th')}"
