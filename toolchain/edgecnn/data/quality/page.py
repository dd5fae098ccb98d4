"""``data.html``: one self-contained page of what was found in a folder of photos, with the photos.

No scripts, no external resources; names of classes and files are user data and are escaped.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from edgecnn.data.quality.findings import (
    KINDS,
    FindingKind,
    KindOfFinding,
    PhotoFinding,
    kinds_found,
)
from edgecnn.data.quality.inspection import DataQuality, InspectedFolder
from edgecnn.report import page_environment
from edgecnn.report.provenance import created, versions

MOST_SHOWN: Final = 30
"""Findings of a kind with pictures; the others are counted, and stand in the JSON file."""
MOST_PHOTOS: Final = 6
"""Pictures of one finding."""
PICTURE_BUDGET_BYTES: Final = 2_000_000
"""For all pictures together as they are embedded, so that the page stays under 3 MB."""


@dataclass(frozen=True, kw_only=True)
class _Picture:
    name: str
    uri: str


@dataclass(frozen=True, kw_only=True)
class _Shown:
    finding: PhotoFinding
    pictures: list[_Picture]
    more: int


@dataclass(frozen=True, kw_only=True)
class _Section:
    kind: FindingKind
    words: KindOfFinding
    count: int
    photos: int
    shown: list[_Shown]
    more: int


@dataclass(frozen=True, kw_only=True)
class _Made:
    created: str
    versions: Mapping[str, str]


def render_page(inspected: InspectedFolder, *, record: str) -> str:
    """Return the page as HTML.

    Args:
        inspected: What was found, and the pictures.
        record: Name of the JSON file beside the page, which holds every finding.
    """
    quality = inspected.quality
    template = page_environment("edgecnn.data.quality").get_template("data.html.j2")
    return template.render(
        report=_Made(created=created(), versions=versions()),
        files=[],
        quality=quality,
        sections=_sections(quality, inspected.thumbnails),
        splits=list(dict.fromkeys(split for one in quality.classes for split in one.splits)),
        record=record,
    )


def _sections(quality: DataQuality, thumbnails: Mapping[str, bytes]) -> list[_Section]:
    found = kinds_found(quality.findings)
    # An even share for each kind that is left, so that none of them is without pictures.
    budget, left = PICTURE_BUDGET_BYTES, len(found)
    sections = []
    for kind, findings in found.items():
        shown, used = _shown(findings, thumbnails, budget // left)
        budget, left = budget - used, left - 1
        sections.append(
            _Section(
                kind=kind,
                words=KINDS[kind],
                count=len(findings),
                photos=len({name for finding in findings for name in finding.photos}),
                shown=shown,
                more=len(findings) - len(shown),
            )
        )
    return sections


def _shown(
    findings: Sequence[PhotoFinding], thumbnails: Mapping[str, bytes], budget: int
) -> tuple[list[_Shown], int]:
    """Return the findings that are shown, and the bytes that their pictures take."""
    shown: list[_Shown] = []
    used = 0
    for finding in findings[:MOST_SHOWN]:
        names = finding.photos[:MOST_PHOTOS]
        pictures = [_Picture(name=name, uri=_uri(thumbnails.get(name, b""))) for name in names]
        size = sum(len(picture.uri) for picture in pictures)
        if used + size > budget:
            break
        used += size
        shown.append(
            _Shown(finding=finding, pictures=pictures, more=len(finding.photos) - len(names))
        )
    return shown, used


def _uri(jpeg: bytes) -> str:
    """Return a picture as a data URI; empty for a file that has none."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}" if jpeg else ""
