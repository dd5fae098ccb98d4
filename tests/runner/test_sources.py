from __future__ import annotations

import os
import sys
import types
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from edgecnn_runner.cli.stream import open_source
from edgecnn_runner.errors import ImageError, SourceError
from edgecnn_runner.images.camera_picamera2 import PiCamera
from edgecnn_runner.images.sources import Frame, FrameSource, ImageFolder, Watched


def names(source: FrameSource) -> list[str]:
    """Return the names of what a source gives until it gives nothing."""
    found = []
    while (frame := source.read()) is not None:
        found.append(Path(frame.name).name)
    return found


def put(path: Path, text: str = "x", *, seconds: int = 0) -> None:
    path.write_text(text)
    os.utime(path, (1_000_000 + seconds, 1_000_000 + seconds))


def test_a_folder_is_read_once_in_order(tmp_path: Path) -> None:
    for name in ("b.png", "a.png", ".hidden", "c.part"):
        put(tmp_path / name)
    (tmp_path / "folder.png").mkdir()
    source = ImageFolder(tmp_path)
    assert names(source) == ["a.png", "b.png"]
    assert names(source) == []
    assert not source.live


@pytest.mark.parametrize("kind", [ImageFolder, Watched])
def test_a_folder_that_is_not_there(kind: Any, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot read the folder"):
        kind(tmp_path / "none")


def test_a_watched_file_is_given_when_it_is_complete_and_once(tmp_path: Path) -> None:
    source = Watched(tmp_path)
    put(tmp_path / "a", "part")
    assert source.read() is None  # seen for the first time
    put(tmp_path / "a", "part and more")
    assert source.read() is None  # it has grown
    assert names(source) == ["a"]
    assert names(source) == []


def test_a_file_that_is_written_over_is_given_again(tmp_path: Path) -> None:
    source = Watched(tmp_path)
    put(tmp_path / "a")
    assert (source.read(), names(source)) == (None, ["a"])
    put(tmp_path / "a", seconds=1)
    assert (source.read(), names(source)) == (None, ["a"])


def test_watched_files_come_oldest_first(tmp_path: Path) -> None:
    source = Watched(tmp_path)
    for index, name in enumerate(("late", "middle", "early")):
        put(tmp_path / name, seconds=-index)
    assert (source.read(), names(source)) == (None, ["early", "middle", "late"])


def test_the_results_in_the_watched_folder_are_no_image(tmp_path: Path) -> None:
    source = Watched(tmp_path, except_for=tmp_path / "results.jsonl")
    put(tmp_path / "results.jsonl")
    put(tmp_path / "a")
    assert (source.read(), names(source)) == (None, ["a"])


def test_what_was_taken_away_meanwhile_is_not_given(tmp_path: Path) -> None:
    source = Watched(tmp_path)
    for name in ("a", "b"):
        put(tmp_path / name)
    assert source.read() is None
    assert source.read() is not None
    (tmp_path / "b").unlink()
    assert source.read() is None


def test_files_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    source = Watched(tmp_path)
    for index in range(50):
        put(tmp_path / f"{index}")
        source.read()
        assert names(source) == [f"{index}"]
        (tmp_path / f"{index}").unlink()
    source.read()
    assert not source._given
    assert not source._before


def test_a_watched_folder_that_goes_away_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "inbox"
    folder.mkdir()
    source = Watched(folder)
    folder.rmdir()
    with pytest.raises(SourceError, match="inbox"):
        source.read()


class Picamera2:
    """picamera2 as its manual describes it: real hardware and libcamera cannot be had here."""

    pixel: ClassVar[Any] = np.zeros((2, 2, 3), np.uint8)
    broken: ClassVar[bool] = False

    def __init__(self) -> None:
        if self.broken:
            raise IndexError("list index out of range")
        self.started = False

    def create_video_configuration(self, *, main: dict[str, Any]) -> dict[str, Any]:
        assert main == {"format": "RGB888", "size": (320, 240)}
        return main

    def configure(self, configuration: dict[str, Any]) -> None:
        assert configuration["format"] == "RGB888"

    def start(self) -> None:
        self.started = True

    def capture_array(self, name: str) -> Any:
        assert self.started
        assert name == "main"
        return self.pixel

    def stop(self) -> None:
        self.started = False

    def close(self) -> None:
        assert not self.started


@pytest.fixture
def picamera2(monkeypatch: pytest.MonkeyPatch) -> type[Picamera2]:
    module = types.ModuleType("picamera2")
    fresh = type("Picamera2", (Picamera2,), {})
    module.Picamera2 = fresh  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", module)
    return fresh


def test_a_pi_camera_s_blue_green_red_becomes_red_green_blue(picamera2: type[Picamera2]) -> None:
    picamera2.pixel = np.full((240, 320, 3), (255, 128, 0), np.uint8)  # blue, green, red
    camera = open_source("picamera2", size=(320, 240), interval_s=1)
    frame = camera.read()
    camera.close()
    assert isinstance(frame, Frame)
    assert isinstance(frame.image, np.ndarray)
    assert frame.image[0, 0].tolist() == [0, 128, 255]
    assert frame.image.flags.c_contiguous


def test_a_frame_of_another_format_is_skipped(picamera2: type[Picamera2]) -> None:
    camera = PiCamera((320, 240))
    picamera2.pixel = np.zeros((240, 320, 4), np.uint8)
    with pytest.raises(ImageError, match="frame 1"):
        camera.read()


def test_no_pi_camera(picamera2: type[Picamera2]) -> None:
    picamera2.broken = True
    with pytest.raises(SourceError, match="cannot be opened"):
        PiCamera((320, 240))


def test_without_picamera2_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(SourceError) as caught:
        PiCamera((320, 240))
    assert caught.value.remedy == "sudo apt install python3-picamera2"


def test_a_source_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no source"):
        open_source(str(tmp_path / "video9"), size=(640, 480), interval_s=1)


def test_without_opencv_the_error_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    (tmp_path / "video.avi").touch()
    for source in (str(tmp_path / "video.avi"), "/dev/null"):
        with pytest.raises(SourceError) as caught:
            open_source(source, size=(640, 480), interval_s=1)
        assert "python3-opencv" in caught.value.remedy


def test_a_device_that_is_no_camera(tmp_path: Path) -> None:
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    with pytest.raises(SourceError, match="the camera /dev/null cannot be opened"):
        open_source("/dev/null", size=(640, 480), interval_s=1)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Thirty frames at ten a second; frame i is (10 i, 0, 200) red, green, blue."""
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    path = tmp_path / "video.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    assert writer.isOpened()
    for index in range(30):
        writer.write(np.full((48, 64, 3), (200, 0, 8 * index), np.uint8))
    writer.release()
    return path


def reds(path: Path, interval_s: float) -> list[int]:
    source = open_source(str(path), size=(1, 1), interval_s=interval_s)
    found = []
    while (frame := source.read()) is not None:
        assert isinstance(frame.image, np.ndarray)
        assert abs(int(frame.image[0, 0, 2]) - 200) < 12, "blue is the third"
        found.append(round(int(frame.image[24, 32, 0]) / 8))
    source.close()
    return found


def test_every_frame_of_a_video(video: Path) -> None:
    assert reds(video, 0) == list(range(30))


def test_an_interval_is_of_the_video_s_own_time(video: Path) -> None:
    assert reds(video, 1) == [0, 10, 20]


def test_a_file_that_is_no_video(tmp_path: Path) -> None:
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    (tmp_path / "video.avi").write_text("no video")
    with pytest.raises(SourceError, match="cannot be opened"):
        open_source(str(tmp_path / "video.avi"), size=(1, 1), interval_s=1)
