"""The app's own sources: ``deploy/web`` of a checkout, or their copy in an installed edgecnn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from edgecnn.errors import PackageError
from edgecnn.serve.policy import PAGE

STYLE: Final = "app.css"
WORKER: Final = "service-worker.js"
ENTRY: Final = "app.js"

_INSTALLED: Final = Path(__file__).parents[2] / "web_app"
_CHECKOUT: Final = Path(__file__).parents[4] / "deploy" / "web"


def app_sources(folder: Path | None = None) -> Mapping[str, str]:
    """Return the app's page, style and modules.

    Args:
        folder: Where they lie; None for those that belong to this edgecnn.

    Returns:
        File name to text, in the order of the names.

    Raises:
        PackageError: If they are not there.
    """
    place = folder or (_INSTALLED if _INSTALLED.is_dir() else _CHECKOUT)
    paths = [path for kind in ("*.html", "*.css", "*.js") for path in place.glob(kind)]
    found = {path.name: path.read_text(encoding="utf-8") for path in sorted(paths)}
    missing = [name for name in (PAGE, STYLE, ENTRY, WORKER) if name not in found]
    if missing:
        raise PackageError(
            "the sources of the web app are not there",
            observed=f"{place} lacks {', '.join(missing)}",
            expected="the folder deploy/web of edgecnn, or an installed edgecnn",
            remedy="install edgecnn again: pip install --force-reinstall --no-deps .",
        )
    return found


def app_icons(folder: Path | None = None) -> Mapping[str, bytes]:
    """Return the app's icons, ``icons/NAME.png`` to the file's bytes; arguments as above."""
    place = folder or (_INSTALLED if _INSTALLED.is_dir() else _CHECKOUT)
    return {f"icons/{path.name}": path.read_bytes() for path in sorted(place.glob("icons/*.png"))}


def modules_of(sources: Mapping[str, str]) -> Mapping[str, str]:
    """Return the modules that make up the app; the service worker is none of them."""
    return {name: text for name, text in sources.items() if name.endswith(".js") and name != WORKER}
