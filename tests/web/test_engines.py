"""The packaged app in WebKit and Firefox: from its own server, as a user sees it.

WebKitGTK has the engine of iPhones' browsers on another system, so with other decoders, fonts and
another camera.
"""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from edgecnn.package.privacy.web_check import sample_pictures
from edgecnn.serve.server import serving
from web.engine import Engine, until
from web.in_engines import ENGINES, choose, classify, heard, listening, ready, settled, started
from web.picture_cases import write_pictures

pytestmark = pytest.mark.slow

MODEL = "resnet8"


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return listening(MODEL)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of picture files, and of what Python reads in them."""
    folder = tmp_path_factory.mktemp("pictures")
    write_pictures(folder)
    return folder


@pytest.fixture(scope="module")
def place(files: dict[str, bytes], pictures: Path) -> Iterator[str]:
    served = {f"pictures/{file.name}": file.read_bytes() for file in pictures.iterdir()}
    with serving({**files, **served}) as server:
        yield f"http://127.0.0.1:{server.port}/"


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def window(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with started(engine, tmp_path_factory.mktemp(engine) / "profile") as made:
        yield made


@pytest.fixture
def page(window: Engine, place: str) -> Engine:
    if not window.run("return location.href").startswith(place):
        ready(window, place)
    return window


def show(page: Engine, view: str) -> None:
    page.run("location.hash = args[0]", f"#{view}")
    until(lambda: page.run("return !document.getElementById(args[0]).hidden", view), view)


def test_it_tests_itself_and_nothing_goes_wrong(
    window: Engine, files: dict[str, bytes], place: str, tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:  # fmt: skip
    took = ready(window, place)
    count = len(json.loads(files["golden.json"])["images"])
    status = window.run("return document.getElementById('status').textContent")
    assert status == f"Ready. Self-test passed: {count} of {count}."
    assert len(classify(window, tmp_path, sample_pictures(files))) == 3
    show(window, "about")
    until(lambda: window.run("return document.querySelectorAll('#claims > li').length"), "claims")
    assert heard(window) == []
    record_property("measured", f"{MODEL}'s web app, {window.version}: ready in {took:.1f} s")
    # Control: what goes wrong is heard.
    window.run("setTimeout(() => { throw new Error('planted'); })")
    window.run("await fetch('http://outside.invalid/').catch(() => 0)")
    until(lambda: len(heard(window)) >= 2, "what was planted")
    assert any("planted" in one for one in heard(window))
    assert any(one.startswith("connect-src") for one in heard(window))
    window.run("heard.length = 0")


def flipped(pictures: Mapping[str, bytes]) -> bytes:
    """Return a PNG file with one bit of its pixels changed."""
    data = bytearray(next(iter(pictures.values())))
    data[data.index(b"IDAT") + 40] ^= 1
    return bytes(data)


def test_pictures_get_pythons_scores_and_what_is_none_an_error(
    page: Engine, files: dict[str, bytes], pictures: Path, tmp_path: Path
) -> None:
    golden = [one for one in json.loads(files["golden.json"])["images"] if one["scores"]]
    labels = json.loads(files["model/contract.json"])["labels"]
    good = sample_pictures(files)
    wrong = {"text.png": b"no picture", "empty.png": b"", "flipped.png": flipped(good)}
    for file in (*pictures.glob("cut.*"), pictures / "truncated.jpg"):
        wrong[file.name] = file.read_bytes()
    assert len(wrong) == 8
    rows = classify(page, tmp_path, {**good, **wrong})
    for row, one in zip(rows[: len(good)], golden, strict=False):
        assert row["label"] == labels[one["top"]]
        assert row["score"] == f"{max(one['scores']):.4f}"
    for row in rows[len(good) :]:
        assert (row["label"], row["score"]) == ("", "")
        assert row["error"]
    problems = page.run("return document.querySelectorAll('#results > li.problem').length")
    assert problems == len(wrong)
    assert heard(page) == []


_SCORES = """
const load = (name) => import(new URL(name, location.href).href);
const [{ parseContract }, { loadRuntime, resource }, { Runner }, { parseGolden }] =
  await Promise.all(["contract.js", "resources.js", "runner.js", "selftest.js"].map(load));
