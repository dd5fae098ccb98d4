"""Starts the installer of the bundle that this file lies in."""

import sys
from pathlib import Path

sys.dont_write_bytecode = True
BUNDLE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(BUNDLE / "installer"))

from edgecnn_installer.main import main  # noqa: E402 - found only now

if __name__ == "__main__":
    sys.exit(main(BUNDLE, sys.argv[1:]))
