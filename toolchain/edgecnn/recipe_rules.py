"""Rules of a recipe that concern two keys at once.

They look at the plain values, so that they are told together with the mistakes of single keys,
and not only once those are mended. A value of a wrong type is left to the check of its own key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["cross_key_mistakes"]


def cross_key_mistakes(raw: Mapping[str, Any]) -> Iterator[str]:
    """Yield each mistake as ``key = value: what is allowed``.

    Args:
        raw: The recipe's tables, not yet validated.
    """
    data, train = _table(raw, "data"), _table(raw, "train")
    optimizer = _table(train, "optimizer")
    kind = data.get("name", "cifar10")
    if kind == "folder" and data.get("path") is None:
        yield "data.path: missing; required when data.name is 'folder'"
    if kind in ("cifar10", "digits") and data.get("image_size") is not None:
        yield f"data.image_size = {data['image_size']!r}: applies to data.name = 'folder' only"
    name = optimizer.get("name", "rmsprop")
    momentum, decay = optimizer.get("momentum", 0), optimizer.get("weight_decay", 0)
    if momentum and name in ("adam", "adamw"):
        yield f"train.optimizer.momentum = {momentum!r}: not for {name!r}"
    if decay and name in ("rmsprop", "adam"):
        yield (
            f"train.optimizer.weight_decay = {decay!r}: only for 'sgd' and 'adamw', "
            f"not for {name!r}"
        )
    warmup, epochs = optimizer.get("warmup_epochs", 0), train.get("epochs", 40)
    distillation = _table(train, "distillation")
    alone = sorted(set(distillation) - {"teacher"})
    if alone and "teacher" not in distillation:
        yield f"train.distillation.teacher: missing; required with {', '.join(alone)}"
    numbers = isinstance(warmup, (int, float)) and isinstance(epochs, int)
    if numbers and warmup > 0 and warmup >= epochs:
        yield f"train.optimizer.warmup_epochs = {warmup!r}: less than train.epochs = {epochs}"


def _table(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = raw.get(name)
    return table if isinstance(table, Mapping) else {}
