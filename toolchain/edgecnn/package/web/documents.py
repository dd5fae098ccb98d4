"""The texts in a web bundle that are made from its facts: README and model card."""

from __future__ import annotations

from edgecnn.package.documents import card_facts, environment
from edgecnn.package.web.contents import MODEL, WebPlan

__all__ = ["documents"]


def documents(plan: WebPlan) -> dict[str, bytes]:
    """Return README and model card by their names."""
    facts = {
        **card_facts(plan.proven, plan.version, place=MODEL),
        "target": "web",
        "variant": plan.proven.files[0].contract.variant,
    }
    pages = environment()
    return {
        "README.md": pages.get_template("web/README.md.j2").render(facts).encode(),
        "MODEL_CARD.md": pages.get_template("MODEL_CARD.md.j2").render(facts).encode(),
    }
