"""Which tensor of a converted file is which of the float file: told by where they come from.

TFLite's converter names a tensor by the operators of the source that went into it, joined by
semicolons, and puts a number behind a name that is taken already. Two conversions of one model
share these names, but not where they fuse operators differently or number a name differently. A
match has to have the same shape, and all matches have to keep the order of the operators.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from edgecnn.modelfile.layers.tally import LayerError, Tally


@dataclass(frozen=True, kw_only=True)
class Made:
    """A tensor that an operator makes.

    Attributes:
        name: Its name.
        shape: Its shape.
        aliases: Names of tensors that hold the same values in another type.
    """

    name: str
    shape: tuple[int, ...]
    aliases: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All of its names."""
        return (self.name, *self.aliases)


@dataclass(frozen=True, kw_only=True)
class Matches:
    """What belongs together.

    Attributes:
        pairs: Name in the float file to name in the converted file, in order.
        fused: Name in the float file to the names of its tensors that are computed inside the
            converted file's counterpart.
        unmatched: Names in the float file without a counterpart, in order.
    """

    pairs: Mapping[str, str]
    fused: Mapping[str, tuple[str, ...]]
    unmatched: tuple[str, ...]


def match(
    source: Sequence[Made],
    target: Sequence[Made],
    *,
    source_names: Collection[str],
    target_names: Collection[str],
) -> Matches:
    """Match the tensors of two files.

    Args:
        source: The float file's, in the order in which they are computed.
        target: The converted file's, likewise.
        source_names: Names of all tensors of the float file, constants included.
        target_names: Names of all tensors of the converted file.

    Returns:
        What belongs together.
    """
    pairs: dict[int, int] = {}
    for naming in (_itself, _without_number):
        _by_equal_names(
            pairs,
            [{naming(name, source_names) for name in one.names} for one in source],
            [{naming(name, target_names) for name in one.names} for one in target],
        )
    origins = _origins(source, source_names), _origins(target, target_names)
    covered = _by_shared_origin(pairs, *origins)
    pairs = {f: t for f, t in pairs.items() if source[f].shape == target[t].shape}
    pairs = _in_order(pairs)
    inside = {
        source[f].name: tuple(source[g].name for g in covered[t] if g < f and g not in pairs)
        for f, t in pairs.items()
    }
    hidden = {name for names in inside.values() for name in names}
    return Matches(
        pairs={source[f].name: target[t].name for f, t in pairs.items()},
        fused={name: names for name, names in inside.items() if names},
        unmatched=tuple(
            one.name for f, one in enumerate(source) if f not in pairs and one.name not in hidden
        ),
    )


def _itself(name: str, names: Collection[str]) -> str:
    del names
    return name


def _without_number(name: str, names: Collection[str]) -> str:
    """Take off the number that the converter put behind a name that was taken."""
    base = name
    while base and base[-1].isdigit():
        base = base[:-1]
        if base in names:
            return base
    return name


def _by_equal_names(
    pairs: dict[int, int], source: Sequence[set[str]], target: Sequence[set[str]]
) -> None:
    """Pair what has a name in common, where no other free tensor of either file has it."""
    taken = set(pairs.values())
    free = [t for t in range(len(target)) if t not in taken]
    makers: dict[str, list[int]] = {}
    for t in free:
        for name in target[t]:
            makers.setdefault(name, []).append(t)
    wanted = Counter(name for f in range(len(source)) if f not in pairs for name in source[f])
    for f, names in enumerate(source):
        if f in pairs:
            continue
        found = {t for name in names if wanted[name] == 1 for t in makers.get(name, [])}
        if len(found) == 1 and not found & taken:
            (pairs[f],) = found
            taken |= found


def _origins(made: Sequence[Made], names: Collection[str]) -> list[set[str]]:
    """Return the source operators of each tensor; those that more than one names tell nothing."""
    parts = [
        {part for name in one.names for part in _without_number(name, names).split(";") if part}
        for one in made
    ]
    counts = Counter(part for found in parts for part in found)
    return [{part for part in found if counts[part] == 1} for found in parts]


