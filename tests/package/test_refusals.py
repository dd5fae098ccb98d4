"""Refusals of ``edgecnn package``: each names the command that helps in that very case.

``tests/integration/test_package_remedies.py`` runs those that convert or verify.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from command import Finished, edgecnn_here
from edgecnn.build.workspace import Workspace
from edgecnn.errors import EdgeError
from edgecnn.package.pi.debian import check_debian
from edgecnn.package.pi.platforms import choose_platform
from edgecnn.package.pi.wheels import collect_wheels
from edgecnn.package.proven import find_proven, refuse_unloadable
from edgecnn.package.request import PackageRequest
from edgecnn.package.web.contents import golden_json
from edgecnn.package.web.stage import refuse_no_folder, refuse_other_folder
from edgecnn.package.web.vendor import collect_vendor
from edgecnn.verify.gate.judgement import Counts, Paired
from edgecnn.verify.gate.tightest import keeps_drop, tightest_kept
from edgecnn_runner.formats.container import read_container
from edgecnn_runner.golden import read_golden
from package.judged_build import FILES, RESNET8, judged_build

COMMAND = re.compile(r": (edgecnn [^;]+?)(?=;|$)")


def commands_in(remedy: str) -> list[str]:
    """Return the command lines that a remedy offers."""
    return COMMAND.findall(remedy)


def remedies(run: Any) -> list[str]:
    with pytest.raises(EdgeError) as caught:
        run()
    return commands_in(caught.value.remedy)


def refused(build: Workspace, variant: str, **asked: Any) -> list[str]:
    request = PackageRequest(source=Path("B"), variants=(variant,), **asked)
    return remedies(lambda: find_proven(Path("B"), build, [variant], request))


def test_a_variant_with_a_pass_is_offered_first(tmp_path: Path) -> None:
    build = judged_build(tmp_path / "b", tflite_int8="FAIL", onnx_int8="PASS")
    first, repair, limits, see = refused(build, "tflite-int8", version="1.0")
    assert first == "edgecnn package B --variant onnx-int8 --runtime onnxruntime --version 1.0"
    again = "edgecnn package B --variant tflite-int8 --version 1.0"
    folder = shlex.quote(str(build.folder))
    assert repair == f"edgecnn convert {folder} --repair && edgecnn verify B && {again}"
    assert limits.startswith("edgecnn verify B --max-drop ")
    assert limits.endswith(f" --save-limits && {again}")
    assert see == "edgecnn verify B"
    # In a browser TFLite does not run, nor does another runtime.
    web = refused(build, "tflite-int8", target="web")
    assert web[0].startswith("edgecnn convert")


def test_what_is_undecided_may_be_packaged_as_that(tmp_path: Path) -> None:
    build = judged_build(tmp_path / "b", tflite_int8="INCONCLUSIVE")
    accept, limits, see = refused(build, "tflite-int8")
    assert accept == "edgecnn package B --variant tflite-int8 --accept-inconclusive"
    # The interval of the class that lost most reaches beyond 6 points; it may be 8.
    options = dict(re.findall(r"(--m\S+) (\S+)", limits))
    assert set(options) == {"--max-drop"}
    assert 2.4 < float(options["--max-drop"]) <= 3
    assert see == "edgecnn verify B"


def test_limits_are_those_of_the_exact_test_not_of_the_interval_alone(tmp_path: Path) -> None:
    build = judged_build(tmp_path / "b", tflite_int8="INCONCLUSIVE")
    record = json.loads(build.path(Workspace.PARITY).read_text())
    row = record["rows"][0]
    # 8 answers lost and 2 gained of 100: the interval ends at 12.48, and 12.5 is not confirmed.
    for one in row["judgement"]["criteria"]:
        one["outcome"] = "undecided" if one["name"] == "accuracy_drop" else "met"
        if one["name"] == "accuracy_drop":
            one["high"] = 0.12477
    paired = Paired(images=100, lost=8, gained=2)
    counts = Counts(overall=paired, disagreements=10, right=78, classes=(paired,))
    row["tightest"] = dataclasses.asdict(tightest_kept(counts))
    build.path(Workspace.PARITY).write_text(json.dumps(record))
    offered = next(line for line in refused(build, "tflite-int8") if "--save-limits" in line)
    found = re.search(r"--max-drop (\S+)", offered)
    assert found is not None
    assert float(found[1]) > 12.5
    assert keeps_drop(paired, float(found[1]))
    assert not keeps_drop(paired, 12.5)


def test_limits_that_nobody_could_want_are_not_offered(tmp_path: Path) -> None:
    build = judged_build(tmp_path / "b", tflite_int8="INCONCLUSIVE")
    record = json.loads(build.path(Workspace.PARITY).read_text())
    for one in record["rows"][0]["judgement"]["criteria"]:
        if one["outcome"] == "undecided":
            one["high"] = 1.0
    build.path(Workspace.PARITY).write_text(json.dumps(record))
    assert not any("--save-limits" in line for line in refused(build, "tflite-int8"))


@pytest.mark.parametrize(
    ("status", "variant", "wanted"),
    [
        ("made", "tflite-fp16", "edgecnn verify B && edgecnn package B --variant tflite-fp16"),
        ("replaced", "tflite-fp16", "edgecnn package B --variant tflite-fp16-mixed"),
        (
            None,
            "tflite-fp16",
            "edgecnn convert F --variant tflite-fp16 && edgecnn verify B && "
            "edgecnn package B --variant tflite-fp16",
        ),
        (None, "tflite-int4", None),
    ],
)
def test_a_variant_without_a_verdict_is_made_or_verified(
    tmp_path: Path, status: str | None, variant: str, wanted: str | None
) -> None:
    build = judged_build(tmp_path / "b", onnx_int8="FAIL")
    manifest = build.manifest()
    if status is not None:
        file = {"file": "x.tflite"} if status == "made" else {"file": None, "reason": "other"}
        manifest["variants"].append({"variant": variant, "status": status, **file})
    build.path(Workspace.MANIFEST).write_text(json.dumps(manifest))
    folder = shlex.quote(str(build.folder))
    assert refused(build, variant) == ([wanted.replace("F", folder)] if wanted else [])


def test_a_record_that_is_not_there_or_damaged_is_made(tmp_path: Path) -> None:
    build = judged_build(tmp_path / "b", tflite_int8="PASS")
    again = "edgecnn package B --variant tflite-int8"
    for text in ("{}", "[]", "{"):
        build.path(Workspace.PARITY).write_text(text)
        assert refused(build, "tflite-int8") == [f"edgecnn verify B && {again}"]
    build.path(Workspace.PARITY).unlink()
    manifest = build.manifest() | {"variants": []}
    build.path(Workspace.MANIFEST).write_text(json.dumps(manifest))
    folder = shlex.quote(str(build.folder))
    anew = f"edgecnn convert {folder} && edgecnn verify B && {again}"
    assert refused(build, "tflite-int8") == [anew]


def test_what_is_missing_or_changed_is_made_anew(tmp_path: Path) -> None:
    build = judged_build(tmp_path / "b c", tflite_int8="PASS")
    anew = (
        f"edgecnn convert {shlex.quote(str(build.folder))} && edgecnn verify B && "
        "edgecnn package B --variant tflite-int8"
    )
    file, golden = build.path(FILES["tflite-int8"]), build.path("golden.npz")
    kept = golden.read_bytes()
    golden.unlink()
    assert refused(build, "tflite-int8") == [anew]
    golden.write_bytes(kept)
    file.unlink()
    assert refused(build, "tflite-int8") == [anew]


def test_a_verdict_that_proves_nothing_names_what_explains_it(tmp_path: Path) -> None:
    build = judged_build(tmp_path / "b", tflite_int8="PASS")
    record = json.loads(build.path(Workspace.PARITY).read_text())
    again = "edgecnn package B --variant tflite-int8"
    own = {"agrees": False, "agreed": 1, "images": 600, "file": "my own.csv"}
    build.path(Workspace.PARITY).write_text(json.dumps(record | {"own_scores": own}))
    assert refused(build, "tflite-int8") == [
        "edgecnn verify B --scores 'my own.csv'",
        f"edgecnn verify B && {again}",
    ]
    guesses = {
        "outcome": "guessing", "right": 200, "images": 600, "largest_class": "cat",
        "largest_images": 210,
    }  # fmt: skip
    build.path(Workspace.PARITY).write_text(json.dumps(record | {"float_model": guesses}))
    assert refused(build, "tflite-int8") == [
        "edgecnn verify B",
        f"edgecnn verify B --min-accuracy 0 --save-limits && {again}",
    ]


def test_a_runtime_that_loads_the_file_is_named(tmp_path: Path) -> None:
    proven = find_proven(RESNET8, None, ["tflite-int8", "onnx-int8"])
    request = PackageRequest(source=Path("B"), variants=("tflite-int8",), runtime="onnxruntime")
    ort, litert = ("onnxruntime", "1.32.0"), ("ai-edge-litert", "2.3.0")

    def refuse(variants: tuple[str, ...], others: dict[str, tuple[str, str]]) -> list[str]:
        files = tuple(one for one in proven.files if one.contract.variant in variants)
        from dataclasses import replace

        return remedies(
            lambda: refuse_unloadable(
                replace(proven, files=files), package=ort[0], version=ort[1],
                request=replace(request, variants=variants), others=others,
            )
        )  # fmt: skip

    assert refuse(("tflite-int8",), {"litert": litert}) == [
        "edgecnn package B --variant tflite-int8 --runtime litert"
    ]
    # Nothing loads both: what is left out is left out.
    assert refuse(("tflite-int8", "onnx-int8"), {"litert": litert}) == [
        "edgecnn package B --variant onnx-int8 --runtime onnxruntime"
    ]


@pytest.mark.parametrize(
    ("arguments", "offered"),
    [
        (("--target", "web2"), ["--target web"]),
        (("--target", "web", "--os", "trixie"), ["--target web"]),
        (("--vendor-dir", "x"), [""]),
        (("--format", "zip"), [""]),
        (("--os", "buster", "--runtime", "tflite-runtime"), ["--os bookworm", "--os trixie"]),
        (("--os", "trixie", "--runtime", "tflite-runtime"), ["--os trixie", "--os bookworm"]),
        (("--version", "1/0"), ["--version 1.2.0", ""]),
        (("--target", "web", "--variant", "tflite-int8"), ["--target web"]),
    ],
)
def test_an_option_that_cannot_be_is_given_right_or_left_out(
    tmp_path: Path, arguments: tuple[str, ...], offered: list[str]
) -> None:
    """Every command that is offered goes further: it is not refused for the same."""
    source = tmp_path / "resnet8"
    source.mkdir()
    for name in ("results.json", "golden.npz"):  # no model file, which ends each of them
        (source / name).write_bytes((RESNET8 / name).read_bytes())
    first = edgecnn_here("package", source, *arguments)
    assert first.code == 2, first.err
    found = commands_in(error_of(first))
    assert len(found) >= len(offered)
    for line in found:
        then = edgecnn_here(*shlex.split(line)[1:])
        assert "the released model" in then.err, (line, then.err)
        assert "only the record of its proof" in then.err
    for text in offered:
        assert any(text in line for line in found), found


def error_of(done: Finished) -> str:
    """Return the remedy of an error as it was printed."""
    return done.err.partition("  remedy:   ")[2].strip()


def test_a_bundle_of_each_variant_is_offered_for_browsers() -> None:
    done = edgecnn_here("package", RESNET8, "--target", "web", *["--variant", "onnx-int8"] * 1,
                        "--variant", "onnx-fp32")  # fmt: skip
    (line,) = commands_in(error_of(done))
    assert line == " && ".join(
        f"edgecnn package {RESNET8} --target web --variant {name} --out dist/{name}"
        for name in ("onnx-int8", "onnx-fp32")
    )


def test_a_file_in_place_of_its_folder_names_both() -> None:
    done = edgecnn_here("package", RESNET8 / "resnet8-int8.onnx", "--target", "web")
    assert done.code == 29
    (line,) = commands_in(error_of(done))
    assert line == f"edgecnn package {RESNET8} --target web --variant onnx-int8"


def test_a_file_of_no_build_is_converted_anew(tmp_path: Path) -> None:
    file = tmp_path / "a.tflite"
    file.write_bytes((RESNET8 / "resnet8-int8.tflite").read_bytes())
    done = edgecnn_here("package", file)
    assert done.code == 29
    (line,) = commands_in(error_of(done))
    assert line.startswith("edgecnn convert MODEL --data PATH --labels FILE")


def test_another_folder_is_named_where_one_is_taken(tmp_path: Path) -> None:
    taken = tmp_path / "dist"
    taken.write_text("a file")
    (tmp_path / "dist-2").mkdir()
    request = PackageRequest(source=Path("B"), target="web", out=taken)
    (line,) = remedies(lambda: refuse_no_folder(request))
    assert line == f"edgecnn package B --target web --out {tmp_path}/dist-3"
    other = tmp_path / "other"
    (other / "m-web").mkdir(parents=True)
    (other / "m-web/file").write_text("mine")
    request = PackageRequest(source=Path("B"), target="web", out=other)
    (line,) = remedies(lambda: refuse_other_folder(other / "m-web", request))
    assert line == f"edgecnn package B --target web --out {tmp_path}/other-2"


def test_libraries_come_by_pip_or_npm_where_a_folder_lacks_them(tmp_path: Path) -> None:
    request = PackageRequest(source=Path("B"), wheels=tmp_path, runtime="litert")
    platform = choose_platform("bookworm", "litert")
    (line,) = remedies(lambda: collect_wheels(platform, folder=tmp_path, request=request))
    assert line == "edgecnn package B --runtime litert"
    request = PackageRequest(source=Path("B"), target="web", vendor=tmp_path)
    line, *_ = remedies(lambda: collect_vendor(tmp_path, request))
    assert line == "edgecnn package B --target web"


def test_a_version_that_debian_takes_is_offered() -> None:
    request = PackageRequest(source=Path("B"), form="deb", version="v1")
    assert remedies(lambda: check_debian("m", "v1", request)) == [
        "edgecnn package B --version 1.2.0 --format deb"
    ]


def test_without_dpkg_an_archive_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    request = PackageRequest(source=Path("B"), form="deb")
    assert remedies(lambda: check_debian("m", "1", request)) == ["edgecnn package B"]


def test_golden_vectors_of_other_variants_are_made_anew() -> None:
    contract = read_container(RESNET8 / "resnet8-int8.onnx").contract
    assert contract is not None
    from dataclasses import replace

    golden = replace(read_golden(RESNET8 / "golden.npz"), scores={})
    request = PackageRequest(source=Path("B"), target="web")
    assert remedies(lambda: golden_json(golden, contract, request)) == [
        "edgecnn convert B --variant onnx-int8 && edgecnn verify B && "
        "edgecnn package B --target web"
    ]


def test_the_command_line_is_given_again_as_it_was() -> None:
    request = PackageRequest(
        source=Path("a b"), variants=("tflite-int8", "tflite-fp32"), accept_inconclusive=True,
        version="1", out=Path("o p"), skip_privacy_checks=True, key=Path("k.pem"),
    )  # fmt: skip
    assert request.command() == (
        "edgecnn package 'a b' --variant tflite-int8 --variant tflite-fp32 --accept-inconclusive "
        "--version 1 --sign k.pem --out 'o p' --skip-privacy-checks"
    )
    assert request.command(leave_out=["key", "out"]).endswith("--version 1 --skip-privacy-checks")


def test_a_key_that_cannot_be_used_is_made_or_unlocked(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
    )

    from edgecnn.package.signing import read_signer

    key = tmp_path / "key.pem"
    with pytest.raises(EdgeError) as caught:
        read_signer(key, PackageRequest(source=Path("B"), key=key))
    made = "openssl genpkey -algorithm ed25519 -out signing-key.pem"
    assert caught.value.remedy.endswith(f"{made} && edgecnn package B --sign signing-key.pem")
    locked = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    key.write_bytes(locked)
    with pytest.raises(EdgeError) as caught:
        read_signer(key, PackageRequest(source=Path("B"), key=key))
    assert f"openssl pkey -in {key} -out signing-key.pem" in caught.value.remedy
