"""The files of a web bundle, made in memory from what is proven, the app and the runtime.

index.html, app.css, *.js    the app
service-worker.js            keeps all of it for use without a network
manifest.webmanifest, icons/ what an installation needs
vendor/                      ONNX Runtime Web
model/                       model.onnx, as it was verified, and its contract
golden.json                  for the self-test at each start
privacy.json, PRIVACY.md     the claims, and what came of checking them
README.md, MODEL_CARD.md, LICENSES/, sbom.cdx.json
.nojekyll                    has GitHub Pages serve all of it as it is
SHA256SUMS                   a digest of every other file
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from edgecnn.errors import PackageError, some_of
from edgecnn.log import has_read
from edgecnn.package.proven import Proven
from edgecnn.package.request import ANY_BUILD, PackageRequest
from edgecnn.package.sbom import SBOM
from edgecnn.package.web.licences import licence_texts
from edgecnn.package.web.sources import WORKER, app_icons
from edgecnn_runner.contract import Contract, parse_resize
from edgecnn_runner.golden import Golden, preprocessing_cases, read_golden
from edgecnn_runner.quantize import input_table
from edgecnn_runner.selftest import tolerance_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SUMS: Final = "SHA256SUMS"
MANIFEST: Final = "manifest.webmanifest"
MODEL: Final = "model/model.onnx"
CONTRACT: Final = "model/contract.json"
CLAIMS: Final = ("privacy.json", "PRIVACY.md")
_ICONS: Final = (
    ("icons/icon-192.png", 192, False),
    ("icons/icon-512.png", 512, False),
    ("icons/maskable-512.png", 512, True),
)
_GROUND: Final = "#14171a"
"""Colour of the icons' tile."""
_PLAIN: Final = ".nojekyll"
_VERSION_LINE: Final = re.compile(rb'^const VERSION = "([0-9a-f]{64})";$', re.MULTILINE)
_SHORTEST: Final = 12  # characters that a home screen shows of a name


@dataclass(frozen=True, kw_only=True)
class WebPlan:
    """What a web bundle is to hold.

    Attributes:
        proven: The one model file.
        version: The bundle's version.
        date: When it is made, in seconds since 1970.
        reject_below: Probability below which the app says "unknown", 0..1.
        sources: The app's, by name.
        vendor: The runtime's files, by name.
    """

    proven: Proven
    version: str
    date: int
    reject_below: float
    sources: Mapping[str, str]
    vendor: Mapping[str, bytes]


def contents(plan: WebPlan, request: PackageRequest = ANY_BUILD) -> dict[str, bytes]:
    """Return a bundle's files but for claims, documents, and what depends on all of them.

    Args:
        plan: What it is to hold.
        request: What was asked for, which remedies give again.

    Raises:
        PackageError: If golden vectors or licences lack something.
        SelfTestError: If the golden vectors are damaged.
    """
    (file,) = plan.proven.files
    files = {name: text.encode() for name, text in plan.sources.items()}
    files |= {f"vendor/{name}": data for name, data in plan.vendor.items()}
    files |= app_icons()
    files |= licence_texts()
    files[_PLAIN] = b""
    files[MANIFEST] = _json(_webmanifest(plan))
    files[MODEL] = file.path.read_bytes()
    has_read(file.path)
    contract = json.loads(file.contract.to_json())
    files[CONTRACT] = _json(
        {
            **contract,
            **feed_of(file.contract),
            "sha256": file.sha256,
            "bundle_version": plan.version,
            "reject_below": plan.reject_below,
            # What a browser shows beside the self-test; a file with a PASS has no such entry.
            **({} if file.unproven is None else {"not_proven": file.unproven.statement}),
        }
    )
    files["golden.json"] = golden_json(read_golden(plan.proven.golden), file.contract, request)
    return files


def feed_of(contract: Contract) -> dict[str, Any]:
    """Return what a browser feeds for each byte, of a model that does not take bytes themselves.

    Returns:
        ``feed``: 256 numbers for each channel, exact in float32; nothing where the numbers are the
        bytes.
    """
    import numpy as np

    table = input_table(contract.input)
    if (table == np.arange(256)[:, np.newaxis]).all():
        return {}
    return {"feed": [[float(value) for value in channel] for channel in table.T]}


