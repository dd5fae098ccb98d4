"""What the runner imports, and what it does not, read from its sources and from a real run."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

import edgecnn_runner
from runner.fixture_files import HAS_LITERT, images, path_of

RUNNER = Path(edgecnn_runner.__file__).parent
SOURCES = sorted(RUNNER.glob("*.py"))
ALLOWED = {
    "decode.py": {"PIL", "pillow_heif"},
    "backend_tflite.py": {"ai_edge_litert", "tflite_runtime"},
    "backend_onnx.py": {"onnxruntime"},
    "camera_v4l2.py": {"cv2"},
    "camera_picamera2.py": {"picamera2"},
}
# Who tells the service manager, by a local socket, and who refuses every other one.
SOCKETS = {"notify.py": {"socket"}, "guard.py": {"socket"}}
# Whatever else numpy, Pillow or a runtime brings along on its own is theirs.
FORBIDDEN = {"tensorflow", "keras", "edgecnn", "onnx", "tf2onnx", "scipy", "typer", "rich"}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import"
            yield node.module or ""
        elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
            yield f"hidden behind {ast.unparse(node)}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_sources_import_stdlib_numpy_and_at_most_their_own_library(path: Path) -> None:
    allowed = set(sys.stdlib_module_names) | {"numpy", "edgecnn_runner"}
    allowed |= ALLOWED.get(path.name, set())
    wrong = {name for name in imported(path) if name.split(".")[0] not in allowed}
    assert not wrong, f"{path.name} imports {wrong}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_sources_open_no_network(path: Path) -> None:
    network = {"socket", "ssl", "http", "urllib", "ftplib", "smtplib", "asyncio", "xmlrpc"}
    wrong = {name for name in imported(path) if name.split(".")[0] in network}
    wrong -= SOCKETS.get(path.name, set())
    assert not wrong, f"{path.name} imports {wrong}"


def run(code: str, *arguments: str | Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(RUNNER.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


CLASSIFY = """
import sys

def no_network(event, arguments):
    if event.startswith("socket.") and event != "socket.__new__":
        raise AssertionError(event)
    if event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"):
        raise AssertionError(event)

sys.addaudithook(no_network)
from edgecnn_runner import Classifier
Classifier(sys.argv[1]).classify(sys.argv[2])
print(*sys.modules)
"""


@pytest.mark.parametrize("name", ["rgb-int8.tflite", "rgb-int8.onnx"])
def test_a_real_classification_loads_one_runtime_and_nothing_foreign(
    name: str, tmp_path: Path
) -> None:
    image = tmp_path / "image.png"
    Image.fromarray(images("rgb")[0]).save(image)
    modules = set(run(CLASSIFY, path_of(name), image))
    tops = {module.split(".")[0] for module in modules}
    runtimes = tops & {"ai_edge_litert", "tflite_runtime", "onnxruntime"}
    tflite = "ai_edge_litert" if HAS_LITERT else "tflite_runtime"
    assert runtimes == {"onnxruntime" if name.endswith("onnx") else tflite}
    assert {"numpy", "PIL", "edgecnn_runner"} <= tops
    assert not tops & FORBIDDEN
    assert "edgecnn_runner.runtimes.probe" not in modules, "a file of ours is not tried in a child"


def test_classifying_an_array_needs_no_pillow() -> None:
    code = (
        "import sys; sys.modules['PIL'] = None\n"
        "import numpy as np\n"
        "from edgecnn_runner import Classifier\n"
        "print(Classifier(sys.argv[1]).classify(np.zeros((12, 16, 3), np.uint8)).label)"
    )
    assert run(code, path_of("rgb-int8.tflite"))[0] == "class"


def test_reading_a_contract_needs_no_numpy() -> None:
    code = (
        "import sys\n"
        "import edgecnn_runner, edgecnn_runner.contract, edgecnn_runner.formats.container\n"
        "print('numpy' in sys.modules)"
    )
    assert run(code) == ["False"]


def test_showing_the_help_needs_no_numpy() -> None:
    code = (
        "import sys, edgecnn_runner.cli\n"
        "try:\n    edgecnn_runner.cli.main(['--help'])\n"
        "except SystemExit:\n    pass\n"
        "print('numpy' in sys.modules)"
    )
    assert run(code)[-1] == "False"


def test_the_package_has_no_other_attributes() -> None:
    assert edgecnn_runner.Classifier.__name__ == "Classifier"
    with pytest.raises(AttributeError, match="Klassifier"):
        getattr(edgecnn_runner, "Klassifier")  # noqa: B009 - mypy knows that it is not there
