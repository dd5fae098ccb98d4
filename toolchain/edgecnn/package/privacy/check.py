"""Check a bundle's claims: run it where all that it does is seen, and judge what was seen."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Final

from edgecnn.errors import PrivacyClaimError
from edgecnn.package.privacy.claims import Checked, subject_digest
from edgecnn.package.privacy.pi import SERVICE, judge, unchecked
from edgecnn.package.privacy.pi_runs import RUNS, run_bundle
from edgecnn.package.privacy.place import NoPlaceError, place_for
from edgecnn.progress import NO_PROGRESS, Progress, named_steps
from edgecnn_installer.bundle import MANIFEST

LEFT_OUT: Final = "left out when the bundle was made, by --skip-privacy-checks"
"""Why no claim of a bundle is checked whose maker did not want to wait."""


def unchecked_bundle(bundle: Path) -> Checked:
    """Return the claims of a bundle for a Raspberry Pi whose checks are left out.

    Args:
        bundle: The unpacked bundle, with its manifest.
    """
    manifest = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
    return Checked(
        subject=subject_digest(manifest),
        architecture=None,
        bundle_architecture=manifest["architecture"],
        setting=f"the checks were {LEFT_OUT}",
        outcomes=(*unchecked(LEFT_OUT), SERVICE.outcome("not checked", LEFT_OUT)),
    )


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
    architecture: str | None = None
    with named_steps(progress, "privacy checks", RUNS + 2) as begin:
        try:
            begin("a place to run it")
            with place_for(bundle, root=root, wheels=wheels, fetch=fetch) as place:
                runs = run_bundle(place, model=model, python=manifest["python"], begin=begin)
                outcomes = judge(runs, folder=place.inside(place.folder))
                architecture, setting = place.architecture, place.setting
        except NoPlaceError as error:
            outcomes, setting = unchecked(str(error)), f"nothing was run: {error}"
        except subprocess.TimeoutExpired as error:
            outcomes = unchecked(f"it did not end within {error.timeout:.0f} s")
            setting = "nothing was run to its end"
        begin("the service's settings")
        service = SERVICE.judged(bundle / f"service/edgecnn-{model}.service")
    return Checked(
        subject=subject_digest(manifest),
        architecture=architecture,
        bundle_architecture=manifest["architecture"],
        setting=setting,
        outcomes=(*outcomes, service),
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
            observed="; ".join(f"{one.id}: {one.evidence}" for one in broken),
            expected=" ".join(one.claim for one in broken),
            remedy="do not use it. If runner and libraries are unchanged, please report this; a "
            "library that does this can be replaced: --runtime NAME",
        )
