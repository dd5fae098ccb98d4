from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import edgecnn_runner
from edgecnn_runner.cli import main, make_parser
from edgecnn_runner.cli.arguments import with_model
from edgecnn_runner.errors import EdgeError
from edgecnn_runner.golden import write_golden
from runner.fixture_files import FIXTURES, RGB_LABELS, images, needs_tflite, path_of, reference
from runner.test_golden import sure

pytestmark = pytest.mark.slow  # in processes of their own

COMMANDS = ["classify", "watch", "camera", "selftest", "bench", "info", "predict"]
INT8 = FIXTURES / "rgb-int8.tflite"


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.png"
    Image.fromarray(images("rgb")[0]).save(path)
    return path


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """A file with the labels of the colour fixtures."""
    path = tmp_path / "labels.txt"
    path.write_text("".join(f"{label}\n" for label in RGB_LABELS))
    return path


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: str | Path) -> Done:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capfd.readouterr()
        return Done(code, out, err)

    return run


@needs_tflite
def test_classify_ranks_on_stdout_and_says_nothing_else(run: Any, image: Path) -> None:
    done = run("classify", INT8, image, "--top", "2")
    assert (done.code, done.err) == (0, "")
    first, *ranked = done.out.splitlines()
    order = np.argsort(-reference("rgb")[0])[:2]
    assert first == f"{image}: class {order[0]}"
    assert [line.split("%")[0].rsplit(maxsplit=1)[0].strip() for line in ranked] == [
        f"class {index}" for index in order
    ]


@needs_tflite
def test_classify_gives_json(run: Any, image: Path) -> None:
    (row,) = run("classify", INT8, image, "--json").json()
    assert row["image"] == str(image)
    assert row["index"] == int(reference("rgb")[0].argmax())
    assert row["label"] == f"class {row['index']}"
    assert len(row["ranked"]) == 3


@needs_tflite
def test_classify_rejects_below_a_limit(run: Any, image: Path) -> None:
    done = run("classify", INT8, image, "--reject-below", "0.99")
    assert done.out.startswith(f"{image}: unknown\n")
    (row,) = run("classify", INT8, image, "--reject-below", "0.99", "--json").json()
    assert (row["label"], row["index"]) == ("unknown", None)


@needs_tflite
def test_one_bad_image_does_not_keep_the_others_from_an_answer(run: Any, image: Path) -> None:
    bad = image.with_name("bad.png")
    bad.write_bytes(b"")
    done = run("classify", INT8, bad, image)
    assert done.code == 12
    assert done.out.startswith(f"{image}: class")
    assert "0 bytes" in done.err
    rows = run("classify", INT8, bad, image, "--json").json()
    assert rows[0]["error"] == "ImageError"
    assert rows[1]["label"].startswith("class")


@needs_tflite
def test_a_foreign_file_is_classified_with_labels_and_range(
    run: Any, image: Path, labels: Path
) -> None:
    file = FIXTURES / "foreign-int8.tflite"
    arguments = ("--labels", labels, "--input-range", "0..255")
    (row,) = run("classify", file, image, *arguments, "--json").json()
    assert row["index"] == int(reference("rgb")[0].argmax())
    assert run("classify", file, image).code == 11


@needs_tflite
def test_the_kind_of_scores_is_said_where_it_cannot_be_told(
    run: Any, image: Path, labels: Path
) -> None:
    file = FIXTURES / "sigmoid.tflite"
    arguments = ("classify", file, image, "--labels", labels, "--input-range", "0..255", "--json")
    refused = run(*arguments)
    assert (refused.code, refused.json()["error"]) == (10, "ArtifactError")
    assert "--output-kind probabilities" in refused.json()["remedy"]
    sums = {}
    for kind in ("probabilities", "logits"):
        (row,) = run(*arguments, "--top", "4", "--output-kind", kind).json()
        sums[kind] = sum(score["score"] for score in row["ranked"])
    assert sums["logits"] == pytest.approx(1)
    assert abs(sums["probabilities"] - 1) > 0.01


