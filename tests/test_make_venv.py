"""``make demo`` and ``make test`` on a machine that lacks a Python: what they say to install."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Stand-ins for interpreters that cannot be assumed to be here: each answers what the script asks.
TOO_OLD = '#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.8.2" && exit\nexit 1\n'
TOO_NEW = '#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.14.0" && exit\nexit 1\n'
NO_VENV = f"""#!/bin/sh
case "$2" in
*ensurepip*) echo "ModuleNotFoundError: No module named 'ensurepip'" >&2; exit 1 ;;
*) exec {sys.executable} "$@" ;;
esac
"""


@pytest.fixture
def bin_folder(tmp_path: Path) -> Path:
    """A PATH with a shell's own tools, and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("sh", "rm", "cat", "make", "touch"):
        for place in ("/bin", "/usr/bin"):
            if (Path(place) / tool).exists():
                (folder / tool).symlink_to(Path(place) / tool)
                break
    return folder


def make_venv(bin_folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / ".ci" / "make-venv", bin_folder.parent / "venv", *arguments],
        cwd=ROOT,
        env={"PATH": str(bin_folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def refused(done: subprocess.CompletedProcess[str], folder: Path) -> str:
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "  remedy:   " in done.stderr
    assert not (folder / "venv").exists()
    return done.stderr


def test_without_any_python_it_says_what_to_install(bin_folder: Path, tmp_path: Path) -> None:
    said = refused(make_venv(bin_folder), tmp_path)
    assert "no Python 3.11, 3.12 or 3.13 found" in said
    assert "apt install python3 python3-venv" in said


@pytest.mark.parametrize("text", [TOO_OLD, TOO_NEW], ids=["3.8", "3.14"])
def test_a_python_of_another_version_is_not_taken(
    bin_folder: Path, tmp_path: Path, text: str
) -> None:
    named = program(bin_folder / "python3", text)
    assert "no Python 3.11, 3.12 or 3.13 found" in refused(make_venv(bin_folder), tmp_path)
    said = refused(make_venv(bin_folder, str(named)), tmp_path)
    assert f"PYTHON={named} is Python 3." in said
    assert "3.11, 3.12 or 3.13" in said


def test_a_named_python_that_is_not_there(bin_folder: Path, tmp_path: Path) -> None:
    said = refused(make_venv(bin_folder, "python3.12"), tmp_path)
    assert "PYTHON=python3.12 cannot be run" in said


def test_without_the_venv_module_it_says_what_to_install(bin_folder: Path, tmp_path: Path) -> None:
    program(bin_folder / "python3", NO_VENV)
    said = refused(make_venv(bin_folder), tmp_path)
    assert "no venv module" in said
    assert "apt install python3-venv" in said


def test_make_says_it_too(bin_folder: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        ["make", "demo", f"VENV={tmp_path / 'venv'}"],
        cwd=ROOT,
        env={"PATH": str(bin_folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "no Python 3.11, 3.12 or 3.13 found" in done.stderr
