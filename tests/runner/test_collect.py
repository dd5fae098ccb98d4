"""Frames that are collected: which, where, how many, and what is refused."""

from __future__ import annotations

import argparse
import dataclasses
import errno
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import edgecnn_runner
from edgecnn_runner import collect
from edgecnn_runner.cli import main
from edgecnn_runner.collect import PART, PICTURE, Collector, Terms, bundle_terms
from edgecnn_runner.contract import FILTERS, Contract, resize_name
from edgecnn_runner.errors import OutputError, PrivacyError, UsageError
from edgecnn_runner.formats.container import read_container
from edgecnn_runner.guard import Allowed, guarded
from edgecnn_runner.images.decode import read_image
from edgecnn_runner.images.preprocess import prepare_for
from runner.fixture_files import FIXTURES, needs_tflite

INT8 = FIXTURES / "rgb-int8.tflite"


def contract(**changes: Any) -> Contract:
    found = read_container(INT8).contract
    assert found is not None
    return replace(found, **changes)


def frame(seed: int = 0, height: int = 48, width: int = 64) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def terms(folder: Path, *, every: int = 1, at_most: int = 100) -> Terms:
    return Terms(folder=str(folder), every=every, at_most=at_most)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kept"


def collected(collector: Collector, count: int) -> list[str | None]:
    return [collector.saw(frame(index))["file"] for index in range(count)]


def test_every_so_manieth_frame_is_kept_until_there_are_enough(folder: Path) -> None:
    with Collector(terms(folder, every=3, at_most=2), contract()) as collector:
        names = collected(collector, 12)
    assert [name is not None for name in names] == ([False, False, True] * 2) + [False] * 6
    assert sorted(os.listdir(folder)) == sorted(filter(None, names))  # noqa: PTH208
    assert all(PICTURE.fullmatch(name) for name in names if name is not None)


def test_it_is_the_owners_alone_and_holds_pixels_alone(folder: Path) -> None:
    with Collector(terms(folder), contract()) as collector:
        (name,) = collected(collector, 1)
    assert name is not None
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    with Image.open(folder / name) as image:
        assert (image.format, image.info) == ("PNG", {})


@pytest.mark.parametrize(
    "resize",
    [
        resize_name(fit, fraction, resample)
        for resample in FILTERS
        for fit, fraction in (("crop", 1.0), ("crop", 0.875), ("stretch", 1.0), ("pad", 1.0))
    ],
)
@pytest.mark.parametrize("size", [(48, 64), (200, 31), (8, 8), (5, 9)])
def test_what_is_kept_gives_the_network_the_same_bytes(
    folder: Path, resize: str, size: tuple[int, int]
) -> None:
    made = replace(contract(), resize=resize)
    rgb = frame(1, *size)
    with Collector(terms(folder), made) as collector:
        name = collector.saw(rgb)["file"]
    again = prepare_for(made, read_image(folder / name))
    assert np.array_equal(again, prepare_for(made, rgb))


def test_a_restart_counts_what_is_there_and_deletes_nothing(folder: Path) -> None:
    with Collector(terms(folder, at_most=3), contract()) as collector:
        assert None not in collected(collector, 2)
    (folder / "notes.txt").write_text("mine")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with Collector(terms(folder, at_most=3), contract()) as collector:
        assert collector.full
        assert "3 are there: it is full" in collector.announcement()
        assert collected(collector, 3) == [None] * 3
    with Collector(terms(folder, at_most=4), contract()) as collector:
        assert sum(name is not None for name in collected(collector, 3)) == 1
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert before.items() <= after.items()
    assert len(after) == 4


def test_one_collects_at_a_time(folder: Path) -> None:
    with (
        Collector(terms(folder), contract()),
        pytest.raises(OutputError, match="another program"),
    ):
        Collector(terms(folder), contract())
    Collector(terms(folder), contract()).close()


def make_file(folder: Path) -> None:
    folder.write_text("a file")


def make_link(folder: Path) -> None:
    target = folder.with_name("elsewhere")
    target.mkdir()
    target.chmod(0o755)
    folder.symlink_to(target)


def make_open(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o755)


