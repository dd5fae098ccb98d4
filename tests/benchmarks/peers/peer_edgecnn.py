"""Ours: ``Session.classify``, as it ships; any file with a contract."""

from __future__ import annotations

from pathlib import Path

from edgecnn_runner.session import Session
from peers.serving import Image, Loaded, main


def load(path: Path, threads: int) -> Loaded:
    """Open a session with the best runtime that is installed."""
    session = Session.open(path, threads=threads)
    call = session.classify

    def classify(image: Image) -> int:
        return call(image)[0]

    return Loaded(
        # The very method, timed without this function around it.
        classify=classify,
        version=session.runtime,
        details=f"kernels: {session.kernels}",
    )


if __name__ == "__main__":
    main(load)
