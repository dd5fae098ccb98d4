from __future__ import annotations

import logging
import os
import subprocess
import sys
import warnings

import pytest

from edgecnn.quiet import captured_log


def test_all_three_ways_of_talking_are_captured(
    capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    with captured_log() as log:
        os.write(2, b"from C++\n")
        logging.getLogger("tf2onnx").error("from a logger")
        logging.getLogger("absl").warning("from absl")
        warnings.warn("from Python", stacklevel=1)
        tail = log.tail()
    assert tail.splitlines() == ["from C++", "from a logger", "from absl"]
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


def test_everything_speaks_again_afterwards(capfd: pytest.CaptureFixture[str]) -> None:
    before = logging.getLogger("absl").handlers
    with pytest.raises(KeyError), captured_log():
        raise KeyError
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "heard\n"
    assert logging.getLogger("absl").handlers is before


def test_usual_noise_is_no_explanation() -> None:
    with captured_log() as log:
        os.write(2, b"I0000 port.cc:153] oneDNN custom operations are on\nerror: no such op\n")
        assert log.tail() == "error: no such op"


def test_captures_nest_and_the_inner_one_has_its_own_log() -> None:
    with captured_log() as outer:
        os.write(2, b"outside\n")
        with captured_log() as inner:
            os.write(2, b"inside\n")
            assert inner.tail() == "inside"
        assert outer.tail() == "outside"


def test_a_progress_bar_on_stderr_keeps_reaching_the_terminal() -> None:
    code = (
        "import os, sys\n"
        "from edgecnn.quiet import captured_log\n"
        "with captured_log():\n"
        "    with captured_log():\n"
        "        print('bar', file=sys.stderr)\n"
        "        os.write(2, b'noise')\n"
        "print('end', file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "bar\nend\n"
