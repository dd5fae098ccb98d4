"""A bundle's software bill of materials: CycloneDX 1.6 as JSON, the same for the same bundle."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edgecnn.package.licences import Library
from edgecnn.package.proven import ProvenFile
from edgecnn.package.wheels import normalized
from edgecnn.workspace import canonical_digest, file_digest

if TYPE_CHECKING:
    from cyclonedx.model.license import License

__all__ = ["sbom", "wheel_digests"]

# Where its serial numbers come from (RFC 9562, version 5): any fixed UUID serves.
_NAMESPACE: Final = uuid.UUID("5d9c1e3a-8f0b-4a52-9f6d-0c1b7a2e4d63")


def sbom(
    *,
    name: str,
    version: str,
    files: Sequence[ProvenFile],
    libraries: Sequence[Library],
    wheels: Mapping[str, str],
    date: int,
) -> str:
    """Return the bill of materials of a bundle.

    Args:
        name: The model's name.
        version: The bundle's version.
        files: Its model files.
        libraries: The distributions in its ``lib``.
        wheels: Distribution name, normalized as PEP 503 says, to the SHA-256 of its wheel.
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

    own = importlib.metadata.version("edgecnn-runner")
    parts = [
        Component(
            name="edgecnn-runner",
            version=own,
            type=ComponentType.LIBRARY,
            bom_ref=f"edgecnn-runner@{own}",
            licenses=[_licence("Apache-2.0")],
            purl=PackageURL("pypi", name="edgecnn-runner", version=own),
        )
    ]
    for one in libraries:
        normal = normalized(one.name)
        parts.append(
            Component(
                name=one.name,
                version=one.version,
                type=ComponentType.LIBRARY,
                bom_ref=f"{normal}@{one.version}",
                licenses=[_licence(one.licence)],
                purl=PackageURL("pypi", name=normal, version=one.version),
                hashes=digest(wheels[normal]) if normal in wheels else None,
            )
        )
    parts += [
        Component(
            name=file.path.name,
            version=version,
            type=ComponentType.MACHINE_LEARNING_MODEL,
            bom_ref=f"models/{file.path.name}",
            hashes=digest(file.sha256),
            description=f"{file.contract.variant} of {file.contract.model}",
        )
        for file in files
    ]
    content = [[part.name, part.version, [h.content for h in part.hashes]] for part in parts]
    bom = Bom(
        components=parts,
        serial_number=uuid.uuid5(_NAMESPACE, canonical_digest([name, version, content])),
        metadata=BomMetaData(component=root, timestamp=dt.datetime.fromtimestamp(date, dt.UTC)),
    )
    bom.register_dependency(root, parts)
    text = JsonV1Dot6(bom).output_as_string(indent=1)
    return json.dumps(json.loads(text), indent=1, sort_keys=True) + "\n"


def _licence(text: str) -> License:
    from cyclonedx.contrib.license.factories import LicenseFactory

    return LicenseFactory().make_from_string(text)


def wheel_digests(wheels: Sequence[Path]) -> dict[str, str]:
    """Return the name of each wheel's distribution, normalized, and its SHA-256."""
    return {normalized(wheel.name.split("-")[0]): file_digest(wheel) for wheel in wheels}
