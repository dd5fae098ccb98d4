"""The arrows between the parts, held by tests that name the fix."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import edgecnn
import edgecnn_installer
import edgecnn_runner

TOOLCHAIN = Path(edgecnn.__file__).parent
RUNNER = Path(edgecnn_runner.__file__).parent
INSTALLER = Path(edgecnn_installer.__file__).parent
# Each row may import the rows below it, and nothing of its own row but itself.
ROWS = (
    ("__main__",),
    ("cli", "api"),
    ("commands",),
    ("train", "convert", "verify", "package", "install", "bench", "card"),
    ("data", "devices", "modelfile", "serve"),
    ("build", "recipe", "report"),
    ("errors", "files", "log", "pixels", "progress", "quiet", "__init__"),
)
FOLDERS = [name for row in ROWS for name in row]
RUNTIMES = {"ai_edge_litert", "tflite_runtime", "onnxruntime"}
BACKENDS = {
    "backend_tflite.py": {"ai_edge_litert", "tflite_runtime"},
    "backend_onnx.py": {"onnxruntime"},
}

IMAGES = {
    "decode.py": {"PIL", "pillow_heif"},
    "camera_v4l2.py": {"cv2"},
    "camera_picamera2.py": {"picamera2"},
}


def imports(path: Path) -> Iterator[str]:
    """Yield every module a source file imports, wherever in it, but for type checkers only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for statement in node.body:
                for_types.update(ast.walk(statement))
    for node in ast.walk(tree):
        if node in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def sources(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("*.py"))
    assert found, f"no sources in {folder}"
    return found


def row_of(name: str) -> int:
    return next(number for number, row in enumerate(ROWS) if name in row)


def folder_of(path: Path) -> str:
    return path.relative_to(TOOLCHAIN).parts[0].removesuffix(".py")


def test_arrows_go_down_alone() -> None:
    for path in sources(TOOLCHAIN):
        own = folder_of(path)
        for name in imports(path):
            other = name.split(".")[1] if name.startswith("edgecnn.") else ""
            if other in FOLDERS and other != own and row_of(own) < len(ROWS) - 1:
                down = row_of(own) < row_of(other)
                assert down, f"{path} imports {name}: pass it in, or meet in what build/ keeps"


def test_no_modules_import_each_other_in_a_circle() -> None:
    names = {".".join(path.relative_to(TOOLCHAIN.parent).with_suffix("").parts): path
             for path in sources(TOOLCHAIN)}  # fmt: skip
    open_ = {name: set(imports(path)) & names.keys() for name, path in names.items()}
    while leaves := [name for name, wanted in open_.items() if not wanted & open_.keys()]:
        for name in leaves:
            del open_[name]
    assert not open_, f"in circles, or importing one: {sorted(open_)}"


def test_tensorflow_is_imported_by_train_and_convert_only() -> None:
    # With ``start_keras``, which both of them call before they do.
    may = ("train", "convert")
    for path in sources(TOOLCHAIN):
        if folder_of(path) in may or path.name == "keras_settings.py":
            continue
        wrong = [n for n in imports(path) if n.split(".")[0] in ("tensorflow", "keras", "tf2onnx")]
        assert not wrong, f"{path} imports {wrong}: move that to train/ or convert/"


def test_asyncssh_is_imported_where_a_device_is_reached_by_it_and_nowhere_else() -> None:
    for path in sources(TOOLCHAIN):
        if path.relative_to(TOOLCHAIN).parts[0] != "devices":
            wrong = [name for name in imports(path) if name.split(".")[0] == "asyncssh"]
            assert not wrong, f"{path} imports {wrong}: go through devices/"


def test_what_is_sent_to_a_device_imports_what_is_there() -> None:
    own = "edgecnn.devices.on_device"
    allowed = set(sys.stdlib_module_names) | {RUNNER.name, INSTALLER.name, "numpy"}
    for path in sources(TOOLCHAIN / "devices/on_device"):
        found = {name for name in imports(path) if not name.startswith(own)}
        wrong = {name.split(".")[0] for name in found} - allowed
        assert not wrong, f"{path} imports {sorted(wrong)}"


def test_no_program_is_started_by_a_shell() -> None:
    for path in [*sources(TOOLCHAIN), *sources(RUNNER), *sources(INSTALLER)]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "shell":
                pytest.fail(f"{path}:{node.value.lineno}: give the program and its arguments")
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("os.system", "os.popen", "subprocess.getoutput"), path


def test_the_runner_imports_only_stdlib_numpy_pillow_and_its_runtime() -> None:
    for path in sources(RUNNER):
        allowed = set(sys.stdlib_module_names) | {"numpy", "edgecnn_runner"}
        allowed |= BACKENDS.get(path.name, set())
        allowed |= IMAGES.get(path.name, set())
        wrong = {name.split(".")[0] for name in imports(path)} - allowed
        assert not wrong, f"{path} imports {sorted(wrong)}"


def test_the_installer_imports_the_standard_library_alone() -> None:
    """It decides whether a bundle is sound before anything else of the bundle is imported."""
    for path in sources(INSTALLER):
        allowed = set(sys.stdlib_module_names) | {INSTALLER.name}
        wrong = {name.split(".")[0] for name in imports(path)} - allowed
        if path.name not in ("start.py", "run.py"):  # what is put into a bundle, and starts it
            assert not wrong, f"{path} imports {sorted(wrong)}"


def test_each_runtime_is_imported_in_one_backend_file_of_the_runner() -> None:
    for path in sources(RUNNER):
        found = {name.split(".")[0] for name in imports(path)} & RUNTIMES
        assert found <= BACKENDS.get(path.name, set()), f"{path} imports {found}"


def test_no_runtime_that_reports_its_use_is_imported_without_opting_out() -> None:
    for path in [*sources(TOOLCHAIN), *sources(RUNNER)]:
        if any(name.split(".")[0] == "onnxruntime" for name in imports(path)):
            assert "    no_telemetry()\n" in path.read_text(encoding="utf-8"), (
                f"{path} imports onnxruntime: call no_telemetry() of edgecnn_runner before"
            )


@pytest.mark.parametrize(
    "module",
    [*FOLDERS[2:-6], "modelfile.layers", "commands.build", "commands.inspect", "cli.app"],
)
def test_importing_a_part_imports_nothing_heavy(module: str) -> None:
    heavy = (
        "tensorflow", "keras", "matplotlib", "sklearn", "scipy", "onnxruntime", "onnx", "asyncssh",
    )  # fmt: skip
    code = f"import sys, edgecnn.{module}\nprint([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_module_is_called_utils() -> None:
    banned = {"utils", "util", "helpers", "common", "misc"}
    for path in [*sources(TOOLCHAIN), *sources(RUNNER), *sources(INSTALLER)]:
        assert path.stem not in banned, f"{path}: name it by its job"
