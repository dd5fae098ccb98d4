#!/usr/bin/env -S python@PYTHON@ -I -B -S
"""The runner of this bundle, with the bundle's libraries: edgecnn-run --help.

-I: nothing from the environment, the current folder or the user's own packages. -S: nor code of
other packages that runs at every start of Python. -B: no bytecode is written.
"""

import gc
import sys
from os.path import dirname, realpath

# Loading numpy and the runtime makes objects that stay: to look for garbage among them takes a
# twentieth of the time until the first result.
gc.set_threshold(200_000)
BUNDLE = dirname(dirname(realpath(__file__)))  # noqa: PTH120 - pathlib takes a while to load
sys.path[0:0] = [f"{BUNDLE}/runner", f"{BUNDLE}/lib"]
if sys.argv[1:2] == ["camera"]:
    import site

    # picamera2 and OpenCV are the system's. Behind the bundle's: their numpy is older than the
    # runtime's.
    sys.path += site.getsitepackages()

if "@MODEL_FILE@".endswith(".tflite"):
    # Its contract is an archive without compression. zipfile does without these two, and to load
    # their shared libraries, perhaps from an SD card, would be for nothing.
    sys.modules["bz2"] = sys.modules["lzma"] = None  # type: ignore[assignment] # "not there"
    import zipfile  # noqa: F401 - what it was imported without, it goes without

    del sys.modules["bz2"], sys.modules["lzma"]

from edgecnn_runner.cli import main  # noqa: E402 - found only now

if __name__ == "__main__":
    sys.exit(main(model=f"{BUNDLE}/@MODEL_FILE@"))
