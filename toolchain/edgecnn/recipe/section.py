"""The base of all sections of a recipe, and the words for mistakes in them.

Numbers that are a part of something have a unit: ``SHARE``, ``POINTS`` or ``AT_LEAST``. A bare
number is in the unit of its key; a text with a percent sign, ``"20%"``, is per cent in all of them.
A number that cannot be meant in its key's unit is a mistake that shows both readings.

What a key allows is read from the key's own declaration, so that it is said in the same plain
words whatever is wrong with the value; pydantic's words are about Python and are not shown.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from edgecnn.errors import RecipeError
from edgecnn_runner.quantities import decimal_text, percent_of

_LONGEST: Final = 80
_DEEPEST: Final = 4
_NAMES: Final = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    Path: "a path, in quotes",
}
_KEEPS: Final[Mapping[str, Callable[[Decimal, Decimal], bool]]] = {
    "ge": operator.ge,
    "gt": operator.gt,
    "le": operator.le,
    "lt": operator.lt,
}
_BOUNDS: Final = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


@dataclass(frozen=True, kw_only=True)
class Unit:
    """What a bare number of a key is; to be put beside the key's bounds, ``Annotated[..., SHARE]``.

    Attributes:
        of_one_percent: How one per cent is written as a bare number.
        name: What the bare number is called.
        no_fractions: Whether a bare number of more than 0 and less than 1 is refused: a share was
            written where per cent is wanted. With a percent sign, ``"0.5%"``, it is taken.
        no_whole_one: Whether a whole 1 is refused, where one per cent may have been meant and all
            is rarely wanted. ``1.0`` and ``"100%"`` are taken.
    """

    of_one_percent: Decimal
    name: str
    no_fractions: bool = False
    no_whole_one: bool = False


SHARE: Final = Unit(of_one_percent=Decimal("0.01"), name="a share")
"""0.2 is 20 %."""
PART: Final = Unit(of_one_percent=Decimal("0.01"), name="a share", no_whole_one=True)
"""0.2 is 20 %, and 1.0 is all; 1 could be 1 %."""
POINTS: Final = Unit(of_one_percent=Decimal(1), name="percentage points")
"""0.5 is half a percentage point; so is ``"0.5%"``."""
AT_LEAST: Final = Unit(of_one_percent=Decimal(1), name="per cent", no_fractions=True)
"""Per cent that have to be reached. 95 is 95 %; 0.95 is a mistake, since a limit of less than 1 %
would let everything pass. A section that has it writes such a number as ``percent_form`` does."""


class Section(BaseModel):
    """A table of a recipe: unknown keys are mistakes, and values have the type they look like."""

    # Strict would refuse `1` where `1.0` is meant, which TOML authors write all the time;
    # unknown keys are refused, since they are nearly always misspelt ones.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_conversion(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse ``true`` and ``"40"`` where a number is meant; pydantic would convert them."""
        field = cls.model_fields[str(info.field_name)]
        kind, _ = _bare(field.annotation)
        unit = _unit(field)
        if unit is not None:
            value = _in_unit(value, unit, field)
        number = kind in (int, float) or (
            get_origin(kind) is Literal and all(isinstance(one, int) for one in get_args(kind))
        )
        text_or_number = isinstance(value, int | float | str) and not isinstance(value, bool)
        if (number and isinstance(value, bool | str)) or (kind is bool and text_or_number):
            raise ValueError(f"not {_kind(value)}")
        return value


def number_or_text(text: str) -> float | str:
    """Return what an option of a recipe's key was given: a number, or the text that is none."""
    try:
        return float(text)
    except ValueError:
        return text


def as_share(value: object) -> object:
    """Return a value of a key that is a share as a bare number, where it is written as per cent."""
    percent = percent_of(value) if isinstance(value, str) else None
    return value if percent is None else float(percent * SHARE.of_one_percent)


