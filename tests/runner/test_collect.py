"""Frames that are collected: whole, so many, in one folder, and the pixels that the model saw."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecnn_runner.cli import main
from edgecnn_runner.collect import PART, Collector, Terms, bundle_terms, keeps_view
from edgecnn_runner.contract import Contract
from edgecnn_runner.errors import OutputError, PrivacyError, UsageError
from edgecnn_runner.formats.container import read_container
from edgecnn_runner.guard import Allowed, guarded
from edgecnn_runner.images.decode import read_image
from edgecnn_runner.images.preprocess import prepare_for
from runner.fixture_files import FIXTURES

FRAMES = np.random.default_rng(0).integers(0, 256, (4, 47, 61, 3), dtype=np.uint8)


def contract(name: str = "rgb-int8.tflite") -> Contract:
    found = read_container(FIXTURES / name).contract
    assert found is not None
    return found


def terms(folder: Path, every: int = 1, at_most: int = 3) -> Terms:
    return Terms(folder=str(folder), every=every, at_most=at_most)


@pytest.mark.parametrize("name", ["rgb-int8.tflite", "grey-int8.tflite"])
@pytest.mark.parametrize(
    "rule",
    ["", "stretch-bilinear", "pad-nearest", "centre-crop-bilinear", "centre-crop-0.875-bilinear"],
)
def test_what_is_kept_gives_the_model_the_pixels_that_it_saw(
    tmp_path: Path, name: str, rule: str
) -> None:
    found = contract(name)
    if rule:
        from edgecnn_runner.contract import resize_name

        fit, _, used = rule.rpartition("-")
        found = replace(found, resize=resize_name(fit, used))
    assert keeps_view(found) is ("0.875" not in rule)
    with Collector(terms(tmp_path / "kept"), found) as collector:
        for frame in FRAMES[:3]:
            kept = read_image(tmp_path / "kept" / collector.saw(frame)["file"])
            assert np.array_equal(prepare_for(found, kept), prepare_for(found, frame))


def test_so_many_in_all_and_only_every_nth(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    with Collector(terms(folder, every=2), contract()) as collector:
        files = [collector.saw(frame)["file"] is not None for frame in FRAMES]
    assert files == [False, True, False, True]
    (folder / PART).write_bytes(b"half a picture, of a run that was killed")
    (folder / "notes.txt").write_text("not a picture, and counted all the same")
    before = sorted(path.name for path in folder.iterdir())  # noqa: PTH208
    with Collector(terms(folder), contract()) as collector:
        assert (collector.there, collector.full) == (3, True)
        assert "it is full" in collector.announcement()
        assert collector.saw(FRAMES[0])["file"] is None
    assert sorted(path.name for path in folder.iterdir()) == [
        name for name in before if name != PART
    ]  # noqa: PTH208
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.glob("*.png")} == {0o600}


def test_a_folder_that_is_not_fit_is_refused_before_the_first_frame(tmp_path: Path) -> None:
    for folder, said in ((tmp_path, "others can look"), (tmp_path / "a/b", "cannot make")):
        tmp_path.chmod(0o755)
        with pytest.raises(OutputError, match=said):
            Collector(terms(folder), contract())
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="is no folder"):
        Collector(terms(tmp_path / "file"), contract())
    with (
        Collector(terms(tmp_path / "kept"), contract()),
        pytest.raises(OutputError, match="another program collects"),
    ):
        Collector(terms(tmp_path / "kept"), contract())


def test_the_guard_lets_pictures_pass_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    allowed = Allowed(collects_in=folder, at_most=2)
    with guarded(allowed), Collector(terms(folder), contract()) as collector:
        collector.saw(FRAMES[0])
        collector.saw(FRAMES[1])
        with pytest.raises(PrivacyError):  # its own terms say three; the guard two
            collector.saw(FRAMES[2])
        for path in (folder / "other", tmp_path / PART):
            with pytest.raises(PrivacyError):
                path.write_bytes(b"x")
        with pytest.raises(PrivacyError):
            next(folder.glob("*.png")).unlink()


def test_a_bundle_made_without_it_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("edgecnn_runner.collect.own_bundle", lambda: tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    command = ["camera", str(FIXTURES / "rgb-int8.tflite"), "--collect", str(tmp_path / "kept")]
    assert main([*command, "--every", "1", "--at-most", "3"]) == UsageError.exit_code
    assert "--collect-at-most M" in capsys.readouterr().err
    (tmp_path / "manifest.json").write_text('{"collect": {"folder": "x"}}')
    with pytest.raises(UsageError, match="does not say"):
        bundle_terms(tmp_path)
