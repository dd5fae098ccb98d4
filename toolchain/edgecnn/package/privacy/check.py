"""Check a bundle's claims: run it where all that it does is seen, and judge what was seen."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Final

from edgecnn.errors import PrivacyClaimError, some_of
from edgecnn.files import write_json
from edgecnn.package.privacy.claims import Checked, Claim, subject_digest
from edgecnn.package.privacy.pi import SERVICE, collecting_service, judge, unchecked
from edgecnn.package.privacy.pi_runs import COLLECTED, COLLECTING_RUNS, RUNS, run_bundle
from edgecnn.package.privacy.place import CheckedPlace, NoPlaceError, place_for
from edgecnn.progress import NO_PROGRESS, Progress, named_steps
from edgecnn_installer.bundle import MANIFEST, SIGNATURE
from edgecnn_installer.service import collecting_unit
from edgecnn_runner.collect import bundle_terms

LEFT_OUT: Final = "left out when the bundle was made, by --skip-privacy-checks"
"""Why no claim of a bundle is checked whose maker did not want to wait."""


def unchecked_bundle(bundle: Path) -> Checked:
    """Return the claims of a bundle for a Raspberry Pi whose checks are left out.

    Args:
        bundle: The unpacked bundle, with its manifest.
    """
    manifest = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
    terms = bundle_terms(bundle)
    services = [claim.outcome("not checked", LEFT_OUT) for claim, _ in _services(bundle, manifest)]
    return Checked(
        subject=subject_digest(manifest),
        architecture=None,
        bundle_architecture=manifest["architecture"],
        setting=f"the checks were {LEFT_OUT}",
        outcomes=(*unchecked(LEFT_OUT, terms), *services),
    )


def _services(bundle: Path, manifest: dict[str, Any]) -> list[tuple[Claim[Path], Path]]:
    """Return what is claimed of each service of a bundle, and its unit."""
    model = manifest["model"]
    found = [(SERVICE, bundle / f"service/edgecnn-{model}.service")]
    terms = bundle_terms(bundle)
    unit = bundle / "service" / collecting_unit(model)
    if terms is not None and unit.is_file():
        found.append((collecting_service(terms, model), unit))
    return found


def _let_collect_here(place: CheckedPlace) -> None:
    """Have the copy that is checked collect in a folder of the check, and every frame."""
    path = place.folder / "bundle" / MANIFEST
    manifest = json.loads(path.read_text(encoding="utf-8"))
    folder = place.inside(place.folder / COLLECTED)
    (path.parent / SIGNATURE).unlink(missing_ok=True)
    write_json(path, {**manifest, "collect": {**manifest["collect"], "folder": folder, "every": 1}})


def check_bundle(
    bundle: Path,
    *,
    root: Path | None = None,
    wheels: Path | None = None,
    fetch: bool = True,
    progress: Progress = NO_PROGRESS,
) -> Checked:
    """Check every claim of a bundle for a Raspberry Pi.

    Args:
        bundle: The unpacked bundle, with its manifest.
        root: The folder of a system for its architecture, to run it in by chroot (needs root);
            None to run it, or its twin, here.
        wheels: A folder that may hold the libraries of a twin.
        fetch: Whether pip may fetch them.
        progress: Shows each check.

    Returns:
        The claims; one that could not be checked is among them, with the reason.
    """
    manifest = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
    model = manifest["model"]
    terms = bundle_terms(bundle)
    at_most = None if terms is None else terms.at_most
    steps = RUNS + 2 + (0 if terms is None else COLLECTING_RUNS)
    architecture: str | None = None
    with named_steps(progress, "privacy checks", steps) as begin:
        try:
            begin("a place to run it")
            with place_for(bundle, root=root, wheels=wheels, fetch=fetch) as place:
                if terms is not None:
                    _let_collect_here(place)
                runs = run_bundle(
                    place, model=model, python=manifest["python"], at_most=at_most, begin=begin
                )
                outcomes = judge(runs, folder=place.inside(place.folder), terms=terms)
                architecture, setting = place.architecture, place.setting
        except NoPlaceError as error:
            outcomes, setting = unchecked(str(error), terms), f"nothing was run: {error}"
        except subprocess.TimeoutExpired as error:
            outcomes = unchecked(f"it did not end within {error.timeout:.0f} s", terms)
            setting = "nothing was run to its end"
        begin("the service's settings")
        services = [claim.judged(unit) for claim, unit in _services(bundle, manifest)]
    return Checked(
        subject=subject_digest(manifest),
        architecture=architecture,
        bundle_architecture=manifest["architecture"],
        setting=setting,
        outcomes=(*outcomes, *services),
    )


def refuse_broken(checked: Checked, named: str) -> None:
    """Raise for the claims that were found broken.

    Args:
        checked: The claims.
        named: What was checked, for the message.

    Raises:
        PrivacyClaimError: If there is one.
    """
    broken = checked.of("broken")
    if broken:
        raise PrivacyClaimError(
            f"{len(broken)} of {len(checked.outcomes)} privacy claims of {named} do not hold",
            observed=some_of((f"{one.id}: {one.evidence}" for one in broken), joint="; "),
            expected=" ".join(one.claim for one in broken),
            remedy="do not use it. If runner and libraries are unchanged, please report this; a "
            "library that does this can be replaced: --runtime NAME",
        )
