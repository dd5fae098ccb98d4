"""Compile what a release's programs import, once, so that each start need not.

The runner writes no bytecode by itself: it writes nothing but results. Without any, a start spends
more time on compiling numpy and the runtime's Python part than on everything else.

Run as a program, by the release's Python: ``bytecode.py RELEASE MODEL...``. What it compiles is
what was compared with the manifest just before; a roll-back removes it and compiles anew.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import py_compile
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

_FOLDER: Final = "__pycache__"
_TIMEOUT_S: Final = 600


def add_bytecode(release: Path, models: Sequence[str]) -> str | None:
    """Compile what a release's programs import.

    Args:
        release: Its folder, compared with its manifest.
        models: Paths of its models in it.

    Returns:
        None; or why there is none now, which makes starts slower and nothing else.
    """
    if not (release / "runner").is_dir():
        return "there is no runner in it"
    command = [sys.executable, "-I", "-B", "-X", "no_debug_ranges", __file__, str(release), *models]
    try:
        done = subprocess.run(  # noqa: S603 - this very Python, no shell
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        remove_bytecode(release)
        return str(error)
    if done.returncode != 0:
        remove_bytecode(release)
        return done.stderr.strip()[-300:]
    return None


def remove_bytecode(release: Path) -> None:
    """Remove all bytecode from a release."""
    for folder in [*release.rglob(_FOLDER)]:
        shutil.rmtree(folder)


def _compile(release: Path, models: Iterable[str]) -> None:
    """Compile the runner, and of the libraries what it loads for these models and for pictures."""
    runner, libraries = release / "runner", release / "lib"
    sys.path[0:0] = [str(runner), str(libraries)]
    main = importlib.import_module("edgecnn_runner.cli").main
    for model in models:
        with _silence():
            main(["selftest", str(release / model)])
    importlib.import_module("PIL.Image").preinit()
    loaded = [getattr(module, "__file__", None) or "" for module in [*sys.modules.values()]]
    of_libraries = [Path(name) for name in loaded if name.startswith(f"{libraries}/")]
    for source in (*runner.rglob("*.py"), *of_libraries):
        if source.suffix == ".py":
            # Never compared with the source again: a release does not change.
            py_compile.compile(
                str(source),
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
            # Whatever the umask: the service runs as another user.
            folder = source.parent / _FOLDER
            folder.chmod(0o755)
            for path in folder.glob(f"{source.stem}.*.pyc"):
                path.chmod(0o644)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123
        yield


if __name__ == "__main__":
    _compile(Path(sys.argv[1]), sys.argv[2:])
