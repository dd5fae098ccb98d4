"""What may go into a bundle: files with a PASS, and the record that says so.

Where it is asked for, files with an INCONCLUSIVE verdict may, too: as what they are, not proven.
The record is a build's own verification (``parity.json``, of every file on every image), or the
``results.json`` of a released model. Either binds its verdicts to the files by their digests.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgecnn.build.workspace import Workspace
from edgecnn.errors import PackageError
from edgecnn.files import file_digest
from edgecnn.log import has_read
from edgecnn.modelfile import loads, read_graph
from edgecnn.package.refusals import Wanted, changed_since, no_pass, no_record
from edgecnn.package.request import ANY_BUILD, PackageRequest
from edgecnn.package.unproven import Unproven, unproven_of
from edgecnn_runner.contract import Contract
from edgecnn_runner.formats.container import read_container


@dataclass(frozen=True, kw_only=True)
class ProvenFile:
    """One model file that may be packaged: with a PASS, or accepted without one.

    Attributes:
        path: Where it is.
        contract: What it carries.
        verdict: How it was proven: ``images``, ``accuracy``, ``float_accuracy``, ``agreement``
            (shares, 0..1), ``recall`` by class name, ``worst_drop`` and ``lowest_recall`` with
            the class's ``name``, and the ``limits`` that it kept.
        sha256: Of the file, as it was verified.
        unproven: What is not proven of it; None for a PASS.
    """

    path: Path
    contract: Contract
    verdict: Mapping[str, Any]
    sha256: str
    unproven: Unproven | None = None


@dataclass(frozen=True, kw_only=True)
class Proven:
    """A model's files that may be packaged, and what goes with them.

    Attributes:
        model: Its name.
        files: In the order of the record.
        golden: Its golden vectors.
        folder: The build, or the folder of the released model.
        notice: Whose weights the model began with, and under which licence; empty where it began
            with none.
    """

    model: str
    files: tuple[ProvenFile, ...]
    golden: Path
    folder: Path
    notice: str = ""

    @property
    def state(self) -> str:
        """What all of the files are, in a word or two, for people."""
        return "not proven" if self.unproven else "proven"

    @property
    def unproven(self) -> Mapping[str, Unproven]:
        """The names of the files without a PASS, to what is not proven of each."""
        return {one.path.name: one.unproven for one in self.files if one.unproven is not None}


def find_proven(
    place: Path,
    workspace: Workspace | None,
    variants: Sequence[str],
    request: PackageRequest = ANY_BUILD,
) -> Proven:
    """Return the files of a build, or of a released model, that may be packaged.

    Args:
        place: What the command line named, for errors.
        workspace: The build; None for the released model in the folder ``place``.
        variants: Those asked for.
        request: What was asked for besides: whether an INCONCLUSIVE verdict is accepted; remedies
            give the command again.

    Raises:
        PackageError: If one of them has no PASS, nor a verdict that is accepted, was changed
            since, or is not there.
    """
    folder = place if workspace is None else workspace.folder
    record = folder / ("results.json" if workspace is None else Workspace.PARITY)
    wanted = Wanted(request=request, place=place, workspace=workspace, rows={})
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
        has_read(record)
        rows = found["artifacts"] if workspace is None else found["rows"]
        by_variant = {row["variant"]: row for row in rows}
        facts = {name: _facts(found, row) for name, row in by_variant.items()}
        unproven = {name: unproven_of(found, row) for name, row in by_variant.items()}
        model = str(found["model"])
        own_scores = found.get("own_scores") or {"agrees": True}
        disagrees = own_scores["agrees"] is not True
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise no_record(wanted, f"{record}: {type(error).__name__}: {error}") from error
    wanted = Wanted(request=request, place=place, workspace=workspace, rows=by_variant)
    if disagrees:
        scores = shlex.quote(str(own_scores.get("file")))
        raise PackageError(
            f"the float model of {place} does not have your own scores, so its verdicts prove "
            "nothing",
            observed=f"{own_scores.get('agreed')} of {own_scores.get('images')} images with the "
            f"class in {own_scores.get('file')}",
            expected="your own scores agree with the float model's, or were not given",
            remedy=f"see what explains it, and convert the model as it was trained: "
            f"{wanted.verify} --scores {scores}; if the scores are another model's, verify without "
            f"them: {wanted.again(wanted.verify)}",
        )
    _refuse_useless(found, wanted)
    files = tuple(_file(folder, wanted, name, facts, unproven.get(name)) for name in variants)
    golden = folder / Workspace.GOLDEN
    if not golden.is_file():
        raise PackageError(
            f"{folder} has no golden vectors, so that a device could not test itself",
            observed=f"no {golden}",
            expected="the golden vectors that edgecnn convert makes",
            remedy=f"convert and verify it again: {wanted.made_anew()}",
        )
    notice = "" if workspace is None else workspace.manifest().get("notice", "")
    return Proven(model=model, files=files, golden=golden, folder=folder, notice=notice)


def refuse_unloadable(
    proven: Proven,
    *,
    package: str,
    version: str,
    request: PackageRequest = ANY_BUILD,
    others: Mapping[str, tuple[str, str]] | None = None,
) -> None:
    """Refuse files that a bundle's runtime cannot load, before anything of it is made.

    Args:
        proven: The files.
        package: The runtime, a key of ``edgecnn.modelfile.RUNTIMES``.
        version: Its version.
        request: What was asked for.
        others: What ``--runtime`` may name instead, to its package and version.

    Raises:
        PackageError: If there is one.
    """
    graphs = {one.path.name: read_graph(read_container(one.path)) for one in proven.files}
    reasons = {name: loads(graph, package, version) for name, graph in graphs.items()}
    refused = next((name for name, reason in reasons.items() if reason is not None), None)
    if refused is None:
        return
    ways = [
        f"package them with a runtime that does: {replace(request, runtime=name).command()}"
        for name, (other, its_version) in (others or {}).items()
        if all(loads(graph, other, its_version) is None for graph in graphs.values())
    ][:1]
    loaded = [one.contract.variant for one in proven.files if reasons[one.path.name] is None]
    if loaded:
        fewer = replace(request, variants=tuple(loaded)).command()
        ways.append(f"leave out what it cannot load: {fewer}")
    if not ways:
        file = shlex.quote(str(proven.folder / refused))
        ways = [f"see what each runtime loads of them: edgecnn inspect {file}"]
    raise PackageError(
        f"{package} {version} cannot load {refused}",
        observed=reasons[refused],
        expected="files that the runtime in the bundle loads",
        remedy="; or ".join(ways),
    )


def _refuse_useless(found: Mapping[str, Any], wanted: Wanted) -> None:
    """Refuse a build whose float model guesses, unless its limits say that it may."""
    model = found.get("float_model")
    if model and model["outcome"] == "guessing" and "min_accuracy" not in found["limits"]:
        anyway = wanted.again(f"{wanted.verify} --min-accuracy 0 --save-limits")
        raise PackageError(
            f"the float model of {wanted.place} is no better than guessing, so that a PASS proves "
            "nothing",
            observed=f"right on {model['right']:,} of {model['images']:,} images; always to answer "
            f"{model['largest_class']} is right on {model['largest_images']:,}",
            expected="a float model that beats guessing, or limits.min_accuracy in the recipe",
            remedy=f"see what to check: {wanted.verify}; if such a model is wanted: {anyway}",
        )


def _facts(found: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """Bring the two forms of record to one; raises ``KeyError`` and others if it is neither."""
    names: Sequence[str] = found["class_names"]
    if "judgement" in row:
        if row["judgement"] is None:
            return {}
        criteria = {one["name"]: one for one in row["judgement"]["criteria"]}
        measured, worst = row["metrics"], criteria["class_drop"]
        recall = {names[one["index"]]: one["recall"] for one in measured["classes"]}
        name = names[worst["class_index"]]
        drop, accuracy = worst["estimate"], measured["artifact"]["accuracy"]
        # What is to be known of that loss: among many classes, the worst is one by chance.
        about = worst.get("about")
        floats = measured["reference"]["accuracy"]
    else:
        name, drop = row["worst_class"]["name"], row["worst_class"]["drop"]
        about = row["worst_class"].get("about")
        recall, accuracy = row["recall"], row["accuracy"]
        floats, measured = found["float"]["accuracy"], row
    # Of a class without test images nothing is known.
    known = {one: share for one, share in recall.items() if share is not None}
    lowest = min(known, key=lambda one: known[one])
    return {
        "images": found["evaluated"]["images"],
        "dataset": found["evaluated"]["dataset"],
        "accuracy": accuracy,
        "float_accuracy": floats,
        "agreement": measured["agreement"],
        "top5": _top_five(measured, found["evaluated"]["images"]),
        "recall": known,
        "classes": len(names),
        "worst_drop": {"name": name, "drop": drop, "about": about},
        "lowest_recall": {"name": lowest, "recall": recall[lowest]},
        "limits": found["limits"],
    }


def _top_five(measured: Mapping[str, Any], images: int) -> dict[str, float] | None:
    """Return what a record says of the five best scores, as shares; None where it says nothing."""
    counted = measured.get("top5")
    if counted is None:
        return None
    return {key: counted[key] / images for key in ("reference_right", "right", "kept")}


def _file(
    folder: Path,
    wanted: Wanted,
    variant: str,
    facts: Mapping[str, dict[str, Any]],
    unproven: Unproven | None,
) -> ProvenFile:
    row = wanted.rows.get(variant)
    accepted = wanted.request.accept_inconclusive and unproven is not None
    if row is None or (row["verdict"] != "PASS" and not accepted):
        raise no_pass(wanted, variant)
    path = folder / Path(str(row["file"])).name
    if wanted.workspace is None and not path.exists():
        from_weights = "make it from the released weights, prove it, and package that build: "
        from_weights += wanted.again(
            f"{wanted.convert} --variant {shlex.quote(variant)}", wanted.verify
        )
        raise PackageError(
            f"the released model {wanted.place} has no {variant} file, only the record of its "
            "proof",
            observed=f"no {path}",
            expected="one of the files that lie there",
            remedy=from_weights
            if any(folder.glob("*.keras"))
            else "copy the whole folder again from where it was released: its weights are not in "
            "it either, so that the file cannot be made here",
        )
    try:
        digest = file_digest(path)
    except OSError as error:
        digest = error.strerror or str(error)
    if digest != row["sha256"]:
        raise changed_since(wanted, path, found=digest, verified=str(row["sha256"]))
    contract = read_container(path).contract
    if contract is None:
        raise PackageError(
            f"{path} carries no contract",
            observed="a file that edgecnn did not make",
            expected="a file that explains itself",
            remedy=f"package what edgecnn makes of its float model: {wanted.made_anew()}",
        )
    return ProvenFile(
        path=path, contract=contract, verdict=facts[variant], sha256=digest, unproven=unproven
    )
