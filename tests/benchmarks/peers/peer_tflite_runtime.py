"""The same bare loop over tflite-runtime, in an environment of its own with numpy 1."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from peers.bare_interpreter import bare
from peers.serving import Loaded, main


def load(path: Path, threads: int) -> Loaded:
    """Load a TFLite file."""
    from tflite_runtime.interpreter import Interpreter

    return Loaded(
        classify=bare(Interpreter, path, threads),
        version=f"tflite-runtime {metadata.version('tflite-runtime')}",
    )


if __name__ == "__main__":
    main(load)
