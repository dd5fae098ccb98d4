"""edgecnn takes a CNN image classifier from training to a device, and proves it still works.

Importing the package imports nothing heavy; each stage is a package of its own:
``data``, ``train``, ``convert``, ``verify``.
"""

__all__ = ["__version__"]

__version__ = "0.2.0"
