"""A folder of images watched on a Raspberry Pi: each classified, and nothing else touched."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from emulated_pi.pi import Pi
from emulated_pi.pictures import classified_here, write_photos

pytestmark = [pytest.mark.slow, pytest.mark.emulated_pi]


def lines_of(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


def test_until_it_is_told_to_end(installed: Pi, tmp_path: Path) -> None:
    names = write_photos(tmp_path)
    here = classified_here(tmp_path, names)
    inbox, results = installed.home / "inbox", installed.home / "results.jsonl"
    inbox.mkdir()
    before = installed.state()
    shutil.copy(tmp_path / names[0], inbox / "first.jpg")  # there already
    running = installed.start(
        *("edgecnn-resnet8", "watch", "inbox", "--interval", "0.2"),
        *("--delete-after", "--output", "results.jsonl"),
    )
    try:
        wait_until(lambda: len(lines_of(results)) == 1)
        # As cameras do it: written under another name, then put in place.
        shutil.copy(tmp_path / names[1], inbox / "second.jpg.part")
        time.sleep(1)
        assert len(lines_of(results)) == 1, "what is still being written is left alone"
        (inbox / "second.jpg.part").rename(inbox / "second.jpg")
        wait_until(lambda: len(lines_of(results)) == 2)
        (inbox / "broken.jpg").write_bytes((tmp_path / names[1]).read_bytes()[:500])
        wait_until(lambda: len(lines_of(results)) == 3)
        shutil.copy(tmp_path / names[1], inbox / "third.jpg")
        wait_until(lambda: len(lines_of(results)) == 4)
        wait_until(lambda: not (inbox / "third.jpg").exists())
        running.signal(signal.SIGTERM)
        done = running.finish()
    finally:
        running.cut_off()
    assert (done.code, done.out, done.err) == (0, "", "")
    first, second, broken, third = lines_of(results)
    assert first["label"] == here[names[0]]["label"]
    assert second["label"] == third["label"] == here[names[1]]["label"]
    assert broken["error"] == "ImageError"
    assert [Path(line["source"]).name for line in (first, second, broken, third)] == [
        "first.jpg", "second.jpg", "broken.jpg", "third.jpg",
    ]  # fmt: skip
    for line in (first, second, broken, third):
        datetime.fromisoformat(line["time"])
    # The classified images are gone; of all else, only the results are new.
    assert [path.name for path in inbox.iterdir()] == ["broken.jpg"]
    (inbox / "broken.jpg").unlink()
    results.unlink()
    assert installed.state() == before


def test_for_a_number_of_images(installed: Pi) -> None:
    inbox = installed.home / "inbox"
    inbox.mkdir()
    names = write_photos(inbox)
    done = installed.run(
        "edgecnn-resnet8", "watch", "inbox", "--count", "2", "--interval", "0.1", "--top", "2"
    )
    assert (done.code, done.err) == (0, "")
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert [Path(row["source"]).name for row in rows] == names[:2], "the oldest first"
    assert all(len(row["ranked"]) == 2 for row in rows)
    assert sorted(path.name for path in inbox.iterdir()) == sorted(names), "none is deleted"
