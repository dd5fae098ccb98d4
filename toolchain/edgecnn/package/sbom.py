"""A bundle's software bill of materials: CycloneDX 1.6 as JSON, the same for the same bundle."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edgecnn.files import canonical_digest, file_digest
from edgecnn.package.licences import Library
from edgecnn.package.pi.wheels import normalized
from edgecnn.package.proven import ProvenFile

if TYPE_CHECKING:
    from cyclonedx.model.license import License

SBOM: Final = "sbom.cdx.json"
"""Its name in every bundle; CycloneDX's own for such a file in JSON."""

# Where its serial numbers come from (RFC 9562, version 5): any fixed UUID serves.
_NAMESPACE: Final = uuid.UUID("5d9c1e3a-8f0b-4a52-9f6d-0c1b7a2e4d63")


@dataclass(frozen=True, kw_only=True)
class Part:
    """Software in a bundle.

    Attributes:
        name: Its name where it comes from.
        version: Its version.
        licence: SPDX expression, or what its metadata says.
        source: ``pypi`` or ``npm``, the type of its package URL; None where it comes from no
            registry.
        files: File name to SHA-256, lower-case hex. One with an empty name is the whole package's.
    """

    name: str
    version: str
    licence: str
    source: str | None
    files: Mapping[str, str] = field(default_factory=dict)


def own_part(name: str, version: str, *, source: str | None = None) -> Part:
    """Return a part that edgecnn wrote itself."""
    return Part(name=name, version=version, licence="Apache-2.0", source=source)


def pypi_parts(libraries: Sequence[Library], wheels: Mapping[str, str]) -> list[Part]:
    """Return the parts that come from PyPI, edgecnn's runner first.

    Args:
        libraries: The distributions in a bundle's ``lib``.
        wheels: Distribution name, normalized as PEP 503 says, to the SHA-256 of its wheel.
    """
    own = "edgecnn-runner"
    return [
        own_part(own, importlib.metadata.version(own), source="pypi"),
        *(
            Part(
                name=one.name,
                version=one.version,
                licence=one.licence,
                source="pypi",
                files={"": wheels[normal]} if (normal := normalized(one.name)) in wheels else {},
            )
            for one in libraries
        ),
    ]


def sbom(
    *,
    name: str,
    version: str,
    models: Mapping[str, ProvenFile],
    parts: Sequence[Part],
    date: int,
) -> str:
    """Return the bill of materials of a bundle.

    Args:
        name: The model's name.
        version: The bundle's version.
        models: Path in the bundle to the model file that lies there.
        parts: The software in it.
        date: When it is made, in seconds since 1970.

    Returns:
        JSON text of schema CycloneDX 1.6.
    """
    # Only here: it takes a third of a second to import, and a refused bundle has no need of it.
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6
    from packageurl import PackageURL

    root = Component(
        name=name, version=version, type=ComponentType.APPLICATION, bom_ref=f"{name}@{version}"
    )

    def digest(sha256: str) -> list[HashType]:
        return [HashType(alg=HashAlgorithm.SHA_256, content=sha256)]

    components = []
    for part in parts:
        url, whole = None, part.files.get("")
        if part.source is not None:
            plain = normalized(part.name) if part.source == "pypi" else part.name
            url = PackageURL(part.source, name=plain, version=part.version)
        components.append(
            Component(
                name=part.name,
                version=part.version,
                type=ComponentType.LIBRARY,
                bom_ref=f"{part.name if url is None else url.name}@{part.version}",
                licenses=[_licence(part.licence)],
                purl=url,
                hashes=None if whole is None else digest(whole),
                components=[
                    Component(
                        name=file,
                        type=ComponentType.FILE,
                        bom_ref=f"{part.name}/{file}",
                        hashes=digest(sha256),
                    )
                    for file, sha256 in part.files.items()
                    if file
                ],
            )
        )
    components += [
        Component(
            name=file.path.name,
            version=version,
            type=ComponentType.MACHINE_LEARNING_MODEL,
            bom_ref=place,
            hashes=digest(file.sha256),
            description=f"{file.contract.variant} of {file.contract.model}",
        )
        for place, file in models.items()
    ]
    content = [
        [one.name, one.version, sorted(h.content for c in (one, *one.components) for h in c.hashes)]
        for one in components
    ]
    bom = Bom(
        components=components,
        serial_number=uuid.uuid5(_NAMESPACE, canonical_digest([name, version, content])),
        metadata=BomMetaData(component=root, timestamp=dt.datetime.fromtimestamp(date, dt.UTC)),
    )
    bom.register_dependency(root, components)
    text = JsonV1Dot6(bom).output_as_string(indent=1)
    return json.dumps(json.loads(text), indent=1, sort_keys=True) + "\n"


def _licence(text: str) -> License:
    from cyclonedx.contrib.license.factories import LicenseFactory

    return LicenseFactory().make_from_string(text)


def wheel_digests(wheels: Sequence[Path]) -> dict[str, str]:
    """Return the name of each wheel's distribution, normalized, and its SHA-256."""
    return {normalized(wheel.name.split("-")[0]): file_digest(wheel) for wheel in wheels}
