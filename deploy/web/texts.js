/** All words of the app, but for the few in `index.html` that must show when no module runs. */

/** @satisfies {Record<string, string>} */
export const TEXTS = {
  "app.title": "Image classifier",
  "app.skip": "Skip to the content",
  "nav.name": "Views",
  "nav.camera": "Camera",
  "nav.pictures": "Pictures",
  "nav.about": "About and privacy",

  "start.loading": "Loading the model and what runs it.",
  "start.ready": "Ready. Self-test passed: {passed} of {total}.",
  "start.ready.unproven":
    "Ready. Self-test passed: {passed} of {total}. Not proven: see “About and privacy”.",
  "start.failed": "The app cannot start.",
  "start.retry": "Try again",

  "update.apply": "Newer version: update",

  "camera.start": "Start the camera",
  "camera.stop": "Stop",
  "camera.switch": "Switch camera",
  "camera.asking": "Waiting for the camera. If the browser asks, allow it.",
  "camera.off": "The camera is off. Its frames stay on this device and are not stored.",
  "camera.paused": "Paused while the page is hidden.",
  "camera.preview": "What the model sees of the camera",
  "camera.result": "Camera result",
  "camera.last": "Last answer",
  "camera.empty": "Nothing classified yet.",
  "camera.latency": "Median latency",
  "camera.latency.value": "{milliseconds} ms",
  "camera.rate": "Frames",
  "camera.rate.value": "{rate} per second",
  "camera.spoken": "{label}, {percent}",
  "camera.none.measured": "not measured",

  "pictures.title": "Classify pictures",
  "pictures.choose": "Choose pictures",
  "pictures.hint": "Several at once are fine. On a computer, you can also drop them here or paste one.",
  "pictures.drop": "Let go to classify",
  "pictures.progress": "{done} of {total} pictures",
  "pictures.stop": "Stop",
  "pictures.save": "Save as CSV",
  "pictures.clear": "Clear",
  "pictures.results": "Results",
  "pictures.done.one": "1 picture classified.",
  "pictures.done.many": "{count} pictures classified.",
  "pictures.failed.one": "1 could not be read.",
  "pictures.failed.many": "{count} could not be read.",
  "pictures.stopped": "Stopped before the end.",
  "pictures.saved": "Results handed to the browser as {file}.",
  "pictures.pasted": "pasted-{number}",
  "pictures.csv": "{model}-results.csv",

  "result.unknown": "unknown",
  "result.below": "The best class is below the limit of {percent}.",
  "result.percent": "{percent}\u00a0%",

  "about.title": "About this app",
  "about.model": "Model",
  "about.made": "Made by",
  "about.classes": "Classes",
  "about.classes.many": "{count}, by name",
  "about.input": "Sees",
  "about.input.colour": "{width} × {height} pixels, in colour",
  "about.input.grey": "{width} × {height} pixels, in grey",
  "about.fit": "Pictures are",
  "about.fit.crop": "cropped to their middle",
  "about.fit.fraction": "cropped to {percent} of their middle",
  "about.fit.stretch": "stretched to that size",
  "about.fit.pad": "shown whole, with black bars",
  "about.limit": "Limit for “unknown”",
  "about.limit.none": "none",
  "about.digest": "SHA-256 of the model",
  "about.digest.checked": "The file was compared with it on start.",
  "about.digest.unchecked": "The file was not compared with it: that takes a secure context (HTTPS).",
  "about.proof": "Proof",
  "about.proof.pass": "Answers as its float model does, within the limits: it was packaged with a PASS.",
  "about.selftest": "Self-test",
  "about.selftest.pending": "not run yet",
  "about.selftest.passed":
    "Passed, {passed} of {total}. Largest difference of a score: {difference} (allowed: {tolerance}).",
  "about.selftest.failed": "Failed, {passed} of {total} passed: {problems}",
  "about.offline": "Offline use",
  "about.offline.single": "This file holds everything. It asks for nothing.",
  "about.offline.ready": "All files of the app are on this device. It works without a network.",
  "about.offline.saving": "The app's files are being saved on this device.",
  "about.offline.insecure":
    "Not here: this address is not secure (HTTPS), so the browser keeps no files for offline use.",
  "about.offline.distrusted":
    "Not here: the browser does not trust this server's certificate, so it keeps no files for offline use.",
  "about.offline.missing": "Not here: this browser has no service workers, or they are switched off.",
  "about.offline.failed": "The app's files could not be saved for offline use: {reason}",
  "about.licences": "Licences",
  "about.licences.loading": "Loading the text.",

  "privacy.title": "Privacy",
  "privacy.intro":
    "Each sentence below was put to a test when this app was packaged, unless it says otherwise.",
  "privacy.checked": "Checked",
  "privacy.unchecked": "Not checked",
  "privacy.made": "Made",
  "privacy.bundle": "Bundle",
  "privacy.failed": "The list of claims could not be read: {reason}",

  "error.contract": "The description of the model is damaged. Copy the app again.",
  "error.digest": "The model file is not the one that was verified. Copy the app again.",
  "error.resource": "A file of the app could not be loaded. Copy the app again, or check its server: is the file there, and sent as the right type?",
  "error.runtime":
    "The model could not be run in this browser. Try again. If that does not help, close other pages, update the browser, or copy the app again.",
  "error.scores": "The model answered with scores that are not numbers.",
  "error.golden": "The self-test's images are damaged. Copy the app again.",
  "error.selftest":
    "The self-test failed: in this browser, the model does not answer as it should. Nothing is classified here; try another browser.",
  "error.canvas": "this browser changes the pixels that a page reads (a protection against tracking)",
  "error.empty": "The file is empty.",
  "error.type": "This is no picture that the browser can read.",
  "error.damaged": "The picture is damaged, or of a kind that this browser does not read.",
  "error.large": "The picture has more than 67 million pixels. Scale it down first.",
  "error.memory": "The picture does not fit into memory.",
  "error.camera-none": "No camera was found. Connect one and try again; pictures work without.",
  "error.camera-denied":
    "The camera is not allowed. Allow it in the browser's settings for this page and try again; pictures work without.",
  "error.camera-busy": "The camera is used by another program. Close it there and try again.",
  "error.camera-lost": "The camera was lost: unplugged, or taken by another program.",
  "error.camera-insecure":
    "This address is not secure, so the browser gives no camera. Open the app by HTTPS, or the file whose name ends in classifier.html. Pictures work here.",
  "error.camera-missing": "This browser gives pages no camera. Pictures work here.",
  "error.camera-failed": "The camera could not be started.",
  "error.unexpected": "Something went wrong that should not: {reason}",
};

