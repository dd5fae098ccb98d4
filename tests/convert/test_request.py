"""What ``edgecnn convert`` refuses before it loads a model made elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgecnn.commands.convert import ConvertRequest, convert
from edgecnn.convert import find_source
from edgecnn.errors import (
    BuildInUseError,
    DataError,
    EdgeError,
    LabelsError,
    SourceModelError,
    UsageError,
    WorkspaceError,
)
from edgecnn_runner.input_options import Preprocessing

FED = Preprocessing(input_range="0..1")
STRETCHED = "stretch-bilinear-1"


@pytest.fixture
def model() -> Iterator[Path]:
    """A file that looks like a model until it is loaded, and that every user may read."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "m.keras"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", "{}")
        yield path


@pytest.fixture
def request_of(model: Path, tmp_path: Path) -> Any:
    """Makes a request to convert it."""

    def request(**given: Any) -> ConvertRequest:
        known = {"data": "digits", "preprocessing": FED, "out": tmp_path / "out"}
        return ConvertRequest(source=model, **{**known, **given})

    return request


def named(folder: Path, count: int) -> Path:
    path = folder / "labels.txt"
    path.write_text("".join(f"name {index}\n" for index in range(count)))
    return path


def images(folder: Path, *names: str) -> str:
    for name in names:
        (folder / "images" / name).mkdir(parents=True)
    return str(folder / "images")


def test_without_a_mistake_the_model_itself_is_looked_at(request_of: Any, tmp_path: Path) -> None:
    with pytest.raises(SourceModelError):
        convert(request_of(labels=named(tmp_path, 10)))
    three = images(tmp_path, "train/a", "train/b", "train/c", "test/a", "test/b", "test/c")
    with pytest.raises(SourceModelError):
        convert(request_of(labels=named(tmp_path, 3), data=three))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"data": "nowhere"}, DataError),
        ({"data": __file__}, DataError),
        ({"labels": Path("nowhere.txt")}, LabelsError),
        ({"variants": ("tflite-int4",)}, UsageError),
        ({"opset": 3}, UsageError),
        ({"runtime": "tflite"}, UsageError),
        ({"preprocessing": Preprocessing(input_range="0..2")}, UsageError),
        ({"preprocessing": Preprocessing(input_range="0..1", resize=STRETCHED)}, UsageError),
        ({"out": Path(__file__)}, WorkspaceError),
    ],
)
def test_a_mistake_in_an_option_is_told_first(
    request_of: Any, given: dict[str, Any], expected: type[EdgeError]
) -> None:
    with pytest.raises(expected) as caught:
        convert(request_of(**given))
    error = caught.value
    assert None not in (error.observed, error.expected)


def test_mistaken_options_are_named_as_they_were_typed(request_of: Any) -> None:
    with pytest.raises(UsageError) as caught:
        convert(request_of(opset=25, variants=("onnx-int8", "int8"), ir_version=3))
    *_, variant, opset, version = str(caught.value.problem).splitlines()
    assert opset.strip() == "--opset 25: has to be less than or equal to 18"
    assert variant.strip().startswith("--variant int8: has to be 'tflite-fp32', ")
    assert version.strip() == "--ir-version 3: has to be greater than or equal to 7"


def test_fewer_labels_than_the_data_have_classes_are_told_first(
    request_of: Any, tmp_path: Path
) -> None:
    names = ("a", "b", "c", "d", "e", ".hidden")
    for data, classes in (("digits", 10), (images(tmp_path, *names), 5)):
        with pytest.raises(LabelsError, match="classes of the data") as caught:
            convert(request_of(labels=named(tmp_path, 4), data=data))
        assert f"has {classes} classes" in str(caught.value.observed)


def test_labels_may_be_more_than_the_data_have_classes(request_of: Any, tmp_path: Path) -> None:
    # What is wrong here is the model, which is looked at only after the labels.
    with pytest.raises(SourceModelError):
        convert(request_of(labels=named(tmp_path, 4), data=images(tmp_path, "a", "b")))


def test_a_folder_that_may_not_be_written(request_of: Any, read_only_folder: Path) -> None:
    with pytest.raises(WorkspaceError, match="cannot write"):
        convert(request_of(out=read_only_folder / "out"))


def test_a_model_in_a_folder_that_may_not_be_entered(
    tmp_path: Path, read_only_folder: Path
) -> None:
    # pytest's folders are open to their owner alone, who is not the user that this test becomes.
    if os.access(tmp_path, os.X_OK, effective_ids=True):
        pytest.skip("this user may enter every folder of the tests")
    with pytest.raises(SourceModelError, match="cannot read") as caught:
        find_source(tmp_path / "m.keras")
    assert "rights" in caught.value.remedy


def test_a_build_that_another_process_works_on(request_of: Any, tmp_path: Path) -> None:
    from edgecnn.build.lock import build_lock

    with build_lock(tmp_path / "out"), pytest.raises(BuildInUseError):
        convert(request_of())


def test_tensorflow_is_not_loaded_for_it(request_of: Any, tmp_path: Path) -> None:
    request = request_of()
    code = (
        "import sys\n"
        "from edgecnn.cli.app import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    print('\\n', end.code, 'tensorflow' in sys.modules)\n"
    )
    command = [sys.executable, "-c", code, "convert", str(request.source), "--data", "nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.split()[-2:] == ["21", "False"], done.stderr
