"""Ours: ``Session.classify``, as it ships; any file with a contract."""

from __future__ import annotations

from pathlib import Path

from peers.serving import Loaded, main

from edgecnn_runner.session import Session


def load(path: Path, threads: int) -> Loaded:
    """Open a session with the best runtime that is installed."""
    session = Session.open(path, threads=threads)
    return Loaded(
        classify=session.classify,
        version=session.runtime,
        details=f"kernels: {session.kernels}",
        class_of=lambda answer: int(answer[0]),
    )


if __name__ == "__main__":
    main(load)
