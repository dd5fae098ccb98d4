"""What may be in the way of a web bundle's folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from edgecnn.errors import WorkspaceError
from edgecnn.package.web.stage import place_files, refuse_other_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "resnet8-1.0-web"
    names = ("index.html", "app.js", "app.css", "manifest.webmanifest", "model/model.onnx")
    files = {name: name.encode() for name in names}
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items())
    place_files({**files, "SHA256SUMS": sums.encode()}, place)
    return place


def test_a_bundle_may_be_replaced_altered_ones_too(folder: Path) -> None:
    refuse_other_folder(folder)
    (folder / "app.css").write_text("altered")
    (folder / "app.js").unlink()
    (folder / "empty").mkdir()
    refuse_other_folder(folder)


@pytest.mark.parametrize("name", [".htaccess", "mine.txt", "model/mine.onnx", "new/index.html"])
def test_a_file_of_somebody_elses_stays(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("mine")
    with pytest.raises(WorkspaceError, match="would be lost") as caught:
        refuse_other_folder(folder)
    assert caught.value.observed == name
    assert "--out" in caught.value.remedy


def test_a_link_to_a_folder_counts_as_a_file(folder: Path, tmp_path: Path) -> None:
    (folder / "data").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(WorkspaceError) as caught:
        refuse_other_folder(folder)
    assert caught.value.observed == "data"


def test_of_many_files_three_are_named(folder: Path) -> None:
    for number in range(8):
        (folder / f"mine-{number}").touch()
    with pytest.raises(WorkspaceError) as caught:
        refuse_other_folder(folder)
    assert caught.value.observed == "mine-0, mine-1, mine-2 and 5 more"
