"""What is declared, pinned and packed: an installation has what the code needs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
TOOLCHAIN, RUNNER = ROOT / "toolchain" / "edgecnn", ROOT / "deploy" / "edgecnn_runner"
INSTALLER = ROOT / "deploy" / "raspberry_pi" / "edgecnn_installer"
# Module to distribution, where the names differ.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "ai_edge_litert": "ai-edge-litert",
    "ai_edge_quantizer": "ai-edge-quantizer",
    "cyclonedx": "cyclonedx-python-lib",
    "edgecnn_installer": "edgecnn-runner",
    "edgecnn_runner": "edgecnn-runner",
    "google": "protobuf",
    "packageurl": "packageurl-python",
    "pillow_heif": "pillow-heif",
    "pydantic_core": "pydantic",
    "sklearn": "scikit-learn",
    "tf_keras": "tf-keras",
    "tflite_runtime": "tflite-runtime",
}
# A package of the device's system, which cannot be had from PyPI without the system's libcamera.
OF_THE_SYSTEM = {"picamera2"}
# A package that asks for an older absl-py than TensorFlow brings, so that no extra can name it; the
# error about a file that needs it says how it is installed.
BESIDE = {"tensorflow_model_optimization"}
LINE = re.compile(r'[a-z0-9.-]+==[0-9][0-9a-z.+]*( ; python_version == "3\.1[123]")?')


def project(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return found


def declared(folder: Path) -> set[str]:
    found = project(folder)
    extras = found.get("optional-dependencies", {}).values()
    lines = [*found["dependencies"], *(line for extra in extras for line in extra)]
    return {re.split(r"[<>=~!\[ ;]", line)[0] for line in lines}


def imported(package: Path) -> set[str]:
    names: set[str] = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    foreign = names - set(sys.stdlib_module_names) - {package.name}
    return {DISTRIBUTIONS.get(name, name) for name in foreign}


@pytest.mark.parametrize(
    ("package", "folder"), [(TOOLCHAIN, ROOT), (RUNNER, ROOT / "deploy")], ids=lambda p: p.name
)
def test_what_the_code_imports_is_declared(package: Path, folder: Path) -> None:
    assert imported(package) - declared(folder) - OF_THE_SYSTEM - BESIDE == set()


def test_constraints_hold_names_and_versions_alone() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert [line for line in pins if not LINE.fullmatch(line)] == []
    assert pins == sorted(pins, key=lambda line: line.partition("==")[0])


def test_constraints_cover_every_dependency() -> None:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pinned = set(re.findall(r"^([a-z0-9.-]+)==", text, flags=re.MULTILINE))
    of_runner = {re.split(r"[<>=]", line)[0] for line in project(ROOT / "deploy")["dependencies"]}
    assert (declared(ROOT) | of_runner) - pinned == {"edgecnn-runner"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "package"),
    [(ROOT, TOOLCHAIN), (ROOT / "deploy", RUNNER), (ROOT / "deploy", INSTALLER)],
    ids=lambda path: path.name,
)
def test_a_built_wheel_holds_the_whole_package(folder: Path, package: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*command, "--no-build-isolation", "--wheel-dir", tmp_path, folder], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        entries = next(name for name in names if name.endswith("entry_points.txt"))
        script = archive.read(entries).decode()
    held = subprocess.run(
        ["git", "ls-files", package], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    wanted = {str(Path(name).relative_to(package.parent.relative_to(ROOT))) for name in held}
    assert wanted
    assert wanted - names == set()
    if package == TOOLCHAIN:
        from edgecnn.package.web.sources import app_icons, app_sources

        web = ROOT / "deploy/web"
        held_by_app = {*app_sources(web), *app_icons(web)}
        app = {f"edgecnn/web_app/{name}" for name in held_by_app}
        assert app == {name for name in names if name.startswith("edgecnn/web_app/")}
    assert any(name.endswith("licenses/LICENSE") for name in names)
    (command_name,) = project(folder)["scripts"]
    assert f"{command_name} = " in script
