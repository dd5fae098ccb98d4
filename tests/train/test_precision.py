from __future__ import annotations

import pytest

from edgecnn.train.precision import bfloat16_instructions, choose_precision

X86 = "processor\t: 0\nflags\t\t: fpu sse avx2 {}\nbugs\t\t: spectre_v1\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd {}\nCPU part\t: 0xd08\n"


@pytest.mark.parametrize(
    ("cpuinfo", "flag"),
    [
        (X86.format("avx512f avx512_bf16 amx_tile"), "avx512_bf16"),
        (X86.format("amx_bf16 avx512_bf16"), "amx_bf16"),
        (X86.format("avx512f avx512_vnni"), None),
        (ARM.format("asimddp bf16 i8mm"), "bf16"),
        (ARM.format("asimddp crc32"), None),
        # A word in another field, or part of another flag, is not the flag.
        ("model name\t: bf16 special\nflags\t: fpu xavx512_bf16\n", None),
        ("", None),
    ],
)
def test_instructions_are_read_from_the_flags(cpuinfo: str, flag: str | None) -> None:
    assert bfloat16_instructions(cpuinfo) == flag
    chosen = choose_precision("auto", cpuinfo=cpuinfo)
    assert chosen.name == ("float32" if flag is None else "mixed_bfloat16")
    assert (flag or "no bfloat16") in chosen.reason


@pytest.mark.parametrize("asked", ["float32", "mixed_bfloat16"])
def test_the_recipe_overrides_the_processor(asked: str) -> None:
    for cpuinfo in (X86.format("avx512_bf16"), ""):
        assert choose_precision(asked, cpuinfo=cpuinfo).name == asked


def test_this_machine_gets_an_answer() -> None:
    assert choose_precision("auto").name in ("float32", "mixed_bfloat16")
