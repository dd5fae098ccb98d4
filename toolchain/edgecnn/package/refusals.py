"""Makes the errors of model files that may not be packaged, each with the command that helps.

Which command that is depends on the case: on what else the build holds, on the verdict, and on what
was asked for. A remedy's commands stand behind a colon, ready for a shell.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from edgecnn.build.artifact import mixed_of
from edgecnn.build.workspace import Workspace
from edgecnn.errors import PackageError, some_of
from edgecnn.package.request import PackageRequest
from edgecnn.recipe.load import VARIANTS

_LIMITS: Final[Mapping[str, str]] = {
    "accuracy_drop": "--max-drop",
    "disagreement": "--min-agreement",
    "class_drop": "--max-class-drop",
    "gap_increase": "--max-gap-increase",
    "corruption_drop": "--max-corruption-drop",
    "accuracy": "--min-accuracy",
}
"""A criterion to the option of ``edgecnn verify`` that sets its limit."""
_TIGHTEST: Final[Mapping[str, str]] = {
    "accuracy_drop": "max_drop",
    "disagreement": "min_agreement",
    "class_drop": "max_class_drop",
    "accuracy": "min_accuracy",
}
"""A criterion to the limit that a verification tells of a file without a PASS."""
_STEP: Final = 0.5
"""Points that a limit is rounded to: what the images show to the digit nobody chose."""
_CLEAR: Final = "clear answers"
"""How a criterion says that it is about the float model's clear answers alone."""
_RUNTIME_OF: Final = {"tflite": "litert", "onnx": "onnxruntime"}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What was to be packaged, and the record that decides whether it may be.

    Attributes:
        request: What was asked for.
        place: What the command line named.
        workspace: The build; None for a released model.
        rows: A variant to its row of the record.
    """

    request: PackageRequest
    place: Path
    workspace: Workspace | None
    rows: Mapping[str, Mapping[str, Any]]

    def again(self, *before: str) -> str:
        """Return the command line as it was given, behind commands that have to come first."""
        return " && ".join((*before, self.request.command()))

    def with_variant(self, variant: str) -> str:
        """Return the command line with one variant in place of those asked for."""
        return replace(self.request, variants=(variant,)).command()

    @property
    def verify(self) -> str:
        """The command that verifies the build, or the one that is made of the released model."""
        return f"edgecnn verify {shlex.quote(str(self.place))}"

    @property
    def convert(self) -> str:
        """The command that converts the build's float model, or the released one."""
        if self.workspace is not None and "adopt" in self.workspace.manifest()["stages"]:
            return _adopted_again(self.workspace)
        folder = self.place if self.workspace is None else self.workspace.folder
        return f"edgecnn convert {shlex.quote(str(folder))}"

    @property
    def repair(self) -> str:
        """The command that mends int8 files; of a model made elsewhere it needs new pictures."""
        if self.workspace is None:
            return f"{self.convert} --repair"
        manifest = self.workspace.manifest()
        known = "train" in manifest["stages"] or manifest.get("source", {}).get("unseen")
        model = manifest.get("recipe", {}).get("model", {})
        trained = any(model.get(key) for key in ("architecture", "backbone", "start"))
        more = "" if known or trained or not model else " --unlabelled FOLDER"
        return f"{self.convert} --repair{more}"

    def made_anew(self) -> str:
        """Return the commands that convert and verify all of it again, and package it."""
        return self.again(self.convert, self.verify)


def _adopted_again(workspace: Workspace) -> str:
    """Return the command that takes a build's files in once more, as they were taken in."""
    manifest = workspace.manifest()
    source, data = manifest["source"], manifest["recipe"]["data"]
    files = [str((row.get("adopted") or {}).get("file", "FILE")) for row in manifest["variants"]]
    images = data["path"] if data["name"] == "folder" else data["name"]
    compared = (
        ("--scores", source.get("scores"))
        if source.get("kind") == "scores"
        else ("--reference", source.get("path"))
    )
    options = {
        compared[0]: compared[1],
        "--data": images,
        "--labels": workspace.path(Workspace.LABELS),
        "--input-range": source.get("files_range"),
        "--output-kind": source.get("files_output"),
        "--layout": source.get("files_layout"),
        "--reference-range": source.get("said_range"),
        "--out": workspace.folder,
    }
    words = ["edgecnn", "adopt", *files]
    for option, value in options.items():
        words += [] if value is None else [option, str(value)]
    return shlex.join(words)


def no_pass(wanted: Wanted, variant: str) -> PackageError:
    """Return the error of a variant whose verdict, if it has one, does not let it into a bundle.

    Args:
        wanted: What was to be packaged.
        variant: One of its variants.
    """
    row = wanted.rows.get(variant)
    passed = [name for name, one in wanted.rows.items() if one["verdict"] == "PASS"]
    proven = "PASS; that have: " + (some_of(passed) or "none")
    observed = "it was not verified" if row is None else f"verdict {row['verdict']}"
    if wanted.request.accept_inconclusive and row is not None:
        observed += ", which --accept-inconclusive does not let in"
    ways = [*_another(wanted, variant, passed)]
    if row is None:
        ways += _unknown(wanted, variant)
    elif row["verdict"] == "INCONCLUSIVE":
        undecided = replace(wanted.request, accept_inconclusive=True)
        if row.get("judgement"):
            ways.append(f"package it as what it is, not proven: {undecided.command()}")
        ways += [
            *_other_limits(wanted, row, "undecided"),
            f"see how many test images would decide: {wanted.verify}",
        ]
    elif row["verdict"] == "FAIL":
        if variant in ("tflite-int8", "onnx-int8"):
            repaired = wanted.again(wanted.repair, wanted.verify)
            ways.append(f"mend it: {repaired}")
        ways += _other_limits(wanted, row, "missed")
        ways.append(f"see what it loses: {wanted.verify}")
    elif row["verdict"] == "NOT MADE":
        ways.append(f"try to make it again: {_made_with(wanted, variant)}")
    else:
        known = row.get("error") or {}
        said = f", which said: {known['problem']}" if known.get("problem") else ""
        ways.append(f"verify it again{said}: {wanted.again(wanted.verify)}")
    return PackageError(
        f"{variant} of {wanted.place} has no PASS, and only what is proven is packaged",
        observed=observed,
        expected=proven,
        remedy="; or ".join(ways),
    )


