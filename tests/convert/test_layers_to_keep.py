from __future__ import annotations

from edgecnn.convert.repair.layers_to_keep import KeepableLayers, find_layers
from edgecnn.modelfile import Graph, Operator, Tensor


def tensor(name: str, *, constant: bool = False, dtype: str = "float32") -> Tensor:
    return Tensor(name=name, shape=(1, 4), dtype=dtype, constant=constant)


def made(steps: list[tuple[str, list[str], str, int]]) -> KeepableLayers:
    """A graph of (operator, inputs, output, multiply-accumulates); ``w`` is a constant."""
    tensors = {"x": tensor("x"), "w": tensor("w", constant=True), "n": tensor("n", dtype="int32")}
    operators = []
    for name, inputs, output, macs in steps:
        tensors[output] = tensor(output)
        operators.append(
            Operator(
                name=name,
                version=1,
                inputs=tuple(tensors[one] for one in inputs),
                outputs=(tensors[output],),
                macs=macs,
            )
        )
    graph = Graph(
        format="tflite",
        operators=tuple(operators),
        inputs=(tensors["x"],),
        outputs=operators[-1].outputs[:1],  # type: ignore[arg-type]  # there is one
        macs=sum(macs for *_, macs in steps),
        parameters=0,
        weight_bytes=0,
        payload_bytes=0,
    )
    return find_layers(graph, tuple(output for _, _, output, _ in steps))


RESIDUAL = made(
    [
        ("CONV_2D", ["x", "w"], "start", 10),
        ("CONV_2D", ["start", "w"], "branch", 20),
        ("RELU", ["branch"], "relu", 0),
        ("CONV_2D", ["relu", "w"], "back", 20),
        ("ADD", ["back", "start"], "sum", 0),
        ("RESHAPE", ["sum", "n"], "flat", 0),
        ("FULLY_CONNECTED", ["flat", "w"], "dense", 5),
        ("SOFTMAX", ["dense"], "scores", 0),
    ]
)


def activation(name: str) -> tuple[set[str], set[str], set[str]]:
    (found,) = [one for one in RESIDUAL.activations if one.name == name]
    return set(found.makers), set(found.carriers), set(found.readers)


def test_an_activation_is_its_maker_what_passes_it_on_and_all_who_read_it() -> None:
    assert activation("start") == ({"start"}, set(), {"branch", "sum"})
    assert activation("branch") == ({"branch"}, {"relu"}, {"back"})
    assert activation("back") == ({"back"}, set(), {"sum"})
    assert activation("sum") == ({"sum"}, {"flat"}, {"dense"})


def test_what_only_passes_numbers_on_starts_no_activation_of_its_own() -> None:
    assert [one.name for one in RESIDUAL.activations] == [
        "start", "branch", "back", "sum", "dense",
    ]  # fmt: skip


def test_an_end_that_nobody_reads_goes_with_its_maker() -> None:
    assert RESIDUAL.with_carriers({"dense"}) == {"dense", "scores"}


def test_carriers_are_kept_only_between_two_that_are() -> None:
    assert RESIDUAL.with_carriers({"branch"}) == {"branch"}
    assert RESIDUAL.with_carriers({"back"}) == {"back"}
    assert RESIDUAL.with_carriers({"branch", "back"}) == {"branch", "relu", "back"}


def test_shares_are_of_all_multiply_accumulates() -> None:
    assert RESIDUAL.share({"dense", "scores"}) == 5 / 55
    assert RESIDUAL.layers["sum"].operator == "ADD"
    assert RESIDUAL.layers["dense"].position == 6
