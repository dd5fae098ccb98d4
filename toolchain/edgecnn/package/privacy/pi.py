"""The claims of a bundle for a Raspberry Pi, and what its runs say of each."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from edgecnn.errors import some_of
from edgecnn.log import run_program
from edgecnn.package.privacy.claims import MOST_FINDINGS, Claim, Outcome, State
from edgecnn.package.privacy.pi_runs import Run, Runs
from edgecnn.package.privacy.traced import other_programs, strange_sockets
from edgecnn_runner.collect import Terms

FIELDS: Final[Mapping[str, str]] = {
    "time": "when, in UTC (watch and camera)",
    "source": "the file's name, or the frame's number (watch and camera)",
    "image": "the file's name (classify)",
    "label": "the class, or unknown",
    "score": "its probability, 0 to 1",
    "index": "its number",
    "ranked": "the best classes, each with label, score and index",
    "error": "for an image that cannot be read: the kind of error",
    "exit_code": "its number",
    "problem": "what is wrong with the file",
    "observed": "what was seen of it, in words",
    "expected": "what would have been right",
    "remedy": "what to do",
}
"""Everything that a result may hold."""

COLLECTED_FIELD: Final[Mapping[str, str]] = {
    "collected": "with --collect: the folder, the new picture's name, how many files are there, "
    "and at most",
}
"""What it may hold besides, where a bundle may collect."""

_LONGEST: Final = 2000  # characters of a result; a picture of the model's size has more
_SERVICE: Final = (
    "PrivateNetwork=yes", "IPAddressDeny=any", "RestrictAddressFamilies=AF_UNIX",
    "DynamicUser=yes", "ProtectSystem=strict", "ProtectHome=yes", "NoNewPrivileges=yes",
    "DevicePolicy=closed", "PrivateTmp=yes", "UMask=0077",
)  # fmt: skip
_DEVICES: Final = {"char-video4linux", "char-media", "char-dma_heap"}
_EXPOSURE_LIMIT: Final = 1.2
_PROGRAMS: Final = ("edgecnn-run", "env")  # which look for Python
_INSTALLER: Final = (
    "install.sh", "sh", "dash", "bash", "dirname", "readlink", "uname", "openssl", "systemctl",
)  # fmt: skip


def judge(runs: Runs, *, folder: str, terms: Terms | None = None) -> list[Outcome]:
    """Return what the runs say of each claim.

    Args:
        runs: Of the bundle.
        folder: Where all of it lay, as the programs saw it; left out of what was seen.
        terms: What the bundle may collect; None for nothing.
    """
    failed = [
        f"{run.traced.name} ended with {run.traced.code}: "
        + " ".join((run.traced.stderr or run.traced.stdout).split())[-300:]
        for run in runs.all
        if run.traced.code != run.code
    ]
    outcomes = []
    for claim in _claims(terms):
        wrong, seen = claim.find(runs)
        state: State = "broken" if wrong else "not checked" if failed else "held"
        evidence = some_of(wrong or failed, MOST_FINDINGS, joint="; ") if wrong or failed else seen
        outcomes.append(claim.outcome(state, evidence.replace(f"{folder}/", "")))
    return outcomes


def unchecked(reason: str, terms: Terms | None = None) -> list[Outcome]:
    """Return the claims as they stand where nothing could be run.

    Args:
        reason: Why.
        terms: What the bundle may collect; None for nothing.
    """
    return [claim.outcome("not checked", reason) for claim in _claims(terms)]


def _network(runs: Runs) -> tuple[list[str], str]:
    found = [
        (socket, run)
        for run in runs.all
        for socket in strange_sockets(run.traced.calls, allowed=run.notify)
    ]
    return _grouped(found), (
        f"{_named(runs.all)}: no socket but of AF_UNIX, and that only to the service manager"
    )


def _images(runs: Runs) -> tuple[list[str], str]:
    found = [(f"{path} written", run) for run in runs.all for path in run.beyond(run.written)]
    found += [
        (f"{path} left changed", run)
        for run in runs.all
        for path in run.beyond(run.changed)
        if path not in run.written
    ]
    return _grouped(found), (
        f"{_named(runs.all)}: nothing made, changed or removed but the results that were asked "
        "for, and what was to be deleted; nothing else was tried"
    )


def _collecting(terms: Terms) -> Callable[[Runs], tuple[list[str], str]]:
    """Return the finder of the claim that images are kept only where, and as many as, agreed."""

    def find(runs: Runs) -> tuple[list[str], str]:
        wrong, _ = _images(runs)
        counts = []
        for seen in runs.collected:
            wrong += [f"{what} (after {seen.after})" for what in seen.wrong]
            if seen.files > terms.at_most:
                wrong.append(
                    f"{seen.files} files, and at most {terms.at_most} are agreed on "
                    f"(after {seen.after})"
                )
            counts.append(f"{seen.files} files after {seen.after}")
        made = [seen.pictures for seen in runs.collected]
        if not made or max(made) == 0:
            wrong.append("no picture was collected, so that nothing could be seen of it")
        return [*dict.fromkeys(wrong)], (
            f"{_named(runs.all)}: besides what was asked for, only pictures were made, in the one "
            f"folder, PNG of pixels alone, for their owner alone: {', '.join(counts)}"
        )

    return find


def _telemetry(runs: Runs) -> tuple[list[str], str]:
    found = []
    for run in runs.all:
        allowed: Iterable[str] = (*_PROGRAMS, *_pythons(run))
        if run.traced.name in ("install.sh", "uninstall"):
            allowed = (*allowed, *_INSTALLER)
        found += [
            (f"{path} started", run) for path in other_programs(run.traced.calls, allowed=allowed)
        ]
    wrong = [*_network(runs)[0], *_grouped(found), *_images(runs)[0]]
    return wrong, "no network, no other program started, and no file in which reports could wait"


def _grouped(found: Iterable[tuple[str, Run]]) -> list[str]:
    """Return each finding once, with the runs in which it was made."""
    by_finding: dict[str, list[Run]] = {}
    for what, run in found:
        by_finding.setdefault(what, []).append(run)
    return [f"{what} ({_named(runs)})" for what, runs in by_finding.items()]


def _pythons(run: Run) -> list[str]:
    """Return the names of interpreters that a bundle's programs may start: ``python3.11``."""
    return [
        name
        for call in run.traced.calls
        if call.name == "execve"
        for name in re.findall(r'"(?:[^"]*/)?(python3\.\d+)"', call.arguments.partition(",")[0])
    ]


