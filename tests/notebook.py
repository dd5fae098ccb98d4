"""The manual's notebook, run cell by cell in one process; ``python tests/notebook.py`` stores it.

Its cells are plain Python, so that no kernel is needed to run them.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any, Final

NOTEBOOK: Final = Path(__file__).parents[1] / "toolchain/docs/from_photos_to_a_proven_file.ipynb"


def read() -> dict[str, Any]:
    """Return the notebook as it is stored."""
    found: dict[str, Any] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return found


def run(notebook: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Run a notebook's code cells in a folder, and put what they print into it.

    Args:
        notebook: In the form of nbformat 4.5; changed in place.
        folder: Where to; the names of the cells are those of one program.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    number = 0
    with contextlib.chdir(folder):
        for cell in notebook["cells"]:
            if cell["cell_type"] != "code":
                continue
            number += 1
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
            cell["execution_count"] = number
            text = printed.getvalue().splitlines(keepends=True)
            cell["outputs"] = (
                [{"name": "stdout", "output_type": "stream", "text": text}] if text else []
            )
    return notebook


if __name__ == "__main__":
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    with tempfile.TemporaryDirectory() as place:
        stored = run(read(), Path(place))
    NOTEBOOK.write_text(json.dumps(stored, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
