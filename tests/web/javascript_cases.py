"""What Python computes for the JavaScript runner to be compared with, as files for Node's tests."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from edgecnn.package.web.contents import feed_of
from edgecnn_runner.classifier import Classifier
from edgecnn_runner.contract import RESIZE_RULE, Contract, OutputSpec, parse_resize
from edgecnn_runner.foreign import foreign_contract
from edgecnn_runner.formats.container import append_contract
from edgecnn_runner.golden import preprocessing_cases, read_golden
from edgecnn_runner.images.decode import read_image
from edgecnn_runner.images.preprocess import prepare
from edgecnn_runner.postprocess import softmax
from edgecnn_runner.session import Session
from runner.fixture_files import FIXTURES, RGB_LABELS, rewritten

ROOT = Path(__file__).parents[2]
RELEASED = ("resnet8", "seed_cnn", "wren")
_RANDOM = 240  # images for the default resize rule, 80 of each number of channels
_RANDOM_OF_RULE = 36  # for each of the others
_FITS = ("centre-crop", "centre-crop-0.875", "centre-crop-0.3", "stretch", "pad")
_FILTERS = ("box-average", "nearest", "bilinear", "bilinear-antialias")
_RULES = tuple(f"{fit}-{name}-1" for fit in _FITS for name in _FILTERS)
# One pixel, one row, one column; sizes at which rounding decides (384 x 512 to 224 x 224 is
# padded to 168 x 223, and a middle lies between two pixels); and about as large as the model's.
_EDGES = (
    ((1, 1), (5, 3)),
    ((1, 3001), (7, 4)),
    ((2999, 1), (4, 9)),
    ((2, 3), (1, 1)),
    ((2, 1), (33, 64)),
    ((384, 512), (224, 224)),
    ((60, 640), (48, 224)),
    ((17, 24), (17, 24)),
    ((18, 25), (17, 24)),
    ((19, 27), (17, 24)),
    ((100, 7), (40, 41)),
)
_IMAGES = 64  # for each model
_REJECT_BELOW = 0.25
Pixels = npt.NDArray[np.uint8]


def write_preprocessing(folder: Path) -> None:
    """Write golden vectors and random images of random sizes, with what ``prepare`` gives.

    By each resize rule.
    """
    blob = bytearray()
    cases: list[dict[str, Any]] = []

    def add(name: str, pixels: Pixels, size: tuple[int, int, int], rule: str = RESIZE_RULE) -> None:
        height, width, channels = size
        rgb = _rgb(pixels)
        answer = prepare(rgb, height=height, width=width, channels=channels, rule=rule)
        cases.append(
            {
                "name": name,
                "height": pixels.shape[0],
                "width": pixels.shape[1],
                "channels": pixels.shape[2],
                "start": len(blob),
                "size": {"height": height, "width": width, "channels": channels, "resize": rule},
                "answer": len(blob) + pixels.nbytes,
            }
        )
        blob.extend(pixels.tobytes() + answer.tobytes())

    for size in ((32, 32, 3), (8, 8, 1), (12, 16, 3), (28, 20, 1), (1, 1, 3)):
        for index, source in enumerate(preprocessing_cases(*size)[0]):
            for rule in _RULES:
                add(f"golden {size} {index}", source, size, rule)
    for name in RELEASED:
        golden = read_golden(ROOT / "models" / name / "golden.npz")
        for index, source in enumerate(golden.sources):
            add(f"golden {name} {index}", source, (32, 32, 3))
    rng = np.random.default_rng(20261125)
    for rule in _RULES:
        for index, (shape, sides) in enumerate(_EDGES):
            pixels = rng.integers(0, 256, (*shape, (3, 4, 1)[index % 3]), dtype=np.uint8)
            add(f"edge {index}", pixels, (*sides, (3, 1)[index % 2]), rule)
        for index in range(_RANDOM if rule == RESIZE_RULE else _RANDOM_OF_RULE):
            channels = (3, 4, 1)[index % 3]
            rows, columns = (int(value) for value in np.exp(rng.uniform(0, np.log(400), 2)))
            pixels = rng.integers(0, 256, (rows, columns, channels), dtype=np.uint8)
            if index % 2:  # smooth, and with long runs of the extremes
                slopes = np.sort(pixels.astype(int), axis=1) * 2 - 128
                pixels = np.clip(slopes, 0, 255).astype(np.uint8)
            size = (int(rng.integers(1, 97)), int(rng.integers(1, 97)), (3, 1)[index // 3 % 2])
            add(f"random {index}", pixels, size, rule)
    (folder / "preprocess.bin").write_bytes(blob)
    (folder / "preprocess.json").write_text(json.dumps(cases))


def write_sizes(folder: Path) -> None:
    """Write picture files of every kind whose size is read from the header, and ``sizes.json``.

    Among them one of a phone with 50 megapixels, and one that is refused.
    """
    options: dict[str, tuple[str, dict[str, Any]]] = {
        "plain.jpg": ("JPEG", {}),
        "progressive.jpg": ("JPEG", {"progressive": True, "comment": b"x" * 60_000}),
        "metadata.jpg": ("JPEG", {"exif": _thumbnail(), "icc_profile": b"x" * 300_000}),
        "plain.png": ("PNG", {}),
        "plain.gif": ("GIF", {}),
        "lossy.webp": ("WEBP", {}),
        "lossless.webp": ("WEBP", {"lossless": True}),
        "extended.webp": ("WEBP", {"exif": _thumbnail()}),
        "plain.bmp": ("BMP", {}),
    }
    cases = []
    for number, (name, (kind, more)) in enumerate(options.items()):
        width, height = 300 + number, 77 + number
        Image.new("RGB", (width, height), (9, 200, 90)).save(folder / name, kind, **more)
        cases.append({"file": name, "width": width, "height": height})
    for name, side in (("phone.jpg", (8192, 6144)), ("huge.png", (20_000, 20_000))):
        Image.new("1", side).save(folder / name)
        cases.append({"file": name, "width": side[0], "height": side[1]})
    (folder / "sizes.json").write_text(json.dumps(cases))


def _thumbnail() -> bytes:
    """Return Exif with a JPEG in it, whose size is not the picture's."""
    small = io.BytesIO()
    Image.new("RGB", (16, 12)).save(small, "JPEG")
    return b"Exif\0\0MM\0\x2a\0\0\0\x08\0\0\0\0\0\0" + small.getvalue()


