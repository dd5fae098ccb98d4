"""The licences of what a bundle holds: which library has which, and where its text lies."""

from __future__ import annotations

import email.parser
import importlib.metadata
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edgecnn.errors import PackageError

_TEXT: Final = re.compile(r"(licen[cs]e|copying|notice|thirdpartynotices)", re.IGNORECASE)
# How distributions that have no SPDX expression name their licence, in words of their own.
_SPDX: Final = {
    "apache 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "mit license": "MIT",
    "mit": "MIT",
    "3-clause bsd license": "BSD-3-Clause",
    "bsd-3-clause": "BSD-3-Clause",
}


@dataclass(frozen=True, kw_only=True)
class Library:
    """A distribution that is unpacked in a bundle.

    Attributes:
        name: As its metadata gives it.
        version: Its version.
        licence: An SPDX expression, or what its metadata says.
        texts: Paths of its licence texts inside of the folder, in the order of their names.
    """

    name: str
    version: str
    licence: str
    texts: tuple[str, ...]


def libraries_in(folder: Path) -> list[Library]:
    """Return the distributions that are unpacked in a folder, in the order of their names.

    Args:
        folder: Wheels unpacked, with their ``dist-info``.

    Raises:
        PackageError: If one says nothing of its licence.
    """
    return [_library(folder, info) for info in sorted(folder.glob("*.dist-info"))]


def _library(folder: Path, info: Path) -> Library:
    metadata = email.parser.Parser().parsestr(
        (info / "METADATA").read_text(encoding="utf-8"), headersonly=True
    )
    name = str(metadata["Name"])
    said = metadata["License-Expression"] or _short(metadata["License"])
    if not said:
        classified = [str(one) for one in metadata.get_all("Classifier", [])]
        named = [one.split(" :: ")[-1] for one in classified if one.startswith("License ::")]
        said = named[0] if named else ""
    if not said:
        raise PackageError(
            f"{name} says nothing of its licence, so a bundle may not carry it",
            observed=f"neither License-Expression, License nor a classifier in {info.name}",
            expected="a licence",
            remedy="choose another --runtime, or ask its authors",
        )
    return Library(
        name=name,
        version=str(metadata["Version"]),
        licence=_SPDX.get(said.lower(), said),
        texts=tuple(_texts(folder, info)),
    )


def _short(text: str | None) -> str:
    """Return a licence's name; some distributions have its whole text in that place."""
    line = (text or "").strip()
    return line if "\n" not in line and len(line) < 60 else ""


def _texts(folder: Path, info: Path) -> Iterator[str]:
    """Yield its licence texts: in the metadata's folder, or at the root of what it imports as."""
    own = info.name.split("-")[0]
    for place in (info, folder / own):
        for path in sorted(place.rglob("*") if place == info else place.glob("*")):
            if path.is_file() and _TEXT.match(path.name) and path.suffix not in (".py", ".pyi"):
                yield path.relative_to(folder).as_posix()


def own_licence() -> str:
    """Return the text of the licence of edgecnn-runner, Apache-2.0.

    Raises:
        PackageError: If the installation lacks it.
    """
    text = importlib.metadata.distribution("edgecnn-runner").read_text("licenses/LICENSE")
    if text is None:
        raise PackageError(
            "the installed edgecnn-runner lacks its licence, which a bundle must carry",
            observed="no licenses/LICENSE in its metadata",
            expected="the licence's text",
            remedy="install it again: pip install --force-reinstall --no-deps ./deploy",
        )
    return text


def licences_page(libraries: list[Library], *, notice: str = "") -> str:
    """Return ``LICENCES.md``: a row for each part of a bundle.

    Args:
        libraries: Those in its ``lib``.
        notice: Whose weights the model began with; empty where it began with none.
    """
    lines = [
        "# Licences",
        "",
        "What this bundle holds, under which licence, and where its text lies.",
        "",
        "| part | version | licence | text |",
        "| --- | --- | --- | --- |",
        f"| edgecnn-runner | {importlib.metadata.version('edgecnn-runner')} | Apache-2.0 "
        "| LICENSE |",
    ]
    for one in libraries:
        # The wheel has no text of its own; that of Apache-2.0 is the same for all.
        same = "LICENSE" if one.licence == "Apache-2.0" else "none in its wheel"
        texts = ", ".join(f"lib/{text}" for text in one.texts) or same
        lines.append(f"| {one.name} | {one.version} | {one.licence} | {texts} |")
    lines += [
        "",
        "The model files and the golden vectors are those of who trained the model; see "
        "MODEL_CARD.md.",
    ]
    if notice:
        lines += ["", f"The model began with the weights of a pretrained network. {notice}"]
    return "\n".join(lines) + "\n"
