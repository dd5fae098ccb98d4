"""The search, with trials that are made up: which sets of layers hold is said here."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgecnn.convert.repair.fewest import Kept, TriedLayers, find_fewest
from edgecnn.convert.repair.layers_to_keep import Activation, KeepableLayers, Layer

Rule = Callable[[frozenset[str]], TriedLayers]


def chain(macs: dict[str, int], carriers: dict[str, str] | None = None) -> KeepableLayers:
    """Layers one behind another; ``carriers`` stand behind the layers that are their keys."""
    keys = list(macs)
    between = carriers or {}
    layers = {
        key: Layer(key=key, output=key, operator="CONV_2D", position=place, macs=macs[key])
        for place, key in enumerate(keys)
    }
    layers |= {
        key: Layer(key=key, output=key, operator="RELU", position=99, macs=0)
        for key in between.values()
    }
    activations = tuple(
        Activation(
            name=key,
            makers=frozenset({key}),
            carriers=frozenset({between[key]} if key in between else ()),
            readers=frozenset(keys[place + 1 : place + 2]),
        )
        for place, key in enumerate(keys)
    )
    return KeepableLayers(layers=layers, activations=activations, macs=sum(macs.values()))


def search(
    layers: KeepableLayers, rule: Rule, *, budget: int = 50, backwards: bool = False
) -> Kept:
    """Search in the order of the layers, which is no help, or against it."""
    ranked = layers.activations[::-1] if backwards else layers.activations
    return find_fewest(layers, ranked, rule, start=1.0, budget=budget)


def needs(*wanted: str) -> Rule:
    """Hold if all these are in float; each brings the scores as much nearer."""

    def rule(kept: frozenset[str]) -> TriedLayers:
        missing = len(set(wanted) - kept)
        return TriedLayers(holds=missing == 0, distance=missing / len(wanted))

    return rule


LONG = chain(dict.fromkeys("abcdefghij", 10))


@pytest.mark.parametrize("backwards", [False, True])
def test_finds_two_layers_that_only_help_together(backwards: bool) -> None:
    def rule(kept: frozenset[str]) -> TriedLayers:
        both = {"d", "e"} <= kept
        return TriedLayers(holds=both, distance=0.0 if both else 1.0)

    assert search(LONG, rule, backwards=backwards).layers == {"d", "e"}


def test_takes_out_what_it_holds_without() -> None:
    assert search(LONG, needs("g")).layers == {"g"}


def test_grows_by_what_helps_most_until_it_holds() -> None:
    assert search(LONG, needs("b", "c", "h", "i")).layers == {"b", "c", "h", "i"}


def test_of_several_that_hold_it_takes_the_least_work() -> None:
    layers = chain({"a": 30, "b": 10, "c": 1, "d": 2, "e": 57})
    found = search(layers, lambda kept: TriedLayers(holds="b" in kept or "c" in kept, distance=0.5))
    assert found.layers == {"c"}


def test_where_mending_either_of_two_shows_nothing_it_goes_by_the_ranking() -> None:
    def rule(kept: frozenset[str]) -> TriedLayers:
        all_four = {"a", "b", "g", "h"} <= kept
        return TriedLayers(holds=all_four, distance=0.0 if all_four else 1.0)

    ranked = [LONG.activations[6], LONG.activations[0], *LONG.activations[1:6]]
    found = find_fewest(LONG, ranked, rule, start=1.0, budget=50)
    assert found.layers == {"a", "b", "g", "h"}


def test_keeps_what_only_passes_numbers_between_two_that_are_kept() -> None:
    layers = chain({"a": 1, "b": 1, "c": 9, "d": 9}, carriers={"a": "relu", "c": "pool"})
    assert search(layers, needs("a", "b")).layers == {"a", "relu", "b"}


def test_a_layer_alone_takes_nothing_with_it() -> None:
    layers = chain({"a": 1, "b": 1, "c": 9, "d": 9}, carriers={"a": "relu", "c": "pool"})
    assert search(layers, needs("a")).layers == {"a"}


def test_never_keeps_more_than_half_of_the_work() -> None:
    found = search(chain({"a": 60, "b": 20, "c": 20}), needs("a", "b"))
    assert found.layers == frozenset()
    assert "half of the multiply-accumulates" in found.reason


def test_ends_when_the_budget_does() -> None:
    tried: list[frozenset[str]] = []

    def rule(kept: frozenset[str]) -> TriedLayers:
        tried.append(kept)
        return TriedLayers(holds=False, distance=1.0)

    found = search(LONG, rule, budget=13)
    assert found.layers == frozenset()
    assert found.reason == "no mixture out of 13 tried holds the limits"
    assert len(tried) == found.trials == 13


def test_tries_no_set_twice() -> None:
    tried: list[frozenset[str]] = []

    def rule(kept: frozenset[str]) -> TriedLayers:
        tried.append(kept)
        return needs("b", "c", "h", "i")(kept)

    search(LONG, rule)
    assert len(tried) == len(set(tried))


def test_what_cannot_be_made_is_no_answer_and_no_end() -> None:
    def rule(kept: frozenset[str]) -> TriedLayers:
        if "a" in kept:
            return TriedLayers(holds=False, distance=float("inf"))
        return needs("c", "d")(kept)

    assert search(LONG, rule).layers == {"c", "d"}
