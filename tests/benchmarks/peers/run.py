"""Ours against its peers: python tests/benchmarks/peers/run.py; see ``command`` there."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # A script's own folder is on the path, where its modules would have no package.
    sys.path[0] = str(Path(__file__).parents[1])
    from peers.command import main

    sys.exit(main())
