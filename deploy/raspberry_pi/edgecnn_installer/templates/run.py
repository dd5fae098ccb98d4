"""Starts the runner of the bundle that this file lies in, with the bundle's own libraries."""

import sys
from pathlib import Path

sys.dont_write_bytecode = True
BUNDLE = Path(__file__).resolve().parent.parent
# Before the system's packages: picamera2's numpy is older than the runtime's.
sys.path[0:0] = [str(BUNDLE / "runner"), str(BUNDLE / "lib")]

from edgecnn_runner.cli import main  # noqa: E402 - found only now

if __name__ == "__main__":
    sys.exit(main(model=str(BUNDLE / "@MODEL_FILE@")))