def _results(runs: Runs) -> tuple[list[str], str]:
    known = {*FIELDS, *(COLLECTED_FIELD if runs.collected else ())}
    wrong = [f"a result holds {key}" for row in runs.lines for key in row if key not in known]
    wrong += [
        f"a result of {len(str(row)):,} characters"
        for row in runs.lines
        if len(str(row)) > _LONGEST
    ]
    if not runs.lines:
        wrong = ["there are no results"]
    return sorted(set(wrong)), f"{len(runs.lines)} results, with no field but those listed below"


def _guard(runs: Runs) -> tuple[list[str], str]:
    wrong = [f"{name}: {came}" for name, came in runs.attempts.items() if came != "refused"]
    if not runs.attempts:
        wrong = ["the attempts could not be made"]
    return wrong, "refused: " + ", ".join(runs.attempts)


def _deletion(runs: Runs) -> tuple[list[str], str]:
    return [f"left: {path}" for path in runs.left], (
        "after install.sh --uninstall --purge nothing is there that was not there before the "
        "installation, but for results written elsewhere"
    )


def _named(runs: Iterable[Run]) -> str:
    return ", ".join(run.traced.name for run in runs)


_CLAIMS: Final[tuple[Claim[Runs], ...]] = (
    Claim(
        "network",
        "It uses no network.",
        "Installation, self-test, classify, watch, camera and removal run in a network namespace "
        "without interfaces, and every system call of theirs is watched (strace): a socket of any "
        "family but AF_UNIX breaks the claim, also one that is refused.",
        _network,
    ),
    Claim(
        "images",
        "It keeps no image.",
        "Every system call that makes, changes or removes a file is watched, and the file system "
        "is compared before and after each run.",
        _images,
    ),
    Claim(
        "telemetry",
        "It reports nothing to anybody.",
        "As the two above; and no other program is started that could do it in its place.",
        _telemetry,
    ),
    Claim(
        "results",
        "A result holds a label and scores, and no picture.",
        "Every field of every result is compared with the list below, and its length is limited.",
        _results,
    ),
    Claim(
        "guard",
        "Python code in it that tries more is refused.",
        "Under the runner's own guard, a socket, a name look-up, a file, a folder and a program "
        "are tried.",
        _guard,
    ),
    Claim(
        "deletion",
        "It can be removed whole.",
        "The file system is compared before the installation and after the removal.",
        _deletion,
    ),
)