def percent_form(value: float | None) -> float | str | None:
    """Return a value of a key that takes no bare fractions as it can be read again."""
    if value is None or not 0 < value < 1:
        return value
    return f"{decimal_text(Decimal(str(value)))}%"


def _unit(field: FieldInfo) -> Unit | None:
    notes = [*field.metadata, *_bare(field.annotation)[1]]
    return next((one for one in notes if isinstance(one, Unit)), None)


def _in_unit(value: Any, unit: Unit, field: FieldInfo) -> Any:
    """Return a value of a key with a unit as a bare number; what is no number, as it is.

    Raises:
        ValueError: If the number cannot be meant; it says what it could mean.
    """
    if isinstance(value, str):
        percent = percent_of(value)
        if percent is None:
            return value
        number = percent * unit.of_one_percent
        return float(number)
    if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
        return value
    number = Decimal(str(value))
    bare, hundredfold = decimal_text(number), decimal_text(100 * number)
    if unit.no_fractions and 0 < number < 1:
        raise ValueError(
            f'{bare} could be {hundredfold} % or {bare} %: write {hundredfold} or "{bare}%"'
        )
    whole_one = unit.no_whole_one and isinstance(value, int) and value == 1
    too_much = unit.name == SHARE.name and number >= 1 and not _is_within(number, field)
    if whole_one or too_much:
        as_percent = number * unit.of_one_percent
        if _is_within(as_percent, field):
            raise ValueError(
                f"{bare} would be {hundredfold} %; for {bare} % write "
                f'{decimal_text(as_percent)} or "{bare}%"'
            )
        raise ValueError(
            f"neither {hundredfold} %, which {bare} is as a share, nor {bare} % is possible"
        )
    return value


def _is_finite(value: float) -> bool:
    return abs(value) < 1e15


def _is_within(number: Decimal, field: FieldInfo) -> bool:
    limits = [*field.metadata, *_bare(field.annotation)[1]]
    return all(
        keeps(number, Decimal(str(getattr(limit, name))))
        for limit in limits
        for name, keeps in _KEEPS.items()
        if getattr(limit, name, None) is not None
    )


def _kind(value: bool | str | float) -> str:
    if isinstance(value, bool):
        return "true or false"
    return "a text" if isinstance(value, str) else "a number"


def refusal(
    source: str, mistakes: Sequence[str], *, expected: str, remedy: str, notes: Sequence[str] = ()
) -> RecipeError:
    """Return the error that lists a recipe's mistakes, and then the notes, a line each."""
    count = "one mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
    listed = "\n".join(f"  {line}" for line in [*mistakes, *notes])
    return RecipeError(
        f"{source} has {count}:\n{listed}", observed=count, expected=expected, remedy=remedy
    )


def explain(
    mistake: ErrorDetails,
    *,
    raw: Mapping[str, Any],
    recipe: type[BaseModel],
    options: Mapping[str, str],
) -> str:
    """Say one mistake as ``key = value: what is allowed``.

    Args:
        mistake: As pydantic found it.
        raw: The recipe's tables, as they were written.
        recipe: What they were taken for.
        options: Key to the option that gave it, which is named instead.

    Returns:
        One line. Mistakes in parts of one value, such as a height with its width, all give the
        line of that value.
    """
    location, value, message = mistake["loc"], mistake["input"], mistake["msg"]
    # Our own validators say what a value must not be, for example "not a text".
    message = message.removeprefix("Value error, ")
    option = options.get(_key(location[:2]))
    if option is not None and mistake["type"] != "value_error":
        value = _as_given(value, location, raw=raw, recipe=recipe)
        return f"{option} {value}: {message.replace('Input should be', 'has to be')}"
    table, depth = _table_of(location[:-1], recipe)
    if mistake["type"] == "extra_forbidden":
        keys = ", ".join(table.model_fields)
        return f"{_key(location)} = {shown(value)}: no such key; allowed here: {keys}"
    if depth >= len(location) or str(location[depth]) not in table.model_fields:
        # Of a table as a whole: JSON may hold keys that are no valid text; TOML may not.
        return f"{_key(location) or 'recipe'}: {message}"
    field, whole = table.model_fields[str(location[depth])], location[: depth + 1]
    allowed = field.description or _allowed(whole, field)
    if location != whole and _is_list(field):
        whole, allowed = location, _values(get_args(_bare(field.annotation)[0])[0])
    elif location != whole:
        value = _written(raw, whole)
    elif mistake["type"] == "missing":
        return f"{_key(whole)}: missing; needed is {allowed}"
    elif mistake["type"] == "value_error":
        allowed = f"{allowed}, {message}" if message.startswith("not ") else f"{allowed}; {message}"
    else:
        value = _as_given(value, location, raw=raw, recipe=recipe)
    if option is not None:
        return f"{option} {value}: {allowed}"
    return f"{_key(whole)} = {shown(value)}: {allowed}"