def make_nothing_above(folder: Path) -> None:
    folder.parent.rmdir()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (make_file, "no folder that pictures can be collected in"),
        (make_link, "others can look into"),
        (make_open, "others can look into"),
        (make_nothing_above, "make the folder above it first"),
    ],
)
def test_a_folder_that_is_not_fit_is_an_error_before_the_first_frame(
    tmp_path: Path, make: Callable[[Path], None], said: str
) -> None:
    folder = tmp_path / "above" / "kept"
    folder.parent.mkdir()
    make(folder)
    with pytest.raises(OutputError) as caught:
        Collector(terms(folder), contract())
    assert said in str(caught.value)
    assert caught.value.remedy
    if folder.with_name("elsewhere").exists():
        assert not list(folder.with_name("elsewhere").iterdir())


def test_a_full_disk_is_an_error_with_a_remedy_and_leaves_no_half_picture(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Collector(terms(folder), contract()) as collector:
        monkeypatch.setattr(os, "fsync", no_space)
        with pytest.raises(OutputError, match="free some space"):
            collector.saw(frame())
    assert not list(folder.iterdir())
    with pytest.raises(OutputError, match="free some space"):
        Collector(terms(folder), contract())
    assert not list(folder.iterdir())


def test_a_kill_in_a_write_leaves_no_half_picture_and_the_next_start_goes_on(
    folder: Path,
) -> None:
    """Killed between the bytes and the name, where a half picture would come from."""
    code = """
        import os, signal, sys
        import numpy as np
        from pathlib import Path
        from edgecnn_runner import collect
        from edgecnn_runner.formats.container import read_container
        made = read_container(Path(sys.argv[2])).contract
        terms = collect.Terms(folder=sys.argv[1], every=1, at_most=5)
        collector = collect.Collector(terms, made)
        rgb = np.zeros((48, 64, 3), np.uint8)
        collector.saw(rgb)
        os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
        collector.saw(rgb)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), folder, INT8], check=False, timeout=60
    )
    assert done.returncode == -signal.SIGKILL
    names = sorted(os.listdir(folder))  # noqa: PTH208
    assert names[0] == PART
    assert len(names) == 2
    with Collector(terms(folder, at_most=5), contract()) as collector:
        assert collector.there == 1
        assert not (folder / PART).exists()
        assert sum(name is not None for name in collected(collector, 6)) == 4
    for path in folder.iterdir():
        read_image(path)


def test_its_guard_lets_pictures_into_the_folder_and_nothing_else(folder: Path) -> None:
    allowed = Allowed(collects_in=Path(os.path.realpath(folder)), at_most=2)
    with guarded(allowed), Collector(terms(folder, at_most=2), contract()) as collector:
        first, second = collected(collector, 2)
        assert first is not None
        acts: list[Callable[[], object]] = [
            lambda: (folder / "other.png").touch(),
            lambda: (folder / first).write_bytes(b""),
            lambda: (folder / first).unlink(),
            lambda: (folder / first).rename(folder / f"frame-{'0' * 32}.png"),
            lambda: (folder / "inner").mkdir(),
            lambda: (folder.parent / PART).touch(),
            lambda: shutil.rmtree(folder),
        ]
        for act in acts:
            with pytest.raises(PrivacyError):
                act()
        # Whole, but one more than there may be; and onto one that is there.
        (folder / PART).write_bytes(b"")
        for name in (f"frame-{'1' * 32}.png", first):
            with pytest.raises(PrivacyError):
                (folder / PART).rename(folder / name)
        (folder / PART).unlink()
    assert sorted(os.listdir(folder)) == sorted(map(str, [first, second]))  # noqa: PTH208


def test_without_collecting_the_guard_refuses_its_files(folder: Path) -> None:
    folder.mkdir()
    with guarded(Allowed()), pytest.raises(PrivacyError):
        (folder / PART).touch()


# --- The command line.


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    place = tmp_path / "frames"
    place.mkdir()
    for index in range(6):
        exif = Image.Exif()
        exif[0x0110] = "a camera with a name"
        Image.fromarray(frame(index)).save(place / f"{index}.png", exif=exif)
    return place


@needs_tflite
def test_the_command_says_that_it_keeps_images_and_when_it_is_full(
    frames: Path, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = ["camera", str(INT8), "--source", str(frames)]
    code = main([*command, "--collect", str(folder), "--every", "2", "--at-most", "2"])
    out, err = capfd.readouterr()
    assert code == 0
    assert err == (
        f"keeping images: every 2nd frame, as the model sees it, in {folder}, at most 2 files "
        f"there in all; 0 are there\n{folder}: it is full, and no more are kept; classifying goes "
        "on\n"
    )
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["collected"]["there"] for line in lines] == [0, 1, 1, 2, 2, 2]
    kept = [line["collected"]["file"] for line in lines]
    assert [name is not None for name in kept] == [False, True, False, True, False, False]
    made = contract()
    for index in (1, 3):
        path = folder / kept[index]
        expected = prepare_for(made, read_image(frames / f"{index}.png"))
        assert np.array_equal(read_image(path), expected)
        assert b"a camera" not in path.read_bytes()


@needs_tflite
def test_without_the_option_nothing_is_kept_or_said(
    frames: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = sorted(frames.parent.rglob("*"))
    assert main(["camera", str(INT8), "--source", str(frames)]) == 0
    out, err = capfd.readouterr()
    assert "collected" not in out
    assert err == ""
    assert sorted(frames.parent.rglob("*")) == before


def options(**given: Any) -> argparse.Namespace:
    every = {"collect": None, "every": None, "at_most": None, "output": None, "folder": "inbox"}
    return argparse.Namespace(**{**every, **given})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"collect": "kept"}, "no --every and no --at-most"),
        ({"every": 3}, "no --collect and no --at-most"),
        ({"collect": "kept", "every": 1, "at_most": 50_001}, "--at-most 50000"),
        ({"collect": "inbox", "every": 1, "at_most": 5}, "two folders"),
        ({"collect": "k", "every": 1, "at_most": 5, "output": "k/results"}, "cannot lie among"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        collect.asked_terms(options(**given))
    assert said in str(caught.value)
    assert caught.value.remedy


def in_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, permitted: Any) -> None:
    manifest = {"model": "m", **({} if permitted is None else {"collect": permitted})}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.setattr(collect, "own_bundle", lambda: tmp_path)


def test_a_bundle_made_without_it_refuses_with_the_command_that_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_bundle(tmp_path, monkeypatch, None)
    with pytest.raises(UsageError) as caught:
        collect.asked_terms(options(collect="/var/lib/x", every=1, at_most=5))
    assert "keeps no image" in str(caught.value)
    assert "edgecnn package BUILD --target pi --collect" in str(caught.value.remedy)
    assert collect.asked_terms(options()) is None


def test_a_bundle_permits_its_own_folder_and_no_more_than_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    permitted = Terms(folder="/var/lib/x", every=10, at_most=50)
    in_bundle(tmp_path, monkeypatch, dataclasses.asdict(permitted))
    assert bundle_terms(tmp_path) == permitted
    assert collect.asked_terms(options(collect="/var/lib/x")) == permitted
    fewer = collect.asked_terms(options(collect="/var/lib/x", every=20, at_most=5))
    assert fewer == Terms(folder="/var/lib/x", every=20, at_most=5)
    for change in ({"collect": "/var/lib/y"}, {"every": 9}, {"at_most": 51}):
        with pytest.raises(UsageError, match="does not permit"):
            collect.asked_terms(options(**{"collect": "/var/lib/x", **change}))


@pytest.mark.parametrize(
    "permitted",
    [
        {"folder": "x", "every": 1, "at_most": 5},
        {"folder": "/x", "every": 0, "at_most": 5},
        {"folder": "/x", "every": 1, "at_most": 50_001},
        {"folder": "/x", "every": True, "at_most": 5},
        {"folder": "/x\n", "every": 1, "at_most": 5},
        {"folder": "/x"},
        ["/x", 1, 5],
        "all",
    ],
)
def test_a_manifest_that_says_nonsense_permits_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, permitted: Any
) -> None:
    in_bundle(tmp_path, monkeypatch, permitted)
    with pytest.raises(UsageError, match="does not say whether"):
        collect.asked_terms(options(collect="/x", every=1, at_most=5))


def test_the_runner_finds_the_bundle_that_it_lies_in(tmp_path: Path) -> None:
    assert collect.own_bundle() is None
    shutil.copytree(Path(edgecnn_runner.__file__).parent, tmp_path / "runner/edgecnn_runner")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/edgecnn-run").touch()
    code = "from edgecnn_runner.collect import own_bundle; print(own_bundle())"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "runner")}
    done = subprocess.run(
        [sys.executable, "-B", "-c", code],
        env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.strip() == str(tmp_path)
