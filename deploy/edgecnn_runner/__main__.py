"""``python -m edgecnn_runner`` is ``edgecnn-run``, for devices where nothing is installed."""

from __future__ import annotations

import sys

from edgecnn_runner.cli import main

if __name__ == "__main__":
    sys.exit(main())
