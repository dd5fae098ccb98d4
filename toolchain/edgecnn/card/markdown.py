"""A model card, made from a build's figures (Mitchell et al. 2019, arXiv:1810.03993)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgecnn.build.artifact import asked_for, precision_of
from edgecnn.report import markdown_environment
from edgecnn.report.matrix import most_confused
from edgecnn.report.text import percent_text
from edgecnn_runner.postprocess import MANY_CLASSES


def card(results: Mapping[str, Any], *, about: str = "", data_note: str = "") -> str:
    """Return the card of a model as Markdown.

    Args:
        results: What ``collect_results`` returns; with ``latency``, also how fast files are: its
            ``machine``, ``versions``, ``threads``, ``runs`` and ``rows``, each with ``file`` and
            ``median_us``.
        about: What the network is and where it comes from, as Markdown.
        data_note: Where the images come from, what may be done with them, and what they cannot
            tell, as Markdown.

    Returns:
        The text; its numbers are those of ``results``, rounded.
    """
    environment = markdown_environment("edgecnn.card")
    shown = next(row for row in results["artifacts"] if asked_for(row["variant"]) == "tflite-int8")
    latency = {row["file"]: row for row in results.get("latency", {}).get("rows", [])}
    names = results["class_names"]
    recall = results["float"]["recall"]
    tested = [name for name in names if recall[name] is not None]
    many = len(names) > MANY_CLASSES
    kinds = most_confused([(true, answer, count) for true, answer, count in shown["confusion"]])
    return environment.get_template("card.md.j2").render(
        results=results,
        about=about.strip(),
        data_note=data_note.strip(),
        float=results["float"],
        training=results["training"],
        recipe=results["recipe"],
        changes=_changes(results["recipe"]["augment"]),
        artifacts=results["artifacts"],
        shown=shown,
        precision=precision_of(shown["variant"]),
        latency=latency,
        worst=min(tested, key=lambda name: recall[name]),
        matrix=[] if many else _matrix(shown["confusion"], len(names)),
        kinds=kinds[:MANY_CLASSES] if many else [],
        kinds_in_all=len(kinds),
        listed=sorted(tested, key=lambda name: recall[name])[:MANY_CLASSES] if many else tested,
        names=names,
        tools=_versions(results["training"]["tools"]),
        versions=_versions(results["versions"]),
    )


def _changes(augment: Mapping[str, Any]) -> list[str]:
    """Say what a recipe does to its training images."""
    said = {
        "crop": f"crops from a reflected border of {augment['crop']} pixels",
        "flip": "mirrored left to right",
        "cutout": f"a square of {augment['cutout']} pixels left out",
        "mixup": f"blended in pairs (mixup, alpha {augment['mixup']})",
    }
    # Figures of edgecnn 0.1 do not have the keys that came after it.
    for key, text in (
        ("rotation", "turned by up to {:g} degrees"),
        ("shift", "moved by up to {} of their sides"),
        ("zoom", "up to {} larger, and smaller alike"),
        ("brightness", "up to {} brighter or darker"),
        ("contrast", "up to {} more or less contrast"),
        ("colour", "up to {} more or less colour, and other hues"),
    ):
        amount = augment.get(key, 0.0)
        said[key] = text.format(amount if key == "rotation" else percent_text(amount, 0))
    return [text for key, text in said.items() if augment.get(key)]


def _matrix(cells: Sequence[Sequence[int]], classes: int) -> list[list[int]]:
    """Return a confusion matrix with its zeros: rows are true classes."""
    rows = [[0] * classes for _ in range(classes)]
    for true, predicted, count in cells:
        rows[true][predicted] = count
    return rows


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())
