"""The public Python API: typed, documented, silent, and the same as the commands."""

from __future__ import annotations

import dataclasses
import inspect
import json
import subprocess
import sys
import typing
from pathlib import Path
from typing import Any

import pytest

import edgecnn.api as api
from command import edgecnn
from edgecnn.errors import ArtifactError, WorkspaceError

FIXTURES = Path(__file__).parent / "runner/fixtures"
RELEASED = Path(__file__).parents[1] / "models/resnet8"
COMMANDS = (
    "bench", "build", "convert", "evaluate", "init", "package", "run", "train", "verify"
)  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_takes_one_request_and_returns_what_it_prints_as_json(name: str) -> None:
    function = getattr(api, name)
    first, *others = inspect.signature(function).parameters.values()
    assert first.name == "request"
    assert [parameter.name for parameter in others] in ([], ["progress"])
    request: Any = getattr(api, f"{name.title()}Request")
    assert request.__dataclass_params__.frozen
    for field in dataclasses.fields(request):
        documented = [base.__doc__ or "" for base in request.__mro__]
        assert any(f"        {field.name}: " in text for text in documented), field.name


@pytest.mark.parametrize("name", api.__all__)
def test_every_name_is_documented(name: str) -> None:
    found = getattr(api, name)
    assert inspect.getdoc(found)
    if inspect.isfunction(found):
        assert "return" in typing.get_type_hints(found, localns=_names_for_types())


def _names_for_types() -> dict[str, object]:
    """Return stand-ins for names that modules import for type checkers alone."""

    class Names(dict[str, object]):
        def __missing__(self, key: str) -> object:
            return object

    return Names()


def test_importing_edgecnn_imports_nothing_of_it() -> None:
    code = "import sys, edgecnn; print([n for n in sys.modules if n.startswith('edgecnn')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['edgecnn']"


def test_a_result_is_what_the_command_prints(capfd: pytest.CaptureFixture[str]) -> None:
    file = FIXTURES / "rgb-int8.tflite"
    found = api.inspect(file).to_dict()
    assert capfd.readouterr() == ("", "")
    assert json.loads(json.dumps(found)) == edgecnn("inspect", file, "--json").json()


def test_images_are_classified_without_a_word(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    (tmp_path / "below").mkdir()
    for name in ("b.png", "below/a.png", ".hidden.png"):
        Image.new("RGB", (9, 9), "red").save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    request = api.RunRequest(model=RELEASED, images=(tmp_path,), out=tmp_path / "answers.jsonl")
    result = api.run(request)
    assert result.model.name == "resnet8-int8.tflite"
    names = [str(answer.image.relative_to(tmp_path)) for answer in result.answers]
    assert names == ["b.png", "below/a.png"]
    assert result.error is None
    lines = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert lines == json.loads(json.dumps(result.to_dict()["images"]))
    assert capfd.readouterr() == ("", "")


def test_what_cannot_be_done_raises(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError):
        api.inspect(tmp_path / "nothing.tflite")
    with pytest.raises(WorkspaceError, match="neither a build"):
        api.verify(api.VerifyRequest(target=tmp_path))
    with pytest.raises(api.EdgeError, match="out"):
        api.build(api.BuildRequest(recipe=api.load_recipe(RELEASED)))
