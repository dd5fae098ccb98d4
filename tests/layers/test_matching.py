from __future__ import annotations

from edgecnn.modelfile.layers.matching import Made, Matches, match

SHAPE = (1, 4, 4, 8)


def made(*names: str, shape: tuple[int, ...] = SHAPE) -> list[Made]:
    return [Made(name=name, shape=shape) for name in names]


def matched(
    source: list[Made],
    target: list[Made],
    *,
    source_constants: tuple[str, ...] = (),
    target_constants: tuple[str, ...] = (),
) -> Matches:
    return match(
        source,
        target,
        source_names={name for one in source for name in one.names} | {*source_constants},
        target_names={name for one in target for name in one.names} | {*target_constants},
    )


def test_equal_names_belong_together() -> None:
    found = matched(made("a;b", "c"), made("a;b", "c"))
    assert found.pairs == {"a;b": "a;b", "c": "c"}
    assert found.unmatched == ()
    assert found.fused == {}


def test_a_number_behind_a_taken_name_is_seen_through() -> None:
    # A bias has the name already, in one file with the number 1 behind it, too.
    found = matched(
        made("Relu;Conv;Const_21"),
        made("Relu;Conv;Const_22"),
        source_constants=("Relu;Conv;Const_2",),
        target_constants=("Relu;Conv;Const_2", "Relu;Conv;Const_21"),
    )
    assert found.pairs == {"Relu;Conv;Const_21": "Relu;Conv;Const_22"}


def test_numbers_that_are_part_of_a_name_are_not_taken_off() -> None:
    found = matched(made("Relu_1", "Relu_12"), made("Relu_12", "Relu_13"))
    assert found.pairs == {"Relu_12": "Relu_12"}
    assert found.unmatched == ("Relu_1",)


def test_the_same_values_in_another_type_have_the_name_for_it() -> None:
    target = [Made(name="Identity_int16", shape=SHAPE, aliases=("Identity",))]
    assert matched(made("Identity"), target).pairs == {"Identity": "Identity_int16"}


def test_what_one_file_fuses_is_its_last_operator() -> None:
    found = matched(made("Conv_1;Bias_1", "Relu_1", "Pool"), made("Relu_1;Bias_1;Conv_1", "Pool"))
    assert found.pairs == {"Relu_1": "Relu_1;Bias_1;Conv_1", "Pool": "Pool"}
    assert found.fused == {"Relu_1": ("Conv_1;Bias_1",)}
    assert found.unmatched == ()


def test_what_the_converted_file_splits_is_its_last_operator() -> None:
    found = matched(made("Relu_1;Bias_1;Conv_1"), made("Conv_1", "Relu_1;Bias_1"))
    assert found.pairs == {"Relu_1;Bias_1;Conv_1": "Relu_1;Bias_1"}
    assert found.unmatched == ()


def test_another_shape_is_another_tensor() -> None:
    found = matched(made("a", "b"), [*made("a", shape=(1, 2)), *made("b")])
    assert found.pairs == {"b": "b"}
    assert found.unmatched == ("a",)


def test_a_name_that_is_out_of_order_is_not_believed() -> None:
    found = matched(made("a", "b", "c", "d"), made("b", "c", "d", "a"))
    assert found.pairs == {"b": "b", "c": "c", "d": "d"}
    assert found.unmatched == ("a",)


def test_names_that_nothing_has_in_common_are_told() -> None:
    found = matched(made("a", "b"), made("x", "y"))
    assert found.pairs == {}
    assert found.unmatched == ("a", "b")


def test_a_part_that_several_tensors_share_tells_nothing() -> None:
    found = matched(made("Add;Const_1", "Mul;Const_1"), made("Sub;Const_1"))
    assert found.pairs == {}
    assert found.unmatched == ("Add;Const_1", "Mul;Const_1")
