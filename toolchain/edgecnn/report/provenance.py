"""Tells when, and with which tools, a report was made."""

from __future__ import annotations

import datetime as dt
import os
import platform
from importlib import metadata

import edgecnn


def versions() -> dict[str, str]:
    """Return the versions of Python, edgecnn and what the numbers were computed with."""
    return {
        "edgecnn": edgecnn.__version__,
        "python": platform.python_version(),
        "numpy": metadata.version("numpy"),
        "scipy": metadata.version("scipy"),
    }


def created() -> str:
    """Return the time, UTC, to the second; SOURCE_DATE_EPOCH replaces the clock.

    See https://reproducible-builds.org/specs/source-date-epoch/.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    if epoch.isdecimal():
        moment = dt.datetime.fromtimestamp(int(epoch), dt.UTC)
    else:
        moment = dt.datetime.now(dt.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
