"""What is measured on this device: each file with each runtime for it that is here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecnn.devices.on_device.bench_children import DIED
from edgecnn.devices.on_device.libraries import installed
from edgecnn.devices.on_device.runtime_places import RuntimePlace, place_of
from edgecnn_runner.errors import RuntimeMissingError

__all__ = ["BenchRow", "rows_of"]


class BenchRow:
    """One file with one runtime, as it is measured.

    Attributes:
        artifact: Its place among the files asked for.
        file: Where it lies.
        sha256: Its digest.
        runtime_name: What runs it; None if nothing here does.
        place: The Python that has that.
        runtime: Package and version, once it was started.
        error: Why it is not measured, as ``EdgeError.to_dict`` gives it; None while it is.
        by_threads: Figures at each number of threads.
        samples: The raw times of each, see ``bench.run``.
    """

    def __init__(self, artifact: int, file: Path, sha256: str) -> None:
        self.artifact, self.file, self.sha256 = artifact, file, sha256
        self.runtime_name: str | None = None
        self.place = RuntimePlace("")
        self.runtime: str | None = None
        self.error: Mapping[str, Any] | None = None
        self.by_threads: list[dict[str, Any]] = []
        self.samples: list[bytes] = []

    def fail(self, observed: str) -> None:
        """Note that its process died, and how."""
        self.error = {
            "error": "ArtifactError",
            "problem": DIED,
            "observed": observed,
            "expected": "an answer",
            "remedy": "take another variant or runtime for this device",
        }


def rows_of(folder: Path, asked: Mapping[str, Any]) -> list[BenchRow]:
    """Return a row for each file and runtime that is here; one with an error where none is.

    Args:
        folder: Where the files lie.
        asked: See ``bench.run``.
    """
    rows = []
    places = {
        name: place_of(info["module"], asked["prefixes"])
        for name, info in asked["runtimes"].items()
    }
    for index, artifact in enumerate(asked["artifacts"]):
        file = folder / artifact["name"]
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        found = []
        for name, info in asked["runtimes"].items():
            place = places[name]
            if info["format"] == artifact["format"] and place is not None:
                row = BenchRow(index, file, digest)
                row.runtime_name, row.place = name, place
                found.append(row)
        if not found:
            row = BenchRow(index, file, digest)
            row.error = _no_runtime(artifact["format"], asked).to_dict()
            found.append(row)
        rows += found
    return rows


def _no_runtime(model_format: str, asked: Mapping[str, Any]) -> RuntimeMissingError:
    fitting = [one["module"] for one in asked["runtimes"].values() if one["format"] == model_format]
    models = [f"{one['model']} in {one['prefix']}" for one in installed(asked["prefixes"])]
    return RuntimeMissingError(
        f"the device has no runtime for {model_format} files",
        observed=f"neither in its Python nor in an installed bundle "
        f"({', '.join(models) or 'there is none'})",
        expected=f"one of {', '.join(fitting)}, with numpy",
        remedy="install a bundle with it there: edgecnn deploy BUNDLE ADDRESS",
    )
