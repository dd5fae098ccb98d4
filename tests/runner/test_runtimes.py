from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import edgecnn_runner
from edgecnn_runner.errors import RuntimeMissingError
from edgecnn_runner.runtimes.choice import RUNTIMES, choose_runtime, installed_version, open_backend
from runner.fixture_files import HAS_LITERT, HAS_ONNX, HAS_TFLITE, HAS_TFLITE_RUNTIME, needs_tflite


def hide(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    # None in sys.modules is how Python marks a module that is not to be found.
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)


def test_without_any_tflite_runtime_the_remedy_installs_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hide(monkeypatch, "ai_edge_litert", "tflite_runtime")
    with pytest.raises(RuntimeMissingError, match=r"remedy:   pip install ai-edge-litert$"):
        choose_runtime("tflite")


def test_without_onnxruntime_the_remedy_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "onnxruntime")
    with pytest.raises(RuntimeMissingError, match=r"remedy:   pip install onnxruntime$"):
        choose_runtime("onnx")


def test_a_runtime_asked_for_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "tflite_runtime")
    with pytest.raises(RuntimeMissingError, match='pip install tflite-runtime "numpy<2"'):
        choose_runtime("tflite", "tflite-runtime")


@pytest.mark.parametrize("name", [*RUNTIMES])
def test_the_version_is_found_without_importing_the_runtime(name: str) -> None:
    there = {
        "litert": HAS_LITERT,
        "tflite-runtime": HAS_TFLITE_RUNTIME,
        "onnxruntime": HAS_ONNX,
    }
    version = installed_version(name)
    assert version[0].isdigit() if there[name] else version == "unknown"


@needs_tflite
def test_the_better_runtime_is_taken() -> None:
    assert HAS_TFLITE
    assert choose_runtime("tflite") == ("litert" if HAS_LITERT else "tflite-runtime")


def fake_package(folder: Path, module: str, distribution: str, source: str) -> None:
    """Put a package on a path whose interpreter module does what ``source`` says."""
    (folder / module).mkdir()
    (folder / module / "__init__.py").touch()
    (folder / module / "interpreter.py").write_text(source)
    info = folder / f"{distribution}.dist-info"
    info.mkdir()
    name, version = distribution.rsplit("-", 1)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


@pytest.mark.skipif(int(np.__version__.split(".")[0]) < 2, reason="needs numpy 2")
def test_tflite_runtime_under_numpy_2_is_refused_before_it_is_imported(tmp_path: Path) -> None:
    fake_package(
        tmp_path, "tflite_runtime", "tflite_runtime-2.14.0", "raise SystemError('imported')"
    )
    code = (
        "import sys; sys.modules['ai_edge_litert'] = None\n"
        "from edgecnn_runner.runtimes.choice import choose_runtime\n"
        "from edgecnn_runner.errors import RuntimeMissingError\n"
        "try:\n    choose_runtime('tflite')\n"
        "except RuntimeMissingError as error:\n    print(error)\n"
        "assert 'tflite_runtime' not in sys.modules\n"
    )
    package = Path(edgecnn_runner.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(package)])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "tflite-runtime 2.14.0 cannot start under NumPy 2" in done.stdout
    assert f"observed: numpy {np.__version__}" in done.stdout
    assert 'pip install "numpy<2"' in done.stdout
    assert "ai-edge-litert" in done.stdout


@pytest.fixture
def without_litert_loaded() -> Iterator[None]:
    """Forget ai-edge-litert for one test, and whatever the test imports under its name."""
    kept = {name: sys.modules.pop(name) for name in litert_modules()}
    yield
    for name in litert_modules():
        del sys.modules[name]
    sys.modules.update(kept)


def litert_modules() -> list[str]:
    return [name for name in sys.modules if name.split(".")[0] == "ai_edge_litert"]


@pytest.mark.usefixtures("without_litert_loaded")
@pytest.mark.parametrize(
    "failure", ["ImportError('libc.so')", "SystemError()", "AttributeError('_ARRAY_API')"]
)
def test_a_runtime_that_does_not_start_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    fake_package(tmp_path, "ai_edge_litert", "ai_edge_litert-9.9", f"raise {failure}")
    monkeypatch.syspath_prepend(tmp_path)
    message = "ai-edge-litert is installed but does not start"
    with pytest.raises(RuntimeMissingError, match=message) as caught:
        open_backend("litert", b"", threads=1)
    assert str(caught.value.observed).startswith("ai-edge-litert 9.9: ")
    assert failure.partition("(")[0] in str(caught.value.observed)
    assert platform.python_version() in str(caught.value.expected)
    assert caught.value.remedy.endswith("pip install ai-edge-litert --force-reinstall")
