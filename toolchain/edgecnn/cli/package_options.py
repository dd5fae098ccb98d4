"""What ``edgecnn package`` was asked, for which target it may be asked, and the stage called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edgecnn.errors import UsageError

if TYPE_CHECKING:
    from edgecnn.build.workspace import Workspace
    from edgecnn.progress import Progress

_FORMATS: Final = {"pi": ("tar", "deb"), "web": ("both", "folder", "html")}
"""Target to its formats, the default first."""

# Option to its field, for those that one target alone has.
_ONLY: Final = {
    "pi": {
        "--os": "system", "--runtime": "runtime", "--wheels": "wheels", "--sign": "key",
        "--root": "root",
    },
    "web": {"--reject-below": "reject_below", "--vendor-dir": "vendor"},
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PackageOptions:
    """The options, as they were given; None for those left out.

    Attributes:
        target: ``pi`` or ``web``.
        variants: In the order given, each once.
        system: See ``PackageRequest``; likewise those below.
        runtime: Likewise.
        version: Likewise.
        form: A format of the target's.
        reject_below: See ``WebRequest``.
        vendor: Likewise.
        wheels: See ``PackageRequest``.
        key: Likewise.
        root: Likewise.
        out: Where the bundle goes.
    """

    target: str
    variants: tuple[str, ...]
    system: str | None
    runtime: str | None
    version: str | None
    form: str | None
    reject_below: float | None
    vendor: Path | None
    wheels: Path | None
    key: Path | None
    root: Path | None
    out: Path


def make_bundle(source: Path, options: PackageOptions, *, quiet: bool, json_output: bool) -> None:
    """Make a bundle and print what was made.

    Args:
        source: A build, a recipe that was built, or a released model's folder.
        options: What was asked.
        quiet: Whether to show no progress.
        json_output: Whether to print JSON.

    Raises:
        UsageError: If the options do not go together.
    """
    from edgecnn.cli.progress import terminal_progress
    from edgecnn.commands.paths import proven_place

    _check(options)
    place, workspace = proven_place(source)
    progress = terminal_progress(quiet=quiet)
    made = _for_web if options.target == "web" else _for_pi
    made(options, place, workspace, progress, json_output)


def _check(options: PackageOptions) -> None:
    if options.target not in _FORMATS:
        raise UsageError(
            f"bundles for {options.target} cannot be made",
            observed=f"--target {options.target}",
            expected="pi or web",
            remedy="leave it out, or name one of these",
        )
    for target, only in _ONLY.items():
        given = [name for name, field in only.items() if getattr(options, field) is not None]
        if target != options.target and given:
            raise UsageError(
                f"{given[0]} is an option for --target {target} alone",
                observed=f"--target {options.target} with {', '.join(given)}",
                expected=f"--target {target}, or none of {', '.join(only)}",
                remedy=f"leave out {', '.join(given)}",
            )
    formats = _FORMATS[options.target]
    if options.form is not None and options.form not in formats:
        raise UsageError(
            f"there is no format {options.form} for {options.target}",
            observed=f"--format {options.form}",
            expected=" or ".join(formats),
            remedy="leave it out, or name one of these",
        )
    if options.target == "web" and len(options.variants) > 1:
        raise UsageError(
            "a web bundle holds one model file",
            observed=" ".join(f"--variant {name}" for name in options.variants),
            expected="one --variant",
            remedy="make a bundle of each, with another --out",
        )


def _for_pi(
    options: PackageOptions,
    place: Path,
    workspace: Workspace | None,
    progress: Progress,
    json_output: bool,
) -> None:
    from edgecnn.cli.bundle_tables import print_bundle
    from edgecnn.cli.render import out_console, print_json
    from edgecnn.package.pi.stage import PackageRequest, run

    result = run(
        PackageRequest(
            place=place,
            workspace=workspace,
            variants=options.variants,
            system=options.system or "bookworm",
            runtime=options.runtime,
            version=options.version,
            wheels=options.wheels,
            key=options.key,
            out=options.out,
            form=options.form or "tar",
            root=None if options.root is None else options.root.resolve(),
        ),
        progress=progress,
    )
    if json_output:
        print_json(result.to_dict())
    else:
        print_bundle(out_console(), result)


def _for_web(
    options: PackageOptions,
    place: Path,
    workspace: Workspace | None,
    progress: Progress,
    json_output: bool,
) -> None:
    from edgecnn.cli.bundle_tables import print_web_bundle
    from edgecnn.cli.render import out_console, print_json
    from edgecnn.package.web.stage import WebRequest, run

    result = run(
        WebRequest(
            place=place,
            workspace=workspace,
            variant=options.variants[0] if options.variants else None,
            version=options.version,
            reject_below=options.reject_below or 0.0,
            vendor=options.vendor,
            form=options.form or "both",
            out=options.out,
        ),
        progress=progress,
    )
    if json_output:
        print_json(result.to_dict())
    else:
        print_web_bundle(out_console(), result)
