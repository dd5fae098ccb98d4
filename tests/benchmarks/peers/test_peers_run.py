"""A short run of everything that is here; what it measures is no test's business."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from peers.contestants import NOT_ON_PYPI, PEERS
from peers.judging import goal
from peers.table import markdown_tables

HERE = Path(__file__).parent

pytestmark = pytest.mark.slow


def test_a_short_run_has_a_row_for_every_peer_and_file(tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    done = subprocess.run(
        [
            *(sys.executable, str(HERE / "run.py"), "--models", "resnet8", "--runs", "25"),
            *("--threads", "1", "--json", str(out)),
        ],
        capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    found = json.loads(out.read_text(encoding="utf-8"))
    # 1 where a peer happened to be faster; anything else is a failure.
    assert done.returncode == (0 if found["goal"]["met"] else 1), done.stderr
    [table] = found["tables"]
    [model] = table["models"]
    expected = [(peer.name, variant) for peer in PEERS for variant in peer.variants]
    expected += [(name, "") for name in NOT_ON_PYPI]
    assert [(row["peer"], row["variant"]) for row in model["rows"]] == expected
    for row in model["rows"]:
        assert ("ratio" in row) != bool(row.get("reason")), row
    compared = {row["peer"] for row in model["rows"] if "ratio" in row}
    assert {"bare LiteRT loop", "LiteRT's benchmark_litert_model", "bare ONNX Runtime loop"} <= (
        compared
    )
    assert model["recommended"]["variant"] in ("tflite-int8", "onnx-int8")
    assert found["goal"] == goal(found["tables"])
    assert len(model["ours"]["turn_medians_us"]) == found["rounds"] >= 5
    assert "Peers on one thread" in markdown_tables(found)


def test_mlperf_s_network_is_built_as_it_is_known(tmp_path: Path) -> None:
    from peers.mlperf import MACS

    from edgecnn.modelfile import read_graph

    file = tmp_path / "reference.tflite"
    command = [sys.executable, "-m", "peers.mlperf", str(file)]
    subprocess.run(command, check=True, capture_output=True, cwd=HERE.parent, timeout=300)
    graph = read_graph(file)
    names = [one.name for one in graph.operators]
    # Nothing but the network itself: no conversion of its input or output.
    assert "QUANTIZE" not in names
    assert "DEQUANTIZE" not in names
    assert names.count("CONV_2D") == 9
    assert graph.macs == MACS
    assert [one.dtype for one in (*graph.inputs, *graph.outputs)] == ["int8", "int8"]
