from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgecnn_runner.classifier import Classifier
from edgecnn_runner.cli.stopping import Notifier, Stop, stop_on_sigterm
from edgecnn_runner.cli.stream import Lines, Plan, classify_stream
from edgecnn_runner.errors import ImageError, OutputError, SourceError
from edgecnn_runner.images.sources import Frame, ImageFolder
from runner.fixture_files import FIXTURES, images, needs_tflite

INT8 = FIXTURES / "rgb-int8.tflite"
pytestmark = needs_tflite


@pytest.fixture
def classifier() -> Iterator[Classifier]:
    with Classifier(INT8) as opened:
        yield opened


@pytest.fixture
def stop() -> Iterator[Stop]:
    made = Stop()
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "images"
    place.mkdir()
    for index, image in enumerate(images("rgb")[:3]):
        Image.fromarray(image).save(place / f"{index}.png")
    (place / "1.png").write_bytes((place / "1.png").read_bytes()[:40])
    return place


class Frames:
    """A source of frames that are given; an error among them is raised."""

    name = "test frames"

    def __init__(self, *given: Any, live: bool = False) -> None:
        self.live, self.given, self.closed = live, list(given), False

    def read(self) -> Frame | None:
        if not self.given:
            return None
        given = self.given.pop(0)
        if isinstance(given, Exception):
            raise given
        return Frame(name="frame", image=given)

    def close(self) -> None:
        self.closed = True


def run(source: Any, classifier: Classifier, stop: Stop, path: Path, **plan: Any) -> list[Any]:
    chosen = Plan(**{"interval_s": 0, "top": 1, "reject_below": 0.0, **plan})
    with Lines(path) as lines:
        count = classify_stream(source, classifier, lines, chosen, stop=stop, notifier=Notifier({}))
    written = [json.loads(line) for line in path.read_text().splitlines()]
    assert count == len(written)
    return written


def test_each_image_is_a_line_and_a_damaged_one_is_skipped(
    classifier: Classifier, stop: Stop, folder: Path, tmp_path: Path
) -> None:
    first, damaged, last = run(ImageFolder(folder), classifier, stop, tmp_path / "out", top=2)
    for line, name in ((first, "0.png"), (last, "2.png")):
        expected = classifier.classify(folder / name, top=2).to_dict()
        assert json.loads(json.dumps(expected)).items() <= line.items()
        assert len(line["ranked"]) == 2
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    assert damaged["error"] == "ImageError"
    assert damaged["source"] == str(folder / "1.png")


def test_a_corrupt_frame_does_not_end_the_stream(
    classifier: Classifier, stop: Stop, tmp_path: Path
) -> None:
    image = images("rgb")[0]
    lost = ImageError("frame 2 cannot be read", remedy="none")
    source = Frames(image, lost, image.astype(np.float32), image)
    lines = run(source, classifier, stop, tmp_path / "out")
    assert [line.get("error") for line in lines] == [None, "ImageError", "ImageError", None]
    assert source.closed


def test_a_source_that_is_gone_ends_it(classifier: Classifier, stop: Stop, tmp_path: Path) -> None:
    source = Frames(SourceError("gone", remedy="none"))
    with pytest.raises(SourceError, match="gone"):
        run(source, classifier, stop, tmp_path / "out")
    assert source.closed


def test_it_ends_after_so_many_lines(classifier: Classifier, stop: Stop, tmp_path: Path) -> None:
    source = Frames(*[images("rgb")[0]] * 5)
    assert len(run(source, classifier, stop, tmp_path / "out", count=2)) == 2


def test_below_the_limit_it_says_unknown(
    classifier: Classifier, stop: Stop, tmp_path: Path
) -> None:
    lines = run(Frames(images("rgb")[0]), classifier, stop, tmp_path / "out", reject_below=1.0)
    assert (lines[0]["label"], lines[0]["index"]) == ("unknown", None)


def test_images_are_deleted_once_their_line_is_written_and_damaged_ones_stay(
    classifier: Classifier, stop: Stop, folder: Path, tmp_path: Path
) -> None:
    run(ImageFolder(folder), classifier, stop, tmp_path / "out", delete_after=True)
    assert [path.name for path in folder.iterdir()] == ["1.png"]


def test_an_image_that_was_written_over_meanwhile_is_not_deleted(
    classifier: Classifier, stop: Stop, folder: Path, tmp_path: Path
) -> None:
    class WrittenOver(Classifier):
        """Somebody puts another image in the place of each while it is classified."""

        def classify(self, image: Any, top: int = 1, reject_below: float = 0.0) -> Any:
            result = super().classify(image, top=top, reject_below=reject_below)
            other = image.with_suffix(".new")
            other.write_bytes(image.read_bytes())
            other.replace(image)
            return result

    with WrittenOver(classifier.session.path) as writing:
        run(ImageFolder(folder), writing, stop, tmp_path / "out", delete_after=True)
    assert len(list(folder.iterdir())) == 3


