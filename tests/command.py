"""Runs the edgecnn command as a user does: in a process of its own, or in this one."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

SCHEMAS: Final = Path(__file__).parents[1] / "toolchain/docs/schemas"


@dataclass(frozen=True)
class Finished:
    """What a command left: its exit code and what it printed.

    ``arguments`` are those of ``edgecnn``; empty where another program was run.
    """

    code: int
    out: str
    err: str
    arguments: tuple[str, ...] = ()

    def json(self) -> Any:
        """Return the JSON document that was printed; it is as the manual's schema says."""
        value = json.loads(self.out)
        if self.arguments:
            check_document(self.arguments, value)
        return value


def check_document(arguments: Sequence[str], value: Any) -> None:
    """Hold what a command printed against the schema of its name in the manual.

    Raises:
        jsonschema.ValidationError: If it is not as the schema says.
    """
    import jsonschema

    commands = {path.stem for path in SCHEMAS.glob("*.json")} | {"demo"}
    name = next((argument for argument in arguments if argument in commands), "error")
    name = {"demo": "build"}.get(name, name)
    if isinstance(value, dict) and "exit_code" in value:
        name = "error"
    elif "--compare" in arguments:
        name = "bench-compare"
    schema = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(value)


def _environment(extra: Mapping[str, str | None] | None) -> dict[str, str]:
    wanted: dict[str, str | None] = {
        **os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", **(extra or {})
    }  # fmt: skip
    return {name: value for name, value in wanted.items() if value is not None}


def edgecnn(
    *arguments: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str | None] | None = None,
    timeout: float = 600,
) -> Finished:
    """Run ``edgecnn`` with these arguments; a variable that is None is not passed on."""
    done = subprocess.run(
        [sys.executable, "-m", "edgecnn", *map(str, arguments)],
        cwd=cwd,
        env=_environment(env),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr, tuple(map(str, arguments)))


def edgecnn_here(*arguments: str | Path) -> Finished:
    """Run ``edgecnn`` with these arguments in this process, which has TensorFlow loaded already."""
    from edgecnn.cli.app import main

    printed, said = io.StringIO(), io.StringIO()
    kept = sys.argv, signal.getsignal(signal.SIGINT), sys.unraisablehook
    sys.argv = ["edgecnn", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(said):
            main()
    except SystemExit as end:
        code = end.code
    finally:
        sys.argv, _, sys.unraisablehook = kept
        signal.signal(signal.SIGINT, kept[1])
    assert isinstance(code, int)
    return Finished(code, printed.getvalue(), said.getvalue(), tuple(map(str, arguments)))


def shell(command: str, *arguments: str | Path, env: dict[str, str] | None = None) -> Finished:
    """Run a shell line in which ``$E`` is edgecnn and ``"$1"``, ``"$2"`` ... are arguments."""
    line = f'E="{sys.executable} -m edgecnn"; {command}'
    done = subprocess.run(
        ["bash", "-c", line, "bash", *map(str, arguments)],
        env=_environment(env),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def modules_after(*arguments: str | Path, cwd: Path | None = None) -> tuple[set[str], str]:
    """Run ``edgecnn``; return the modules it had imported at its end, and what it printed."""
    code = (
        "import sys\n"
        "from edgecnn.cli.app import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    code = end.code or 0\n"
        "print('\\nMODULES', code, *sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=cwd,
        env=_environment(None),
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    marker, exit_code, *modules = done.stdout.splitlines()[-1].split()
    assert marker == "MODULES"
    assert exit_code == "0", done.stderr
    return set(modules), done.stdout
