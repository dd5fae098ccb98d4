"""What the project shows where it is published: package indexes, issue forms, a container."""

from __future__ import annotations

import fnmatch
import importlib.util
import json
import re
import subprocess
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

import edgecnn
import edgecnn_installer
import edgecnn_runner
from manual import README, ROOT, page

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def project(file: str) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / file).read_text("utf-8"))["project"]
    return found


@pytest.fixture(scope="module")
def build_hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# The version.


def test_all_parts_have_one_version_and_the_change_log_begins_with_it() -> None:
    version = edgecnn.__version__
    assert version == edgecnn_runner.__version__ == edgecnn_installer.__version__
    for file in ("pyproject.toml", "deploy/pyproject.toml"):
        assert project(file)["version"] == version
    assert f"edgecnn-runner=={version}" in project("pyproject.toml")["dependencies"]
    app = json.loads((ROOT / "deploy/web/package.json").read_text("utf-8"))
    lock = json.loads((ROOT / "deploy/web/package-lock.json").read_text("utf-8"))
    assert app["version"] == lock["version"] == lock["packages"][""]["version"] == version
    log = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.findall(r"^## \[([\d.]+)\] - \d{4}-\d\d-\d\d$", log, re.MULTILINE)[0] == version


# What a package index shows.


def test_links_of_the_description_lead_to_the_repository(build_hook: ModuleType) -> None:
    text = build_hook.with_absolute_links(README.read_text("utf-8"), "https://host/us/edgecnn")
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    assert len(targets) >= 15
    assert all(target.startswith("https://") for target in targets)
    assert "(https://host/us/edgecnn/blob/HEAD/toolchain/docs/parity.md#continuous" in text
    assert "](https://host/us/edgecnn/raw/HEAD/toolchain/docs/images/demo.png)" in text


def test_where_the_repository_is_unknown_links_are_their_words(build_hook: ModuleType) -> None:
    text = build_hook.with_absolute_links(README.read_text("utf-8"), "")
    assert all(one.startswith("https:") for one in re.findall(r"\]\(([^)\s]+)\)", text))
    assert "More: Phones and browsers." in text
    assert build_hook.addresses("") == {}


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("https://host/us/edgecnn.git", "https://host/us/edgecnn"),
        ("git@host:us/edgecnn.git", "https://host/us/edgecnn"),
        ("ssh://git@host/us/edgecnn", "https://host/us/edgecnn"),
        ("https://user:secret@host/us/edgecnn", "https://host/us/edgecnn"),
        ("/srv/edgecnn", ""),
        (None, ""),
    ],
)
def test_the_address_is_that_of_the_remote(
    remote: str | None,
    address: str,
    build_hook: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("EDGECNN_REPOSITORY", raising=False)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    if remote is not None:
        subprocess.run(["git", "-C", tmp_path, "remote", "add", "origin", remote], check=True)
    assert build_hook.repository_address(tmp_path) == address
    monkeypatch.setenv("EDGECNN_REPOSITORY", "https://other/edgecnn")
    assert build_hook.repository_address(tmp_path) == "https://other/edgecnn"


def test_packages_say_what_they_are() -> None:
    for file in ("pyproject.toml", "deploy/pyproject.toml"):
        found = project(file)
        assert len(found["keywords"]) >= 5
        assert {"Programming Language :: Python :: 3.13", "Typing :: Typed"} <= set(
            found["classifiers"]
        )
    assert set(project("pyproject.toml")["dynamic"]) == {"readme", "urls"}
    assert project("deploy/pyproject.toml")["readme"] == "README.md"


# Issue forms.


@pytest.mark.parametrize("name", ["bug.yml", "idea.yml"])
def test_an_issue_form_is_one_that_github_takes(name: str) -> None:
    form = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE" / name).read_text("utf-8"))
    assert {"name", "description", "body"} <= set(form)
    assert len({one["id"] for one in form["body"]}) == len(form["body"]) >= 3
    for one in form["body"]:
        assert one["type"] in ("input", "textarea", "dropdown", "checkboxes")
        assert one["attributes"]["label"]
    assert any(one.get("validations", {}).get("required") for one in form["body"])


# The container.


def copied() -> list[str]:
    lines = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
    return [path for line in lines for path in line.split()[:-1]]


def test_what_the_container_copies_is_there_and_not_left_out() -> None:
    assert len(copied()) >= 6
    rules = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    kept = {rule[1:] for rule in rules if rule.startswith("!")}
    for path in copied():
        assert (ROOT / path).exists(), path
    assert kept == set(copied())
    assert "*" in rules
    left_out = [rule for rule in rules if rule[:1] not in ("#", "!", "") and rule != "*"]
    assert not [path for path in copied() for rule in left_out if fnmatch.fnmatch(path, rule)]
    # All that the package is built of.
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    for needed in project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]:
        assert any(Path(needed).is_relative_to(path) for path in copied()), needed


def test_the_container_is_built_and_run_as_the_manual_says() -> None:
    shown = re.findall(r"^#     (docker .+)$", DOCKERFILE, re.MULTILINE)
    assert len(shown) == 2
    for command in shown:
        assert f"$ {command}\n" in page("index")
    # The manual's own installation, but for its being kept in editable form.
    assert "pip install -c constraints.txt -e deploy -e .\n" in page("index")
    assert "-c constraints.txt ./deploy .\n" in DOCKERFILE


def test_the_container_is_small_pinned_and_not_root() -> None:
    stages = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(set(stages)) == 1
    assert re.fullmatch(r"python:3\.1[123]-slim", stages[0])
    installs = re.findall(r"pip install [^\n]+", DOCKERFILE)
    assert len(installs) == 2
    assert all("--no-cache-dir" in one and "-c constraints.txt" in one for one in installs)
    last = DOCKERFILE.split("FROM ")[-1]
    assert last.index("USER edgecnn") < last.index("ENTRYPOINT")
    assert "ADD " not in DOCKERFILE
    assert "sudo" not in DOCKERFILE
    # In the form of a list no shell stands between, which would keep signals from the command.
    assert 'ENTRYPOINT ["edgecnn"]' in last