def write_softmax(folder: Path) -> None:
    """Write rows of logits, then what ``softmax`` makes of each."""
    rows, classes = 200, 10
    rng = np.random.default_rng(7)
    logits = (rng.normal(0, 1, (rows, classes)) * rng.uniform(0.1, 40, (rows, 1))).astype("<f4")
    (folder / "softmax.bin").write_bytes(logits.tobytes() + softmax(logits).tobytes())
    (folder / "softmax.json").write_text(json.dumps({"rows": rows, "classes": classes}))


def write_models(folder: Path) -> None:
    """Write images, the Python runner's scores and what a bundle says of each model."""
    cases = []
    for name in RELEASED:
        model = ROOT / "models" / name / f"{name}-int8.onnx"
        golden = read_golden(model.parent / "golden.npz")
        images = np.concatenate([golden.images, _more_like(golden.images)])[:_IMAGES]
        cases.append(_write_model(folder, name, model, images, exact=True))
    for name in ("rgb-fp32", "grey-fp32", "rgb-int8", "grey-int8"):
        with np.load(FIXTURES / f"{name.partition('-')[0]}.npz") as stored:
            images = stored["images"]
        model = FIXTURES / f"{name}.onnx"
        cases.append(_write_model(folder, name, model, images, exact="int8" in name))
        if name == "rgb-fp32":
            # The same model with a contract that takes its scores for logits.
            output = OutputSpec(kind="logits")
            logits = rewritten("rgb-fp32.onnx", folder / "rgb-logits.onnx", output=output)
            cases.append(_write_model(folder, "rgb-logits", logits, images, exact=False))
            for rule in ("centre-crop-0.875-bilinear-antialias-1", "pad-bilinear-1"):
                file = rewritten("rgb-fp32.onnx", folder / f"rgb-{rule}.onnx", resize=rule)
                case = _write_model(folder, f"rgb-{rule}", file, images, exact=False)
                cases.append({**case, "pictures": _write_pictures(folder, file)})
    with np.load(FIXTURES / "rgb.npz") as stored:
        images = stored["images"]
    for name, input_range in (("unit", "0..1"), ("imagenet", "imagenet")):
        file = _adopted(folder / f"nchw-{name}.onnx", input_range)
        cases.append(_write_model(folder, f"nchw-{name}", file, images, exact=False))
    (folder / "models.json").write_text(json.dumps(cases))


