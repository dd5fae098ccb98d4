"""Loads a model with Keras 2, in a process of its own, which exports it and answers for it.

Keras 2 lives on as ``tf_keras``. It and Keras 3 cannot share a process: TensorFlow takes one of
them for its own. So what Keras 3 cannot load is exported there as a SavedModel, which is converted
as any other; and that process answers for the model itself, so that the reference is Keras 2's own.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.convert.reasons import reason_of
from edgecnn.convert.source.keras_model import OPTIMIZED, exported_by, named_for_keras
from edgecnn.errors import SourceModelError
from edgecnn.files import wrap_os_errors

_PROGRAM: Final = Path(__file__).with_name("keras2_program.py")
_PACKAGE: Final = "tf_keras"
_SECONDS_TO_END: Final = 5
_UNKNOWN: Final = re.compile(
    r"(?:Unknown (?:layer|object|[a-z_ ]*function): |Could not locate (?:class|function) "
    r"|Cannot deserialize object of type )['\"`]?([\w>]+)"
)
_LONGEST_ANSWER: Final = 1 << 20


def has_keras_2() -> bool:
    """Tell whether Keras 2 is installed, without importing it."""
    return importlib.util.find_spec(_PACKAGE) is not None


def has_optimized_layers(config: Any) -> bool:
    """Tell whether a configuration has layers of TensorFlow's model optimization."""
    if isinstance(config, Mapping):
        name = config.get("class_name")
        if isinstance(name, str) and OPTIMIZED.fullmatch(name):
            return True
        return any(map(has_optimized_layers, config.values()))
    return isinstance(config, (list, tuple)) and any(map(has_optimized_layers, config))


def install_command(*, optimized: bool = False) -> str:
    """Return the command that installs the Keras 2 that fits this TensorFlow.

    An environment that uv made has no pip, and uv itself installs into it.

    Args:
        optimized: Whether to install the layers of TensorFlow's model optimization, too. It asks
            for an absl-py before 2 without need, so it comes without what it asks for.
    """
    from importlib.metadata import version

    pip = [sys.executable, "-m", "pip", "install"]
    if importlib.util.find_spec("pip") is None and shutil.which("uv") is not None:
        pip = ["uv", "pip", "install", "--python", sys.executable]
    major, minor = version("tensorflow").split(".")[:2]
    command = shlex.join([*pip, f"tf-keras>={major}.{minor},<{major}.{int(minor) + 1}"])
    if not optimized:
        return command
    others = ("tensorflow-model-optimization>=0.8.1", "dm-tree")
    return f"{command} && {shlex.join([*pip, '--no-deps', *others])}"


