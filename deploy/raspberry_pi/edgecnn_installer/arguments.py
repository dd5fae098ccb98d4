"""The command line of ``install.sh``."""

from __future__ import annotations

import argparse
from pathlib import Path


def make_parser(prefix: str) -> argparse.ArgumentParser:
    """Return the parser of ``install.sh``.

    Args:
        prefix: Where it installs by default.
    """
    parser = argparse.ArgumentParser(
        prog="install.sh",
        allow_abbrev=False,
        description="Install this bundle: check it and this device, copy it beside the release "
        "that is active, let it test itself, and only then switch to it. It needs no network.",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--rollback", action="store_true", help="switch to the release that was active before"
    )
    what.add_argument(
        "--uninstall", action="store_true", help="remove all releases, the service and its user"
    )
    what.add_argument(
        "--check", action="store_true", help="check the bundle and this device, and change nothing"
    )
    what.add_argument(
        "--in-place",
        action="store_true",
        help="what the Debian package does once its files are there: check them and this device, "
        "self-test",
    )
    parser.add_argument("--purge", action="store_true", help="with --uninstall: results, too")
    parser.add_argument(
        "--prefix",
        metavar="DIR",
        type=Path,
        help=f"install below DIR, without a service; default: {prefix}, with one",
    )
    parser.add_argument(
        "--key",
        metavar="FILE",
        type=Path,
        help="pin this public key: this bundle and later ones must be signed with it",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser
