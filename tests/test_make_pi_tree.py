"""``.ci/make-pi-tree`` where it makes nothing; tests/emulated_pi uses what it makes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci/make-pi-tree"
SYSTEM = "/usr/sbin:/usr/bin:/sbin:/bin"


def make_pi_tree(
    cache: Path, *arguments: str, user: int = 0, path: str = SYSTEM
) -> subprocess.CompletedProcess[str]:
    """Run it as if this were that user."""
    stand_in = cache / "bin"
    stand_in.mkdir(exist_ok=True)
    (stand_in / "id").write_text(f"#!/bin/sh\necho {user}\n")
    (stand_in / "id").chmod(0o755)
    return subprocess.run(
        ["/bin/sh", SCRIPT, *arguments],
        env={"PATH": f"{stand_in}:{path}", "XDG_CACHE_HOME": str(cache), "HOME": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )


def refused(done: subprocess.CompletedProcess[str], cache: Path) -> str:
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert "  remedy:   " in done.stderr
    assert not list(cache.rglob("*.tar"))
    return done.stderr


@pytest.mark.parametrize("arguments", [[], ["../x"], ["buster"]])
def test_a_system_that_it_does_not_know(arguments: list[str], tmp_path: Path) -> None:
    assert "name bookworm or trixie" in refused(make_pi_tree(tmp_path, *arguments), tmp_path)


def test_who_is_not_root_is_told_so(tmp_path: Path) -> None:
    said = refused(make_pi_tree(tmp_path, "bookworm", user=1000), tmp_path)
    assert "sudo .ci/make-pi-tree bookworm" in said


def test_tools_that_are_missing_are_named_as_packages(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("cat", "cksum", "grep"):
        (tools / tool).symlink_to(f"/usr/bin/{tool}")
    said = refused(make_pi_tree(tmp_path, "bookworm", path=str(tools)), tmp_path)
    for package in ("debootstrap", "qemu-user-static", "binfmt-support"):
        assert package in said.partition("apt install")[2]


def test_what_is_there_stays_unless_its_recipe_has_changed(tmp_path: Path) -> None:
    trees = tmp_path / "edgecnn/trees"
    trees.mkdir(parents=True)
    tree, recipe = trees / "bookworm-arm64.tar", trees / "bookworm-arm64.tar.recipe"
    tree.write_text("a tree")
    with SCRIPT.open("rb") as text:
        done = subprocess.run(["cksum"], stdin=text, capture_output=True, check=True)
    recipe.write_bytes(done.stdout)
    # Who could not make one is given it, too.
    said = make_pi_tree(tmp_path, "bookworm", user=1000)
    assert (said.returncode, said.stdout, said.stderr) == (0, f"{tree}\n", "")
    recipe.write_text("1 2\n")
    said = make_pi_tree(tmp_path, "bookworm", user=1000)
    assert said.returncode == 1
    assert "can be made by root alone" in said.stderr
    assert tree.read_text() == "a tree"
