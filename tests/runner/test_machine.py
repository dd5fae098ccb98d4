from __future__ import annotations

import json
import platform

from edgecnn_runner.machine import describe_machine, peak_memory_bytes


def test_the_machine_is_named_in_json_ready_words() -> None:
    facts = describe_machine()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["architecture"] == platform.machine()
    assert facts["processor"]
    assert facts["cores"] >= 1


def test_peak_memory_is_that_of_this_process() -> None:
    peak = peak_memory_bytes()
    assert peak is not None
    # A Python with numpy takes tens of megabytes, and no test here takes 8 GB.
    assert 10 << 20 < peak < 8 << 30