def test_an_image_is_not_deleted_if_its_line_cannot_be_written(
    classifier: Classifier, stop: Stop, folder: Path
) -> None:
    with pytest.raises(OutputError, match="cannot write /dev/full"):
        run(ImageFolder(folder), classifier, stop, Path("/dev/full"), delete_after=True)
    assert len(list(folder.iterdir())) == 3


def test_lines_are_added_to_a_file(tmp_path: Path) -> None:
    for value in (1, 2):
        with Lines(tmp_path / "out") as lines:
            lines.write({"value": value})
    assert (tmp_path / "out").read_text() == '{"value": 1}\n{"value": 2}\n'
    with pytest.raises(OutputError, match="none"):
        Lines(tmp_path / "none" / "out")


def test_a_live_source_is_asked_again_after_the_interval(
    classifier: Classifier, stop: Stop, tmp_path: Path
) -> None:
    source = Frames(*[images("rgb")[0]] * 3, live=True)
    begin = time.monotonic()
    run(source, classifier, stop, tmp_path / "out", interval_s=0.1, count=3)
    assert time.monotonic() - begin >= 0.3


def test_a_stop_ends_a_wait_at_once(stop: Stop) -> None:
    threading.Timer(0.05, stop.ask).start()
    begin = time.monotonic()
    stop.wait(30)
    assert time.monotonic() - begin < 10
    assert stop


def test_sigterm_asks_for_the_end_and_the_old_handler_comes_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_sigterm() as stop:
        assert not stop
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert stop
        stop.wait(30)
    assert signal.getsignal(signal.SIGTERM) == before


def start(*arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "edgecnn_runner", *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **environment},
    )  # fmt: skip


@pytest.mark.slow
def test_watch_until_sigterm(tmp_path: Path, folder: Path) -> None:
    inbox, out = tmp_path / "inbox", tmp_path / "inbox" / "results.jsonl"
    inbox.mkdir()
    with start(
        "watch", INT8, inbox, "--interval", "0.05", "--delete-after", "--output", out
    ) as program:
        try:
            for index in range(3):
                shutil.copy(folder / "0.png", inbox / f"{index}.png")
            end = time.monotonic() + 60
            while time.monotonic() < end and len(list(inbox.iterdir())) > 1:
                time.sleep(0.05)
            program.send_signal(signal.SIGTERM)
            said, errors = program.communicate(timeout=30)
        finally:
            program.kill()
    assert (program.returncode, said, errors) == (0, "", "")
    assert [path.name for path in inbox.iterdir()] == ["results.jsonl"]
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert sorted(Path(line["source"]).name for line in lines) == ["0.png", "1.png", "2.png"]


@pytest.mark.slow
def test_the_service_manager_is_told(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(60)
        program = start(
            "watch", INT8, tmp_path / "inbox", "--interval", "60",
            NOTIFY_SOCKET=address, WATCHDOG_USEC="200000",
        )  # fmt: skip
        with program:
            try:
                heard = [manager.recv(1000).decode() for _ in range(4)]
                program.send_signal(signal.SIGTERM)
                while not heard[-1].startswith("STOPPING"):
                    heard.append(manager.recv(1000).decode())
                program.communicate(timeout=30)
            finally:
                program.kill()
    assert program.returncode == 0
    assert heard[0].startswith("READY=1\nSTATUS=classifying images put into")
    assert set(heard[1:-1]) == {"WATCHDOG=1"}


@pytest.mark.slow
def test_memory_stays_flat_over_20_000_frames(tmp_path: Path) -> None:
    """In a process of its own, since others' memory would be counted, too."""
    code = f"""
import resource
from pathlib import Path
import numpy as np
from edgecnn_runner.classifier import Classifier
from edgecnn_runner.cli.stopping import Notifier
from edgecnn_runner.images.sources import Frame
from edgecnn_runner.cli.stopping import Stop
from edgecnn_runner.cli.stream import Lines, Plan, classify_stream

class Frames:
    name, live = "frames", False
    def __init__(self, count):
        self.left, self.random = count, np.random.default_rng(0)
    def read(self):
        self.left -= 1
        if self.left < 0:
            return None
        return Frame(name="frame", image=self.random.integers(0, 256, (48, 64, 3), dtype=np.uint8))
    def close(self): pass

def resident():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()

plan = Plan(interval_s=0, top=3, reject_below=0.5)
with Classifier({str(INT8)!r}) as classifier, Lines(Path({str(tmp_path / "out")!r})) as lines:
    sizes = []
    for count in (2000, 18000):
        quiet = Notifier({{}})
        classify_stream(Frames(count), classifier, lines, plan, stop=Stop(), notifier=quiet)
        sizes.append(resident())
print(sizes[1] - sizes[0])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert len((tmp_path / "out").read_text().splitlines()) == 20_000
    assert int(done.stdout) < 1_000_000
