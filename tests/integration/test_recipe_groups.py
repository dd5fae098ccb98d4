"""Groups of images that a recipe names: part of the build's own verdicts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import edgecnn as edgecnn_package
from command import Finished, edgecnn

pytestmark = pytest.mark.slow

Demo = tuple[Path, Finished]
DEMO = Path(edgecnn_package.__file__).parent / "commands/templates/demo.toml"


@pytest.fixture
def project(demo: Demo, tmp_path: Path) -> Path:
    """The demo as a recipe of one's own, built before it named groups."""
    shutil.copytree(demo[0], tmp_path / "build")
    text = DEMO.read_text()
    (tmp_path / "recipe.toml").write_text(
        text.replace("test = 0.33", 'test = 0.33\ngroups = "tables/groups.csv"')
    )
    (tmp_path / "tables").mkdir()
    write_table(tmp_path)
    return tmp_path


def write_table(project: Path, *, modulus: int = 2) -> None:
    lines = [f"digits/{number},{'ab'[number % modulus == 0]}" for number in range(1797)]
    table = project / "tables" / "groups.csv"
    table.write_text("\n".join(["image,kind", *lines]) + "\n")


def names(report: Path) -> list[list[str]]:
    values = json.loads(report.read_text())
    return [[one["name"] for one in row["judgement"]["criteria"]] for row in values["rows"]]


def test_a_build_compares_the_groups_that_its_recipe_names(project: Path) -> None:
    build = project / "build"
    done = edgecnn("build", project)
    assert done.code == 0, done.err
    # Groups are for verify alone: nothing is trained or converted for them.
    assert "train: up to date" in done.err
    assert "convert: up to date" in done.err
    assert "verify: up to date" not in done.err
    assert all(one[-1] == "gap_increase" for one in names(build / "parity.json"))
    assert json.loads((build / "parity.json").read_text())["limits"]["max_gap_increase"] == 3.0
    assert "Groups by kind" in (build / "report.html").read_text()
    assert "verify: up to date" in edgecnn("build", project).err
    done = edgecnn("verify", build)
    assert done.code == 0, done.err
    assert not (build / "report-partial.html").exists(), "plain verify is the build's own"
    assert all(one[-1] == "gap_increase" for one in names(build / "parity.json"))
    assert "verify: up to date" in edgecnn("build", project).err


@pytest.mark.long  # takes minutes
def test_another_table_or_limit_is_verified_again(project: Path) -> None:
    assert edgecnn("build", project).code == 0
    table = project / "tables" / "groups.csv"
    table.write_text(table.read_text().replace("\n", "\r\n"))  # the same table
    assert "verify: up to date" in edgecnn("build", project).err
    write_table(project, modulus=3)
    done = edgecnn("build", project)
    assert done.code == 0
    assert "verify: up to date" not in done.err
    recipe = project / "recipe.toml"
    recipe.write_text(recipe.read_text() + "max_gap_increase = 0.001\n")
    done = edgecnn("build", project)
    # No conversion is proven to widen no gap by a thousandth of a point.
    assert done.code == 4
    assert "Wider gap between groups (kind: " in done.err
    # The build knows the recipe's new limit, too.
    assert edgecnn("verify", project / "build").code == 4


def test_a_recipe_that_is_named_judges_by_what_it_says_now(project: Path) -> None:
    recipe, build = project / "recipe.toml", project / "build"
    shutil.copy(DEMO, recipe)
    assert edgecnn("build", project).code == 0
    recipe.write_text(recipe.read_text().replace("max_drop = 2.0", "max_drop = 0.1"))
    assert edgecnn("verify", build).code == 0, "a build is judged by what it was built with"
    done = edgecnn("verify", project)
    assert done.code == 4
    assert "limit 0.10" in done.err
    # That is the build's own now, and a build of the recipe agrees.
    assert json.loads((build / "parity.json").read_text())["limits"]["max_drop"] == 0.1
    done = edgecnn("build", project)
    assert "verify: up to date" in done.err
    assert done.code == 4


def test_a_table_on_the_command_line_is_beside_the_builds_own(
    project: Path, tmp_path: Path
) -> None:
    assert edgecnn("build", project).code == 0
    own = (project / "build" / "parity.json").read_bytes()
    other = tmp_path / "other.csv"
    other.write_text((project / "tables" / "groups.csv").read_text().replace("kind", "sort"))
    done = edgecnn("verify", project / "build", "--groups", other)
    assert done.code == 0, done.err
    assert "Groups by sort" in (project / "build" / "report-partial.html").read_text()
    assert (project / "build" / "parity.json").read_bytes() == own


def test_a_table_that_does_not_fit_ends_a_build_before_it_trains(
    project: Path,
) -> None:
    (project / "tables" / "groups.csv").write_text("image,kind\nelsewhere.png,a\n")
    done = edgecnn("build", project, "--out", project / "new")
    assert done.code != 0
    assert "the column kind tells fewer than two groups" in done.err
    assert not (project / "new" / "model.keras").exists()
    (project / "tables" / "groups.csv").unlink()
    done = edgecnn("build", project, "--out", project / "new")
    assert "is no table of groups" in done.err
    assert not (project / "new" / "model.keras").exists()
