"""Where an interrupted training goes on from: the state at the end of its last whole epoch.

Two generations are kept, each written whole and then renamed; the archive format checks every
array when it is read, so if the machine died while the newest was on its way to the disk, the
one before it counts. Nothing here is a pickle, and nothing imports TensorFlow.
"""

from __future__ import annotations

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

from edgecnn.train.history import Epoch
from edgecnn.workspace import atomic_file, wrap_os_errors

__all__ = ["Checkpoint", "CheckpointFolder"]

_GENERATIONS: Final = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """The state after some whole epochs.

    Attributes:
        history: The epochs done.
        arrays: Values of the network's weights and the optimizer's variables, in their order.
    """

    history: tuple[Epoch, ...]
    arrays: tuple[npt.NDArray[Any], ...]

    @property
    def epochs(self) -> int:
        """How many epochs are done."""
        return len(self.history)


@dataclass(frozen=True, kw_only=True)
class CheckpointFolder:
    """The checkpoints of one training in a build.

    Each training has a folder of its own, named after its key, so that a changed recipe starts
    afresh, and one changed back goes on.

    Attributes:
        root: Folder of all checkpoints of the build.
        key: Digest of everything the training depends on.
    """

    root: Path
    key: str

    @property
    def folder(self) -> Path:
        """Where this training's checkpoints are."""
        return self.root / self.key[:16]

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
        arrays = {f"array_{i:04}": array for i, array in enumerate(checkpoint.arrays)}
        with atomic_file(self.folder / f"epoch-{checkpoint.epochs:06}.npz") as file:
            np.savez(file, **{"state": np.asarray(json.dumps(state)), **arrays})  # type: ignore[arg-type]
        for old in self._files()[_GENERATIONS:]:
            old.unlink(missing_ok=True)

    def read(self) -> Checkpoint | None:
        """Return the newest checkpoint that is whole; None if there is none."""
        for path in self._files():
            checkpoint = _read(path, self.key)
            if checkpoint is not None:
                return checkpoint
        return None

    def discard(self) -> None:
        """Delete all checkpoints of the build, those of other trainings too.

        Raises:
            WorkspaceError: If that is not allowed.
        """
        with wrap_os_errors(self.root):
            if self.root.exists():
                shutil.rmtree(self.root)

    def _files(self) -> list[Path]:
        """Return the checkpoints, newest first."""
        return sorted(self.folder.glob("epoch-*.npz"), reverse=True)


def _read(path: Path, key: str) -> Checkpoint | None:
    try:
        # Opened here, since numpy leaves a file open that turns out not to be an archive.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            state = json.loads(str(stored["state"]))
            names = sorted(name for name in stored.files if name != "state")
            arrays = tuple(stored[name] for name in names)
        history = tuple(Epoch(**row) for row in state["history"])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error):
        # Torn by a crash: what the generation before it is for.
        return None
    if state.get("key") != key or not history or not arrays:
        return None
    return Checkpoint(history=history, arrays=arrays)
