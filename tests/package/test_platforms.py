from __future__ import annotations

import pytest

from edgecnn.errors import UsageError
from edgecnn.package.pi.platforms import ARCHITECTURES, SYSTEMS, Platform, choose_platform
from edgecnn.package.pi.wheels import read_lock
from edgecnn_runner.runtimes.choice import RUNTIMES

ALL = [
    Platform(system=system, runtime=name) for system in SYSTEMS.values() for name in system.runtimes
]


def test_the_first_runtime_is_the_default() -> None:
    assert choose_platform("bookworm", None).runtime == "litert"
    platform = choose_platform("trixie", "onnxruntime")
    assert (platform.python_tag, platform.architecture) == ("cp313", "aarch64")


@pytest.mark.parametrize(
    ("system", "runtime"), [("trixie", "tflite-runtime"), ("bullseye", None), ("bookworm", "torch")]
)
def test_what_cannot_exist_is_refused_with_what_can(system: str, runtime: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        choose_platform(system, runtime)
    assert "--os bookworm with --runtime litert, onnxruntime, tflite-runtime" in str(caught.value)


@pytest.mark.parametrize("platform", ALL, ids=lambda one: one.lock.stem)
def test_each_lock_pins_the_runtime_numpy_and_pillow_for_both_processors(
    platform: Platform,
) -> None:
    pins = {pin.name: pin for pin in read_lock(platform)}
    assert {RUNTIMES[platform.runtime].package, "numpy", "pillow"} <= set(pins)
    assert all(1 <= len(pin.sha256) <= len(ARCHITECTURES) for pin in pins.values())
    numpy_1 = pins["numpy"].version.startswith("1.")
    assert numpy_1 == (platform.system.name == "bookworm"), "picamera2 of bookworm needs numpy 1"
    assert "tensorflow" not in pins


def test_wheels_of_an_older_c_library_fit() -> None:
    tags = choose_platform("bookworm", None).wheel_tags()
    assert tags[0] == "manylinux_2_36_aarch64"
    assert {"manylinux_2_17_aarch64", "manylinux2014_aarch64", "manylinux_2_28_aarch64"} <= set(
        tags
    )
