"""``PRIVACY.md``: a bundle's claims with what came of their checks, and plain words around them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from edgecnn.package.pi.documents import environment
from edgecnn.package.pi.platforms import ARCHITECTURES
from edgecnn.package.pi.tree import BundlePlan
from edgecnn.package.privacy.claims import NOTE, Checked
from edgecnn.package.privacy.pi import COLLECTED_FIELD, FIELDS
from edgecnn.report import markdown_text


def write_note(plan: BundlePlan, folder: Path, checked: Checked) -> None:
    """Write the note, and the record for programs, into a bundle's folder.

    Args:
        plan: What the bundle holds.
        folder: The bundle.
        checked: Its claims; none of them broken.
    """
    first = plan.proven.files[0]
    text = (
        environment()
        .get_template(f"{NOTE}.j2")
        .render(
            model=plan.proven.model,
            version=plan.version,
            checked=checked,
            summary=summary(checked),
            fields=FIELDS if plan.collect is None else {**FIELDS, **COLLECTED_FIELD},
            collect=plan.collect,
            collects_as_service=plan.collects_as_service,
            runtime=plan.platform.runtime,
            width=first.contract.input.width,
            height=first.contract.input.height,
            labels=first.contract.labels,
            accuracy=first.verdict["accuracy"],
            images=first.verdict["images"],
            dataset=first.verdict["dataset"],
            lowest=first.verdict["lowest_recall"],
            lost=first.verdict["worst_drop"],
            not_proven={
                name: markdown_text(one.reason) for name, one in plan.proven.unproven.items()
            },
        )
    )
    (folder / NOTE).write_text(text, encoding="utf-8")
    checked.write(folder)


_COUNTS: Final = {"held": "held", "not checked": "not checked", "broken": "**broken**"}


def summary(checked: Checked) -> str:
    """Return, in a paragraph, how many claims were checked, and where."""
    counts = [
        f"{len(found)} {word}"
        for state, word in _COUNTS.items()
        if (found := checked.of(state))  # type: ignore[arg-type] # the keys are states
    ]
    text = f"Of {len(checked.outcomes)} claims: {', '.join(counts)}. Run was {checked.setting}."
    if checked.architecture is None:
        return f"Of {len(checked.outcomes)} claims: {', '.join(counts)}; {checked.setting}."
    if checked.architecture != checked.bundle_architecture:
        device = ARCHITECTURES.get(checked.bundle_architecture, checked.bundle_architecture)
        text += (
            f" **Not checked on {device}**, which the bundle is for: the Python code, the models "
            "and the installer are the same there, the libraries' native code is built for another "
            "processor."
        )
    return text
