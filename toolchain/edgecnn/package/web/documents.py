"""The texts in a web bundle that are made from its facts: README, model card, materials."""

from __future__ import annotations

from edgecnn import __version__
from edgecnn.package.pi.documents import card_facts, environment
from edgecnn.package.sbom import SBOM, Part, own_part, sbom
from edgecnn.package.web.contents import MODEL, WebPlan
from edgecnn.package.web.vendor import read_vendor

__all__ = ["documents"]


def documents(plan: WebPlan) -> dict[str, bytes]:
    """Return README, model card and bill of materials by their names."""
    facts = {
        **card_facts(plan.proven, plan.version, place=MODEL),
        "target": "web",
        "variant": plan.proven.files[0].contract.variant,
    }
    pages = environment()
    vendor = read_vendor()
    runtime = Part(
        name=vendor.package,
        version=vendor.version,
        licence=vendor.licence,
        source="npm",
        files={f"vendor/{one.name}": one.sha256 for one in vendor.files},
    )
    materials = sbom(
        name=plan.proven.model,
        version=plan.version,
        models={MODEL: plan.proven.files[0]},
        parts=[own_part("edgecnn-web-app", __version__), runtime],
        date=plan.date,
    )
    return {
        "README.md": pages.get_template("web/README.md.j2").render(facts).encode(),
        "MODEL_CARD.md": pages.get_template("MODEL_CARD.md.j2").render(facts).encode(),
        SBOM: materials.encode(),
    }
