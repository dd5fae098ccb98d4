/** The camera's view: frames to answers, and how fast. */

import { Camera, listCameras, whyNoCamera } from "./camera.js";
import { FrameReader } from "./pixels.js";
import { decide } from "./postprocess.js";
import { prepare } from "./preprocess.js";
import { errorText, percentText, text } from "./texts.js";
import { element, showBars, shownLabel } from "./view.js";

const MEDIAN_OF = 30; // the latest inferences
const SHOW_EVERY_MS = 120; // faster, nobody can read it
const SHOW_CALMLY_EVERY_MS = 600; // for who prefers reduced motion
const SPEAK_EVERY_MS = 3000;

export class LiveView {
  /** @param {import("./runner.js").Runner} runner */
  constructor(runner) {
    this.runner = runner;
    this.reader = new FrameReader(runner.contract.input);
    this.video = element("video", HTMLVideoElement);
    this.camera = new Camera(
      this.video,
      () => this.classify(),
      (state, error) => this.showState(state, error),
    );
    /** @type {number[]} */
    this.latencies = [];
    /** @type {number[]} */
    this.times = [];
    this.shownAt = 0;
    this.spokenAt = -Infinity;
    this.spoken = "";
    const { height, width, resize } = runner.contract.input;
    const stage = element("stage", HTMLElement);
    stage.style.setProperty("--ratio", String(width / height));
    stage.style.setProperty("--zoom", String(1000 / resize.fraction));
    stage.dataset["fit"] = resize.fit;
    element("camera-start", HTMLButtonElement).addEventListener("click", () => {
      this.start();
      element("camera-stop", HTMLButtonElement).focus();
    });
    element("camera-stop", HTMLButtonElement).addEventListener("click", () => {
      this.camera.stop();
      element("camera-start", HTMLButtonElement).focus(); // Safari focuses no button that is clicked
    });
    element("camera-switch", HTMLButtonElement).addEventListener("click", () => {
      void this.camera.switch();
    });
    this.visible = true;
    document.addEventListener("visibilitychange", () => this.seen(this.visible));
    this.showState("off", whyNoCamera());
  }

  /**
   * Say whether this view is the one that is shown; the camera rests while it is not.
   *
   * @param {boolean} visible
   */
  seen(visible) {
    this.visible = visible;
    if (visible && !document.hidden) void this.camera.resume();
    else this.camera.pause();
  }

  start() {
    this.latencies = [];
    void this.camera.start();
  }

  /** Classify the frame that is shown. */
  async classify() {
    const source = this.reader.read(this.video);
    if (source === null) return;
    const { contract } = this.runner;
    const { scores, milliseconds } = await this.runner.scores(prepare(source, contract.input));
    if (this.camera.state !== "on") return; // stopped while the model ran
    const now = performance.now();
    this.latencies = [...this.latencies, milliseconds].slice(-MEDIAN_OF);
    this.times = [...this.times, now].slice(-MEDIAN_OF);
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (now - this.shownAt < (calm ? SHOW_CALMLY_EVERY_MS : SHOW_EVERY_MS)) return;
    this.shownAt = now;
    this.show(decide(scores, contract.labels, contract.reject_below));
    this.showSpeed();
  }

  /**
   * @param {import("./postprocess.js").Decision} decision
   */
  show(decision) {
    this.showAge("now");
    const label = shownLabel(decision);
    const answer = element("answer", HTMLElement);
    answer.textContent = label;
    answer.dataset["unknown"] = String(decision.index === null);
    const below = element("answer-below", HTMLElement);
    const limit = percentText(this.runner.contract.reject_below);
    below.textContent = text("result.below", { percent: limit });
    below.hidden = decision.index !== null;
    showBars(element("answer-bars", HTMLElement), decision.ranked);
    // Only when the label changes, and not at every flicker.
    if (label !== this.spoken && this.shownAt - this.spokenAt > SPEAK_EVERY_MS) {
      // With "unknown" no figure: the score is that of the class that is not named.
      const percent = percentText(decision.score);
      const words = decision.index === null ? label : text("camera.spoken", { label, percent });
      element("spoken", HTMLElement).textContent = words;
      this.spoken = label;
      this.spokenAt = this.shownAt;
    }
  }

  /**
   * Say whether the answer that is shown is one to what the camera sees now.
   *
   * @param {"now" | "past"} age
   */
  showAge(age) {
    const card = element("answer-card", HTMLElement);
    if (age === "past" && card.dataset["of"] === "nothing") return;
    card.dataset["of"] = age;
    element("answer-last", HTMLElement).hidden = age === "now";
  }

  showSpeed() {
    const milliseconds = median(this.latencies).toFixed(1);
    element("latency", HTMLElement).textContent = text("camera.latency.value", { milliseconds });
    const seconds = (Number(this.times.at(-1)) - Number(this.times[0])) / 1000;
    if (seconds > 0) {
      const rate = ((this.times.length - 1) / seconds).toFixed(0);
      element("rate", HTMLElement).textContent = text("camera.rate.value", { rate });
    }
  }

  /**
   * @param {import("./camera.js").CameraState} state
   * @param {unknown} error
   */
  showState(state, error) {
    const running = state === "on";
    if (running && (!this.visible || document.hidden)) {
      this.camera.pause();
      return;
    }
    const words = {
      on: "",
      asking: text("camera.asking"),
      paused: text("camera.paused"),
      off: error === null ? text("camera.off") : errorText(error),
    };
    this.times = []; // a pause is no slow frame
    this.video.hidden = !running;
    element("stage", HTMLElement).dataset["running"] = String(running);
    element("stage-message", HTMLElement).hidden = running;
    const message = element("camera-message", HTMLElement);
    message.textContent = words[state];
    message.dataset["problem"] = String(error !== null);
    if (!running) this.showAge("past");
    if (state === "off") {
      this.spoken = ""; // after a new start, also the same answer is news
      element("spoken", HTMLElement).textContent = "";
    }
    this.showButtons(state);
  }

  /**
   * Show the buttons that do something now. What has the focus keeps it, or hands it on.
   *
   * @param {import("./camera.js").CameraState} state
   */
  showButtons(state) {
    const start = element("camera-start", HTMLButtonElement);
    const stop = element("camera-stop", HTMLButtonElement);
    const other = element("camera-switch", HTMLButtonElement);
    const focused = document.activeElement === stop || document.activeElement === other;
    start.disabled = whyNoCamera() !== null;
    start.hidden = state !== "off";
    stop.hidden = state === "off";
    // While the next camera is asked for, its button stays: a hidden one would lose the focus.
    if (state === "off") other.hidden = true;
    if (state === "on") void this.showSwitch();
    if (focused && state === "off") start.focus();
  }

  async showSwitch() {
    const cameras = await listCameras();
    if (this.camera.state !== "on") return;
    const other = element("camera-switch", HTMLButtonElement);
    const focused = document.activeElement === other;
    other.hidden = cameras.length < 2;
    if (focused && other.hidden) element("camera-stop", HTMLButtonElement).focus();
  }
}

/**
 * @param {readonly number[]} values At least one.
 * @returns {number}
 */
export function median(values) {
  const ordered = [...values].sort((one, other) => one - other);
  const middle = ordered.length >> 1;
  const upper = Number(ordered[middle]);
  return ordered.length % 2 === 1 ? upper : (Number(ordered[middle - 1]) + upper) / 2;
}
