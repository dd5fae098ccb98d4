"""One build of the demo that the integration tests share."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from command import Finished, edgecnn


def record_again(folder: Path, *names: str) -> None:
    """Let a build's manifest say that these files are its own, as they are now."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    for name in names:
        data = (folder / name).read_bytes()
        manifest["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    path.write_text(json.dumps(manifest))


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Finished]:
    """Run ``edgecnn demo`` once; its folder and what the command printed."""
    folder = tmp_path_factory.mktemp("demo") / "build"
    done = edgecnn("demo", "--out", folder)
    assert done.code == 0, done.err
    return folder, done
