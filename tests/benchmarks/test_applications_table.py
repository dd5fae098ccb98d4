"""Every network of keras.applications, through convert: the script, its record, and a sample."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import applications
import numpy as np
import pytest
from applications_table import markdown_tables
from PIL import Image
from watched import Limits, children, watched

from edgecnn.build.workspace import Workspace
from edgecnn.convert import find_source, run
from edgecnn.data import Dataset, Images
from edgecnn.errors import ConversionError
from edgecnn.quiet import captured_log
from edgecnn.recipe.load import parse_recipe

ROOT = Path(__file__).parents[2]
ENOUGH = Limits(seconds=60, bytes=2 * 10**9)
SAMPLE = (
    "MobileNet", "MobileNetV2", "MobileNetV3Small", "MobileNetV3Large", "EfficientNetB0",
    "EfficientNetV2B0", "DenseNet121", "ResNet50V2",
    # Two more forms, of large graphs.
    *(pytest.param(name, marks=pytest.mark.long) for name in ("NASNetMobile", "ConvNeXtTiny")),
)  # fmt: skip
SIDE = 80
"""Pixels."""
ROUNDING = 1e-4
"""How far apart probabilities of the same float32 network may be."""


def recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(applications.RESULTS.read_text("utf-8"))
    return found


def test_a_program_within_its_limits_is_heard_and_measured() -> None:
    code = (
        "import sys; x = bytearray(300_000_000); sum(range(9_000_000)); "
        "print('out'); print('said', file=sys.stderr); sys.exit(3)"
    )
    found = watched([sys.executable, "-c", code], ENOUGH)
    assert (found.code, found.ended, found.out) == (3, "", "out\n")
    assert [line for _, _, line in found.lines] == ["said"]
    assert found.bytes > 300_000_000
    assert found.cpu_seconds > 0


@pytest.mark.parametrize(
    ("code", "limits", "why"),
    [
        ("import time; time.sleep(60)", Limits(seconds=0.5, bytes=10**10), "time"),
        (
            "x = b'1' * 10**9; import time; time.sleep(60)",
            Limits(seconds=60, bytes=10**8),
            "memory",
        ),
    ],
)
def test_a_program_beyond_a_limit_is_ended(code: str, limits: Limits, why: str) -> None:
    begin = time.monotonic()
    found = watched([sys.executable, "-c", code], limits)
    assert found.ended == why
    assert found.code < 0
    assert time.monotonic() - begin < 30


def test_what_a_program_began_is_ended_with_it() -> None:
    code = (
        "import subprocess, sys, time; "
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
        "print(child.pid, flush=True); time.sleep(60)"
    )
    found = watched([sys.executable, "-c", code], Limits(seconds=3, bytes=10**10))
    state = Path(f"/proc/{int(found.out)}/stat")
    # Nobody may have waited for it yet; it runs no more.
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"
    assert not list(children(int(found.out)))


def entry(**changes: Any) -> dict[str, Any]:
    row = {
        "status": "made", "bytes": 4_000_000, "reason": None, "agreement": 1.0,
        "largest_difference": 1.2e-5, "median_difference": 1e-6,
    }  # fmt: skip
    made = {
        "parameters": 1_000_000, "side": 96, "default_side": 224, "date": "2026-12-03", "load": 1.0,
        "tools": {"keras": "3.15.1"}, "input_range": "-1..1",
        "convert": {"exit_code": 0, "seconds": 20.0, "cpu_seconds": 15.0, "memory_bytes": 10**9},
        "rounded_weights": {kind: dict(row) for kind in ("float32", "float16", "int8")},
        "variants": {variant: dict(row) for variant in applications.VARIANTS},
    }  # fmt: skip
    return {**made, **changes}


@pytest.fixture
def record_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(applications, "RESULTS", tmp_path / "record.json")
    return tmp_path / "record.json"


NETWORKS = {"Large": {"parameters": 9_000_000}, "Small": {"parameters": 1_000_000}}


def test_entries_stand_beside_each_other_and_a_later_one_replaces_an_earlier(
    record_here: Path,
) -> None:
    applications.record("Large", entry(parameters=9_000_000), NETWORKS)
    applications.record("Small", entry(), NETWORKS)
    applications.record("Large", {"not_run": "memory: too much"}, NETWORKS)
    found = json.loads(record_here.read_text())
    assert found["networks"]["Large"] == {"not_run": "memory: too much"}
    assert found["networks"]["Small"] == entry()


def test_a_second_run_goes_on_with_what_has_no_result(
    record_here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []

    def run(name: str, *_: object) -> dict[str, Any]:
        begun.append(name)
        return entry()

    # The networks themselves take minutes; what is begun, and in which order, is in question here.
    monkeypatch.setattr(applications, "run", run)
    names = {"Done": 2, "Large": 9, "Small": 1, "Refused": 5}
    networks = {name: {"side": 96, "parameters": count} for name, count in names.items()}
    (tmp_path / "survey.json").write_text(json.dumps(networks))
    applications.record("Done", entry(), networks)
    applications.record("Refused", {"not_run": "memory: too much"}, networks)
    arguments = ["applications.py", str(tmp_path), "--work", str(tmp_path), "--free", "0"]
    for more, expected in (
        (["--only", "Large"], ["Large"]),
        ([], ["Small", "Refused"]),
        ([], []),
        (["--only", "Done", "--again"], ["Done"]),
        (["--last-minute", "00:00", "--again"], []),
    ):
        begun.clear()
        monkeypatch.setattr(sys, "argv", [*arguments, *more])
        before = signal.getsignal(signal.SIGTERM)
        try:
            assert applications.main() == 0
        finally:
            signal.signal(signal.SIGTERM, before)
        assert begun == expected, more
    assert set(json.loads(record_here.read_text())["networks"]) == set(names)


def test_the_table_says_what_was_not_made_and_what_was_not_run(record_here: Path) -> None:
    refused = entry()
    refused["variants"]["onnx-int8"] = {
        "status": "failed", "bytes": None, "reason": "no <operator> | here\nfor it",
    }  # fmt: skip
    three = {**NETWORKS, "Huge": {"parameters": 10**9}, "Later": {"parameters": 2 * 10**9}}
    applications.record("Small", refused, three)
    applications.record("Large", entry(), three)
    applications.record("Huge", {"not_run": "memory: edgecnn convert took more than 8 GB"}, three)
    text = markdown_tables(json.loads(record_here.read_text()))
    assert "Of 4 networks that `keras.applications` lists, the tables have 2 so far." in text
    assert "Of their 14 variants 13 were made, 1 (7.1 %) not:" in text
    assert "- Small, `onnx-int8`, failed: no &lt;operator> / here for it" in text
    assert "- Huge: not run: memory: edgecnn convert took more than 8 GB" in text
    assert "- Not run yet: Later." in text
    (row,) = [line for line in text.splitlines() if line.startswith("| Small | 96")]
    assert row.count("**not made**") == 1
    assert "100 % (0.0012)" in row
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in rows if "pixels" in line or "| 96 |" in line}) == 1
    assert text.index("| Small | 96") < text.index("| Large | 96")


def test_differences_have_as_many_digits_as_they_need() -> None:
    found = {
        "listed": {"Small": 1}, "machine": {"processor": "p", "cores": 2, "python": "3"},
        "images": {"training": 1, "held": 1},
    }  # fmt: skip
    for difference, shown in ((0.53, "53"), (0.0288, "2.9"), (0.0049, "0.49"), (1e-7, "0.0000")):
        one = entry()
        one["variants"]["tflite-int8"]["largest_difference"] = difference
        text = markdown_tables({**found, "networks": {"Small": one}})
        assert f"100 % ({shown})" in text, text


def test_few_variants_are_refused_and_each_says_why() -> None:
    ran = [entry for entry in recorded()["networks"].values() if "not_run" not in entry]
    rows = [row for entry in ran for row in entry["variants"].values()]
    assert len(rows) == len(applications.VARIANTS) * len(ran)
    missing = [row for row in rows if row["status"] != "made"]
    assert len(missing) <= 0.05 * len(rows)
    assert all(row["reason"] for row in missing)
    # Every exit code but "all made" and "some not made" would be a crash.
    assert {entry["convert"]["exit_code"] for entry in ran} <= {0, ConversionError.exit_code}


def test_no_recorded_file_in_fp32_differs_from_keras_by_more_than_rounding() -> None:
    for name, entry in recorded()["networks"].items():
        for variant, row in entry.get("variants", {}).items():
            if variant.endswith("fp32") and row["status"] == "made":
                alone = entry["rounded_weights"].get("float32", {"largest_difference": 0})
                bound = max(ROUNDING, 4 * alone["largest_difference"])
                assert row["largest_difference"] < bound, (name, variant)
                assert row["agreement"] == 1, (name, variant)


@pytest.mark.slow
def test_the_record_lists_what_keras_lists() -> None:
    from network_weights import constructors

    with captured_log():
        listed = set(constructors())
    assert set(recorded()["listed"]) == listed


def clouds(count: int, seed: int) -> Iterator[Image.Image]:
    """Yield pictures with large and small forms, as photos have: noise at several scales."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        seen = np.zeros((SIDE, SIDE, 3))
        for side in (3, 7, 17, 40):
            noise = random.integers(0, 256, (side, side, 3), dtype=np.uint8)
            forms = Image.fromarray(noise).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            seen += np.asarray(forms) / 4
        contrast, light = random.uniform(0.8, 2.5), random.uniform(80, 170)
        bright = light + contrast * (seen - seen.mean())
        yield Image.fromarray(bright.clip(0, 255).round().astype(np.uint8))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders of pictures that differ, a few of each class for each split."""
    folder = tmp_path_factory.mktemp("pictures")
    for part, each, seed in (("train", 5, 1), ("validation", 1, 2), ("test", 3, 3)):
        for index, picture in enumerate(clouds(each * applications.CLASSES, seed)):
            place = folder / part / f"class{index % applications.CLASSES}"
            place.mkdir(parents=True, exist_ok=True)
            picture.save(place / f"{index:02}.png")
    return folder


def dataset_of(pictures: Path) -> Dataset:
    def split(part: str) -> Images:
        pixels = applications.pixels_of(pictures / part)
        labels = np.repeat(np.arange(applications.CLASSES), len(pixels) // applications.CLASSES)
        ids = tuple(f"{part}/{index}" for index in range(len(pixels)))
        return Images(pixels=pixels, labels=labels.astype(np.int64), ids=ids)

    return Dataset(
        name="folder",
        class_names=tuple(f"class{index}" for index in range(applications.CLASSES)),
        train=split("train"),
        validation=split("validation"),
        test=split("test"),
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLE)
def test_a_network_of_keras_keeps_its_scores(name: str, pictures: Path, tmp_path: Path) -> None:
    with captured_log():
        import keras
        from network_weights import make_and_ask

        said = make_and_ask(name, SIDE, pictures, tmp_path, rounded=("float32",))
        keras.backend.clear_session()
    assert said["classes_answered"] >= 3
    variants = ("tflite-fp32", "onnx-fp32")
    raw = {"model": {"name": "network"}, "convert": {"variants": list(variants)}}
    # The stage alone: what the command does before it, to find out how a model was fed, would take
    # most of the time, and is tested elsewhere.
    conversion = run(
        find_source(tmp_path / "model.keras", input_range=said["input_range"]),
        parse_recipe(raw, source="test"),
        Workspace(tmp_path / "build"),
        dataset_of(pictures),
    )
    keras.backend.clear_session()
    assert conversion.exit_error() is None
    with np.load(tmp_path / "own.npz") as own:
        found = applications.compare(tmp_path / "build", pictures / "test", own)
    # What rounding alone makes of this network: random weights multiply it.
    bound = max(ROUNDING, 4 * said["rounded_weights"]["float32"]["largest_difference"])
    assert bound < 0.01
    for variant in variants:
        assert found[variant]["status"] == "made"
        assert found[variant]["largest_difference"] < bound, variant
        assert found[variant]["agreement"] == 1
