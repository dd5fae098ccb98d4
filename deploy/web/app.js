/** The beginning: load the model, test it, and only then let anything be classified. */

import { checkDigest, parseContract } from "./contract.js";
import { catchDrops } from "./drops.js";
import { ClassifierError } from "./errors.js";
import { showFact, showModelFacts, showSelfTest } from "./facts.js";
import { offerLicences } from "./licences.js";
import { LiveView } from "./live.js";
import { keepOffline } from "./offline.js";
import { PicturesView } from "./pictures.js";
import { readsTruePixels } from "./pixels.js";
import { showPrivacy } from "./privacy.js";
import { loadRuntime, resource } from "./resources.js";
import { Runner } from "./runner.js";
import { parseGolden, selfTest } from "./selftest.js";
import { errorText, text } from "./texts.js";
import { element, fillPage, followViews, showFailure, showStatus } from "./view.js";

/** @type {LiveView | null} */
let liveView = null;

/**
 * Load the model and test it.
 *
 * @returns {Promise<Runner>}
 * @throws {ClassifierError} If it does not load, or the self-test fails.
 */
async function loadTested() {
  showStatus(text("start.loading"), "busy");
  const contract = parseContract(await resource("model/contract.json"));
  document.title = contract.model;
  element("title", HTMLElement).textContent = contract.model;
  const [model, golden, runtime] = await Promise.all([
    resource("model/model.onnx"),
    resource("golden.json"),
    loadRuntime(),
  ]);
  showModelFacts(contract, await checkDigest(model, contract));
  showFact("about.selftest", text("about.selftest.pending"));
  const runner = await Runner.load(runtime, model, contract);
  const outcome = await selfTest(runner, parseGolden(golden));
  if (!(await readsTruePixels())) outcome.problems.push(text("error.canvas"));
  showSelfTest(outcome);
  if (outcome.problems.length > 0) {
    throw new ClassifierError("selftest", outcome.problems.join("; "));
  }
  const { passed, total } = outcome;
  if (contract.not_proven === "") showStatus(text("start.ready", { passed, total }), "good");
  else showStatus(text("start.ready.unproven", { passed, total }), "unproven");
  return runner;
}

/**
 * Tell whether this page was reloaded rather than opened.
 *
 * WebKitGTK 2.50.6 stops about one start in 160 with "Out of bounds memory access", while ONNX
 * Runtime Web is set up or in the self-test, and runs the same files when they are opened again
 * (measured on a machine with more to do than it can). So a start in which the runtime fails is
 * tried once more, and not a third time. The browser itself remembers which of the two this is;
 * the app stores nothing.
 *
 * @returns {boolean}
 */
function wasReloaded() {
  const [entry] = performance.getEntriesByType("navigation");
  return Object(entry).type === "reload";
}

/**
 * Start the app.
 *
 * @returns {Promise<void>}
 */
async function startApp() {
  if (await Object(globalThis).edgecnnTooOld) return; // start-check.js has said so
  fillPage();
  const giveDropsTo = catchDrops();
  followViews((view) => liveView?.seen(view === "camera"));
  element("retry", HTMLButtonElement).addEventListener("click", () => location.reload());
  void showPrivacy();
  offerLicences();
  try {
    const runner = await loadTested();
    liveView = new LiveView(runner);
    liveView.seen(!element("camera", HTMLElement).hidden);
    const pictures = new PicturesView(runner);
    giveDropsTo((files) => pictures.add(files));
  } catch (error) {
    if (Object(error).code === "runtime" && !wasReloaded()) {
      location.reload();
      return;
    }
    showStatus(text("start.failed"), "bad");
    showFailure(errorText(error), String(Object(error).message ?? error));
  }
  // After the start, so that saving files does not slow it down.
  await keepOffline();
}

await startApp();
