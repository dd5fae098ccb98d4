"""What the files of a verification are called."""

from __future__ import annotations

from itertools import product

from edgecnn.build.workspace import Workspace
from edgecnn.verify.recording import report_names


def test_those_of_the_build_are_those_of_all_of_it_here() -> None:
    names = report_names(partial=False, device="local")
    assert names == (Workspace.PARITY, Workspace.REPORT)


def test_no_verification_takes_the_files_of_another_kind_or_place() -> None:
    # The last two are alike once what no file name should have is taken out.
    devices = ("local", "ssh://pi@host", "ssh://pi@other", "cmd:a b", "cmd:a/b")
    pairs = [report_names(partial=p, device=d) for p, d in product((False, True), devices)]
    assert len({name for pair in pairs for name in pair}) == 2 * len(pairs)


def test_names_say_which_part_and_where() -> None:
    parity, page = report_names(partial=True, device="ssh://pi@host")
    assert parity.startswith("parity-partial-on-ssh-pi@host-")
    assert parity.endswith(".json")
    assert page.startswith("report-partial-on-ssh-pi@host-")
    assert page.endswith(".html")
    assert report_names(partial=False, device="ssh://pi@host")[0].startswith("parity-on-ssh-pi@")
