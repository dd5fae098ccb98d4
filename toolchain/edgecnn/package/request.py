"""What is asked of bundles: to make one, for any target, and to check one's privacy claims."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

PACKAGE_SCHEMA: Final = 1
"""Version of a result's layout in JSON."""


OPTIONS: Final[Mapping[str, str]] = {
    "target": "--target",
    "variants": "--variant",
    "accept_inconclusive": "--accept-inconclusive",
    "system": "--os",
    "runtime": "--runtime",
    "version": "--version",
    "form": "--format",
    "reject_below": "--reject-below",
    "vendor": "--vendor-dir",
    "wheels": "--wheels",
    "key": "--sign",
    "root": "--root",
    "out": "--out",
    "skip_privacy_checks": "--skip-privacy-checks",
    "collect": "--collect",
    "collect_every": "--collect-every",
    "collect_at_most": "--collect-at-most",
}
"""A field of a request to its option on the command line."""


@dataclass(frozen=True, kw_only=True)
class PackageRequest:
    """What is to be packaged, and for what; None means the target's usual choice.

    Attributes:
        source: A build, a recipe that was built, or a released model's folder.
        target: ``pi`` or ``web``.
        variants: Those to put in, the one to use first; for ``web`` one alone. Empty for the
            runtime's int8 variant, or the mixed one where a repair put it in its place.
        accept_inconclusive: Whether files may go in whose verdict is INCONCLUSIVE; the bundle then
            says everywhere that they are not proven. What failed never goes in.
        version: The bundle's version; None for the date.
        form: ``pi``: ``tar`` for a ``.tar.gz`` with ``install.sh``, or ``deb`` for a Debian
            package; None for ``tar``. ``web``: ``folder`` for an app to install, ``html`` for a
            single file, or ``both``; None for ``both``.
        out: Folder that the bundle goes to; made if it is not there.
        skip_privacy_checks: Whether no privacy claim is checked; the bundle then says so of each.
        system: ``pi``: the release of the device's system; None for ``bookworm``.
        runtime: ``pi``: which runtime goes in; None for the system's first.
        wheels: ``pi``: a folder with the libraries; None for cache and network.
        key: ``pi``: Ed25519 private key to sign with; None for no signature.
        root: ``pi``: the folder of a system for the bundle's architecture, to check the privacy
            claims in; None to check them with what this machine can run.
        collect: ``pi``: absolute path, on the device, of the one folder in which the bundle may
            collect frames; None for a bundle that keeps no image.
        collect_every: ``pi``: with ``collect``, every so manieth frame is kept, none more often.
        collect_at_most: ``pi``: with ``collect``, files in that folder in all.
        reject_below: ``web``: probability below which the app says "unknown", 0..1; None for 0.
        vendor: ``web``: a folder with the runtime's files; None for cache and npm.
    """

    source: Path
    target: str = "pi"
    variants: tuple[str, ...] = ()
    accept_inconclusive: bool = False
    version: str | None = None
    form: str | None = None
    out: Path = Path("dist")
    skip_privacy_checks: bool = False
    system: str | None = None
    runtime: str | None = None
    wheels: Path | None = None
    key: Path | None = None
    root: Path | None = None
    collect: str | None = None
    collect_every: int | None = None
    collect_at_most: int | None = None
    reject_below: float | None = None
    vendor: Path | None = None

    def command(self, leave_out: Collection[str] = ()) -> str:
        """Return the command line that asks for this, for a shell; options as usual are left out.

        Args:
            leave_out: Fields whose options are left out, too.

        >>> PackageRequest(source=Path("my build"), variants=("onnx-int8",), target="web").command()
        "edgecnn package 'my build' --target web --variant onnx-int8"
        """
        usual = {field.name: field.default for field in fields(self)}
        words = ["edgecnn", "package", str(self.source)]
        for name, option in OPTIONS.items():
            value = getattr(self, name)
            if value == usual[name] or name in leave_out:
                continue
            if value is True:
                words.append(option)
                continue
            for part in value if isinstance(value, tuple) else (value,):
                words += [option, str(part)]
        return shlex.join(words)


ANY_BUILD: Final = PackageRequest(source=Path("BUILD"))
"""For remedies where nobody asked on a command line, as a manual writes it."""


@dataclass(frozen=True, kw_only=True)
class PrivacyRequest:
    """Which bundle's privacy claims are to be checked, and where.

    Attributes:
        bundle: A bundle's ``.tar.gz``, the folder it was unpacked into, or a web bundle's folder
            or single file.
        root: For a Raspberry Pi: the folder of a system to run it in by chroot, which needs root;
            None to run it, or its twin with libraries for this processor, here.
        wheels: For a Raspberry Pi: a folder with the libraries of a twin; if it is given, nothing
            is fetched.
    """

    bundle: Path
    root: Path | None = None
    wheels: Path | None = None
