from __future__ import annotations

from edgecnn.convert.repair.layers_to_keep import Activation, Culprits, KeepableLayers, Layer
from edgecnn.modelfile.layers import LayerComparison, LayerError

KEYS = ("a", "b", "c", "d")
LAYERS = KeepableLayers(
    layers={
        key: Layer(key=key, output=f"{key}:0", operator="CONV_2D", position=place, macs=1)
        for place, key in enumerate(KEYS)
    },
    activations=tuple(
        Activation(
            name=f"{key}:0",
            makers=frozenset({key}),
            carriers=frozenset(),
            readers=frozenset(KEYS[place + 1 : place + 2]),
        )
        for place, key in enumerate(KEYS)
    ),
    macs=4,
)


def culprits(*channels_db: float, **of_b: float) -> Culprits:
    """The median channel's ratio behind each layer, and more facts of the second."""
    rows = [
        LayerError(
            name=f"{key}:0",
            operator="CONV_2D",
            position=place,
            snr_db=40.0,
            channels_db=found,
            inputs=(place - 1,) if place else (),
            **(of_b if key == "b" else {}),  # type: ignore[arg-type]  # floats, all of them
        )
        for place, (key, found) in enumerate(zip(KEYS, channels_db, strict=True))
    ]
    return Culprits(LAYERS, LayerComparison(layers=tuple(rows)))


def test_the_largest_drop_comes_first_however_low_the_rest_stays_behind_it() -> None:
    ranked = [one.name for one in culprits(40.0, 3.0, 2.0, 1.0).ranked()]
    assert set(ranked[:2]) == {"a:0", "b:0"}, "what b makes and what b reads"


def test_the_ratio_of_the_whole_tensor_does_not_hide_lost_channels() -> None:
    assert culprits(40.0, 39.0, 3.0, 2.0).ranked()[0].name in ("b:0", "c:0")


def test_more_than_8_bits_can_hold_is_no_loss() -> None:
    # Only behind the last layer is anything lost; 150 dB say that two files are equal.
    assert culprits(150.0, 60.0, 49.0, 30.0).ranked()[0].name in ("c:0", "d:0")


def test_says_what_int8_does_to_a_layers_numbers() -> None:
    why = culprits(40.0, 3.0, 2.0, 1.0, spread=812.0, saturated=0.123).why("b", {"b"})
    assert why == (
        "3.0 dB of signal to noise in the median channel in int8, 40.0 before; its largest channel "
        "is 812 times the median one; 12.3 % of its values are beyond its range"
    )


def test_says_of_the_reader_what_it_reads() -> None:
    assert culprits(40.0, 3.0, 2.0, 1.0).why("c", {"b", "c"}) == "it reads what b makes"


def test_says_so_where_a_layer_could_not_be_compared() -> None:
    nothing = Culprits(LAYERS, LayerComparison(layers=()))
    assert nothing.why("b", {"b"}) == "its numbers could not be compared"
    assert nothing.snr_db("b") is None
    assert [one.name for one in nothing.ranked()] == ["a:0", "b:0", "c:0", "d:0"]
