from __future__ import annotations

from typing import Any

import pytest

from edgecnn.modelfile.layers import MOST_DB, LayerComparison, LayerError
from edgecnn.verify.layers.diagnosis import LIMIT_DB, diagnose, label_of, ratios_that_count


def layer(position: int, snr_db: float, **changes: Any) -> LayerError:
    """A layer of a chain whose own storing is fine."""
    values: dict[str, Any] = {
        "name": f"Relu_{position};Conv_{position}",
        "operator": "CONV_2D",
        "position": position,
        "snr_db": snr_db,
        "channels_db": snr_db,
        "saturated": 0.0,
        "storage_db": 40.0,
        "storage_channels_db": 40.0,
        "clipped": 0.0,
        "weights_db": 42.0,
        "inputs": (position - 1,) if position else (),
    }
    return LayerError(**(values | changes))


def chain(*layers: LayerError) -> LayerComparison:
    return LayerComparison(layers=layers)


def test_a_sound_file_has_no_first_layer_and_its_lowest_one_is_told() -> None:
    found = diagnose(chain(layer(0, 40), layer(1, 22), layer(2, 25), layer(3, 26)))
    assert (found.first, found.steepest, found.cause) == (None, 1, None)
    assert found.sentence == (
        "No layer is below 10 dB; the lowest is CONV_2D Relu_1 at 22.0 dB, "
        "and the noise grows most there."
    )


def test_the_first_layer_below_the_limit_is_named_and_not_the_lowest() -> None:
    found = diagnose(chain(layer(0, 40), layer(1, 8, weights_db=5.0), layer(2, 3), layer(3, 6)))
    assert found.first == 1
    assert "The first layer below 10 dB is CONV_2D Relu_1, 2 of 4, at 8.0 dB" in found.sentence
    assert "(the noise grows most at CONV_2D Relu_2)" in found.sentence


@pytest.mark.parametrize("below", [True, False])
def test_the_limit_is_the_last_ratio_that_is_fine(below: bool) -> None:
    found = diagnose(chain(layer(0, 30), layer(1, LIMIT_DB - 0.01 * below), layer(2, 12)))
    assert (found.first is not None) == below


def test_clipping_is_saturation() -> None:
    hard = layer(1, 6, saturated=0.125, storage_db=6.5, clipped=0.97)
    found = diagnose(chain(layer(0, 40), hard, layer(2, 5)))
    assert found.cause == "saturation"
    assert "12 % of its values are cut off" in found.sentence
    assert "calibrate with more images" in found.sentence


def test_rounding_of_a_range_that_is_too_wide_is_coarse_steps() -> None:
    hard = layer(1, 6, storage_db=6.5, clipped=0.1)
    found = diagnose(chain(layer(0, 40), hard, layer(2, 5)))
    assert found.cause == "steps"
    assert "leaves 6.5 dB" in found.sentence


def test_one_channel_that_takes_the_range_of_all_is_told_by_the_others() -> None:
    hard = layer(1, 33, channels_db=0.1, storage_channels_db=0.1, spread=6520.0)
    found = diagnose(chain(layer(0, 40), hard, layer(2, 2)))
    assert (found.first, found.steepest, found.cause) == (1, 1, "channels")
    assert "reaches 6,520 times as far" in found.sentence
    assert "convert --repair" in found.sentence


def test_what_storing_does_not_explain_is_the_weights_if_these_are_coarse() -> None:
    found = diagnose(chain(layer(0, 40), layer(1, 6, weights_db=4.0), layer(2, 5)))
    assert found.cause == "weights"
    assert "keep at most 4.0 dB" in found.sentence


def test_sound_weights_are_not_blamed() -> None:
    found = diagnose(chain(layer(0, 40), layer(1, 6), layer(2, 5)))
    assert found.cause == "inherited"


def test_noise_that_came_with_the_inputs_is_nobodys_here() -> None:
    found = diagnose(chain(layer(0, 14), layer(1, 11), layer(2, 9.5, weights_db=4.0), layer(3, 9)))
    assert found.first == 2
    assert found.cause == "inherited"
    assert "its inputs are at 11.0 dB" in found.sentence


def test_a_tensor_of_real_numbers_is_not_blamed_for_its_range() -> None:
    real = {"saturated": None, "storage_db": None, "storage_channels_db": None, "clipped": None}
    found = diagnose(chain(layer(0, 40, **real), layer(1, 6, weights_db=4.0, **real), layer(2, 5)))
    assert found.cause == "weights"


def test_the_answer_is_judged_as_a_whole() -> None:
    # Most classes have a score near 0, which is stored as 0.
    layers = (layer(0, 40), layer(1, 30), layer(2, 35, channels_db=0.0, operator="SOFTMAX"))
    assert ratios_that_count(layers) == (40, 30, 35)
    assert diagnose(chain(*layers)).first is None
    # Control: the same numbers in the middle are a loss.
    middle = (layer(0, 40), layer(1, 35, channels_db=0.0), layer(2, 30))
    assert ratios_that_count(middle) == (40, 0.0, 30)
    assert diagnose(chain(*middle)).first == 1


def test_the_first_layer_is_not_steepest_for_beginning_at_no_noise() -> None:
    """From 150 to 45 dB is nothing; from 30 to 8 dB is all that matters."""
    layers = (layer(0, MOST_DB), layer(1, 45), layer(2, 30), layer(3, 8), layer(4, 12))
    assert diagnose(chain(*layers)).steepest == 3


def test_the_noisier_branch_is_what_a_sum_inherits() -> None:
    layers = (layer(0, 40), layer(1, 12, inputs=(0,)), layer(2, 11, inputs=(0, 1)), layer(3, 12))
    assert diagnose(chain(*layers)).steepest == 1


def test_no_layers_is_said() -> None:
    found = diagnose(LayerComparison(layers=(), unmatched=("a",)))
    assert (found.first, found.steepest) == (None, None)
    assert found.sentence.startswith("No tensor of the float file has a counterpart")


def test_it_is_one_sentence() -> None:
    for hard in (
        layer(1, 6, storage_db=6.0, clipped=1.0, saturated=0.3),
        layer(1, 6, storage_db=6.0),
        layer(1, 30, channels_db=1.0, storage_channels_db=1.0),
        layer(1, 6, weights_db=1.0),
        layer(1, 6),
    ):
        sentence = diagnose(chain(layer(0, 40), hard, layer(2, 30))).sentence
        assert sentence.count(". ") == 0
        assert sentence.endswith(".")


def test_a_label_is_short() -> None:
    assert label_of(layer(3, 1)) == "CONV_2D Relu_3"
