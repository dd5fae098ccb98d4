from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edgecnn_runner.errors import ArtifactError, EdgeError, RuntimeMissingError
from edgecnn_runner.formats.container import read_container
from edgecnn_runner.runtimes.choice import choose_runtime
from edgecnn_runner.runtimes.probe import ENDS_THE_PROGRAM, TAKES_TOO_LONG, probe
from runner.fixture_files import FIXTURES, needs_onnx, needs_tflite

pytestmark = pytest.mark.slow  # in processes of their own

FILE = FIXTURES / "foreign-int8.tflite"


@pytest.fixture(autouse=True)
def nothing_tried_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgecnn_runner.runtimes.probe._remembered", {})


@pytest.fixture
def fake_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime that the child finds first; what it does on import, the test writes."""
    folder = tmp_path / "ai_edge_litert"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return folder / "interpreter.py"


def run(timeout_s: float = 60) -> EdgeError:
    with pytest.raises(EdgeError) as caught:
        probe(FILE, FILE.read_bytes(), "litert", timeout_s=timeout_s)
    return caught.value


@pytest.mark.parametrize("signal", ["SIGSEGV", "SIGABRT", "SIGFPE", "SIGILL"])
def test_a_native_crash_is_an_artifact_error_with_the_signals_name(
    fake_runtime: Path, signal: str
) -> None:
    fake_runtime.write_text(f"import os, signal; os.kill(os.getpid(), signal.{signal})")
    error = run()
    assert isinstance(error, ArtifactError)
    assert error.observed == signal
    assert ENDS_THE_PROGRAM in error.problem
    assert error.remedy


def test_a_model_that_never_answers_is_ended(fake_runtime: Path) -> None:
    fake_runtime.write_text("while True: pass")
    error = run(timeout_s=1.5)
    assert isinstance(error, ArtifactError)
    assert TAKES_TOO_LONG in error.problem


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits address space")
def test_a_model_that_eats_memory_is_ended(fake_runtime: Path) -> None:
    fake_runtime.write_text(
        "import mmap\nclass Interpreter:\n"
        "    def __init__(self, **_):\n        mmap.mmap(-1, 6 << 30)"
    )
    error = run()
    assert isinstance(error, ArtifactError)
    assert "Cannot allocate memory" in str(error)


def test_no_core_file_is_written(fake_runtime: Path) -> None:
    fake_runtime.write_text(
        "import resource\nraise ImportError(resource.getrlimit(resource.RLIMIT_CORE))"
    )
    error = run()
    assert isinstance(error, RuntimeMissingError)
    assert "(0, 0)" in str(error)


def test_a_runtime_that_prints_does_not_spoil_the_report(fake_runtime: Path) -> None:
    fake_runtime.write_text(
        "import os\nprint('{')\nos.write(1, b'native')\nraise ImportError('loud')"
    )
    assert "loud" in str(run())


def test_a_child_that_ends_without_a_report_is_an_artifact_error(fake_runtime: Path) -> None:
    fake_runtime.write_text("import os; os._exit(0)")
    error = run()
    assert isinstance(error, ArtifactError)
    assert error.observed == "exit code 0"


def test_a_child_that_fails_in_python_is_an_artifact_error(fake_runtime: Path) -> None:
    fake_runtime.write_text("raise KeyError('odd')")
    error = run()
    assert isinstance(error, ArtifactError)
    assert error.observed == "KeyError: 'odd'"


@needs_tflite
def test_a_sound_file_is_described() -> None:
    found = probe(FILE, FILE.read_bytes(), choose_runtime("tflite"))
    assert found.input.shape == (-1, 12, 16, 3)
    assert (found.input.dtype, found.output.dtype) == ("int8", "int8")
    assert found.input.zero_point == found.output.zero_point == -128
    assert found.output.scale == 1 / 256
    assert [len(sample) for sample in found.samples] == [4, 4]


@needs_tflite
def test_a_model_of_floats_is_tried_in_the_smallest_and_in_the_largest_range() -> None:
    path = FIXTURES / "foreign-logits.tflite"
    found = probe(path, path.read_bytes(), choose_runtime("tflite"))
    spans = [max(sample) - min(sample) for sample in found.samples]
    assert spans[0] == 0, "no bias: an image of zeros gives zeros"
    assert spans[2] > 100 * spans[1] > 0


@needs_tflite
def test_answers_that_are_not_numbers_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "nan.tflite"
    path.write_bytes(read_container(FIXTURES / "rgb-nan.tflite").payload)
    assert probe(path, path.read_bytes(), choose_runtime("tflite")).samples == ()


@needs_onnx
def test_a_sound_onnx_file_is_described() -> None:
    path = FIXTURES / "foreign-nchw.onnx"
    found = probe(path, path.read_bytes(), "onnxruntime")
    assert found.input.shape == (1, 3, 12, 16)
    assert found.input.name == "image"
    assert all(abs(sum(sample) - 1) < 1e-5 for sample in found.samples)


@needs_tflite
def test_a_file_that_changes_in_between_is_refused() -> None:
    other = (FIXTURES / "foreign-signed.tflite").read_bytes()
    with pytest.raises(ArtifactError, match="changed while it was being read"):
        probe(FILE, other, choose_runtime("tflite"))


@needs_tflite
def test_the_same_bytes_are_tried_once_and_others_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(FILE.read_bytes())
    found = probe(path, path.read_bytes(), choose_runtime("tflite"))
    with monkeypatch.context() as broken:
        broken.setattr(sys, "executable", "/no/such/python")
        assert probe(path, path.read_bytes(), choose_runtime("tflite")) == found
    two = (FIXTURES / "two-outputs.tflite").read_bytes()
    path.write_bytes(two)
    with pytest.raises(ArtifactError, match="2 outputs"):
        probe(path, two, choose_runtime("tflite"))


@needs_tflite
def test_the_current_folder_is_not_on_the_childs_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A file named like a module must not be run because it lies where the user stands.
    (tmp_path / "json.py").write_text("raise SystemExit('trapped')")
    monkeypatch.chdir(tmp_path)
    probe(FILE, FILE.read_bytes(), choose_runtime("tflite"))