const contract = parseContract(await resource("model/contract.json"));
const runner = await Runner.load(await loadRuntime(), await resource("model/model.onnx"), contract);
const images = parseGolden(await resource("golden.json")).images.filter((one) => one.scores);
const all = [];
for (const { prepared } of images) {
  all.push(Array.from((await runner.scores(prepared)).scores, Number));
}
// Engines make their code faster while it runs; and WebKit's clock counts whole milliseconds.
const times = [];
for (let batch = 0; batch < 50; batch++) {
  const began = performance.now();
  for (let turn = 0; turn < 20; turn++) await runner.scores(images[0].prepared);
  times.push((performance.now() - began) / 20);
}
return [all, times.slice(25).sort((one, other) => one - other)[12]];
"""


def test_scores_are_pythons_exactly(
    page: Engine, files: dict[str, bytes], record_property: Callable[[str, object], None]
) -> None:
    golden = [one["scores"] for one in json.loads(files["golden.json"])["images"] if one["scores"]]
    assert len(golden) >= 3
    found, milliseconds = page.run(_SCORES)
    assert found == golden
    record_property(
        "measured", f"{MODEL} onnx-int8, {page.version}: {milliseconds:.2f} ms an image"
    )


_PIXELS = """
const [file, size] = args;
const load = (name) => import(new URL(name, location.href).href);
const [{ openPicture }, { prepare }, { parseResize }] =
  await Promise.all(["pixels.js", "preprocess.js", "contract.js"].map(load));
const answer = await fetch(new URL(`pictures/${file}`, location.href));
const { source, close } = await openPicture(await answer.blob());
const input = { ...size, resize: parseResize(size.resize) };
const prepared = Array.from(prepare(source, input));
close();
return [source.height, source.width, prepared];
"""


def test_picture_files_give_pythons_pixels(page: Engine, pictures: Path) -> None:
    cases = json.loads((pictures / "pictures.json").read_text())
    assert len(cases) >= 25
    for one in cases:
        height, width, prepared = page.run(_PIXELS, one["file"], one["size"])
        assert (height, width) == (one["height"], one["width"]), one["name"]
        wanted = base64.b64decode(one["bytes"])
        pairs = zip(prepared, wanted, strict=True)
        worst = max(abs(found - want) for found, want in pairs)
        # These engines round otherwise when they multiply a colour with its opacity.
        allowed = max(one["tolerance"], 1 if one["name"].startswith("half-transparent") else 0)
        assert worst <= allowed, f"{one['name']}: {worst}"


def test_pixels_are_read_as_they_are_and_noise_is_seen(page: Engine) -> None:
    check = "return (await import(new URL('pixels.js', location.href).href)).readsTruePixels()"
    assert page.run(check) is True
    noisy = """
      const canvas = CanvasRenderingContext2D.prototype;
      const read = canvas.getImageData;
      canvas.getImageData = function (...area) {
        const image = read.apply(this, area);
        image.data[100] ^= 1;
        return image;
      };
      try { CHECK } finally { canvas.getImageData = read; }"""
    assert page.run(noisy.replace("CHECK", check.replace("return", "return await"))) is False


def test_the_camera_s_frames_are_classified_while_they_are_seen(page: Engine) -> None:
    def text(element: str) -> str:
        return str(page.run("return document.getElementById(args[0]).textContent", element))

    show(page, "camera")
    page.run("document.getElementById('camera-start').click()")
    until(lambda: " per second" in text("rate"), "frames")
    assert page.run("return document.querySelectorAll('#answer-bars > li').length") == 3
    assert text("latency").endswith(" ms")
    video = "const video = document.getElementById('video'); return "
    assert page.run(video + "[video.videoWidth, video.videoHeight]") == [640, 480]
    show(page, "about")
    until(lambda: text("camera-message") == "Paused while the page is hidden.", "a pause")
    assert page.run(video + "video.srcObject") is None
    show(page, "camera")
    until(lambda: text("camera-message") == "", "the camera again")
    page.run("document.getElementById('camera-stop').click()")
    assert text("camera-message").startswith("The camera is off.")
    assert heard(page) == []


def test_a_damaged_golden_vector_is_shown_and_nothing_is_classified(
    window: Engine, files: dict[str, bytes]
) -> None:
    golden = json.loads(files["golden.json"])
    golden["images"][0]["scores"][0] += 0.5
    with serving({**files, "golden.json": json.dumps(golden).encode()}) as other:
        window.open(f"http://127.0.0.1:{other.port}/")
        assert settled(window) == "bad"
    assert "self-test failed" in window.run("return document.getElementById('failure').innerText")
    assert window.run("return document.getElementById('choose').disabled") is True


# A real trap, of a module whose only function is `unreachable`: at the first start, or at each.
_TRAPPED = """
const code = [0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0,
  10, 5, 1, 3, 0, 0, 11];
