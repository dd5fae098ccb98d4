"""A profile on a Raspberry Pi's processor, by the runtime of the bundle installed there."""

from __future__ import annotations

import pytest

from edgecnn.bench.profile import Asking, profile_file
from edgecnn.devices.address import Address
from edgecnn.devices.command import CommandDevice
from edgecnn.modelfile import read_graph
from edgecnn_installer.main import PREFIX
from emulated_pi.bundles import RESNET8, Bundles, put
from emulated_pi.pi import SHOWN_AT, Pi

pytestmark = [pytest.mark.slow, pytest.mark.emulated_pi]


@pytest.mark.long  # takes minutes
def test_onnxruntime_tells_times_there_too(pi: Pi, bundles: Bundles) -> None:
    folder = put(bundles.made("1.0", system=pi.suite, runtime="onnxruntime"), pi)
    assert pi.run(f"{folder}/install.sh").code == 0
    command = (*pi.shown_by(), "chroot", str(SHOWN_AT), "python3")
    device = CommandDevice(Address(text="pi", kind="cmd", command=command))
    data = (RESNET8 / "resnet8-int8.onnx").read_bytes()
    found = profile_file(
        "resnet8-int8.onnx", data, device, asking=Asking(runs=5, prefixes=[PREFIX])
    )
    assert sum(one.share or 0 for one in found.operators) == pytest.approx(1)
    assert sum(one.macs or 0 for one in found.operators) == read_graph(data).macs
    assert found.runtime is not None
    assert found.runtime.startswith("onnxruntime ")
