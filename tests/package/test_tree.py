"""A whole bundle of a released model, made, installed and run on this machine's processor."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecnn.errors import PackageError
from edgecnn.package.pi.debian import write_archive
from edgecnn.package.proven import find_proven, refuse_unloadable
from edgecnn.package.unproven import OpenCriterion, Unproven
from package.bundle_here import RESNET8, make_bundle_here, needs_this_platform

MINIMAL = Path(__file__).parents[1] / "benchmarks/minimal_start.py"

pytestmark = [pytest.mark.slow, *needs_this_platform]


@pytest.fixture(scope="module", params=["litert", "onnxruntime", "tflite-runtime"])
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unpacked bundle of resnet8, with the real runtime."""
    folder = tmp_path_factory.mktemp("bundle") / "resnet8-1.0"
    make_bundle_here(folder, request.param)
    return folder


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*map(str, command)], capture_output=True, text=True, timeout=300, check=False
    )


def test_it_is_installed_tests_itself_and_classifies(bundle: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    done = run(bundle / "install.sh", "--prefix", prefix, "--json")
    assert done.returncode == 0, done.stderr
    assert "16 golden images as expected" in json.loads(done.stdout)["self_test"][0]
    image = tmp_path / "image.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (100, 120, 3), dtype=np.uint8)
    Image.fromarray(noise).save(image)
    program = prefix / "resnet8/current/bin/edgecnn-run"
    before = sorted(prefix.rglob("*"))
    done = run(program, "classify", image, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    (row,) = json.loads(done.stdout)
    (model,) = (bundle / "models").glob("resnet8-int8.*")
    if not (bundle / "lib/tflite_runtime").exists():  # which is not installed here
        own: list[str | Path] = [
            sys.executable,
            "-m",
            "edgecnn_runner",
            "classify",
            model,
            image,
            "--json",
        ]
        assert json.loads(run(*own).stdout)[0]["ranked"] == row["ranked"]
    assert sorted(prefix.rglob("*")) == before, "running it writes nothing beside it"


def test_what_is_not_proven_is_said_on_the_device(tmp_path: Path) -> None:
    """By the installer before and after it installs, by the self-test, and by info."""
    criterion = OpenCriterion(
        name="accuracy_drop", about="", estimate=0.01, low=-0.02, high=0.04, level=0.95, limit=0.02
    )
    unproven = Unproven(images=60, dataset="toys", criteria=(criterion,))
    bundle, prefix = tmp_path / "resnet8-1.0", tmp_path / "prefix"
    make_bundle_here(bundle, "litert", unproven=unproven)
    said = unproven.statement
    manifest = json.loads((bundle / "manifest.json").read_text())
    (entry,) = manifest["artifacts"]
    assert "proven" not in entry
    assert (entry["not_proven"]["statement"], entry["not_proven"]["images"]) == (said, 60)
    for options in (["--check"], []):
        done = run(bundle / "install.sh", "--prefix", prefix, *options)
        assert done.returncode == 0, done.stderr
        assert f"resnet8-int8.tflite: {said}\n" in done.stdout
    done = run(bundle / "install.sh", "--prefix", prefix, "--check", "--json")
    assert json.loads(done.stdout)["not_proven"] == {"models/resnet8-int8.tflite": said}
    program = prefix / "resnet8/current/bin/edgecnn-run"
    model = prefix / "resnet8/current/models/resnet8-int8.tflite"
    for command in ("selftest", "info"):
        assert f"  {said}\n" in run(program, command, model).stdout, command
        assert json.loads(run(program, command, model, "--json").stdout)["not_proven"] == said
    # The note is one of the bundle's files, which nobody can take out unseen.
    (bundle / "models/not-proven.json").unlink()
    done = run(bundle / "install.sh", "--prefix", prefix, "--check")
    assert done.returncode != 0
    assert "not-proven.json is not the file that was packaged" in done.stderr


def test_an_installed_bundle_loads_little_more_than_the_least(bundle: Path, tmp_path: Path) -> None:
    """At most 60 modules more than the shortest script that does the same, Pillow's apart."""
    image = tmp_path / "image.jpg"
    Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save(image)
    (model,) = (bundle / "models").glob("resnet8-int8.*")
    ours = modules(bundle / "bin/edgecnn-run", "classify", image)
    least = modules(MINIMAL, bundle / "lib", model, image)
    more = {name for name in ours - least if name.partition(".")[0] != "PIL"}
    assert "edgecnn_runner.session" in more
    assert len(more) <= 60, sorted(more)


@pytest.mark.parametrize(("command", "found"), [("camera", True), ("classify", False)])
def test_only_the_camera_finds_the_system_s_packages(
    bundle: Path, command: str, found: bool
) -> None:
    """picamera2 is one of them. Behind the bundle's own, whose numpy is another."""
    code = "import runpy, sys; sys.argv[:] = sys.argv[1:]\ntry: runpy.run_path(sys.argv[0], "
    code += "run_name='__main__')\nexcept SystemExit: pass\nprint('PATH', *sys.path, sep='|')"
    start = ("python3.11", "-I", "-B", "-S", "-c", code)
    done = run(*start, bundle / "bin/edgecnn-run", command, "--help")
    assert done.returncode == 0, done.stderr
    path = done.stdout.splitlines()[-1].split("|")
    assert path[1:3] == [str(bundle / "runner"), str(bundle / "lib")]
    packages = run("python3.11", "-I", "-S", "-c", "import site; print(*site.getsitepackages())")
    for folder in packages.stdout.split():
        assert (folder in path[3:]) is found


def modules(script: Path, *arguments: str | Path) -> set[str]:
    """Return the modules that are loaded once a script has ended."""
    code = "import runpy, sys; sys.argv[:] = sys.argv[1:]\ntry: runpy.run_path(sys.argv[0], "
    code += "run_name='__main__')\nexcept SystemExit: pass\nprint('MODULES', *sys.modules)"
    done = run("python3.11", "-I", "-B", "-S", "-c", code, script, *arguments)
    assert done.returncode == 0, done.stderr
    marker, *names = done.stdout.splitlines()[-1].split()
    assert marker == "MODULES"
    return set(names)


def test_only_what_was_proven_is_taken(tmp_path: Path) -> None:
    copy = tmp_path / "resnet8"
    copy.mkdir()
    for name in ("results.json", "golden.npz", "resnet8-int8.tflite"):
        shutil.copy(RESNET8 / name, copy)
    assert find_proven(copy, None, ["tflite-int8"]).files[0].verdict["images"] == 10_000
    with pytest.raises(PackageError, match=r"tflite-int4 of .* has no PASS"):
        find_proven(copy, None, ["tflite-int4"])
    record = json.loads((copy / "results.json").read_text())
    for row in record["artifacts"]:
        row["verdict"] = "FAIL"
    (copy / "results.json").write_text(json.dumps(record))
    with pytest.raises(PackageError, match="verdict FAIL"):
        find_proven(copy, None, ["tflite-int8"])
    shutil.copy(RESNET8 / "results.json", copy)
    with (copy / "resnet8-int8.tflite").open("ab") as file:
        file.write(b"x")
    with pytest.raises(PackageError, match="is not the file that was verified"):
        find_proven(copy, None, ["tflite-int8"])
    (copy / "results.json").write_text("{}")
    with pytest.raises(PackageError, match="no record of a verification"):
        find_proven(copy, None, ["tflite-int8"])


@pytest.mark.parametrize(
    ("variant", "package", "version", "said"),
    [
        ("tflite-int8", "onnxruntime", "1.32.0", "does not read tflite files"),
        ("onnx-int8", "ai-edge-litert", "2.3.0", "does not read onnx files"),
        ("onnx-int8", "onnxruntime", "1.10.0", "needs onnxruntime 1.12.0 or newer"),
        ("tflite-int8", "tflite-runtime", "1.13.0", "needs the runtime of TensorFlow 1.14.0"),
    ],
)
def test_what_the_runtime_cannot_load_is_refused(
    variant: str, package: str, version: str, said: str
) -> None:
    proven = find_proven(RESNET8, None, [variant])
    with pytest.raises(PackageError, match=said):
        refuse_unloadable(proven, package=package, version=version)


def test_what_the_runtime_loads_passes() -> None:
    proven = find_proven(RESNET8, None, ["tflite-int8"])
    for package, version in (("ai-edge-litert", "2.3.0"), ("tflite-runtime", "2.14.0")):
        refuse_unloadable(proven, package=package, version=version)


# The smallest: a large library takes long to compress, and is a file like another.
@pytest.mark.parametrize("bundle", ["tflite-runtime"], indirect=True)
def test_the_archive_unpacks_to_the_same(bundle: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_archive(bundle, tmp_path / f"{name}.tar.gz", name="resnet8-1.0", date=0)
    one = tmp_path / "one.tar.gz"
    assert one.read_bytes() == (tmp_path / "two.tar.gz").read_bytes()
    assert run("tar", "xzf", one, "-C", tmp_path).returncode == 0
    done = run(tmp_path / "resnet8-1.0/install.sh", "--prefix", tmp_path / "prefix", "--check")
    assert done.returncode == 0, done.stderr
