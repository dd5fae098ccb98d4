/** What the app says about itself: the model, the self-test, offline use. */

import { percentText, text } from "./texts.js";
import { element, make } from "./view.js";

/** @typedef {import("./contract.js").Contract} Contract */

/** So many classes are named at once; a thousand would make the page twenty screens long. */
const NAMED = 20;

/**
 * Show what the contract says.
 *
 * @param {Contract} contract
 * @param {boolean} digestChecked Whether the model file was compared with its SHA-256.
 */
export function showModelFacts(contract, digestChecked) {
  const { height, width, channels } = contract.input;
  const sees = channels === 1 ? "about.input.grey" : "about.input.colour";
  const limit = contract.reject_below;
  showFact("about.model", `${contract.model}, ${contract.variant}`);
  showFact("about.made", contract.created_by);
  showClasses(contract.labels);
  showFact("about.input", text(sees, { width, height }));
  showFact("about.fit", fitText(contract.input.resize));
  showFact("about.limit", limit > 0 ? percentText(limit) : text("about.limit.none"));
  showFact("about.proof", contract.not_proven === "" ? text("about.proof.pass") : contract.not_proven);
  const compared = digestChecked ? "about.digest.checked" : "about.digest.unchecked";
  showFact("about.digest", `${contract.sha256}\n${text(compared)}`);
}

/**
 * @param {import("./contract.js").ResizeRule} rule
 * @returns {string} What becomes of a picture that has not the model's aspect ratio.
 */
function fitText({ fit, fraction }) {
  if (fit === "stretch") return text("about.fit.stretch");
  if (fit === "pad") return text("about.fit.pad");
  if (fraction === 1000) return text("about.fit.crop");
  return text("about.fit.fraction", { percent: text("result.percent", { percent: fraction / 10 }) });
}

/**
 * @param {readonly string[]} labels
 */
function showClasses(labels) {
  const names = labels.join(", ");
  if (labels.length <= NAMED) {
    showFact("about.classes", `${labels.length}: ${names}`);
    return;
  }
  const box = document.createElement("details");
  box.append(make("summary", text("about.classes.many", { count: labels.length })), make("p", names));
  showFact("about.classes", "").replaceChildren(box);
}

/**
 * Show the outcome of the self-test.
 *
 * @param {import("./selftest.js").SelfTest} test
 */
export function showSelfTest(test) {
  const { passed, total, tolerance } = test;
  const words =
    test.problems.length === 0
      ? text("about.selftest.passed", {
          ...{ passed, total, tolerance },
          difference: test.worstDifference.toPrecision(2),
        })
      : text("about.selftest.failed", { passed, total, problems: test.problems.join("; ") });
  showFact("about.selftest", words);
}

/**
 * Show one fact, or change what is shown of it.
 *
 * @param {import("./texts.js").TextKey} key Of its name.
 * @param {string} value
 * @returns {HTMLElement} Where it is shown.
 */
export function showFact(key, value) {
  const id = key.replaceAll(".", "-");
  let place = document.getElementById(id);
  if (place === null) {
    const group = make("div");
    place = make("dd");
    place.id = id;
    group.append(make("dt", text(key)), place);
    element("facts", HTMLElement).append(group);
  }
  place.textContent = value;
  return place;
}
