"""In which number format to train: bfloat16 pays only where the processor computes in it."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_X86: Final = ("amx_bf16", "avx512_bf16")
_CPUINFO: Final = Path("/proc/cpuinfo")


@dataclass(frozen=True, kw_only=True)
class TrainingPrecision:
    """The precision of a training and why it was chosen.

    Attributes:
        name: ``float32`` or ``mixed_bfloat16``, a Keras dtype policy.
        reason: For the user, without a full stop.
    """

    name: str
    reason: str


def bfloat16_instructions(cpuinfo: str) -> str | None:
    """Return the flag that says a processor multiplies bfloat16, or None.

    Args:
        cpuinfo: Text of ``/proc/cpuinfo``: ``flags`` on x86, ``Features`` on arm64.

    >>> bfloat16_instructions("flags : fpu avx512f avx512_bf16")
    'avx512_bf16'
    """
    flags: set[str] = set()
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            flags.update(value.split())
    return next((flag for flag in (*_X86, "bf16") if flag in flags), None)


def choose_precision(asked: str, *, cpuinfo: str | None = None) -> TrainingPrecision:
    """Decide how to train.

    Args:
        asked: ``auto``, ``float32`` or ``mixed_bfloat16``; only ``auto`` looks at the processor.
        cpuinfo: Text of ``/proc/cpuinfo``; by default this machine's, nothing where there is no
            such file.
    """
    if asked != "auto":
        return TrainingPrecision(name=asked, reason="the recipe says so")
    if cpuinfo is None:
        cpuinfo = _CPUINFO.read_text(errors="replace") if _CPUINFO.exists() else ""
    flag = bfloat16_instructions(cpuinfo)
    if flag is None:
        return TrainingPrecision(
            name="float32", reason=f"this {platform.machine()} processor has no bfloat16"
        )
    return TrainingPrecision(name="mixed_bfloat16", reason=f"the processor has {flag}")
