"""What is released under models/ is what its figures and its card are about."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from edgecnn.card import shown_recipe
from edgecnn.files import file_digest
from edgecnn.recipe.load import load_recipe

ROOT = Path(__file__).parents[1]
RELEASED = sorted(path.parent for path in ROOT.glob("models/*/about.md"))


@pytest.fixture(scope="module")
def release() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("release", str(ROOT / ".ci/release-model"))
    spec = importlib.util.spec_from_loader("release", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.mark.parametrize("folder", RELEASED, ids=lambda path: path.name)
def test_every_number_of_a_card_is_one_of_its_results(folder: Path, release: ModuleType) -> None:
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert card == release.model_card(folder), f"run: .ci/release-model {folder} --card"


@pytest.mark.parametrize("folder", RELEASED, ids=lambda path: path.name)
def test_results_are_bound_to_the_released_files(folder: Path, release: ModuleType) -> None:
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    name = load_recipe(folder).model.name
    assert results["model"] == name == folder.name
    assert file_digest(folder / f"{name}.keras") == results["float"]["sha256"]
    rows = {row["variant"]: row for row in results["artifacts"]}
    for variant in release.RELEASED:
        assert rows[variant]["verdict"] == "PASS"
        assert file_digest(folder / rows[variant]["file"]) == rows[variant]["sha256"]
    assert results["evaluated"]["images"] == results["evaluated"]["available"] == 10_000


@pytest.mark.parametrize("folder", RELEASED, ids=lambda path: path.name)
def test_results_are_of_the_recipe_beside_them(folder: Path) -> None:
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    shown = shown_recipe(load_recipe(folder).to_dict())
    # The figures are of a release that did not have every key of today; that those change
    # nothing is what tests/train/test_earlier.py proves.
    known = {
        name: {key: value for key, value in section.items() if key in results["recipe"][name]}
        for name, section in shown.items()
    }
    assert results["recipe"] == known


def test_the_figures_of_own_photos_are_of_the_recipe_in_models() -> None:
    recipe = load_recipe(ROOT / "models" / "photos").to_dict()
    recorded = json.loads((ROOT / "tests/benchmarks/own_photos.json").read_text(encoding="utf-8"))
    tried = [
        draw["recipe"]
        for result in recorded["results"]
        if "from scratch" not in result["name"]
        for draw in result["draws"]
    ]
    assert len(tried) > 3
    for one in tried:
        assert one == {section: recipe[section] for section in one}
