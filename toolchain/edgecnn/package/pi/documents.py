"""The texts in a bundle that are made from its facts: README, model card, licences, materials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.package.licences import libraries_in, licences_page, own_licence
from edgecnn.package.pi.tree import BundlePlan
from edgecnn.package.proven import Proven
from edgecnn.package.sbom import SBOM, pypi_parts, sbom, wheel_digests
from edgecnn.report import markdown_environment, markdown_text
from edgecnn_runner.postprocess import MANY_CLASSES

if TYPE_CHECKING:
    from jinja2 import Environment


def write_documents(
    plan: BundlePlan, folder: Path, *, date: int, unchecked: Sequence[str] = ()
) -> None:
    """Write README, model card, licences and bill of materials into a bundle's folder.

    Args:
        plan: What the bundle holds.
        folder: The bundle, laid out.
        date: When it is made, in seconds since 1970.
        unchecked: The privacy claims, where their checks are left out.

    Raises:
        PackageError: If a library says nothing of its licence.
    """
    proven = plan.proven
    facts = {
        **card_facts(proven, plan.version, place=None),
        "target": "pi",
        "unchecked": unchecked,
        "collect": plan.collect,
        "collects_as_service": plan.collects_as_service,
        "system": plan.platform.system.name,
        "python": plan.platform.system.python,
    }
    pages = environment()
    for name in ("README.md", "MODEL_CARD.md"):
        text = pages.get_template(f"{name}.j2").render(facts)
        (folder / name).write_text(text, encoding="utf-8")
    libraries = libraries_in(folder / "lib")
    (folder / "LICENSE").write_text(own_licence(), encoding="utf-8")
    (folder / "LICENCES.md").write_text(
        licences_page(libraries, notice=proven.notice), encoding="utf-8"
    )
    materials = sbom(
        name=proven.model,
        version=plan.version,
        models={f"models/{file.path.name}": file for file in proven.files},
        parts=pypi_parts(libraries, wheel_digests(plan.wheels)),
        date=date,
    )
    (folder / SBOM).write_text(materials, encoding="utf-8")


def card_facts(proven: Proven, version: str, *, place: str | None) -> dict[str, Any]:
    """Return what a model card says of a bundle's model files.

    Args:
        proven: The files.
        version: The bundle's version.
        place: Path of the one model file in the bundle; None for ``models/`` and its name.
    """
    contract = proven.files[0].contract
    return {
        "model": proven.model,
        "version": version,
        "labels": contract.labels,
        "height": contract.input.height,
        "width": contract.input.width,
        "channels": contract.input.channels,
        "notice": markdown_text(proven.notice),
        "not_proven": {name: markdown_text(one.reason) for name, one in proven.unproven.items()},
        "adopted": {
            file.path.name: {
                name: markdown_text(text) for name, text in file.contract.adopted.items()
            }
            for file in proven.files
            if file.contract.adopted
        },
        "shown_recall": _shown_recall(proven.files[0].verdict["recall"]),
        "files": [
            {
                **file.verdict,
                "name": file.path.name,
                "place": place or f"models/{file.path.name}",
                "variant": file.contract.variant,
                "input": file.contract.input.dtype,
                "output": file.contract.output.dtype,
                "bytes": file.path.stat().st_size,
                "sha256": file.sha256,
            }
            for file in proven.files
        ],
    }


def _shown_recall(recall: Mapping[str, float]) -> dict[str, float]:
    """Return the recalls that a card lists: all; of many classes, the lowest."""
    if len(recall) <= MANY_CLASSES:
        return dict(recall)
    return dict(sorted(recall.items(), key=lambda one: one[1])[:MANY_CLASSES])


def environment() -> Environment:
    """Return how these texts are made: a fact that is not there is an error."""
    made = markdown_environment("edgecnn.package")
    made.filters["limits"] = _limits
    return made


def _limits(limits: Mapping[str, Any]) -> str:
    return (
        f"drop {limits['max_drop']} points, agreement {limits['min_agreement']} %, "
        f"class {limits['max_class_drop']} points"
        + (f", accuracy {limits['min_accuracy']} %" if limits.get("min_accuracy") else "")
    )
