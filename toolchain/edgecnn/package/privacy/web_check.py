"""Check a web bundle's claims in a browser, and write what came of it."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from typing import Any, Final

from edgecnn.errors import PackageError
from edgecnn.package.privacy.browser import why_no_browser
from edgecnn.package.privacy.check import LEFT_OUT
from edgecnn.package.privacy.claims import NOTE, RECORD, Checked
from edgecnn.package.privacy.web import Seen, judge_web, unchecked_web
from edgecnn.package.privacy.web_session import (
    FOLDER_STEPS,
    SINGLE_STEPS,
    SessionError,
    folder_session,
    single_session,
)
from edgecnn.package.web.contents import WebPlan, sealed, subject_of
from edgecnn.package.web.single import single_page
from edgecnn.progress import NO_PROGRESS, Progress, named_steps

_PLACE: Final = "a browser"
_PICTURES: Final = 3


def unchecked_web_bundle(files: Mapping[str, bytes]) -> Checked:
    """Return the claims of a web bundle whose checks are left out.

    Args:
        files: The bundle's, as ``contents`` makes them, before there are claims.
    """
    subject = subject_of(sealed({**files, **_no_claims_yet()}))
    return _checked(subject, None, f"the checks were {LEFT_OUT}", unchecked_web(LEFT_OUT))


def check_web_bundle(
    files: Mapping[str, bytes], page: bytes | None = None, *, progress: Progress = NO_PROGRESS
) -> Checked:
    """Check every claim of a web bundle.

    Args:
        files: The bundle's; complete, or as ``contents`` makes them, before there are claims.
        page: The single file; None for the one that these files make.
        progress: Shows each check.

    Returns:
        The claims; where there is no browser, each with that as the reason why it was not checked.

    Raises:
        PackageError: If the app does not work at all.
    """
    if "SHA256SUMS" not in files:
        files = sealed({**files, **_no_claims_yet()})
    subject = subject_of(files)
    reason = why_no_browser()
    if reason is not None:
        return _checked(subject, None, f"nothing was run: {reason}", unchecked_web(reason))
    from playwright.sync_api import Error

    pictures = sample_pictures(files)
    try:
        with named_steps(progress, "privacy checks", FOLDER_STEPS + SINGLE_STEPS) as begin:
            single = single_page(files) if page is None else page
            seen = Seen(
                files=files,
                folder=folder_session(files, pictures, begin),
                single=single_session(single, pictures, begin),
            )
    except SessionError as error:
        raise PackageError(
            "the web app does not work in this machine's browser",
            observed=str(error),
            expected="an app that starts, and classifies",
            remedy="open it in a browser and look at its messages: edgecnn serve FOLDER; if its "
            "sources are unchanged, please report this",
        ) from error
    except Error as error:
        said = " ".join(str(error).split())[:300]
        setting = f"nothing was run to its end: {said}"
        return _checked(subject, None, setting, unchecked_web(said))
    version = ".".join(seen.folder.browser.split(".")[:1])
    setting = f"the bundle itself, folder and single file, in {version} as an emulated phone"
    return _checked(subject, _PLACE, setting, judge_web(seen))


def _checked(subject: str, place: str | None, setting: str, outcomes: list[Any]) -> Checked:
    return Checked(
        subject=subject,
        architecture=place,
        bundle_architecture=_PLACE,
        setting=setting,
        outcomes=tuple(outcomes),
    )


def sample_pictures(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return pictures to classify: the first golden images, as PNG files."""
    import numpy as np
    from PIL import Image

    golden = json.loads(files["golden.json"])
    found = {}
    for number, image in enumerate(golden.get("images", [])[:_PICTURES]):
        shape = (image["height"], image["width"], image["channels"])
        pixels = np.frombuffer(base64.b64decode(image["pixels"]), np.uint8).reshape(shape)
        file = io.BytesIO()
        Image.fromarray(pixels[..., 0] if shape[2] == 1 else pixels).convert("RGBA").save(
            file, "PNG"
        )
        found[f"picture-{number}.png"] = file.getvalue()
    return found


def _no_claims_yet() -> dict[str, bytes]:
    """Return claims to be replaced: the app reads a list of them while it is being checked."""
    value = {"claims": [{"id": "none", "text": "", "checked": False, "how": ""}]}
    empty = {**value, "made": "", "bundle": ""}
    return {RECORD: json.dumps(empty).encode(), NOTE: b""}


def claimed(plan: WebPlan, checked: Checked, *, made: str) -> dict[str, bytes]:
    """Return the record, which the app shows, and the note.

    Args:
        plan: What the bundle holds.
        checked: Its claims; none of them broken.
        made: By what, and when.
    """
    from edgecnn.package.pi.documents import environment
    from edgecnn.package.privacy.note import summary
    from edgecnn.report import markdown_text

    record = checked.to_dict() | {
        "claims": [
            {
                "id": one.id,
                "text": one.claim,
                "checked": one.state == "held",
                "how": f"{one.check} Seen: {one.evidence}."
                if one.state == "held"
                else f"Why not: {one.evidence}.",
            }
            for one in checked.outcomes
        ],
        "made": made,
        "bundle": f"{plan.proven.model} {plan.version}, SHA-256 {checked.subject}",
    }
    (file,) = plan.proven.files
    text = (
        environment()
        .get_template("web/PRIVACY.md.j2")
        .render(
            model=plan.proven.model,
            version=plan.version,
            checked=checked,
            summary=summary(checked),
            labels=file.contract.labels,
            width=file.contract.input.width,
            height=file.contract.input.height,
            accuracy=file.verdict["accuracy"],
            images=file.verdict["images"],
            dataset=file.verdict["dataset"],
            lowest=file.verdict["lowest_recall"],
            not_proven={
                name: markdown_text(one.reason) for name, one in plan.proven.unproven.items()
            },
        )
    )
    line = json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return {RECORD: f"{line}\n".encode(), NOTE: text.encode()}
