"""A foreign ONNX file whose input and output are float16 is run as any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from edgecnn.modelfile import read_graph
from edgecnn_runner.foreign import open_foreign
from runner.fixture_files import FOREIGN, RGB_LABELS, images, path_of, reference

pytestmark = pytest.mark.slow  # in processes of their own

FLOATS = [name for name in FOREIGN if name.endswith(".onnx") and "int8" not in name]


@pytest.mark.parametrize("name", FLOATS)
def test_float16_ends_are_fed_and_read(name: str, tmp_path: Path) -> None:
    from onnxruntime.transformers.float16 import convert_float_to_float16

    input_range, kind = FOREIGN[name]
    path = tmp_path / name
    onnx.save(convert_float_to_float16(onnx.load(path_of(name)), keep_io_types=False), path)
    assert {end.dtype for end in (*read_graph(path).inputs, *read_graph(path).outputs)} == {
        "float16"
    }
    with open_foreign(path, labels=RGB_LABELS, input_range=input_range) as session:
        contract = session.contract
        found = session.predict(images("rgb"))
        assert session.classify(images("rgb")[0])[0] == found[0].argmax()
    assert (contract.input.dtype, contract.output.dtype) == ("float16", "float16")
    assert (contract.output.kind, contract.output.scale) == (kind, 1.0)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, reference("rgb"), atol=5e-3)
