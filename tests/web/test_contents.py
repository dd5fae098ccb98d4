"""What lies in a web bundle, without a browser."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecnn.errors import PackageError
from edgecnn.package.web.contents import golden_json, sealed, subject_of
from edgecnn.package.web.sources import app_icons, app_sources
from edgecnn.serve.policy import FOLDER_POLICY
from edgecnn_runner.contract import RESIZE_RULE, Contract, InputSpec, OutputSpec
from edgecnn_runner.formats.container import read_container
from edgecnn_runner.golden import Golden, preprocessing_cases, read_golden
from edgecnn_runner.images.preprocess import prepare
from web.made import MODELS, files_of

LIMIT = 17_000_000
"""Bytes that a bundle of the seed CNN may have, unpacked."""


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return files_of("seed_cnn", reject_below=0.5)


def test_it_is_small(files: dict[str, bytes]) -> None:
    total = sum(map(len, files.values()))
    assert 15_000_000 < total <= LIMIT


def test_every_file_has_its_digest(files: dict[str, bytes]) -> None:
    lines = files["SHA256SUMS"].decode().splitlines()
    named = {line[66:]: line[:64] for line in lines}
    assert named == {
        name: hashlib.sha256(data).hexdigest()
        for name, data in files.items()
        if name != "SHA256SUMS"
    }


def test_the_model_is_the_verified_file(files: dict[str, bytes], tmp_path: Path) -> None:
    released = MODELS / "seed_cnn/seed_cnn-int8.onnx"
    assert files["model/model.onnx"] == released.read_bytes()
    found = json.loads(files["model/contract.json"])
    recorded = json.loads((MODELS / "seed_cnn/results.json").read_text())["artifacts"]
    row = next(one for one in recorded if one["variant"] == "onnx-int8")
    assert found["sha256"] == row["sha256"]
    contract = read_container(released).contract
    assert contract is not None
    added = {"sha256", "bundle_version", "reject_below"}
    assert {k: v for k, v in found.items() if k not in added} == json.loads(contract.to_json())
    assert (found["reject_below"], found["bundle_version"]) == (0.5, "1.0")


def test_golden_images_are_those_of_the_build(files: dict[str, bytes]) -> None:
    golden = read_golden(MODELS / "seed_cnn/golden.npz")
    raw = json.loads(files["golden.json"])
    scored = [one for one in raw["images"] if one["scores"] is not None]
    assert len(scored) == len(golden.images) >= 8
    for one, image, scores in zip(scored, golden.images, golden.scores["onnx-int8"], strict=True):
        assert base64.b64decode(one["pixels"]) == image.tobytes()
        assert np.float32(one["scores"]).tobytes() == scores.tobytes()
        assert one["top"] == scores.argmax()
    others = [one for one in raw["images"] if one["scores"] is None]
    assert len(others) == len(golden.sources) > 0
    for one in others:
        shape = (one["height"], one["width"], 3)
        source = np.frombuffer(base64.b64decode(one["pixels"]), np.uint8).reshape(shape)
        wanted = prepare(source, height=32, width=32, channels=3)
        assert base64.b64decode(one["prepared"]) == wanted.tobytes()


def test_the_worker_keeps_the_files_that_are_there(files: dict[str, bytes]) -> None:
    worker = files["service-worker.js"].decode()
    assert re.search(r'^const VERSION = "[0-9a-f]{64}";$', worker, re.MULTILINE)
    listed = re.search(r"^const FILES = (\[.*\]);$", worker, re.MULTILINE)
    assert listed is not None
    kept = set(json.loads(listed[1]))
    # What the app never reads is not kept: a host that does not serve it must not matter.
    beside = {"SHA256SUMS", "PRIVACY.md", ".nojekyll"}
    assert kept == set(files) - {"service-worker.js", *beside}
    texts = {name: files[name].decode() for name in kept if re.fullmatch(r"[^/]+\.js", name)}
    assert len(texts) > 15
    for document in ("README.md", "MODEL_CARD.md", "PRIVACY.md", "sbom.cdx.json", ".nojekyll"):
        assert not any(f'"{document}"' in text for text in texts.values()), document
    template = app_sources()["service-worker.js"].encode()
    more = {"README.md": b"a", "MODEL_CARD.md": b"b", "sbom.cdx.json": b"{}"}
    made = sealed({**files, "service-worker.js": template, **more})
    assert made["service-worker.js"] == files["service-worker.js"]
    assert more.keys() <= made.keys()


def test_another_file_is_another_version_and_another_subject(files: dict[str, bytes]) -> None:
    worker = app_sources()["service-worker.js"].encode()

    def made(**changed: bytes) -> dict[str, bytes]:
        return sealed({**files, "service-worker.js": worker, **changed})

    assert made() == files
    versions, subjects = set(), set()
    for one in (
        made(),
        made(**{"app.css": files["app.css"] + b" "}),
        made(**{"service-worker.js": worker + b"// other\n"}),
    ):
        versions.add(one["service-worker.js"])
        subjects.add(subject_of(one))
    assert len(versions) == len(subjects) == 3
    # Claims make another version, so that an installed app gets them, and are about the same.
    other = made(**{"privacy.json": b"{}"})
    assert other["service-worker.js"] != files["service-worker.js"]
    assert subject_of(other) == subject_of(files)


def test_what_an_installation_reads(files: dict[str, bytes]) -> None:
    manifest = json.loads(files["manifest.webmanifest"])
    assert manifest["display"] == "standalone"
    # Two folders with one model, on one origin, are two apps: by default an app is its start_url.
    assert "id" not in manifest
    assert manifest["start_url"] == manifest["scope"] == "./"
    assert {"name", "short_name", "start_url", "theme_color", "background_color"} <= set(manifest)
    assert {one["purpose"] for one in manifest["icons"]} == {"any", "maskable"}
    for one in manifest["icons"]:
        with Image.open(io.BytesIO(files[one["src"]])) as image:
            assert one["sizes"] == f"{image.width}x{image.height}"
            assert (image.format, one["type"]) == ("PNG", "image/png")


def test_maskable_icons_fill_their_square() -> None:
    icons = app_icons()
    with (
        Image.open(io.BytesIO(icons["icons/icon-192.png"])) as plain,
        Image.open(io.BytesIO(icons["icons/maskable-512.png"])) as full,
    ):
        assert plain.getpixel((0, 0)) == (0, 0, 0, 0)
        assert plain.getpixel((96, 96))[3] == 255  # type: ignore[index]
        alpha = np.asarray(full)[..., 3]
        assert (alpha == 255).all()
        # Its mark keeps within the circle that no system cuts into (radius 0.4).
        pixels = np.asarray(full)[..., :3].astype(int)
        rows, columns = np.nonzero((pixels != pixels[0, 0]).any(axis=2))
        assert np.hypot(rows - 255.5, columns - 255.5).max() <= 0.4 * 512


def test_the_page_has_the_policy_that_the_server_sends(files: dict[str, bytes]) -> None:
    assert f'content="{FOLDER_POLICY}"' in files["index.html"].decode()


def test_no_address_of_elsewhere_is_in_what_is_ours(files: dict[str, bytes]) -> None:
    for name, data in files.items():
        if name.endswith((".html", ".css", ".js", ".json", ".webmanifest")) and "/" not in name:
            assert not re.search(rb"https?://", data), name


def test_licences_are_there(files: dict[str, bytes]) -> None:
    assert b"MIT License" in files["LICENSES/onnxruntime.txt"]
    assert b"Apache License" in files["LICENSES/edgecnn.txt"]
    assert len(files["LICENSES/onnxruntime-third-party.txt"]) > 100_000
    # The runtime is WebAssembly by Emscripten, which links musl: each notice with its permission.
    for name, notice in (
        ("emscripten", "Copyright (c) 2010-2014 Emscripten authors"),
        ("musl", "Copyright © 2005-2020 Rich Felker, et al."),
        ("musl", "provided that this notice\nis preserved"),
    ):
        text = files[f"LICENSES/{name}.txt"].decode()
        assert notice in text
        assert "Permission is hereby granted, free of charge" in text
    overview = files["LICENSES/README.txt"].decode()
    for name in files:
        if name.startswith("LICENSES/") and not name.endswith("README.txt"):
            assert name in overview


def test_a_build_without_scores_of_the_variant_is_refused() -> None:
    golden = read_golden(MODELS / "resnet8/golden.npz")
    with pytest.raises(PackageError, match="no scores of onnx-int4"):
        golden_json(golden, contract_of("onnx-int4"))


def contract_of(variant: str, side: int = 32, resize: str = RESIZE_RULE) -> Contract:
    spec = InputSpec(height=side, width=side, channels=3)
    return Contract(
        model="m",
        variant=variant,
        labels=("a", "b"),
        input=spec,
        output=OutputSpec(),
        resize=resize,
    )


@pytest.mark.parametrize("side", [8, 224, 640])
@pytest.mark.parametrize(
    "resize", [RESIZE_RULE, "stretch-bilinear-1", "centre-crop-0.875-bilinear-antialias-1"]
)
def test_golden_images_are_those_of_the_rule_and_few_where_they_are_large(
    resize: str, side: int
) -> None:
    contract = contract_of("onnx-fp32", side, resize)
    images = np.random.default_rng(3).integers(0, 256, (9, side, side, 3), dtype=np.uint8)
    scores = np.full((9, 2), [0.2, 0.8], np.float32)
    sources, prepared = preprocessing_cases(side, side, 3, resize)
    golden = Golden(
        images=images,
        reference=scores,
        scores={"onnx-fp32": scores},
        sources=sources,
        prepared=prepared,
    )
    made = golden_json(golden, contract)
    assert len(made) < 5_000_000
    raw = json.loads(made)["images"]
    fed = [one for one in raw if one["scores"] is not None]
    cases = [one for one in raw if one["scores"] is None]
    assert (len(fed), len(cases)) == {8: (9, 5), 224: (6, 3), 640: (1, 1)}[side]
    for one in raw:
        if one["prepared"] is None:
            assert one in fed
            continue
        shape = (one["height"], one["width"], 3)
        pixels = np.frombuffer(base64.b64decode(one["pixels"]), np.uint8).reshape(shape)
        wanted = prepare(pixels, height=side, width=side, channels=3, rule=resize)
        assert base64.b64decode(one["prepared"]) == wanted.tobytes()
    # A crop of a fraction would change them, and the app feeds them as they are.
    assert {one["prepared"] is None for one in fed} == {"0.875" in resize}
