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
        said = log.text()
    assert said.splitlines() == ["from C++", "from a logger", "from absl"]
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


def test_everything_speaks_again_afterwards(capfd: pytest.CaptureFixture[str]) -> None:
    before = logging.getLogger("absl").handlers
    with pytest.raises(KeyError), captured_log():
        raise KeyError
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "heard\n"
    assert logging.getLogger("absl").handlers is before


def test_of_a_long_log_the_end_is_kept_from_the_beginning_of_a_line() -> None:
    with captured_log() as log:
        for number in range(5000):
            os.write(2, b"line %05d of a long log\n" % number)
        lines = log.text().splitlines()
    assert lines[-1] == "line 04999 of a long log"
    assert 2000 < len(lines) < 5000
    assert lines[0].startswith("line ")


def test_captures_nest_and_the_inner_one_has_its_own_log() -> None:
    with captured_log() as outer:
        os.write(2, b"outside\n")
        with captured_log() as inner:
            os.write(2, b"inside\n")
            assert inner.text() == "inside\n"
        assert outer.text() == "outside\n"


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
