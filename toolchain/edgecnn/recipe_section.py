"""What all sections of a recipe have in common, and how mistakes in them are told.

What a key allows is read from the key's own declaration, so that it is said in the same plain
words whatever is wrong with the value; pydantic's words are about Python and are not shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from edgecnn.errors import RecipeError

__all__ = ["Section", "explain", "refusal", "shown"]

_LONGEST: Final = 80
_DEEPEST: Final = 4
_NAMES: Final = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    Path: "a path, in quotes",
}
_BOUNDS: Final = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


class Section(BaseModel):
    """A table of a recipe: unknown keys are mistakes, and values have the type they look like."""

    # Strict would refuse `1` where `1.0` is meant, which TOML authors write all the time;
    # unknown keys are refused, since they are nearly always misspelt ones.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_conversion(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse ``true`` and ``"40"`` where a number is meant; pydantic would convert them."""
        kind, _ = _bare(cls.model_fields[str(info.field_name)].annotation)
        number = kind in (int, float) or (
            get_origin(kind) is Literal and all(isinstance(one, int) for one in get_args(kind))
        )
        text_or_number = isinstance(value, int | float | str) and not isinstance(value, bool)
        if (number and isinstance(value, bool | str)) or (kind is bool and text_or_number):
            raise ValueError(f"not {_kind(value)}")
        return value


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
    if option is not None:
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
        allowed = f"{allowed}, {message}"
    return f"{_key(whole)} = {shown(value)}: {allowed}"


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
        return kind, [limit for note in notes for limit in getattr(note, "metadata", ())]
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