def _adopted(path: Path, input_range: str) -> Path:
    """Write a file that another program made, NCHW and not fed bytes, with a contract behind it."""
    source = FIXTURES / "foreign-nchw.onnx"
    made = foreign_contract(source, labels=RGB_LABELS, input_range=input_range)
    contract = dataclasses.replace(
        made,
        variant="onnx-foreign-fp32",
        payload_sha256=hashlib.sha256(source.read_bytes()).hexdigest(),
        adopted={"file": source.name, "made_by": "a test", "calibration": "not known"},
    )
    path.write_bytes(append_contract(source.read_bytes(), contract, model_format="onnx"))
    return path


def write_float(folder: Path, name: str, model: Path) -> None:
    """Write the same for a released model's float file, which is none of the released ones."""
    golden = read_golden(ROOT / "models" / name / "golden.npz")
    images = np.concatenate([golden.images, _more_like(golden.images)])[:_IMAGES]
    case = _write_model(folder, f"{name}-fp32", model, images, exact=False)
    (folder / "models.json").write_text(json.dumps([case]))


def _write_model(
    folder: Path, name: str, model: Path, images: Pixels, *, exact: bool
) -> dict[str, Any]:
    with Session.open(model, runtime="onnxruntime") as session:
        contract, scores = session.contract, session.predict(images)
    (folder / f"{name}.images.bin").write_bytes(np.ascontiguousarray(images).tobytes())
    (folder / f"{name}.scores.bin").write_bytes(scores.astype("<f4").tobytes())
    (folder / f"{name}.contract.json").write_text(_contract_json(contract, model))
    (folder / f"{name}.golden.json").write_text(_golden_json(contract, images, scores))
    made = {"name": name, "model": str(model), "images": len(images), "exact": exact}
    return {**made, "pictures": []}


def _write_pictures(folder: Path, model: Path) -> list[dict[str, Any]]:
    """Write picture files, and say what Python's runner answers to each."""
    cases = []
    with Classifier(model) as classifier:
        for rows, columns in ((90, 31), (40, 200), (7, 5)):
            row, column = np.mgrid[:rows, :columns]
            planes = (255 * row // rows, 255 * column // columns, (row * column) % 256)
            path = folder / f"seen-{rows}x{columns}.png"
            Image.fromarray(np.stack(planes, axis=-1).astype(np.uint8)).save(path)
            found = classifier.classify(path)
            cases.append({"file": path.name, "label": found.label, "score": found.score})
    return cases


def _contract_json(contract: Contract, model: Path) -> str:
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    more = {**feed_of(contract), "sha256": digest, "reject_below": _REJECT_BELOW}
    return json.dumps({**json.loads(contract.to_json()), **more})


def _golden_json(contract: Contract, images: Pixels, scores: npt.NDArray[np.float32]) -> str:
    spec = contract.input
    rule = contract.resize
    entries = [
        {
            **_entry(image, None if parse_resize(rule).fraction < 1000 else image),
            "scores": [float(score) for score in row],
            "top": int(row.argmax()),
        }
        for image, row in zip(images[:8], scores, strict=False)
    ]
    shape = (spec.height, spec.width, spec.channels)
    sources = zip(*preprocessing_cases(*shape, rule), strict=True)
    entries += [_entry(source, prepared) for source, prepared in sources]
    return json.dumps({"images": entries, "tolerance": 1e-4})


def _entry(pixels: Pixels, prepared: Pixels | None) -> dict[str, Any]:
    height, width, channels = pixels.shape
    whole = None if prepared is None else np.ascontiguousarray(prepared).tobytes()
    return {
        "height": height,
        "width": width,
        "channels": channels,
        "pixels": base64.b64encode(np.ascontiguousarray(pixels).tobytes()).decode(),
        "prepared": None if whole is None else base64.b64encode(whole).decode(),
    }


def _more_like(images: Pixels) -> Pixels:
    """Mix and shift images, for more of them with scores that are less decided."""
    rng = np.random.default_rng(11)
    first, second = (images[rng.integers(0, len(images), _IMAGES)].astype(int) for _ in range(2))
    share = rng.uniform(0.2, 0.8, (_IMAGES, 1, 1, 1))
    mixed = first * share + np.roll(second, 3, axis=2) * (1 - share)
    return np.clip(mixed + rng.normal(0, 12, mixed.shape), 0, 255).astype(np.uint8)


def _rgb(pixels: Pixels) -> Pixels:
    """Return what the runner sees of luma, RGB or RGBA; the last by its own decoder."""
    if pixels.shape[2] == 4:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        return read_image(buffer.getvalue())
    return pixels if pixels.shape[2] == 3 else np.repeat(pixels, 3, axis=2)