class Keras2Model:
    """A model loaded by Keras 2, in a process that ends with this object.

    Args:
        path: An ``.h5`` or ``.keras`` file, or an architecture as JSON, whose configuration has
            been seen to hold no code.
        kind: ``h5``, ``keras`` or ``json``.
        weights: An HDF5 file of weights, for an architecture.

    Attributes:
        folder: The SavedModel that it was exported to; gone with this object.
        activation: What its last layer ends with, where that can be told.
        version: Of Keras 2.

    Raises:
        SourceModelError: If Keras 2 cannot load or export it.
        WorkspaceError: If the temporary folder cannot be written.
    """

    def __init__(self, path: Path, kind: str, weights: Path | None = None) -> None:
        self._path, self._doing = path, "load"
        with wrap_os_errors(Path(tempfile.gettempdir())):
            self._temporary = tempfile.TemporaryDirectory(prefix="edgecnn-")
            place = Path(self._temporary.name)
            self._log = (place / "log").open("w+b")
            self.folder = place / "saved_model"
            self._process = subprocess.Popen(  # noqa: S603 - this Python, a file of this package
                [sys.executable, "-P", str(_PROGRAM), str(place.resolve())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env=_environment(),
                text=True,
                encoding="utf-8",
                # What stops the group, as Ctrl-C does, stops this process, which ends that one.
                start_new_session=True,
            )
        self._end = weakref.finalize(self, _ended, self._process, self._temporary, self._log)
        export = "where it was made and can be loaded: " + exported_by(
            "2.", f"{path.stem}_saved_model"
        )
        self._export = export
        beside = "give the weights that were saved from this architecture; or, "
        try:
            request = {
                "file": str(named_for_keras(path, kind, place)),
                "weights": None
                if weights is None
                else str(named_for_keras(weights, "weights", place)),
                "folder": str(self.folder.resolve()),
            }
            answer = self._asked(request, remedy=export if weights is None else beside + export)
        except BaseException:
            self.close()
            raise
        activation = answer.get("activation")
        self.activation = activation if isinstance(activation, str) else None
        self.version = str(answer.get("keras", ""))

    def scores(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return what Keras 2 answers.

        Args:
            images: Shape (n, height, width, channels), in the model's own range.

        Returns:
            float32, whatever shape it answers with; the first axis is of the images.

        Raises:
            SourceModelError: If it fails on them.
        """
        place = Path(self._temporary.name)
        with wrap_os_errors(place):
            np.save(place / "images.npy", images, allow_pickle=False)
        self._doing = "answer for"
        self._asked(
            {"images": str(place / "images.npy"), "scores": str(place / "scores.npy")},
            remedy="check that the model takes images of this size",
        )
        try:
            found: npt.NDArray[np.float32] = np.load(place / "scores.npy", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise self._not_an_answer(f"a file that cannot be read ({error})") from error
        if found.ndim < 1 or len(found) != len(images) or found.dtype != np.float32:
            raise self._not_an_answer(f"{found.dtype} of the shape {found.shape}")
        return found

    def close(self) -> None:
        """End the process and remove the folder; it may be called twice."""
        self._end()

    def _not_an_answer(self, observed: str) -> SourceModelError:
        return SourceModelError(
            f"the process of Keras 2 gave no scores for {self._path}",
            observed=observed,
            expected="one row of scores an image",
            remedy="convert an image classifier that answers each image by itself",
        )

    def _asked(self, request: Mapping[str, Any], *, remedy: str) -> Mapping[str, Any]:
        sending, receiving = self._process.stdin, self._process.stdout
        assert sending is not None  # noqa: S101 - both are pipes
        assert receiving is not None  # noqa: S101
        line = ""
        with suppress(BrokenPipeError, UnicodeDecodeError):
            sending.write(json.dumps(request) + "\n")
            sending.flush()
            # Longer lines are none of the program's.
            line = receiving.readline(_LONGEST_ANSWER)
        answer = self._read(line)
        if "importing" in answer:
            raise SourceModelError(
                f"{self._path} takes Keras 2, and the one that is installed cannot be imported",
                observed=str(answer["error"])[:500],
                expected="a tf-keras of TensorFlow's own version",
                remedy=f"{install_command()}; and convert it again",
            )
        if "error" in answer:
            reason = reason_of(ValueError(str(answer["error"])))
            unknown = _UNKNOWN.search(str(answer["error"]))
            if unknown is not None:
                reason = unknown[0]
                remedy = self._export
                if OPTIMIZED.fullmatch(unknown[1]):
                    remedy = f"{install_command(optimized=True)}; and convert it again"
            raise SourceModelError(
                f"Keras 2 does not know {unknown[1]}, which {self._path} holds"
                if unknown
                else f"Keras 2 cannot {self._doing} {self._path}",
                observed=reason.replace(self._temporary.name, str(self._path.parent)),
                expected="a model as Keras 2 saved it, of its own layers",
                remedy=remedy,
            )
        if "died" in answer:
            raise SourceModelError(
                f"Keras 2 did not {self._doing} {self._path}: its process ended",
                observed=str(answer["died"]),
                expected="an answer",
                remedy="if it was killed for want of memory, close other programs or take a "
                "machine with more; else check the file where it was made",
            )
        return answer

    def _read(self, line: str) -> Mapping[str, Any]:
        """Return an answer; what the process said last where there is none, or no answer."""
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if isinstance(answer, Mapping):
            return answer
        if line:
            self._process.kill()
        return {"died": self._last_words()}

    def _last_words(self) -> str:
        """Return the end of what a process that died has said, and how it ended."""
        try:
            code = self._process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        size = os.fstat(self._log.fileno()).st_size
        said = os.pread(self._log.fileno(), 4096, max(0, size - 4096)).decode(errors="replace")
        lines = [line for line in said.splitlines() if line.strip()]
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"{how}: {lines[-1].strip()[:500]}" if lines else how


def _environment() -> dict[str, str]:
    return {
        **os.environ,
        "TF_USE_LEGACY_KERAS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # Keras 2 may lie where only this process looks.
        "PYTHONPATH": os.pathsep.join(part for part in sys.path if part),
    }


def _ended(
    process: subprocess.Popen[str], temporary: tempfile.TemporaryDirectory[str], log: IO[bytes]
) -> None:
    process.kill()  # it has nothing to finish: what it wrote goes with the folder
    process.wait()
    for pipe in (process.stdin, process.stdout, log):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
    temporary.cleanup()
