"""Limits that are saved: ``build``, ``verify`` and ``package`` judge by them from then on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from command import Finished, edgecnn_here

pytestmark = pytest.mark.slow

RECIPE = """\
[model]
name = "digits"       # the demo's

[data]
name = "digits"
test = 0.33

[limits]
max_drop = 0.3        # too tight for 592 images
"""


@pytest.fixture
def project(demo: tuple[Path, Finished], tmp_path: Path) -> Path:
    """A recipe with the demo's build beside it."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "recipe.toml").write_text(RECIPE)
    shutil.copytree(demo[0], folder / "build")
    return folder


def own_verdict(project: Path) -> tuple[str, float]:
    record = json.loads((project / "build/parity.json").read_text())
    return record["verdict"], record["limits"]["max_drop"]


def test_limits_are_kept_for_every_later_command(project: Path) -> None:
    recipe = project / "recipe.toml"
    assert edgecnn_here("verify", project).code == 4
    assert own_verdict(project) == ("INCONCLUSIVE", 0.3)
    # Tried alone, they change nothing.
    assert edgecnn_here("verify", project, "--max-drop", "5").code == 0
    assert own_verdict(project) == ("INCONCLUSIVE", 0.3)
    assert recipe.read_text() == RECIPE
    done = edgecnn_here("verify", project, "--max-drop", "5%", "--save-limits", "--json")
    assert done.code == 0, done.err
    found = done.json()["saved_limits"]
    assert found == {
        "limits": {"max_drop": 5.0}, "build": str(project / "build"), "recipe": str(recipe),
    }  # fmt: skip
    assert recipe.read_text() == RECIPE.replace("max_drop = 0.3 ", "max_drop = 5.0 ")
    for target in (project, recipe, project / "build"):
        again = edgecnn_here("verify", target, "--json")
        assert (again.code, again.json().get("saved_limits")) == (0, None)
        assert own_verdict(project) == ("PASS", 5.0)
    packaged = edgecnn_here(
        "package", project, "--target", "web", "--format", "folder", "--skip-privacy-checks",
        "-o", project / "dist",
    )  # fmt: skip
    assert packaged.code == 0, packaged.err
    card = next((project / "dist").glob("*/MODEL_CARD.md")).read_text()
    assert "drop 5.0 points" in card


def test_a_verdict_that_is_none_is_saved_and_a_mistake_is_not(project: Path) -> None:
    """A limit is what its owner can live with, and does not depend on what a file comes to."""
    recipe = project / "recipe.toml"
    done = edgecnn_here("verify", project, "--max-drop", "0.2", "--save-limits")
    assert done.code == 4
    assert f"saved in {recipe} and {project}/build: max_drop = 0.2" in done.out
    assert "max_drop = 0.2 " in recipe.read_text()
    assert own_verdict(project) == ("INCONCLUSIVE", 0.2)
    kept = recipe.read_text()
    for arguments in (
        ("--max-drop", "0", "--save-limits"),
        ("--max-drop", "5", "--save-limits", "--images", "100"),
        ("--save-limits",),
        ("--max-drop", "5", "--save-limits", "--data", "nothing/there"),
    ):
        assert edgecnn_here("verify", project, *arguments).code in (2, 21), arguments
        assert recipe.read_text() == kept
        assert own_verdict(project) == ("INCONCLUSIVE", 0.2)
