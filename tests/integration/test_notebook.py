"""The manual's notebook runs from its first cell to its last, and prints what it shows."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import notebook

CODE = """
import json, sys
from pathlib import Path
import notebook
json.dump(notebook.run(notebook.read(), Path(sys.argv[1])), Path(sys.argv[2]).open("w"))
"""


def printed(cells: list[dict[str, Any]]) -> list[str]:
    """Return what each code cell printed, without what another processor may answer otherwise."""
    texts = ["".join(cell["outputs"][0]["text"]) for cell in cells if cell.get("outputs")]
    return [re.sub(r"[\d,.]+|PASS|FAIL|INCONCLUSIVE|triangle", "_", text) for text in texts]


@pytest.mark.slow
def test_the_notebook_runs_and_prints_what_it_shows(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    folder = tmp_path / "folder"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(folder), str(out)],
        cwd=Path(notebook.__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    ran = json.loads(out.read_text(encoding="utf-8"))["cells"]
    assert printed(ran) == printed(notebook.read()["cells"])
    (wider,) = [cell for cell in ran if "wider-limits" in "".join(cell["source"])]
    assert "PASS" in json.dumps(wider["outputs"])


def test_the_notebook_is_one_that_jupyter_opens() -> None:
    stored = notebook.read()
    assert (stored["nbformat"], stored["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in stored["cells"]}) == len(stored["cells"])
    for cell in stored["cells"]:
        assert cell["cell_type"] in ("code", "markdown")
        assert isinstance(cell["source"], list)
        assert cell["cell_type"] == "markdown" or cell["execution_count"]
