"""Pictures without labels by the commands that a user types, on the demo."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command import Finished, edgecnn, modules_after

pytestmark = pytest.mark.slow

Demo = tuple[Path, Finished]
NEW, KNOWN = 120, 5


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Digits shifted by a pixel, which nobody labelled; some that the demo was trained on."""
    from sklearn import datasets

    bunch = datasets.load_digits()
    values = ((bunch.images.astype(np.int64) * 255 + 8) // 16).astype(np.uint8)
    folder = tmp_path / "pictures" / "of last week"
    folder.mkdir(parents=True)
    for index in range(NEW):
        moved = np.roll(values[index * 7], 1, axis=0)
        Image.fromarray(moved).save(folder / f"{index}.png")
        if index < 10:
            Image.fromarray(np.roll(moved, 1, axis=1)).save(folder / f"{index}_shift1.png")
    for index in range(KNOWN):
        Image.fromarray(values[index]).save(folder / f"known-{index}.png")
    return tmp_path / "pictures"


def test_agreement_is_judged_on_them_too_and_the_float_model_is_asked_once(
    demo: Demo, pictures: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(demo[0], tmp_path / "build"))
    before = (folder / "parity.json").read_bytes()
    done = edgecnn("verify", folder, "--images", "60", "--unlabelled", pictures, "--json")
    report = done.json()
    assert "loading the float model" in done.err
    assert report["unlabelled"]["pictures"] == NEW + 10
    assert report["unlabelled"]["groups"] <= NEW
    assert sum(report["unlabelled"]["left_out"].values()) == KNOWN
    rows = {row["variant"]: row for row in report["rows"]}
    plain = rows["tflite-fp32"]
    assert plain["unlabelled"]["changed"] == 0
    assert plain["unlabelled"]["most_drop"] < 0.05
    drop, disagreement, _ = plain["judgement"]["criteria"]
    # 60 images alone leave 6 points open.
    assert drop["high"] < 0.05
    # A group that an evaluation image belongs to counts once for both.
    assert 100 < disagreement["images"] <= report["unlabelled"]["groups"] + 60
    assert (folder / "parity.json").read_bytes() == before, "the build's own verdicts stay"
    modules, _ = modules_after(
        "verify", folder, "--images", "60", "--unlabelled", pictures, "--max-drop", "10",
        "--min-agreement", "80",
    )  # fmt: skip
    assert "tensorflow" not in modules


def test_a_recipe_that_names_them_gets_them_in_every_build(pictures: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        '[model]\nname = "few"\narchitecture = "tiny_cnn"\n'
        '[data]\nname = "digits"\ntest = 0.03\nunlabelled = "pictures"\n'
        '[train]\nepochs = 6\n[convert]\nvariants = ["tflite-fp32", "tflite-int8"]\n'
    )
    done = edgecnn("build", recipe)
    assert done.code in (0, 3, 4), done.err
    assert "test images" in done.err
    assert "cannot decide max_drop = 1" in done.err
    parity = json.loads((tmp_path / "build" / "parity.json").read_text())
    assert parity["unlabelled"]["pictures"] > 100
    assert parity["near_ties"]["noise_changed"] is not None
    assert parity["rows"][0]["verdict"] == "PASS"
    manifest = json.loads((tmp_path / "build" / "manifest.json").read_text())
    assert manifest["stages"]["unlabelled"]["files"] == ["unlabelled.npz"]
    again = edgecnn("build", recipe)
    assert "verify: up to date" in again.err
    assert "train: up to date" in again.err


def test_what_a_device_collects_is_what_verify_shows_the_float_model(
    demo: Demo, pictures: Path, tmp_path: Path
) -> None:
    """From ``watch --collect`` to a verdict; every picture is seen by all as the device saw it."""
    folder = Path(shutil.copytree(demo[0], tmp_path / "build"))
    (model,) = folder.glob("*-int8.tflite")
    seen, kept = tmp_path / "seen", tmp_path / "kept"
    seen.mkdir()
    for file in sorted((pictures / "of last week").glob("[0-9]*.png")):
        # As a camera has it: large, wide, in colour.
        large = Image.open(file).convert("RGB").resize((80, 80), Image.Resampling.BICUBIC)
        wide = Image.new("RGB", (120, 80))
        wide.paste(large, (20, 0))
        wide.save(seen / file.name)
    runner: list[str | Path] = [sys.executable, "-m", "edgecnn_runner"]
    watch = [*runner, "watch", model, seen, "--count", str(NEW + 10), "--top", "10"]
    watch += ["--collect", kept, "--every", "1", "--at-most", "200"]
    done = subprocess.run(watch, capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    answers = {line["collected"]["file"]: line["ranked"] for line in lines if "ranked" in line}
    assert len(answers) == NEW + 10

    command = [*runner, "classify", model, *sorted(kept.iterdir()), "--json", "--top", "10"]
    again = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert {Path(row["image"]).name: row["ranked"] for row in again} == answers

    done_verify = edgecnn("verify", folder, "--images", "60", "--unlabelled", kept, "--json")
    report = done_verify.json()
    assert report["unlabelled"]["pictures"] == NEW + 10
    assert report["unlabelled"]["left_out"] == {}
    [int8] = [row for row in report["rows"] if row["file"] == model.name]
    _, disagreement, _ = int8["judgement"]["criteria"]
    assert disagreement["images"] > 100