def _another(wanted: Wanted, variant: str, passed: Sequence[str]) -> list[str]:
    """Return the way to a bundle of another variant that has a PASS and fits; none without one."""
    kind = variant.partition("-")[0]
    fit = [name for name in passed if name.partition("-")[0] == kind]
    if fit:
        return [f"package one that has a PASS: {wanted.with_variant(min(fit, key=_rank))}"]
    if not passed or wanted.request.target != "pi":
        return []
    other = min(passed, key=_rank)
    request = replace(
        wanted.request, variants=(other,), runtime=_RUNTIME_OF[other.partition("-")[0]]
    )
    return [f"package one that has a PASS, with the runtime for it: {request.command()}"]


def _rank(variant: str) -> tuple[bool, str]:
    return not variant.endswith(("-int8", "-int8-mixed")), variant


def _unknown(wanted: Wanted, variant: str) -> list[str]:
    """Return the way to a variant of which the record says nothing."""
    rows = [] if wanted.workspace is None else wanted.workspace.manifest()["variants"]
    states = {row["variant"]: row["status"] for row in rows}
    if states.get(variant) == "replaced":
        return [f"take what the repair put in its place: {wanted.with_variant(mixed_of(variant))}"]
    if states.get(variant) == "made":
        return [f"verify it: {wanted.again(wanted.verify)}"]
    if any(row.get("adopted") for row in rows):
        return [f"the build holds what another program made: {some_of(states)}"]
    if variant in VARIANTS:
        return [f"make and verify it: {_made_with(wanted, variant)}"]
    return [f"there is no such variant; edgecnn makes {', '.join(VARIANTS)}"]


def _made_with(wanted: Wanted, variant: str) -> str:
    return wanted.again(f"{wanted.convert} --variant {shlex.quote(variant)}", wanted.verify)


def _other_limits(wanted: Wanted, row: Mapping[str, Any], outcome: str) -> list[str]:
    """Return the way by limits that the file keeps for sure, where its owner can live with them."""
    judgement = row.get("judgement") or {}
    options: dict[str, str] = {}
    for one in judgement.get("criteria", []):
        if one["outcome"] not in (outcome, "undecided"):
            continue
        option, value = _LIMITS.get(one["name"]), _kept(one, row)
        if option is None or value is None:
            return []
        options[option] = f"{value:g}"
        if one["name"] == "disagreement" and str(one.get("about") or "").startswith(_CLEAR):
            options["--agreement-on"] = "clear"  # a limit that is stated is else about all answers
    if not options or wanted.workspace is None:
        return []
    text = " ".join(f"{option} {value}" for option, value in options.items())
    verified = f"{wanted.verify} {text} --save-limits"
    return [f"if such limits are enough, keep them for this build: {wanted.again(verified)}"]


def _kept(criterion: Mapping[str, Any], row: Mapping[str, Any]) -> float | None:
    """Return a limit in percent or points by which a criterion would be met; None if by none.

    The verification says it, whose exact tests may ask for more than an interval does. Records of
    0.2 do not say it.
    """
    name = _TIGHTEST.get(criterion["name"])
    tightest = row.get("tightest") or {}
    if name in tightest:
        value: float | None = tightest[name]
        return value
    return _sure(criterion, row.get("judgement") or {})


def _sure(criterion: Mapping[str, Any], judgement: Mapping[str, Any]) -> float | None:
    """Return a limit in percent or points that these images show to be kept; None if none is."""
    if criterion["name"] == "class_drop":
        # A class within its limit is met, however few its images are.
        drops = [one["drop"] or 0.0 for one in judgement.get("classes", [])]
        found = math.ceil((100 * max([criterion["estimate"], *drops]) - 1e-9) / _STEP) * _STEP
        return found if 0 < found <= 100 else None
    if criterion["name"] in ("accuracy", "disagreement"):
        # Of both the option is the least share allowed.
        share = criterion["low"] if criterion["name"] == "accuracy" else 1 - criterion["high"]
        found = math.floor((100 * share - 1e-9) / _STEP) * _STEP
        return found if 0 < found < 100 else None
    found = (math.floor((100 * criterion["high"] + 1e-9) / _STEP) + 1) * _STEP
    return found if 0 < found <= 100 else None


def changed_since(wanted: Wanted, path: Path, *, found: str, verified: str) -> PackageError:
    """Return the error of a file with other bytes than those that have the verdict."""
    return PackageError(
        f"{path} is not the file that was verified",
        observed=found,
        expected=f"SHA-256 {verified}",
        remedy=f"convert and verify it again: {wanted.made_anew()}",
    )


def no_record(wanted: Wanted, observed: str) -> PackageError:
    """Return the error of a place without verdicts that can be read."""
    made = wanted.workspace is not None and any(
        row["status"] == "made" for row in wanted.workspace.manifest()["variants"]
    )
    way = wanted.again(wanted.verify) if made else wanted.made_anew()
    return PackageError(
        f"{wanted.place} has no record of a verification",
        observed=observed,
        expected="the verdicts of a whole verification",
        remedy=f"{'verify it' if made else 'convert and verify it'}: {way}",
    )
