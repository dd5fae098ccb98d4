"""What stops a conversion, what warns, and on which images that is decided."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgecnn.build.verdict import ExaminedModel
from edgecnn.data import Dataset, Images
from edgecnn.errors import TrialError
from edgecnn.verify.foreign.source_trials import Given, try_source
from edgecnn_runner.contract import parse_resize

Pixels = npt.NDArray[np.uint8]
NAMES = ("a", "b", "c")


def images(split: str, count: int) -> Images:
    """Pictures whose class is the brightness of their upper left red."""
    rng = np.random.default_rng(count)
    labels = rng.integers(0, 3, count)
    pixels = rng.integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    pixels[:, 0, 0, 0] = labels * 100
    return Images(
        pixels=pixels, labels=labels, ids=tuple(f"{split}/{index}" for index in range(count))
    )


DATA = Dataset(
    name="folder",
    class_names=NAMES,
    train=images("train", 300),
    validation=images("validation", 50),
    test=images("test", 70),
)


class Model:
    """Reads one value, in the range it knows; ``order`` is the class of each output."""

    def __init__(self, knows: str = "0..1", colour: int = 0, order: tuple[int, ...] = (0, 1, 2)):
        self.knows, self.colour, self.order = knows, colour, order
        self.seen: list[Pixels] = []

    def __call__(self, pixels: Pixels, input_range: str) -> npt.NDArray[np.float32]:
        self.seen.append(pixels)
        right = pixels[:, 0, 0, self.colour] // 100
        level = right if input_range == self.knows else np.zeros(len(pixels), int)
        scores: npt.NDArray[np.float32] = np.eye(3, dtype=np.float32)[np.minimum(level, 2)]
        return scores[:, self.order]


def tried(model: Model, again: Any = None, dataset: Dataset = DATA, **given: Any) -> Any:
    fed = ExaminedModel(ask=model, input_range="0..1", normalizes=False, dataset=dataset)
    return try_source(fed, Given(name="my.keras", **given), again=again)


def test_a_model_that_is_fed_rightly_goes_on_without_a_word() -> None:
    model = Model()
    found = tried(model)
    assert (found.images, found.right, found.hint) == (200, 200, None)


def test_validation_images_come_first_then_training_images_and_never_test_images() -> None:
    model = Model()
    tried(model)
    (seen,) = [one for one in model.seen if len(one) > 1]
    known = {one.tobytes() for one in DATA.validation.pixels}
    assert sum(one.tobytes() in known for one in seen) == 50
    known = {one.tobytes() for one in DATA.test.pixels}
    assert not any(one.tobytes() in known for one in seen)


@pytest.mark.parametrize(
    ("model", "given", "says"),
    [
        (Model("-1..1"), "input_range", "--input-range -1..1"),
        (Model(order=(1, 2, 0)), "labels", "another order"),
    ],
)
def test_it_stops_unless_that_was_given(model: Model, given: str, says: str) -> None:
    with pytest.raises(TrialError, match=says) as caught:
        tried(model)
    assert caught.value.exit_code == 42
    assert "--as-is" in caught.value.remedy
    others: dict[str, Any] = {"input_range": True, "labels": True} | {given: False}
    with pytest.raises(TrialError):
        tried(model, **others)
    for excused in (given, "as_is"):
        said: dict[str, Any] = {excused: True}
        found = tried(model, **said)
        assert says in found.hint.text
        assert found.to_dict()["hint"]["text"] == found.hint.text


def test_colours_have_no_flag_and_stop_whatever_was_given() -> None:
    model = Model(colour=2)
    swapped = replace(
        DATA,
        **{
            part: replace(getattr(DATA, part), pixels=getattr(DATA, part).pixels[..., ::-1].copy())
            for part in ("train", "validation", "test")
        },
    )
    assert tried(model, dataset=swapped).hint is None
    with pytest.raises(TrialError, match="red and blue exchanged") as caught:
        tried(model, input_range=True, labels=True, rule=("fit", "fraction", "filter"))
    assert caught.value.remedy.startswith("mend the model as described")
    assert tried(model, as_is=True).hint is not None


@pytest.mark.parametrize(
    ("rule", "stops", "goes_on"),
    [
        ("stretch-bilinear-1", ((), ("fraction",)), (("fit",), ("filter",), ("fit", "filter"))),
        ("centre-crop-nearest-1", ((), ("fit",), ("fraction", "fit")), (("filter",),)),
        ("centre-crop-0.875-box-average-1", ((), ("fit", "filter")), (("fraction",),)),
    ],
)
def test_a_part_of_the_rule_that_was_given_is_kept_with_a_warning(
    rule: str, stops: tuple[tuple[str, ...], ...], goes_on: tuple[tuple[str, ...], ...]
) -> None:
    """The images as the default rule makes them are of no use; by another they are right."""
    spoilt = {}
    for part in ("train", "validation", "test"):
        pixels = getattr(DATA, part).pixels.copy()
        pixels[:, 0, 0, 0] = np.random.default_rng(5).permutation(pixels[:, 0, 0, 0])
        spoilt[part] = replace(getattr(DATA, part), pixels=pixels)
    dataset = replace(DATA, **spoilt)
    both = DATA.validation.joined(DATA.train)
    given = dataset.validation.joined(dataset.train)

    def again(ids: list[str], rules: list[str]) -> dict[str, Pixels]:
        places = [both.ids.index(one) for one in ids]
        return {one: (both if one == rule else given).pixels[places] for one in rules}

    for said in stops:
        with pytest.raises(TrialError) as caught:
            tried(Model(), again, dataset, rule=said)
        assert caught.value.remedy.startswith(f"give {parse_resize(rule).options};")
    for said in goes_on:
        assert tried(Model(), again, dataset, rule=said).hint.option == parse_resize(rule).options


def test_so_few_images_that_nothing_could_be_sure_stop_nothing() -> None:
    few = replace(DATA, train=DATA.train.take(range(6)), validation=DATA.validation.take(range(4)))
    model = Model("-1..1")
    found = tried(model, dataset=few)
    assert (found.images, found.hint) == (10, None)
    assert len(model.seen) == 2  # it is asked once, after the first image
