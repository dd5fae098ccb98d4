from __future__ import annotations

import random
import struct
import time

import pytest

from edgecnn_runner.errors import ArtifactError
from edgecnn_runner.formats.tflite_structure import check_tflite
from runner.fixture_files import FIXTURES

FILES = sorted(FIXTURES.glob("*.tflite"))
MODEL = (FIXTURES / "foreign-int8.tflite").read_bytes()


def refused(data: bytes) -> bool:
    try:
        check_tflite(data, name="it")
    except ArtifactError:
        return True
    return False


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_sound_files_pass(path: object) -> None:
    check_tflite(FIXTURES.joinpath(str(path)).read_bytes(), name=str(path))


def test_every_cut_file_is_refused() -> None:
    # Cut behind the last structure, only padding is lost.
    assert all(refused(MODEL[:end]) for end in range(0, len(MODEL) - 64, 13))


def test_an_offset_out_of_the_file_is_refused() -> None:
    for value in (0xFFFFFFFF, 0x7FFFFFFF, len(MODEL), len(MODEL) - 1):
        assert refused(struct.pack("<I", value) + MODEL[4:])


def table(**slots: int) -> bytes:
    """A table's vtable and the table; ``slot2=9`` is four bytes with 9 in slot 2."""
    numbers = [int(name.removeprefix("slot")) for name in slots]
    offsets = [0] * (max(numbers) + 1)
    for place, number in enumerate(numbers):
        offsets[number] = 4 + 4 * place
    vtable = struct.pack(f"<HH{len(offsets)}H", 4 + 2 * len(offsets), 4 + 4 * len(slots), *offsets)
    vtable += b"\0" * (-len(vtable) % 4)
    return vtable + struct.pack("<i", len(vtable)) + struct.pack(f"<{len(slots)}I", *slots.values())


def file_of(body: bytes, behind: bytes = b"") -> bytes:
    """A file whose root is the table in ``body``, which has one slot."""
    return struct.pack("<I4s", 8 + len(body) - 8, b"TFL3") + body + behind


def test_parts_that_lie_over_each_other_are_refused_in_time() -> None:
    # A vector of many graphs that are all the same one, which has a vector of many tensors that
    # are all the same one: a small file that describes an endless model.
    count = 20_000
    model = table(slot2=4)  # the vector follows the slot
    tensor = table(slot2=0)
    graph = table(slot0=4)
    graphs = struct.pack(
        f"<I{count}I", count, *(4 * (count - index) + len(graph) - 8 for index in range(count))
    )
    tensors = struct.pack(
        f"<I{count}I", count, *(4 * (count - index) + len(tensor) - 8 for index in range(count))
    )
    data = file_of(model, graphs + graph + tensors + tensor)
    started = time.process_time()
    with pytest.raises(ArtifactError, match="lie over each other"):
        check_tflite(data, name="it")
    assert time.process_time() - started < 10


def test_a_file_without_a_graph_is_refused() -> None:
    with pytest.raises(ArtifactError, match="it holds no graph"):
        check_tflite(file_of(table(slot0=3)), name="it")


def shape_position() -> int:
    """Where the shape (1, 12, 16, 3) of the input tensor begins in ``MODEL``."""
    return MODEL.index(struct.pack("<5I", 4, 1, 12, 16, 3)) + 4


def test_a_negative_size_is_refused() -> None:
    at = shape_position()
    changed = MODEL[:at] + struct.pack("<i", -1) + MODEL[at + 4 :]
    with pytest.raises(ArtifactError, match="negative size"):
        check_tflite(changed, name="it")


def test_weights_that_do_not_fill_their_shape_are_refused() -> None:
    # The second convolution's weights: (6, 3, 3, 4).
    at = MODEL.index(struct.pack("<5I", 4, 6, 3, 3, 4)) + 4
    changed = MODEL[:at] + struct.pack("<i", 7) + MODEL[at + 4 :]
    with pytest.raises(ArtifactError, match=r"shape \(7, 3, 3, 4\) holds 216 bytes"):
        check_tflite(changed, name="it")


def test_random_damage_is_refused_or_leads_nowhere() -> None:
    # What passes must have been walked without an exception other than the typed one.
    rng = random.Random(1)
    seen = 0
    for _ in range(300):
        data = bytearray(MODEL)
        for _ in range(rng.choice([1, 2, 8])):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        seen += refused(bytes(data))
    assert 0 < seen < 300
