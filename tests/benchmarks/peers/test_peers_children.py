"""The line protocol, with real processes: the bare LiteRT loop, and some that misbehave."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest
from peers.bare_interpreter import bare
from peers.children import Child, PeerError
from peers.contest import _OURS

ROOT = Path(__file__).parents[3]
FILE = ROOT / "tests/runner/fixtures/rgb-int8.tflite"

pytestmark = pytest.mark.slow  # each starts processes


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from edgecnn_runner.session import Session

    with Session.open(FILE) as session:
        spec = session.contract.input
    shape = (6, spec.height, spec.width, spec.channels)
    path = tmp_path_factory.mktemp("images") / "images.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
    return path


def peer(program: str, images: Path, file: Path = FILE) -> Child:
    command = [sys.executable, "-m", f"peers.{program}", str(file), str(images), "1"]
    return Child(command, path=_OURS)


def script(code: str, *, longest_s: float = 20.0, end_s: float = 1.0) -> Child:
    return Child([sys.executable, "-c", code], longest_s=longest_s, end_s=end_s)


READY = 'import sys, time; print(\'{"ready": {"classes": []}}\', flush=True); '


def test_a_bare_loop_answers_and_takes_turns(images: Path) -> None:
    with peer("peer_litert", images) as child:
        assert child.ready["version"].startswith("ai-edge-litert ")
        first, second = child.go(7), child.go(3)
    assert (len(first), len(second)) == (7, 3)
    # A run takes more than 100 ns and less than a second on anything that has Python.
    assert all(100 < one < 1e9 for one in first + second)


def test_every_peer_of_this_environment_names_the_same_classes(images: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    classify = bare(Interpreter, FILE, 1)
    expected = [classify(image) for image in np.load(images)]
    assert len(set(expected)) > 1
    for program, file in (
        ("peer_edgecnn", FILE),
        ("peer_litert", FILE),
        ("peer_benchmark_litert_model", FILE),
        ("peer_edgecnn", FILE.with_suffix(".onnx")),
        ("peer_onnxruntime", FILE.with_suffix(".onnx")),
    ):
        with peer(program, images, file) as child:
            assert child.ready["classes"] == expected, program


def test_litert_s_own_program_gives_as_many_raw_times_as_asked(images: Path) -> None:
    with peer("peer_benchmark_litert_model", images) as child:
        times = child.go(9)
    assert len(times) == 9
    # It reports hundredths of a millisecond; these are finer, so they are not what it prints.
    assert any(time % 10_000 for time in times)


def test_a_file_that_cannot_be_loaded_is_a_reason(images: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.tflite"
    wrong.write_bytes(b"no model")
    with pytest.raises(PeerError, match="ValueError"):
        peer("peer_litert", images, wrong)


def test_a_runtime_that_is_not_installed_is_a_reason(images: Path) -> None:
    with pytest.raises(PeerError, match="ModuleNotFoundError: No module named 'tflite_runtime'"):
        peer("peer_tflite_runtime", images)


def test_a_program_that_is_not_there_is_a_reason() -> None:
    with pytest.raises(PeerError, match="cannot be started: No such file"):
        Child(["/no/such/python"])


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print('hello')", "it answers b'hello'"),
        ("print('[1]')", "it answers"),
        ("print('{}')", "does not say that it is ready"),
        ("raise SystemExit('broken')", "it has ended: broken"),
        ("import time; time.sleep(60)", "said nothing for 1 s"),
    ],
)
def test_one_that_does_not_become_ready_is_refused(code: str, said: str) -> None:
    begin = time.monotonic()
    with pytest.raises(PeerError, match=said):
        script(code, longest_s=1.0 if "sleep" in code else 20.0)
    assert time.monotonic() - begin < 15


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print('{\"times\": [1, 2]}')", "does not answer 3 times"),
        ("print('{\"times\": [1, 2, -3]}')", "does not answer 3 times"),
        ("print('{\"times\": [1, 2, 2.5]}')", "does not answer 3 times"),
        ("raise SystemExit('out of memory')", "it has ended: out of memory"),
        ('print(\'{"error": "no more"}\')', "no more"),
    ],
)
def test_one_that_answers_nonsense_is_refused(code: str, said: str) -> None:
    child = script(f"{READY}sys.stdin.readline(); {code}")
    with child, pytest.raises(PeerError, match=said):
        child.go(3)


def test_one_that_hangs_in_its_turn_is_given_up_and_ended() -> None:
    child = script(f"{READY}time.sleep(600)", longest_s=2.0)
    with child, pytest.raises(PeerError, match="said nothing for 2 s"):
        child.go(3)
    assert child._process.returncode is not None


def test_one_that_will_not_end_is_killed() -> None:
    code = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {READY}time.sleep(600)"
    child = script(code, end_s=0.3)
    child.close()
    assert child._process.returncode == -9


def test_chatter_on_standard_output_does_not_break_the_lines(tmp_path: Path) -> None:
    images = tmp_path / "images.npy"
    np.save(images, np.zeros((1, 2, 2, 3), np.uint8))
    code = (
        "import os, sys; sys.argv = ['x', 'file', sys.argv[1], '1']\n"
        "from peers.serving import Loaded, main\n"
        "def load(path, threads):\n"
        "    def classify(image):\n"
        "        print('chatter'); os.write(1, b'more\\n'); return 7\n"
        "    return Loaded(classify=classify, version='v')\n"
        "main(load)\n"
    )
    with Child([sys.executable, "-c", code, str(images)]) as child:
        assert child.ready["classes"] == [7]
        assert len(child.go(4)) == 4
