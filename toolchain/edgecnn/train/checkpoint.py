"""Checkpoints of an interrupted training: the state at the end of its last whole epoch.

Two generations are kept, each written whole and then renamed; the archive format checks every
array when it is read, so if the machine died while the newest was on its way to the disk, the
one before it counts. Nothing here is a pickle, and nothing imports TensorFlow.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.files import atomic_file, wrap_os_errors
from edgecnn.train.history import Epoch

_GENERATIONS: Final = 2
_KEY_DIGITS: Final = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """The state after some whole epochs.

    Attributes:
        history: The epochs done.
        arrays: Values of the network's weights and the optimizer's variables, in their order.
        best: The weights of the epoch that would ship, in the network's order; empty where it is
            the last one that ships.
    """

    history: tuple[Epoch, ...]
    arrays: tuple[npt.NDArray[Any], ...]
    best: tuple[npt.NDArray[Any], ...] = ()

    @property
    def epochs(self) -> int:
        """How many epochs are done."""
        return len(self.history)


@dataclass(frozen=True, kw_only=True)
class CheckpointFolder:
    """The checkpoints of one training in a build.

    Each training has a folder of its own, named after its key, so that a changed recipe starts
    afresh, and one changed back goes on: also when the changed one has been trained to its end
    meanwhile, as when ``--set train.epochs=1`` tries something out. Whoever writes here holds the
    build's lock, so no other training of it is under way.

    Attributes:
        root: Folder of all checkpoints of the build.
        key: Digest of everything the training depends on.
    """

    root: Path
    key: str

    @property
    def folder(self) -> Path:
        """Where this training's checkpoints are."""
        return self.root / self.key[:_KEY_DIGITS]

    def has_others(self) -> bool:
        """Tell whether an interrupted training with another key left checkpoints."""
        return self.root.is_dir() and any(
            path != self.folder and any(path.glob("epoch-*.npz")) for path in self.root.iterdir()
        )

    def write(self, checkpoint: Checkpoint) -> None:
        """Save a checkpoint, and delete all but the newest two.

        Raises:
            WorkspaceError: If it cannot be written; the earlier ones stay.
        """
        with wrap_os_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        state = {
            "key": self.key,
            "history": [dataclasses.asdict(epoch) for epoch in checkpoint.history],
        }
        arrays = {
            f"{kind}_{i:04}": array
            for kind, values in (("array", checkpoint.arrays), ("best", checkpoint.best))
            for i, array in enumerate(values)
        }
        with atomic_file(self.folder / f"epoch-{checkpoint.epochs:06}.npz") as file:
            np.savez(file, **{"state": np.asarray(json.dumps(state)), **arrays})  # type: ignore[arg-type]
        with wrap_os_errors(self.folder):
            for old in _newest_first(self.folder)[_GENERATIONS:]:
                old.unlink(missing_ok=True)

    def read(self) -> Checkpoint | None:
        """Return the newest checkpoint that is whole; None if there is none."""
        for path in _newest_first(self.folder):
            found = _read(path)
            if found is not None and found[0] == self.key:
                return found[1]
        return None

    def discard(self) -> None:
        """Delete this training's checkpoints, and what no training can go on from.

        Another training's are kept as long as one of them is whole.

        Raises:
            WorkspaceError: If that is not allowed.
        """
        with wrap_os_errors(self.root):
            if not self.root.exists():
                return
            for entry in self.root.iterdir():
                if entry.is_symlink() or not entry.is_dir():
                    entry.unlink()
                elif entry == self.folder or not _can_go_on(entry):
                    shutil.rmtree(entry)
            with contextlib.suppress(OSError):
                self.root.rmdir()  # unless another training is kept


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("epoch-*.npz"), reverse=True)


def _can_go_on(folder: Path) -> bool:
    """Tell whether a training's folder holds a whole checkpoint of that training."""
    read = map(_read, _newest_first(folder))
    return any(found is not None and found[0][:_KEY_DIGITS] == folder.name for found in read)


def _read(path: Path) -> tuple[str, Checkpoint] | None:
    """Return a checkpoint and its training's key; None for one that was torn by a crash."""
    try:
        # Opened here, since numpy leaves a file open that turns out not to be an archive.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            state = json.loads(str(stored["state"]))
            arrays, best = (
                tuple(stored[name] for name in sorted(stored.files) if name.startswith(kind))
                for kind in ("array_", "best_")
            )
        history = tuple(Epoch(**row) for row in state["history"])
        key = str(state["key"])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error):
        # What the generation before it is for.
        return None
    if not history or not arrays:
        return None
    return key, Checkpoint(history=history, arrays=arrays, best=best)
