"""The program of ``install.sh``, once that has found the Python that the bundle is for."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from edgecnn_installer.arguments import make_parser
from edgecnn_installer.bundle import Manifest, check_files, read_manifest
from edgecnn_installer.bytecode import add_bytecode, remove_bytecode
from edgecnn_installer.device import check_device
from edgecnn_installer.problems import DeviceError, InstallError, SelfTestError, UsageError
from edgecnn_installer.releases import Place
from edgecnn_installer.service import Service, collecting_unit
from edgecnn_installer.signature import check_signature, read_public_key

PREFIX: Final = "/opt/edgecnn"
_PINNED: Final = "trusted.pub.pem"
_SELFTEST_S: Final = 600


def main(bundle: Path, arguments: Sequence[str]) -> int:
    """Install, roll back or uninstall.

    Args:
        bundle: The folder that ``install.sh`` lies in: an unpacked bundle or a release.
        arguments: Those of ``install.sh``.

    Returns:
        0, or the exit code of the error; 1 for a bug.
    """
    options = make_parser(PREFIX).parse_args(arguments)
    try:
        said = _run(bundle, options)
    except InstallError as error:
        if options.json:
            print(json.dumps(error.to_dict()))  # noqa: T201 - the command's result
        sys.stderr.write(f"error: {error}\n")
        return int(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; the release that was active still is\n")
        return 130
    except OSError as error:
        sys.stderr.write(
            f"error: {error}\n  observed: {error.strerror}\n  expected: a disk that takes it\n"
            "  remedy:   free some space, or check the disk; the release that was active still is\n"
        )
        return DeviceError.exit_code
    except Exception:  # noqa: BLE001 - the last resort: anything here is a bug of ours
        sys.stderr.write(traceback.format_exc())
        sys.stderr.write("\nThis is a bug in the edgecnn installer; please report it.\n")
        return 1
    if options.json:
        print(json.dumps(said))  # noqa: T201
    else:
        for line in said["lines"]:
            print(line)  # noqa: T201
    return 0


def _run(bundle: Path, options: argparse.Namespace) -> dict[str, Any]:
    if options.purge and not options.uninstall:
        raise UsageError(
            "--purge is for --uninstall",
            observed="--purge alone",
            expected="--uninstall --purge",
            remedy="name both, or neither",
        )
    manifest = read_manifest(bundle)
    prefix = _prefix(bundle, manifest.model, options.prefix)
    place = Place(prefix / manifest.model)
    service = Service(model=manifest.model) if prefix == Path(PREFIX) else None
    if options.in_place:
        return _in_place(bundle, manifest, prefix / _PINNED)
    if place.current.is_dir() and not place.current.is_symlink():
        raise UsageError(
            f"{manifest.model} was installed by apt; nothing was changed",
            observed=f"{place.current}, a folder",
            expected="a release that install.sh installed, or none",
            remedy=f"sudo apt purge edgecnn-{manifest.model.lower().replace('_', '-')}; or install "
            "another .deb to replace it",
        )
    if options.rollback:
        return _roll_back(place, service)
    if options.uninstall:
        return _uninstall(place, service, purge=options.purge)
    return _install(bundle, manifest, place, service, options)


def _prefix(bundle: Path, model: str, given: Path | None) -> Path:
    """Return where it goes, or is: a release knows that by where it lies."""
    if given is not None:
        return Path(os.path.abspath(given))  # noqa: PTH100 - links stay
    return _own_prefix(bundle, model) or Path(PREFIX)


def _own_prefix(bundle: Path, model: str) -> Path | None:
    """Return the prefix that a bundle is installed below; None for one that is not installed."""
    # MODEL/releases/RELEASE, or, by apt, MODEL/current; somebody's downloads are neither.
    place = bundle.parents[1] if bundle.parent.name == "releases" else bundle.parent
    known = bundle.parent.name == "releases" or bundle.name == "current"
    return place.parent if known and place.name == model else None


def _install(
    bundle: Path,
    manifest: Manifest,
    place: Place,
    service: Service | None,
    options: argparse.Namespace,
) -> dict[str, Any]:
    check_device(manifest, place.root)
    pinned = place.root.parent / _PINNED
    key = options.key or (pinned if pinned.exists() else None)
    checked_by = None if key is None else check_signature(bundle, manifest, key)
    installed = _own_prefix(bundle, manifest.model) is not None
    check_files(bundle, manifest, compiled=installed)
    lines = [
        f"checked: {len(manifest.files)} files as packaged, "
        + (f"signed with {key} (by {checked_by})" if key else "not signed, or no key pinned here"),
    ]
    lines += [*_not_proven(manifest), *_collects(manifest)]
    facts = {
        "model": manifest.model,
        "release": manifest.release,
        "signature": checked_by,
        "not_proven": dict(manifest.not_proven),
        "collect": manifest.collect,
    }
    if options.check:
        return {**facts, "lines": [*lines, "nothing was changed"]}
    with place.locked():
        copy = place.unpacked(bundle, manifest)
        with _removed_on_failure(copy):
            tests = _self_test(copy, manifest)
            slower = add_bytecode(copy, manifest.artifacts)
            os.sync()  # a release that is switched to must outlive a power cut
            before = place.active()
            release = place.add(copy, manifest)
        with contextlib.ExitStack() as stack:
            if service is not None:
                stack.enter_context(service.placed(release, place.current))
            if options.key is not None:
                _pin(options.key, pinned)
            place.switch(release)
        place.prune()
    if service is not None:
        service.reload()
    lines += [f"self-test: {line}" for line in tests]
    if slower is not None:
        lines.append(f"not compiled, so that it starts more slowly: {slower}")
    lines.append(f"active: {release}" + (f", before: {before}" if before else ""))
    program = place.current / "bin/edgecnn-run" if service is None else service.command.name
    lines.append(f"try it: {program} classify photo.jpg")
    if service is not None:
        lines.append(f"run it as a service: sudo systemctl enable --now {service.name}")
        lines.append(f"what the service does: {service.configuration}")
    lines.append(f"what it does with your images: {place.current / 'PRIVACY.md'}")
    return {**facts, "active": str(release), "self_test": tests, "lines": lines}


def _in_place(bundle: Path, manifest: Manifest, pinned: Path) -> dict[str, Any]:
    """Check what a package manager has put there, and let it test itself."""
    remove_bytecode(bundle)
    check_device(manifest, None)
    checked_by = check_signature(bundle, manifest, pinned) if pinned.exists() else None
    check_files(bundle, manifest)
    tests = _self_test(bundle, manifest)
    slower = add_bytecode(bundle, manifest.artifacts)
    lines = [
        *_not_proven(manifest),
        *_collects(manifest),
        *(f"self-test: {line}" for line in tests),
    ]
    if slower is not None:
        lines.append(f"not compiled, so that it starts more slowly: {slower}")
    return {
        "model": manifest.model,
        "release": manifest.release,
        "signature": checked_by,
        "not_proven": dict(manifest.not_proven),
        "self_test": tests,
        "lines": lines,
    }


def _not_proven(manifest: Manifest) -> list[str]:
    """Say of each model without a PASS what is not proven of it; a PASS needs no word."""
    return [f"{Path(name).name}: {said}" for name, said in manifest.not_proven.items()]


def _collects(manifest: Manifest) -> list[str]:
    """Say what the bundle may collect; one that keeps no image needs no word."""
    if manifest.collect is None:
        return []
    terms = manifest.collect
    return [
        f"it can collect images, only in {terms['folder']}, at most {terms['at_most']}; it does so "
        f"only where it is asked to: --collect, or the service {collecting_unit(manifest.model)}"
    ]


@contextlib.contextmanager
def _removed_on_failure(copy: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        shutil.rmtree(copy, ignore_errors=True)
        raise


def _self_test(release: Path, manifest: Manifest) -> list[str]:
    """Let each model of a release classify its golden vectors on this device."""
    tests = [run_self_test(release, name) for name in manifest.artifacts]
    return [
        f"{Path(name).name}: {found['images']} golden images as expected, by {found['runtime']}"
        for name, found in zip(manifest.artifacts, tests, strict=True)
    ]


def run_self_test(release: Path, name: str) -> dict[str, Any]:
    """Let a model of a release classify its golden vectors, as a user would start it.

    Args:
        release: The release's folder.
        name: Path of the model in it.

    Returns:
        What ``edgecnn-run selftest --json`` says.

    Raises:
        SelfTestError: If it does not say that all is as expected.
    """
    command = [str(release / "bin/edgecnn-run"), "selftest", str(release / name), "--json"]
    try:
        done = subprocess.run(  # noqa: S603 - the release's own program, no shell
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SELFTEST_S,
            check=False,
        )
        if done.returncode == 0:
            said: dict[str, Any] = json.loads(done.stdout)
            return said
        observed = f"exit code {done.returncode}: {done.stderr.strip()[-2000:]}"
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        observed = f"{type(error).__name__}: {error}"
    raise SelfTestError(
        f"{name} does not pass its self-test on this device; the release that was active still is",
        observed=observed,
        expected="the classes and scores of the golden vectors",
        remedy="install it again from a fresh copy; if it stays, package it with another runtime "
        "(edgecnn package BUILD --runtime), or report it with this text",
    )


def _pin(key: Path, pinned: Path) -> None:
    read_public_key(key)
    new = pinned.with_name(f".{pinned.name}.new")
    new.write_bytes(key.read_bytes())
    new.chmod(0o644)
    new.replace(pinned)


def _roll_back(place: Place, service: Service | None) -> dict[str, Any]:
    before = place.before()
    if before is None or before == place.active():
        raise UsageError(
            f"there is no release to roll back to in {place.root}",
            observed="no other release",
            expected="one that was active before",
            remedy="install the bundle that you want",
        )
    manifest = read_manifest(before)
    with place.locked():
        remove_bytecode(before)
        check_files(before, manifest)
        tests = _self_test(before, manifest)
        add_bytecode(before, manifest.artifacts)
        os.sync()
        with contextlib.ExitStack() as stack:
            if service is not None:
                stack.enter_context(service.placed(before, place.current))
            place.switch(before)
    if service is not None:
        service.reload()
    lines = [f"self-test: {line}" for line in tests]
    return {
        "model": manifest.model,
        "active": str(before),
        "not_proven": dict(manifest.not_proven),
        "self_test": tests,
        "lines": [*_not_proven(manifest), *_collects(manifest), *lines, f"active: {before}"],
    }


def _uninstall(place: Place, service: Service | None, *, purge: bool) -> dict[str, Any]:
    if not place.root.exists():
        raise UsageError(
            f"{place.root} is not there",
            observed="nothing is installed there",
            expected="an installed model",
            remedy="name where it was installed: --prefix DIR",
        )
    if not os.access(place.root.parent, os.W_OK):
        raise DeviceError(
            f"{place.root.parent} cannot be written; nothing was changed",
            observed=f"user {os.geteuid()}",
            expected="a user who may write there",
            remedy="run it with sudo",
        )
    pictures = _pictures(place)
    left = [] if service is None else service.remove(results=purge)
    # First the link, so that a kill leaves no release active that is half gone.
    place.current.unlink(missing_ok=True)
    shutil.rmtree(place.root)
    with contextlib.suppress(OSError):  # other models, or a pinned key
        place.root.parent.rmdir()
    lines = [f"removed: {place.root}", *(f"left: {what} (--purge removes them)" for what in left)]
    lines += [
        f"left: {count} files that were collected, in {folder}; nothing here deletes them: "
        f"sudo rm -r {shlex.quote(folder)}"
        for folder, count in pictures.items()
    ]
    return {
        "removed": str(place.root),
        "left": left,
        "pictures": [*pictures],
        "lines": lines,
    }


def _pictures(place: Place) -> dict[str, int]:
    """Return the folders that releases collected pictures in, with how many files are there."""
    found = {}
    releases = [*place.releases.iterdir()] if place.releases.is_dir() else []
    for release in sorted(releases):
        # A damaged release can be removed all the same.
        with contextlib.suppress(InstallError, OSError):
            terms = read_manifest(release).collect
            folder = None if terms is None else os.path.realpath(terms["folder"])
            if folder is not None and os.path.isdir(folder):  # noqa: PTH112
                found[folder] = len(os.listdir(folder))  # noqa: PTH208
    return found
