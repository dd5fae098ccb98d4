"""What ``--json`` prints has a schema in the manual, which ``command.Finished.json`` checks."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import jsonschema
import pytest

from command import SCHEMAS, check_document, edgecnn
from json_schemas import schemas, text_of

FIXTURES = Path(__file__).parent / "runner/fixtures"


def test_the_schemas_in_the_manual_are_those_of_the_results() -> None:
    made = {f"{name}.json": text_of(schema) for name, schema in schemas().items()}
    found = {path.name: path.read_text(encoding="utf-8") for path in SCHEMAS.iterdir()}
    assert found == made, "run: python tests/json_schemas.py"


@pytest.mark.parametrize("name", sorted(path.stem for path in SCHEMAS.iterdir()))
def test_a_schema_is_valid_has_a_version_and_is_described(name: str) -> None:
    schema = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    parts = schema.get("anyOf", [schema])
    for part in parts:
        if name != "error":
            assert part["properties"]["schema"]["const"] >= 1
            assert "schema" in part["required"]
    for part in [*parts, *schema.get("$defs", {}).values()]:
        assert not [text for text in _texts(part) if re.search(r"Attributes:|``|See `", text)]


def _texts(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["description"]] if isinstance(value.get("description"), str) else []
        return own + [text for one in value.values() for text in _texts(one)]
    return []


def test_every_command_with_json_has_a_schema() -> None:
    from typer.main import get_command

    from edgecnn.cli.app import app

    group = get_command(app)
    with_json = {
        name
        for name, command in group.commands.items()  # type: ignore[attr-defined]
        if any("--json" in option.opts for option in command.params)
    }
    known = {path.stem for path in SCHEMAS.iterdir()} - {"error", "bench-compare"}
    assert with_json == known | {"demo"}


def test_what_is_printed_is_checked_against_it() -> None:
    done = edgecnn("inspect", FIXTURES / "rgb-int8.tflite", "--json")
    value = done.json()
    for change in ({"macs": "many"}, {"new": 1}, {"schema": 999}):
        with pytest.raises(jsonschema.ValidationError):
            check_document(done.arguments, copy.deepcopy(value) | change)
    del value["macs"]
    with pytest.raises(jsonschema.ValidationError, match="macs"):
        check_document(done.arguments, value)


def test_errors_have_one_too(tmp_path: Path) -> None:
    done = edgecnn("inspect", tmp_path / "nothing.tflite", "--json")
    assert done.json()["exit_code"] == done.code == 10


def test_answers_of_images_have_one_too(tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    done = edgecnn("run", FIXTURES / "rgb-int8.tflite", broken, "--json")
    assert done.code == 12
    (answer,) = done.json()["images"]
    assert answer["error"] == "ImageError"


def test_a_project_has_one_too(tmp_path: Path) -> None:
    assert edgecnn("init", tmp_path / "new", "--json").json()["images"] is None
