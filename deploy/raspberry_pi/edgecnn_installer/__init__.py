"""Installs a bundle on a Raspberry Pi: standard library only, and no network.

It lies in the bundle beside the runner, and imports nothing of it: what it does first is to find
out whether the bundle's files are what they were.
"""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.2.0"