if (ALWAYS || performance.getEntriesByType("navigation")[0].type !== "reload") {
  globalThis.trapped = import(new URL("vendor/ort.wasm.min.js", location.href)).then((runtime) => {
    runtime.InferenceSession.prototype.run = async () => {
      new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(code))).exports.f();
    };
  });
}
"""


@pytest.mark.parametrize(("always", "ends"), [("false", "good"), ("true", "bad")])
def test_a_start_that_the_browser_stops_is_tried_once_more(
    window: Engine, files: dict[str, bytes], always: str, ends: str
) -> None:
    script = files["start-check.js"] + _TRAPPED.replace("ALWAYS", always).encode()
    with serving({**files, "start-check.js": script}) as other:
        window.open(f"http://127.0.0.1:{other.port}/")
        assert settled(window) == ends, window.run("return document.body.innerText")
        kind = window.run("return performance.getEntriesByType('navigation')[0].type")
        assert kind == "reload"
        said = window.run("return document.getElementById('failure').innerText")
    assert ("The model could not be run in this browser." in said) is (ends == "bad")


def test_offline_once_it_was_open(window: Engine, files: dict[str, bytes], tmp_path: Path) -> None:
    with serving(files) as other:
        place = f"http://127.0.0.1:{other.port}/"
        ready(window, place)
        before = classify(window, tmp_path, sample_pictures(files))
        window.run("await navigator.serviceWorker.ready")
        other.shutdown()
        other.server_close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", other.port), timeout=5)
        ready(window, place)
        after = classify(window, tmp_path, sample_pictures(files))
    for row in (*before, *after):
        row.pop("milliseconds")
    assert after == before


_TOO_WIDE = """
const { scrollWidth, clientWidth } = document.documentElement;
return scrollWidth - clientWidth;
"""
_MEDIA = "return [innerWidth, matchMedia('(prefers-color-scheme: dark)').matches]"
_SMALL = """
return Array.from(document.querySelectorAll("button, nav a"))
  .map((one) => [one.id || one.textContent, one.getBoundingClientRect()])
  .filter(([, box]) => box.width > 0 && box.height < 43.5)
  .map(([name]) => name);
"""


def fits(page: Engine, width: int) -> None:
    for view in ("camera", "pictures", "about"):
        show(page, view)
        assert page.run("return innerWidth") == width
        assert page.run(_TOO_WIDE) <= 0, view
        assert page.run(_SMALL) == [], view


def test_nothing_hangs_over_and_a_thumb_hits_what_it_should(
    page: Engine, files: dict[str, bytes], tmp_path: Path
) -> None:
    assert page.run(_MEDIA) == [393, False]
    choose(page, tmp_path, {**sample_pictures(files), "text.png": b"no picture"})
    fits(page, 393)
    # Control: both are seen.
    page.run("document.getElementById('main').style.width = '400px'")
    assert page.run(_TOO_WIDE) > 0
    show(page, "pictures")
    page.run("document.getElementById('choose').style.cssText = 'min-height: 0; padding: 0'")
    assert page.run(_SMALL) == ["choose"]
    page.run("for (const id of ['main', 'choose']) document.getElementById(id).style.cssText = ''")


def test_on_the_narrowest_of_phones_in_the_dark(
    engine: str, place: str, files: dict[str, bytes], tmp_path: Path
) -> None:
    with started(engine, tmp_path / "profile", width=320, dark=True, camera="none") as page:
        ready(page, place)
        assert page.run(_MEDIA) == [320, True]
        choose(page, tmp_path, {**sample_pictures(files), "text.png": b"no picture"})
        fits(page, 320)
        show(page, "camera")
        page.run("document.getElementById('camera-start').click()")
        message = "return document.getElementById('camera-message').textContent"
        until(lambda: page.run(message).startswith("No camera was found."), "that message")
