"""What to do about errors that several modules meet.

A remedy is read on a device, which has the runner alone, and on the workstation: whatever takes
the toolchain says so.
"""

from __future__ import annotations

import errno
from typing import Final

CONVERT_AGAIN: Final = "convert the model again on the workstation: edgecnn convert SOURCE"
COPY_AGAIN: Final = f"copy the file again from where it was made, or {CONVERT_AGAIN}"

_READING: Final = {
    errno.EACCES: "let this user read it: chmod a+r for the file, chmod a+x for its folders",
    errno.EPERM: "let this user read it: chmod a+r for the file, chmod a+x for its folders",
    errno.EISDIR: "check the path: name a file in that folder",
    errno.EINVAL: "check the path: name a file, not a device or a pipe",
    errno.EIO: "the disk or the card may be failing: copy the file again, to another one",
}


def remedy_for_reading(error: BaseException) -> str:
    """Return what to do about a file that cannot be read.

    Args:
        error: What opening or reading it raised.
    """
    number = error.errno if isinstance(error, OSError) else None
    return _READING.get(number or 0, "check the path")
