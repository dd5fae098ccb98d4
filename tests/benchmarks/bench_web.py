"""The packaged web app against the runner in Python: latency of the same int8 file, and its start.

    python tests/benchmarks/bench_web.py [--runs N] [--json]

Both classify the same image of the model's size in turn: the page by the app's own runner, in
Chromium with one thread of WebAssembly, and Python by ``edgecnn_runner`` with one thread of ONNX
Runtime. Either times its own calls, so that speaking to the browser is in neither; and both time a
whole turn, since a page's clock ticks every 0.1 ms, which is much of one inference. A turn's first
images are not counted: they fill the caches that the other side has emptied. Start is the time from
the page's first byte of script to "ready", with the files kept on the device.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from measure import machine, versions

sys.path.insert(0, str(Path(__file__).parents[1]))
from edgecnn.package.privacy.browser import opened_browser, why_no_browser
from edgecnn.package.web.vendor import read_vendor
from edgecnn.serve.server import serving
from edgecnn_runner.session import Session
from web.made import MODELS, files_of

RELEASED: Final = ("seed_cnn", "resnet8", "wren")
LATENCY_GOAL: Final = 8.0
START_GOAL_MS: Final = 3000.0
_TURN_IMAGES: Final = 20
_UNCOUNTED: Final = 10  # before them
_STARTS: Final = 7

# The app's modules, loaded once more beside the app: the same code, without the page around it.
_LOAD: Final = """async () => {
  const at = (name) => new URL(name, document.baseURI).href;
  const { loadRuntime, resource } = await import(at("resources.js"));
  const { parseContract } = await import(at("contract.js"));
  const { Runner } = await import(at("runner.js"));
  const contract = parseContract(await resource("model/contract.json"));
  globalThis.bench = await Runner.load(await loadRuntime(), await resource("model/model.onnx"),
    contract);
}"""
_TURN: Final = """async ([bytes, uncounted, count]) => {
  const image = Uint8Array.from(bytes);
  for (let done = 0; done < uncounted; done++) await globalThis.bench.scores(image);
  const begin = performance.now();
  for (let done = 0; done < count; done++) await globalThis.bench.scores(image);
  return (performance.now() - begin) / count;
}"""
_READY: Final = """() => new Promise((done) => {
  // Before the page is parsed there is no such button.
  const look = () => document.getElementById("choose")?.disabled ?? true
    ? setTimeout(look, 5) : done(performance.now());
  look();
})"""


def measured(model: str, runs: int) -> list[dict[str, Any]]:
    """Return latency and start.

    Args:
        model: A released one.
        runs: Turns of each side, of 20 images.
    """
    files = files_of(model)
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    ours: list[float] = []
    bare: list[float] = []
    starts: list[float] = []
    with serving(files) as server, opened_browser(allowed="127.0.0.1") as (browser, _):
        page = browser.new_context().new_page()
        place = f"http://127.0.0.1:{server.port}/"
        page.goto(place)
        page.locator("#choose:enabled").wait_for(state="attached")
        page.evaluate("() => navigator.serviceWorker.ready.then(() => undefined)")
        for _ in range(_STARTS):
            page.goto("about:blank")
            page.goto(place, wait_until="commit")
            starts.append(page.evaluate(_READY))
        page.evaluate(_LOAD)
        pixels = image.ravel().tolist()
        with Session.open(MODELS / model / f"{model}-int8.onnx", threads=1) as session:
            for run in range(-2, runs):
                in_page = page.evaluate(_TURN, [pixels, _UNCOUNTED, _TURN_IMAGES])
                for _ in range(_UNCOUNTED):
                    session.classify(image)
                begin = time.perf_counter()
                for _ in range(_TURN_IMAGES):
                    session.classify(image)
                in_python = 1000 * (time.perf_counter() - begin) / _TURN_IMAGES
                if run >= 0:
                    ours.append(in_page)
                    bare.append(in_python)
    latency, native = statistics.median(ours), statistics.median(bare)
    start = statistics.median(starts)
    return [
        {
            "name": f"web app, {model} int8: one image, to the runner in Python",
            "runs": runs,
            "ours_ms": latency,
            "bare_ms": native,
            "ratio": latency / native,
            "goal": LATENCY_GOAL,
            "met": latency <= LATENCY_GOAL * native,
        },
        {
            "name": f"web app, {model}: from opening to ready, kept on the device, to 3 s",
            "runs": _STARTS,
            "ours_ms": start,
            "bare_ms": START_GOAL_MS,
            "ratio": start / START_GOAL_MS,
            "goal": 1.0,
            "goal_ms": START_GOAL_MS,
            "met": start <= START_GOAL_MS,
        },
    ]


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    reason = why_no_browser()
    if reason is not None:
        sys.exit(f"nothing can be measured in a browser here: {reason}")
    results = [one for model in RELEASED for one in measured(model, options.runs)]
    if options.json:
        vendor = read_vendor()
        tools = {**versions("onnxruntime"), vendor.package: vendor.version}
        print(json.dumps({"machine": machine(), "tools": tools, "results": results}, indent=1))
    else:
        for one in results:
            print(
                f"{one['name']}: {one['ours_ms']:.2f} ms to {one['bare_ms']:.2f} ms, "
                f"{one['ratio']:.2f} (goal {one['goal']:.2f})"
            )
    sys.exit(not all(one["met"] for one in results))


if __name__ == "__main__":
    main()
