"""Installs the bundle that was sent, tests what is active then, and goes back if that fails.

All of it runs here, and not step by step from the workstation: a connection that is lost while
releases are switched leaves a device that still tests itself and goes back by itself.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from edgecnn_installer.bundle import Manifest, check_files, read_manifest
from edgecnn_installer.main import run_self_test
from edgecnn_installer.problems import DeviceError, SelfTestError
from edgecnn_installer.releases import Place

_INSTALL_S: Final = 1800
_PINNED: Final = "trusted.pub.pem"


def run(call: Any) -> tuple[str, Mapping[str, Any], list[bytes]]:
    """Install.

    Args:
        call: A ``bootstrap.Call``. Parameters: ``prefix``, ``default_prefix`` and ``key``
            (whether a public key to pin was sent). In its folder: ``bundle`` and ``key``.

    Returns:
        The last frame: ``done`` and what came of it, or ``error`` as ``install.sh`` told it.

    Raises:
        InstallError: If the copy is damaged, or the self-test fails once it is active.
    """
    bundle, prefix = Path(call.folder) / "bundle", Path(call.parameters["prefix"])
    manifest = read_manifest(bundle)
    check_files(bundle, manifest)
    place, pinned = Place(prefix / manifest.model), prefix / _PINNED
    before = place.active()
    key_before = pinned.read_bytes() if pinned.is_file() else None
    options = ["--json"]
    if not call.parameters["default_prefix"]:
        options += ["--prefix", str(prefix)]
    if call.parameters["key"]:
        options += ["--key", str(Path(call.folder) / "key")]
    call.send("phase", {"name": "installing"})
    call.protect()
    said = _install_sh(bundle, options)
    if "error" in said:
        return "error", said, []
    try:
        tests = [_self_test(place.current, name) for name in manifest.artifacts]
    except SelfTestError as error:
        error.problem += f"; {_go_back(place, manifest, before, options)}"
        _restore_key(pinned, key_before)
        raise
    return "done", {"installed": said, "before": _name(before), "self_tests": tests}, []


def _name(release: Path | None) -> str | None:
    return None if release is None else release.name


def _install_sh(folder: Path, options: list[str]) -> dict[str, Any]:
    """Run an ``install.sh``; return its result, or its error."""
    # By its shell, since the folder may lie where nothing may be started.
    command = ["/bin/sh", str(folder / "install.sh"), *options]
    try:
        done = subprocess.run(  # noqa: S603 - the bundle's own program, checked above
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_INSTALL_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DeviceError(
            "install.sh does not come to an end",
            observed=f"still at work after {_INSTALL_S} s, and ended",
            expected="an installation within that time",
            remedy="look at the device's disk; the release that was active still is, unless "
            "edgecnn doctor --device says otherwise",
        ) from error
    try:
        said = json.loads(done.stdout)
    except ValueError:
        said = {}
    if isinstance(said, dict) and ("error" in said) == (done.returncode != 0) and said:
        return said
    # It tells some errors in words alone: of the wrong processor, or of a full disk.
    lines = done.stderr.strip().removeprefix("error: ").splitlines() or ["it says nothing"]
    parts = dict(line.strip().split(":", 1) for line in lines[1:] if ":" in line)
    return {
        "error": "DeviceError",
        "problem": lines[0],
        "observed": parts.get("observed", f"exit code {done.returncode}").strip(),
        "expected": parts.get("expected", "an installation").strip(),
        "remedy": parts.get("remedy", "look at what it says: install.sh, on the device").strip(),
    }


def _self_test(current: Path, name: str) -> dict[str, Any]:
    """Let a model of the active release test itself."""
    try:
        found = run_self_test(current, name)
    except SelfTestError as error:
        error.problem = f"{name} does not pass its self-test once it is installed"
        raise
    keys = ("images", "runtime", "kernels", "worst_difference", "tolerance")
    return {"file": name, **{key: found.get(key) for key in keys}}


def _go_back(place: Place, manifest: Manifest, before: Path | None, options: list[str]) -> str:
    """Make the release active again that was; say in words what came of it."""
    what = "--uninstall" if before is None else "--rollback"
    kept = [option for option in options if option != "--json"]
    if "--key" in kept:
        kept = kept[: kept.index("--key")]
    said = _install_sh(place.current, [*kept, what, "--json"])
    if "error" in said:
        return f"{what} failed, too ({said['problem']}): {place.current} is the new release"
    if before is None:
        return f"{manifest.model} was uninstalled again, as it was before"
    return f"rolled back: {before.name} is active again, as it was before"


def _restore_key(pinned: Path, before: bytes | None) -> None:
    if before is not None:
        pinned.write_bytes(before)
    elif pinned.is_file():
        pinned.unlink()
        try:
            pinned.parent.rmdir()
        except OSError:
            return  # other models
