/** The pictures' view: files chosen, dropped or pasted, one after the other to answers. */

import { openPicture, thumbnail } from "./pixels.js";
import { decide } from "./postprocess.js";
import { prepare } from "./preprocess.js";
import { printable, saveOnDevice, toCsv } from "./results.js";
import { errorText, percentText, text } from "./texts.js";
import { element, make, showBars, shownLabel } from "./view.js";

/** @typedef {import("./results.js").PictureResult} PictureResult */

const THUMBNAIL_SIDE = 160; // pixels, for screens of two and more to each of CSS

export class PicturesView {
  /** @param {import("./runner.js").Runner} runner */
  constructor(runner) {
    this.runner = runner;
    /** @type {PictureResult[]} */
    this.results = [];
    /** @type {File[]} */
    this.waiting = [];
    this.done = 0;
    this.failed = 0;
    this.total = 0;
    this.busy = false;
    /** @type {Element | null} */
    this.earlier = null; // what the latest batch's results are put before
    this.pasted = 0;
    const files = element("files", HTMLInputElement);
    const choose = element("choose", HTMLButtonElement);
    choose.disabled = false;
    choose.addEventListener("click", () => files.click());
    files.addEventListener("change", () => {
      this.add(Array.from(files.files ?? []));
      files.value = ""; // so that the same file can be chosen again
    });
    element("batch-stop", HTMLButtonElement).addEventListener("click", () => this.stop());
    element("save", HTMLButtonElement).addEventListener("click", () => this.save());
    element("clear", HTMLButtonElement).addEventListener("click", () => this.clear());
    document.addEventListener("paste", (event) => this.paste(event));
  }

  /**
   * @param {ClipboardEvent} event
   */
  paste(event) {
    const files = Array.from(event.clipboardData?.files ?? []);
    // All that is pasted is called image.png.
    const named = files.map((file) => {
      this.pasted += 1;
      return new File([file], text("pictures.pasted", { number: this.pasted }));
    });
    this.add(named);
  }

  /**
   * Classify files after those that wait already.
   *
   * @param {readonly File[]} files
   */
  add(files) {
    if (files.length === 0) return;
    location.hash = "#pictures";
    this.waiting.push(...files);
    this.total += files.length;
    if (!this.busy) void this.work();
  }

  async work() {
    this.busy = true;
    element("batch-status", HTMLElement).textContent = "";
    this.earlier = element("results", HTMLElement).firstElementChild;
    for (;;) {
      this.showProgress();
      const file = this.waiting.shift();
      if (file === undefined) break;
      const { results } = this;
      const item = make("li");
      const result = await this.classify(file, item);
      if (results !== this.results) continue; // the list was cleared meanwhile
      results.push(result);
      this.show(item);
      this.done += 1;
      if (result.error) this.failed += 1;
      await letThePageBreathe();
    }
    // Nothing to sum up where the list was cleared.
    const words = this.total > 0 ? this.summary(this.done < this.total) : "";
    this.done = this.failed = this.total = 0;
    this.showProgress();
    element("batch-status", HTMLElement).textContent = words;
    this.busy = false;
  }

  /**
   * Put a result into the list: the latest batch comes first, in its own order. Its first result
   * is brought into sight, which on a small screen it would not be.
   *
   * @param {HTMLElement} item
   */
  show(item) {
    element("results", HTMLElement).insertBefore(item, this.earlier);
    element("results-area", HTMLElement).hidden = false;
    if (this.done > 0) return;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    // In the middle: at the lower edge it would lie behind the tabs.
    item.scrollIntoView({ block: "center", behavior: calm ? "instant" : "smooth" });
  }

  /**
   * @param {File} file
   * @param {HTMLElement} item Filled with the answer.
   * @returns {Promise<PictureResult>}
   */
  async classify(file, item) {
    const { contract } = this.runner;
    const name = printable(file.name);
    const words = make("div", "", "words");
    words.append(make("p", name, "file"));
    try {
      const picture = await openPicture(file);
      try {
        const shown = thumbnail(picture, contract.input, THUMBNAIL_SIDE);
        shown.setAttribute("aria-hidden", "true");
        item.append(shown, words);
        const prepared = prepare(picture.source, contract.input);
        const { scores, milliseconds } = await this.runner.scores(prepared);
        const decision = decide(scores, contract.labels, contract.reject_below);
        const label = make("p", shownLabel(decision), "label");
        label.dataset["unknown"] = String(decision.index === null);
        const bars = make("ol", "", "bars");
        showBars(bars, decision.ranked);
        words.append(label);
        if (decision.index === null) {
          const percent = percentText(contract.reject_below);
          words.append(make("p", text("result.below", { percent }), "detail"));
        }
        words.append(bars);
        return { file: name, decision, milliseconds, error: "" };
      } finally {
        picture.close();
      }
    } catch (error) {
      const message = errorText(error);
      item.className = "problem";
      item.replaceChildren(make("span", "!", "mark"), words);
      words.replaceChildren(make("p", name, "file"), make("p", message));
      item.firstElementChild?.setAttribute("aria-hidden", "true");
      return { file: name, decision: null, milliseconds: null, error: message };
    }
  }

  showProgress() {
    const { done, total } = this;
    element("batch", HTMLElement).hidden = total === 0;
    if (total === 0) return;
    element("progress-label", HTMLElement).textContent = text("pictures.progress", { done, total });
    const progress = element("progress", HTMLProgressElement);
    progress.max = total;
    progress.value = done;
  }

  /**
   * @param {boolean} stopped
   * @returns {string}
   */
  summary(stopped) {
    const good = this.done - this.failed;
    const parts = [
      good === 1 ? text("pictures.done.one") : text("pictures.done.many", { count: good }),
    ];
    if (this.failed === 1) parts.push(text("pictures.failed.one"));
    if (this.failed > 1) parts.push(text("pictures.failed.many", { count: this.failed }));
    if (stopped) parts.push(text("pictures.stopped"));
    return parts.join(" ");
  }

  stop() {
    this.waiting = [];
    element("choose", HTMLButtonElement).focus();
  }

  save() {
    const file = text("pictures.csv", { model: this.runner.contract.model });
    saveOnDevice(file, toCsv(this.results, text("result.unknown")));
    element("batch-status", HTMLElement).textContent = text("pictures.saved", { file });
  }

  clear() {
    this.stop();
    this.results = [];
    this.earlier = null;
    this.done = this.failed = this.total = 0;
    this.showProgress();
    element("results", HTMLElement).replaceChildren();
    element("results-area", HTMLElement).hidden = true;
    element("batch-status", HTMLElement).textContent = "";
  }
}

/**
 * Let the browser draw and react between two pictures.
 *
 * @returns {Promise<void>}
 */
function letThePageBreathe() {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