def _by_shared_origin(
    pairs: dict[int, int], source: Sequence[set[str]], target: Sequence[set[str]]
) -> dict[int, list[int]]:
    """Pair the last tensors with a common origin, and tell which a converted one is made of.

    Where one file does in one operator what the other does in several, it is the last of these
    that has the same values.
    """
    maker = {part: f for f, parts in enumerate(source) for part in parts}
    reader = {part: t for t, parts in enumerate(target) for part in parts}
    covered = [sorted({maker[part] for part in parts if part in maker}) for parts in target]
    taken = set(pairs.values())
    for t, found in enumerate(covered):
        if t in taken or not found or found[-1] in pairs:
            continue
        last = max(reader[part] for part in source[found[-1]] if part in reader)
        if last == t:
            pairs[found[-1]] = t
    return dict(enumerate(covered))


def _in_order(pairs: Mapping[int, int]) -> dict[int, int]:
    """Keep the most pairs that rise in both files (the longest increasing subsequence)."""
    ordered = sorted(pairs.items())
    ends: list[int] = []
    last: list[int] = []
    before: list[int] = []
    for place, (_, target) in enumerate(ordered):
        length = bisect.bisect_left(ends, target)
        before.append(last[length - 1] if length else -1)
        ends[length : length + 1] = [target]
        last[length : length + 1] = [place]
    kept: dict[int, int] = {}
    place = last[-1] if last else -1
    while place >= 0:
        source, target = ordered[place]
        kept[source] = target
        place = before[place]
    return dict(sorted(kept.items()))


@dataclass(frozen=True, kw_only=True)
class LayerNode:
    """One tensor of the float file and what makes it.

    Attributes:
        name: The tensor.
        operator: Type of its operator.
        reads: Names of the tensors that the operator reads, constants included.
    """

    name: str
    operator: str
    reads: tuple[str, ...]


def assemble(
    nodes: Sequence[LayerNode],
    tallies: Mapping[str, Tally],
    *,
    fused: Mapping[str, tuple[str, ...]],
    weights_db: Mapping[str, float],
) -> tuple[LayerError, ...]:
    """Put the layers together.

    Args:
        nodes: All that the float file computes, in order.
        tallies: Name to numbers; what is missing is no layer.
        fused: Name to what is computed inside of it.
        weights_db: Name to the ratio of the operator's weights, where it has some.

    Returns:
        One layer for each tally.
    """
    by_name = {node.name: node for node in nodes}
    places = {
        node.name: place
        for place, node in enumerate(node for node in nodes if node.name in tallies)
    }
    layers = []
    for name, position in places.items():
        tally, inside = tallies[name], fused.get(name, ())
        layers.append(
            LayerError(
                name=name,
                operator=by_name[inside[0] if inside else name].operator,
                position=position,
                snr_db=tally.snr_db,
                channels_db=tally.channels_db,
                saturated=tally.saturated,
                storage_db=tally.storage_db,
                storage_channels_db=tally.storage_channels_db,
                clipped=tally.clipped,
                spread=tally.spread,
                weights_db=weights_db.get(name),
                inputs=_inputs(by_name[name], by_name, places),
                fused=inside,
            )
        )
    return tuple(layers)


def _inputs(
    node: LayerNode, by_name: Mapping[str, LayerNode], places: Mapping[str, int]
) -> tuple[int, ...]:
    """Return the layers that a tensor is computed from, through tensors that are none."""
    found: set[int] = set()
    seen: set[str] = set()
    waiting = [*node.reads]
    while waiting:
        name = waiting.pop()
        if name in seen or name not in by_name:
            continue
        seen.add(name)
        if name in places:
            found.add(places[name])
        else:
            waiting += by_name[name].reads
    return tuple(sorted(found))