def sealed(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return a bundle's files with the service worker filled in and the digests written.

    The worker keeps what the app reads. Documents lie beside it for people, and some hosts serve
    none or make other files of them, which must not keep the app from being installed.

    Args:
        files: All others; the service worker as a template.

    Returns:
        In the order of their names.
    """
    others = {name: data for name, data in files.items() if name not in (WORKER, SUMS)}
    kept = {name: data for name, data in others.items() if not _is_document(name)}
    template = files[WORKER].decode()
    worker = template.replace("@FILES@", json.dumps(sorted(kept)))
    # Another version of any of them, or of the worker itself, is another version of the app.
    version = _digest_of({**kept, WORKER: worker.encode()})
    made = {**others, WORKER: worker.replace("@VERSION@", version).encode()}
    made[SUMS] = "".join(
        f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(made.items())
    ).encode()
    return dict(sorted(made.items()))


def version_of(files: Mapping[str, bytes]) -> str:
    """Return the version that a bundle's service worker calls itself; empty if it says none.

    Args:
        files: A bundle's, complete.
    """
    found = _VERSION_LINE.search(files[WORKER])
    return "" if found is None else found[1].decode()


def subject_of(files: Mapping[str, bytes]) -> str:
    """Return a digest of what privacy claims are about: all files but those that state them.

    The service worker's version depends on the claims, so it is left out of its text; the rest of
    the worker counts.

    Args:
        files: A bundle's, complete.

    Returns:
        SHA-256, lower-case hex.
    """
    counted = {name: data for name, data in files.items() if name not in (*CLAIMS, SUMS)}
    counted[WORKER] = _VERSION_LINE.sub(b'const VERSION = "";', files[WORKER])
    return _digest_of(counted)


def _is_document(name: str) -> bool:
    return name in (SBOM, _PLAIN) or ("/" not in name and name.endswith(".md"))


def _digest_of(files: Mapping[str, bytes]) -> str:
    lines = [f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items()]
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def _webmanifest(plan: WebPlan) -> dict[str, Any]:
    """Return what an installation reads; see https://www.w3.org/TR/appmanifest/."""
    model = plan.proven.model
    classes = len(plan.proven.files[0].contract.labels)
    return {
        "name": f"{model} classifier",
        "short_name": model if len(model) <= _SHORTEST else model[: _SHORTEST - 1] + "…",
        "description": f"Recognizes {classes} classes, on this device alone.",
        # No "id": it is the start_url then, so that two folders of one origin are two apps.
        "start_url": "./",
        "scope": "./",
        "display": "standalone",
        "lang": "en",
        "background_color": _GROUND,
        "theme_color": _GROUND,
        "icons": [
            {
                "src": name,
                "sizes": f"{size}x{size}",
                "type": "image/png",
                "purpose": "maskable" if maskable else "any",
            }
            for name, size, maskable in _ICONS
        ],
    }


def _json(value: object) -> bytes:
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


_BUDGET: Final = 1 << 20
"""Bytes of pixels; with images of 224x224 pixels that is six of them."""


def golden_json(golden: Golden, contract: Contract, request: PackageRequest = ANY_BUILD) -> bytes:
    """Return golden vectors as the web app reads them.

    Args:
        golden: A build's.
        contract: Of the file whose scores are wanted.
        request: What was asked for, which remedies give again.

    Returns:
        UTF-8 JSON: ``images``, each with ``height``, ``width``, ``channels``, ``pixels`` and
        ``prepared`` (base64 of rows from the top, channels side by side; ``prepared`` is null where
        the model is fed ``pixels`` themselves, which its resize rule would change), ``scores`` and
        ``top`` (null where an image tests preprocessing alone); and ``tolerance`` of a score.

    Raises:
        PackageError: If they hold no scores of this variant.
    """
    variant = contract.variant
    made = golden.scores.get(variant)
    if made is None:
        source = shlex.quote(str(request.source))
        raise PackageError(
            f"the golden vectors have no scores of {variant}",
            observed=some_of(sorted(golden.scores)) or "none",
            expected=variant,
            remedy=f"convert and verify the model again: edgecnn convert {source} --variant "
            f"{variant} && edgecnn verify {source} && {request.command()}",
        )
    count = max(1, min(len(golden.images), _BUDGET // golden.images[0].nbytes))
    # A crop of a fraction does not leave a picture of the model's size as it is.
    is_kept = parse_resize(contract.resize).fraction == 1000
    # Images are generated and not pictures of anything, so any of them serve as well.
    images = [
        _entry(
            image,
            image if is_kept else None,
            [float(one) for one in scores],
            int(reference.argmax()),
        )
        for image, scores, reference in zip(
            golden.images[:count], made, golden.reference, strict=False
        )
    ]
    sources, prepared = golden.sources, golden.prepared
    if not sources:  # a build of an older edgecnn
        height, width, channels = golden.images.shape[1:]
        sources, prepared = preprocessing_cases(height, width, channels, contract.resize)
    images += [_entry(*case, None, None) for case in _affordable(sources, prepared)]
    value = {"images": images, "tolerance": tolerance_of(variant)}
    return (json.dumps(value, allow_nan=False, separators=(",", ":")) + "\n").encode()


def _affordable(
    sources: Sequence[npt.NDArray[np.uint8]], prepared: Sequence[npt.NDArray[np.uint8]]
) -> list[tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]]:
    """Return the cases that the budget has room for, one after the other; at least the smallest."""
    cases = [*zip(sources, prepared, strict=True)]
    spent, found = 0, []
    for source, wanted in cases:
        if spent + source.nbytes + wanted.nbytes <= _BUDGET:
            spent += source.nbytes + wanted.nbytes
            found.append((source, wanted))
    return found or [min(cases, key=lambda case: case[0].nbytes)]


def _entry(
    image: npt.NDArray[np.uint8],
    prepared: npt.NDArray[np.uint8] | None,
    scores: list[float] | None,
    top: int | None,
) -> dict[str, Any]:
    height, width, channels = image.shape
    return {
        "height": height,
        "width": width,
        "channels": channels,
        "pixels": _base64(image),
        "prepared": None if prepared is None else _base64(prepared),
        "scores": scores,
        "top": top,
    }


def _base64(pixels: npt.NDArray[np.uint8]) -> str:
    return base64.b64encode(pixels.tobytes()).decode()