@needs_tflite
def test_selftest_passes_and_names_the_runtime(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "golden.npz"
    write_golden(path, sure("rgb"))
    done = run("selftest", INT8, path)
    assert (done.code, done.err) == (0, "")
    assert "self-test         passed" in done.out
    facts = run("selftest", INT8, path, "--json").json()
    assert facts["ok"] is True
    assert facts["variant"] == "tflite-int8"


@needs_tflite
def test_selftest_fails_with_its_exit_code(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "golden.npz"
    write_golden(path, sure("grey"))
    done = run("selftest", INT8, path, "--json")
    assert done.code == 16
    assert done.json()["error"] == "SelfTestError"
    assert "remedy:" in done.err


@needs_tflite
def test_selftest_takes_the_golden_vectors_beside_the_file(run: Any, tmp_path: Path) -> None:
    model = tmp_path / "build" / "rgb-int8.tflite"
    model.parent.mkdir()
    model.write_bytes(INT8.read_bytes())
    missing = run("selftest", model)
    assert missing.code == 16
    golden = model.parent / "golden.npz"
    assert f"observed: {golden}: nothing there" in missing.err
    assert f"edgecnn-run selftest {model} GOLDEN" in missing.err
    write_golden(golden, sure("rgb"))
    found = run("selftest", model)
    assert (found.code, found.err) == (0, "")
    write_golden(tmp_path / "other.npz", sure("grey"))
    assert run("selftest", model, tmp_path / "other.npz").code == 16


@needs_tflite
def test_selftest_of_a_missing_file_says_so_and_not_that_vectors_are_missing(
    run: Any, tmp_path: Path
) -> None:
    done = run("selftest", tmp_path / "missing.tflite")
    assert done.code == 10
    assert "golden" not in done.err


@needs_tflite
def test_bench_gives_every_sample_and_names_the_machine(run: Any, image: Path) -> None:
    facts = run("bench", INT8, image, "--runs", "30", "--warmup", "2", "--json").json()
    assert len(facts["samples_ns"]) == facts["n"] == 30
    assert facts["min_ns"] <= facts["median_ns"] <= facts["p90_ns"] <= facts["p99_ns"]
    assert {"mad_ns", "first_ns", "load_ns", "peak_memory_bytes", "runtime"} <= facts.keys()
    assert facts["machine"]["processor"]
    assert facts["threads"] == 1


@needs_tflite
def test_bench_aligns_its_figures(run: Any) -> None:
    done = run("bench", INT8, "--runs", "5", "--warmup", "1", "--threads", "2")
    assert (done.code, done.err) == (0, "")
    rows = dict(line.split(maxsplit=1) for line in done.out.splitlines())
    assert {"machine", "runtime", "median", "p90", "p99", "mad", "load", "first"} <= rows.keys()
    assert rows["runtime"].endswith("2 threads")
    assert len({len(line) - len(line.split(maxsplit=1)[1]) for line in done.out.splitlines()}) == 1


@pytest.mark.parametrize("name", ["rgb-int8.tflite", "rgb-int8.onnx"])
def test_info_shows_the_contract_and_the_runtime(run: Any, name: str) -> None:
    done = run("info", path_of(name))
    assert (done.code, done.err) == (0, "")
    for part in ("12 x 16 x 3", "class 0, class 1", "centre-crop-box-average-1", "make_fixtures 1"):
        assert part in done.out
    facts = run("info", path_of(name), "--json").json()
    assert facts["contract"]["labels"] == [*RGB_LABELS]
    assert facts["runtime"]["version"][0].isdigit()
    assert facts["bytes"] > facts["payload_bytes"]


def test_info_works_without_a_runtime(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    done = run("info", FIXTURES / "rgb-int8.onnx")
    assert done.code == 0
    assert "pip install onnxruntime" in done.out


def test_info_of_a_foreign_file_says_what_is_missing(run: Any) -> None:
    assert "--labels" in run("info", FIXTURES / "foreign-int8.tflite").out


@needs_tflite
def test_predict_writes_the_scores(run: Any, tmp_path: Path) -> None:
    source, target = tmp_path / "images.npz", tmp_path / "scores.npz"
    np.savez(source, images=images("rgb"))
    done = run("predict", INT8, source, target)
    assert (done.code, done.err) == (0, "")
    with np.load(target) as stored:
        np.testing.assert_allclose(stored["scores"], reference("rgb"), atol=0.02)
        assert stored["scores"].dtype == np.float32
    facts = run("predict", INT8, source, target, "--json").json()
    assert facts["images"] == 24


@needs_tflite
def test_predict_leaves_what_was_there_when_it_fails(run: Any, tmp_path: Path) -> None:
    source, target = tmp_path / "images.npz", tmp_path / "scores.npz"
    target.write_bytes(b"before")
    np.savez(source, pictures=images("rgb"))
    assert run("predict", INT8, source, target).code == 12
    np.savez(source, images=images("grey"))
    assert run("predict", INT8, source, target).code == 12
    source.write_bytes(b"PK\x03\x04 damaged")
    assert run("predict", INT8, source, target).code == 12
    np.savez(source, images=images("rgb"))
    assert run("predict", FIXTURES / "rgb-nan.tflite", source, target).code == 15
    assert target.read_bytes() == b"before"
    done = run("predict", INT8, source, tmp_path / "missing" / "scores.npz")
    assert done.code == 17
    assert "make the folder first" in done.err


def test_a_typed_error_is_text_on_stderr_and_json_on_stdout(run: Any, tmp_path: Path) -> None:
    for command in (["classify", "x.png"], ["bench"], ["info"]):
        name, *rest = command
        arguments = [name, tmp_path / "no.tflite", *rest]
        plain, as_json = run(*arguments), run(*arguments, "--json")
        assert plain.code == as_json.code == 10
        assert plain.out == ""
        assert plain.err == as_json.err
        assert plain.err.startswith("error: cannot read")
        assert "\n  remedy:   check the path" in plain.err
        assert as_json.json()["exit_code"] == 10


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["paint"],
        ["classify"],
        ["classify", "model.tflite"],
        ["classify", "m", "i", "--top", "0"],
        ["classify", "m", "i", "--top", "many"],
        ["classify", "m", "i", "--reject-below", "1.5"],
        ["classify", "m", "i", "--reject-below", "nan"],
        ["classify", "m", "i", "--threads", "-1"],
        ["classify", "m", "i", "--runtime", "torch"],
        ["classify", "m", "i", "--input-range", "0..2"],
        ["classify", "m", "i", "--output-kind", "guesses"],
        ["classify", "m", "i", "--layout", "HWCN"],
        ["bench", "m", "--runs", "0"],
        ["info", "m", "--unknown"],
        ["info", "m", "--thr", "1"],
    ],
    ids=" ".join,
)
def test_usage_errors_exit_with_2(run: Any, arguments: list[str]) -> None:
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    as_json = run(*arguments, "--json")
    assert as_json.code == 2
    document = as_json.json()
    assert (document["error"], document["exit_code"]) == ("UsageError", 2)
    assert document["observed"] == shlex.join(["edgecnn-run", *arguments, "--json"])
    command = arguments[0] if arguments[:1] and arguments[0] in COMMANDS else ""
    assert document["expected"].startswith(f"edgecnn-run {command}".strip())
    assert document["remedy"].endswith("--help")


def test_many_files_are_not_all_repeated_where_an_option_is_wrong(run: Any) -> None:
    images = [f"photo-{number}.jpg" for number in range(100)]
    done = run("classify", "m.tflite", *images, "--out", "a.csv", *images)
    assert done.code == 2
    assert "unrecognized arguments: --out" in done.err
    assert len(done.err) < 800


def test_a_bundle_s_program_speaks_of_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its model need not be named, and the help names none; the examples can be typed."""
    monkeypatch.setattr(sys, "argv", ["/usr/local/bin/edgecnn-leaves"])
    for command in COMMANDS:
        with pytest.raises(SystemExit, match="0"):
            main([command, "--help"], model="/opt/leaves.tflite")
        text = capsys.readouterr().out
        assert text.startswith(f"usage: edgecnn-leaves {command} [-h]")
        assert "edgecnn-run" not in text
        assert ".tflite or .onnx file" not in text
        assert "It runs /opt/leaves.tflite" in text
        (example,) = [line for line in text.splitlines() if line.startswith("Example: ")]
        program, *arguments = example.removeprefix("Example: ").split()
        assert program == "edgecnn-leaves"
        assert arguments[0] == command
        make_parser().parse_args(with_model(arguments, "/opt/leaves.tflite"))
    assert main(["classify", "a.jpg", "--unknown"], model="/opt/leaves.tflite") == 2
    said = capsys.readouterr().err
    assert "observed: edgecnn-leaves classify a.jpg --unknown" in said
    assert "edgecnn-run" not in said


def test_json_behind_two_hyphens_is_a_file(run: Any) -> None:
    done = run("info", "--", "--json")
    assert (done.code, done.out) == (10, "")


@pytest.mark.parametrize("arguments", [["--input-range", "-1..1"], ["--input-range=-1..1"]])
def test_a_range_may_begin_with_a_hyphen(
    run: Any, arguments: list[str], image: Path, labels: Path
) -> None:
    file = path_of("foreign-signed.tflite")
    (row,) = run("classify", file, image, "--labels", labels, *arguments, "--json").json()
    assert row["index"] == int(reference("rgb")[0].argmax())


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--input-mean", "0.5", "--input-std", "0.5"], 0, ""),
        (["--input-mean", "0.5"], 2, "without --input-std"),
        (["--input-mean", "127.5", "--input-std", "127.5"], 2, "looks like one of 0..255: 0.5"),
        (["--input-range", "-1..1", "--fit", "pad", "--crop-fraction", "0.5"], 2, "keeps all"),
        (["--input-range", "-1..1", "--fit", "stretch", "--resample", "bilinear"], 0, ""),
        (["--input-range", "-1..1", "--resample", "lanczos"], 2, "--resample"),
    ],
)
def test_how_a_foreign_file_is_fed_is_asked_by_options(
    run: Any, image: Path, labels: Path, options: list[str], code: int, said: str
) -> None:
    file = path_of("foreign-signed.tflite")
    done = run("classify", file, image, "--labels", labels, *options, "--json")
    assert done.code == code
    if code:
        assert said in done.err
    else:
        assert done.json()[0]["index"] == int(reference("rgb")[0].argmax())


@needs_tflite
@pytest.mark.parametrize("text", [None, "", "a\n\nb\n", "a\nb\nc\n", "a\nb\nc\nd\ne\n"])
def test_labels_that_do_not_fit_exit_with_25(
    run: Any, image: Path, tmp_path: Path, text: str | None
) -> None:
    labels = tmp_path / "labels.txt"
    if text is not None:
        labels.write_text(text)
    file = FIXTURES / "foreign-int8.tflite"
    done = run("classify", file, image, "--labels", labels, "--input-range", "0..255", "--json")
    assert done.code == 25
    assert done.json()["error"] == "LabelsError"


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)], ids=" ".join)
def test_every_help_has_an_example_that_parses(run: Any, command: list[str]) -> None:
    done = run(*command, "--help")
    assert done.code == 0
    (example,) = [line for line in done.out.splitlines() if line.startswith("Example: ")]
    program, *arguments = example.removeprefix("Example: ").split()
    assert program == "edgecnn-run"
    make_parser().parse_args(arguments)
    assert arguments[:1] == command or not command


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts the program, and ends it with the test, also with one that fails.

    SIGINT is what it is for a program at a terminal; started in the background of a script, this
    test would hand on that it is ignored.
    """
    package = Path(edgecnn_runner.__file__).parents[1]
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str | Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "edgecnn_runner", *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(package)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


@needs_tflite
def test_native_chatter_is_kept_from_stderr(start: Start, image: Path) -> None:
    process = start("classify", INT8, image)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out.startswith(f"{image}: class")


def wait_until_it_runs(process: subprocess.Popen[str]) -> None:
    """Wait until the model is loaded, as its runtime's library is then."""
    maps, until = Path(f"/proc/{process.pid}/maps"), time.monotonic() + 60
    while time.monotonic() < until:
        time.sleep(0.5)
        if not maps.exists() or "interpreter_wrapper" in maps.read_text():
            break
    time.sleep(1)


@needs_tflite
def test_an_interrupt_exits_with_130(start: Start) -> None:
    process = start("bench", INT8, "--runs", "1000000000")
    wait_until_it_runs(process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "interrupted\n")


@needs_tflite
def test_a_reader_that_goes_away_is_no_traceback(start: Start, image: Path) -> None:
    process = start("classify", INT8, *[image] * 5)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait(timeout=60) == 141
    process.stderr.close()


def start_without_reader(*arguments: str | Path) -> Done:
    """Run the program with a standard output that nobody reads: a pipe whose other end is shut."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "edgecnn_runner", *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(Path(edgecnn_runner.__file__).parents[1])},
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)
    return Done(done.returncode, "", done.stderr)


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)], ids=" ".join)
def test_a_help_that_nobody_reads_ends_quietly(command: list[str]) -> None:
    done = start_without_reader(*command, "--help")
    assert (done.code, done.err) == (141, "")


@needs_tflite
@pytest.mark.parametrize("as_json", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_result_that_nobody_reads_ends_quietly(
    command: str, as_json: list[str], image: Path, tmp_path: Path
) -> None:
    golden, source, target = (tmp_path / f"{name}.npz" for name in ("golden", "images", "scores"))
    write_golden(golden, sure("rgb"))
    np.savez(source, images=images("rgb"))
    rest: dict[str, list[str | Path]] = {
        "classify": [image],
        "watch": [image.parent, "--interval", "0.01"],
        "camera": ["--source", image.parent],
        "selftest": [golden],
        "bench": ["--runs", "3", "--warmup", "1"],
        "predict": [source, target],
    }
    done = start_without_reader(command, INT8, *rest.get(command, []), *as_json)
    assert (done.code, done.err) == (141, "")
    assert target.exists() == (command == "predict")


def test_an_error_that_nobody_reads_as_json_keeps_its_exit_code(tmp_path: Path) -> None:
    done = start_without_reader("info", tmp_path / "missing.tflite", "--json")
    assert done.code == 10
    assert done.err.startswith("error: cannot read")
    done = start_without_reader("info", "--json", "--unknown")
    assert done.code == 2
    assert "Traceback" not in done.err


def test_a_reader_of_one_line_is_enough() -> None:
    done = shell('{ "$@"; echo "code $?" >&2; } | head -n 1', "classify", "--help")
    assert done.out.startswith("usage: edgecnn-run classify")
    assert done.err in ("code 0\n", "code 141\n")


def shell(line: str, *arguments: str | Path) -> Done:
    """Run the program by a shell, which can close its streams; ``$@`` is the program."""
    done = subprocess.run(
        ["/bin/sh", "-c", line, "sh", sys.executable, "-m", "edgecnn_runner", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(Path(edgecnn_runner.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


needs_shell = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")


@needs_shell
@needs_tflite
def test_without_standard_error_the_answer_still_comes(image: Path) -> None:
    done = shell('"$@" 2>&-', "classify", INT8, image)
    assert done.code == 0
    assert done.out.startswith(f"{image}: class")


@needs_shell
@pytest.mark.parametrize("line", ['"$@" 2>&-', '"$@" 2>/dev/full', '"$@" >&- 2>&-'])
def test_without_standard_error_an_error_keeps_its_exit_code(tmp_path: Path, line: str) -> None:
    assert shell(line, "info", tmp_path / "missing.tflite").code == 10


@needs_shell
@pytest.mark.parametrize(
    ("line", "cause"), [('"$@" >&-', "is closed"), ('"$@" >/dev/full', "No space left")]
)
@pytest.mark.parametrize(
    "arguments",
    [["info", INT8], ["info", INT8, "--json"], ["--help"]],
    ids=["text", "json", "help"],
)
def test_a_result_that_cannot_be_written_is_an_output_error(
    line: str, cause: str, arguments: list[str | Path]
) -> None:
    done = shell(line, *arguments)
    assert done.code == 17
    assert "error: cannot write the result" in done.err
    assert cause in done.err
    assert "remedy:" in done.err
    assert not any(word in done.err for word in ("bug", "Traceback", "Exception ignored"))


@needs_shell
@needs_tflite
def test_files_do_not_take_the_place_of_closed_streams(tmp_path: Path) -> None:
    source, target = tmp_path / "images.npz", tmp_path / "scores.npz"
    np.savez(source, images=images("rgb"))
    assert shell('"$@" <&- 2>&-', "predict", INT8, source, target).code == 0
    with np.load(target) as stored:
        assert len(stored["scores"]) == 24


def test_a_device_is_no_model(run: Any) -> None:
    done = run("info", "/dev/zero")
    assert done.code == 10
    assert "not a regular file" in done.err


def test_a_bug_says_that_it_is_one(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgecnn_runner.cli import commands

    def broken(_: object) -> int:
        raise ZeroDivisionError("odd")

    monkeypatch.setattr(commands, "info", broken)
    done = run("info", INT8)
    assert (done.code, done.out) == (1, "")
    assert "ZeroDivisionError: odd" in done.err
    assert "This is a bug in edgecnn-runner" in done.err


@needs_tflite
def test_a_path_the_terminal_cannot_show_is_no_failure(start: Start, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"\xff\xe4.png")
    Image.fromarray(images("rgb")[0]).save(odd, "PNG")
    process = start("classify", INT8, odd)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert ": class" in out


def test_every_error_class_has_its_own_exit_code() -> None:
    from edgecnn_runner import errors

    found = [getattr(errors, name) for name in errors.__all__]
    classes = [kind for kind in found if isinstance(kind, type)]
    codes = [kind.exit_code for kind in classes if issubclass(kind, EdgeError)]
    assert len(codes) == len(set(codes))