def _claims(terms: Terms | None) -> tuple[Claim[Runs], ...]:
    """Return what is claimed of a bundle that may collect, or of one that may not."""
    if terms is None:
        return _CLAIMS
    others = {
        "images": Claim(
            "images",
            f"It keeps images only in {terms.folder}, at most {terms.at_most}, and none unless "
            "--collect asks for it.",
            "Every system call that makes, changes or removes a file is watched, and the file "
            "system is compared before and after each run, with collecting and without. It "
            "collects into an empty folder, again after a restart with room for one more, and "
            "when there is none; and it is asked to collect elsewhere, and more. For that, its "
            "manifest names a folder of the check's own in place of that one, and every frame.",
            _collecting(terms),
        ),
        "deletion": Claim(
            "deletion",
            "It can be removed whole, but for the images that were collected, which nothing "
            "deletes but their owner.",
            "The file system is compared before the installation and after the removal.",
            _deletion,
        ),
        "results": Claim(
            "results",
            "A result holds a label and scores, and no picture; of a collected one its name.",
            "Every field of every result is compared with the list below, and its length is "
            "limited.",
            _results,
        ),
        "guard": Claim(
            "guard",
            "Python code in it that tries more is refused.",
            "Under the runner's own guard, a socket, a name look-up, a file, a folder and a "
            "program are tried; under that of collecting also another file in the folder, a "
            "picture more than there may be, and the removal of one.",
            _guard,
        ),
    }
    return tuple(others.get(claim.id, claim) for claim in _CLAIMS)


def _service(unit: Path) -> tuple[list[str], str]:
    settings = [line.strip() for line in unit.read_text(encoding="utf-8").splitlines()]
    wrong = [f"{wanted} is missing" for wanted in _SERVICE if wanted not in settings]
    for line in settings:
        if line.startswith("DeviceAllow=") and line[12:].split()[0] not in _DEVICES:
            wrong.append(line)
        if line.startswith(("IPAddressAllow=", "ReadWritePaths=", "BindPaths=")):
            wrong.append(line)
    exposure = _exposure(unit)
    seen = f"{', '.join(_SERVICE)}; no device but cameras"
    if exposure is not None:
        seen += f"; systemd-analyze security: exposure {exposure:.1f} of 10"
        if exposure > _EXPOSURE_LIMIT:
            wrong.append(f"exposure {exposure:.1f}, more than {_EXPOSURE_LIMIT}")
    return wrong, seen


SERVICE: Final = Claim[Path](
    "service",
    "As a service it has no network, no files but its results, and no device but cameras: the "
    "kernel refuses them, whatever the program tries.",
    "The unit's settings are read, and rated by systemd-analyze where that is at hand. That the "
    "kernel keeps to them is systemd's promise and not tested here.",
    _service,
)
"""What is claimed of a bundle's service; it is judged by the unit's file."""


def collecting_service(terms: Terms, model: str) -> Claim[Path]:
    """Return what is claimed of the service that collects; it is judged by the unit's file.

    Args:
        terms: What it may collect.
        model: The model's name.
    """
    command = f"--collect {terms.folder} --every {terms.every} --at-most {terms.at_most}"
    wanted = f"StateDirectory=edgecnn-{model} {PurePosixPath(terms.folder).name}"

    def find(unit: Path) -> tuple[list[str], str]:
        wrong, seen = _service(unit)
        lines = [line.strip() for line in unit.read_text(encoding="utf-8").splitlines()]
        started = [line for line in lines if line.startswith("Exec")]
        if len(started) != 1 or not started[0].endswith(
            f"edgecnn-run $EDGECNN_ARGUMENTS {command}"
        ):
            wrong.append(f"it starts {'; '.join(started) or 'nothing'}")
        kept = [line for line in lines if re.match(r"(State|Cache|Logs|Runtime)Directory=", line)]
        if kept != [wanted]:
            wrong.append(f"it may write by {'; '.join(kept) or 'nothing'}")
        return wrong, f"{wanted}; {command}; {seen}"

    return Claim(
        "collecting-service",
        f"As the service that collects it has no network, no files but its results and "
        f"{terms.folder}, and no device but cameras: the kernel refuses them, whatever the program "
        "tries.",
        "The unit's settings are read, and rated by systemd-analyze where that is at hand. That "
        "the kernel keeps to them is systemd's promise and not tested here.",
        find,
    )


def claim_texts(terms: Terms | None = None) -> tuple[str, ...]:
    """Return all that is claimed of a bundle for a Raspberry Pi, in words.

    Args:
        terms: What it may collect; None for nothing.
    """
    return (*(claim.claim for claim in _claims(terms)), SERVICE.claim)


CLAIMS: Final = claim_texts()
"""All that is claimed of a bundle that keeps no image."""


def _exposure(unit: Path) -> float | None:
    """Return systemd's own rating of a unit, 0 to 10; None where it is not to be had."""
    program = shutil.which("systemd-analyze")
    if program is None:
        return None
    try:
        done = run_program(
            [program, "security", "--offline=true", "--no-pager", str(unit)], timeout_s=60
        )
    except (OSError, subprocess.SubprocessError):
        return None
    rated = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    return float(rated[1]) if rated else None
