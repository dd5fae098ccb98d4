"""Runs verified edgecnn model files: stdlib, numpy, one runtime, and Pillow to decode files."""

from __future__ import annotations

__version__ = "0.1.0"