/** @typedef {keyof typeof TEXTS} TextKey */

/**
 * Return a text with its values filled in.
 *
 * @param {TextKey} key
 * @param {Record<string, string | number>} [values] For each `{name}` in the text.
 * @returns {string}
 * @throws {RangeError} If a value is missing.
 */
export function text(key, values = {}) {
  return TEXTS[key].replaceAll(/\{(\w+)\}/g, (_, /** @type {string} */ name) => {
    const value = values[name];
    if (value === undefined) throw new RangeError(`no value for {${name}} in ${key}`);
    return String(value);
  });
}

/**
 * Write a probability for people, rounded down: 100 % is only what is certain, and 0 % only what
 * is ruled out.
 *
 * @param {number} probability 0..1.
 * @returns {string} For example `87 %` or `<1 %`, with a space that no line ends at.
 */
export function percentText(probability) {
  // What float32 made of 0.29 is 0.28999999...: not to be rounded down to 28.
  const percent = Math.floor(probability * 100 + 1e-4);
  return text("result.percent", { percent: percent === 0 && probability > 0 ? "<1" : percent });
}

/**
 * Say what went wrong in the user's words.
 *
 * @param {unknown} error
 * @returns {string}
 */
export function errorText(error) {
  const code = Object(error).code;
  const key = `error.${code}`;
  if (typeof code === "string" && isTextKey(key)) return text(key);
  return text("error.unexpected", { reason: String(error) });
}

/**
 * @param {string} key
 * @returns {key is TextKey}
 */
function isTextKey(key) {
  return Object.hasOwn(TEXTS, key);
}