def _as_given(
    value: object,
    location: Sequence[int | str],
    *,
    raw: Mapping[str, Any],
    recipe: type[BaseModel],
) -> object:
    """Return what was written for a number with a unit, which may have been per cent."""
    table, depth = _table_of(location[:-1], recipe)
    field = table.model_fields.get(str(location[depth])) if depth < len(location) else None
    return value if field is None or _unit(field) is None else _written(raw, location)


def shown(value: object, depth: int = 0) -> str:
    """Return a value about as it is written in TOML, on one line and not too long."""
    if depth == _DEEPEST:
        return "..."
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, int):
        # Python refuses to write numbers of many thousand digits in decimal.
        text = str(value) if value.bit_length() < 256 else hex(value)
    elif isinstance(value, list | tuple):
        text = f"[{', '.join(shown(one, depth + 1) for one in value)}]"
    elif isinstance(value, Mapping):
        text = f"{{{', '.join(f'{key} = {shown(one, depth + 1)}' for key, one in value.items())}}}"
    else:
        text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _key(location: Sequence[int | str]) -> str:
    return ".".join(map(str, location))


def _table_of(
    location: Sequence[int | str], recipe: type[BaseModel]
) -> tuple[type[BaseModel], int]:
    """Return the innermost table of a place, and how many parts of the place lead there."""
    table = recipe
    for depth, part in enumerate(location):
        kind, _ = _bare(table.model_fields[str(part)].annotation)
        if not _is_table(kind):
            return table, depth
        table = kind
    return table, len(location)


def _written(raw: Mapping[str, Any], location: Sequence[int | str]) -> object:
    value: Any = raw  # tables within tables, and at last a value of any kind
    for part in location:
        value = value[part]
    return value


def _bare(annotation: Any) -> tuple[Any, Sequence[Any]]:
    """Return a type without ``Annotated`` and ``| None``, and what was annotated."""
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return _bare(next(one for one in get_args(annotation) if one is not type(None)))
    if origin is Annotated:
        kind, *notes = get_args(annotation)
        return kind, [limit for note in notes for limit in getattr(note, "metadata", (note,))]
    return annotation, ()


def _is_table(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _is_list(field: FieldInfo) -> bool:
    return get_args(_bare(field.annotation)[0])[-1:] == (...,)


def _allowed(location: Sequence[int | str], field: FieldInfo) -> str:
    """Say what a key takes, from its declaration."""
    kind, limits = _bare(field.annotation)
    if _is_table(kind):
        return f"a table, [{_key(location)}]"
    bounds = [
        f"{words} {getattr(limit, name)}"
        for limit in (*field.metadata, *limits)
        for name, words in _BOUNDS.items()
        if hasattr(limit, name)
    ]
    return f"{_values(kind)}, {' and '.join(bounds)}" if bounds else _values(kind)


def _values(kind: Any) -> str:
    if get_origin(kind) is Literal:
        *others, last = map(shown, get_args(kind))
        return f"{', '.join(others)} or {last}"
    if get_origin(kind) is tuple:
        return f"a list of one or more of {_values(get_args(kind)[0])}"
    return _NAMES[kind]
