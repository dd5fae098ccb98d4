"""A bare loop over LiteRT's interpreter: set_tensor, invoke, get_tensor, argmax."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from peers.bare_interpreter import bare
from peers.serving import Loaded, main


def load(path: Path, threads: int) -> Loaded:
    """Load a TFLite file."""
    from ai_edge_litert.interpreter import Interpreter

    return Loaded(
        classify=bare(Interpreter, path, threads),
        version=f"ai-edge-litert {metadata.version('ai-edge-litert')}",
    )


if __name__ == "__main__":
    main(load)
