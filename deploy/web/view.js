/** The page's elements: looked up, filled with words, shown and hidden. */

import { percentText, text } from "./texts.js";

/** @typedef {import("./postprocess.js").Decision} Decision */

const VIEWS = ["camera", "pictures", "about"];

/**
 * Return an element of the page.
 *
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} kind Its class.
 * @returns {T}
 * @throws {Error} If the page has none of that class: a bug.
 */
export function element(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} #${id}`);
  return found;
}

/**
 * Make an element with a text in it.
 *
 * @param {string} tag
 * @param {string} [words]
 * @param {string} [className]
 * @returns {HTMLElement}
 */
export function make(tag, words = "", className = "") {
  const made = document.createElement(tag);
  made.textContent = words;
  if (className) made.className = className;
  return made;
}

/** Put the words of `texts.js` where the page asks for them, and show it. */
export function fillPage() {
  for (const place of document.querySelectorAll("[data-text]")) {
    const key = /** @type {import("./texts.js").TextKey} */ (place.getAttribute("data-text"));
    place.textContent = text(key);
  }
  element("nav", HTMLElement).setAttribute("aria-label", text("nav.name"));
  element("video", HTMLVideoElement).setAttribute("aria-label", text("camera.preview"));
  element("start", HTMLElement).remove();
  element("app", HTMLElement).hidden = false;
}

/**
 * Follow the address's fragment: one view is shown at a time.
 *
 * @param {(view: string) => void} changed Called now and on each change.
 */
export function followViews(changed) {
  let shown = false;
  const follow = () => {
    const asked = location.hash.slice(1);
    // Of the skip link, in an address that was kept: no view, but not the end of one either.
    if (asked === "main" && shown) return;
    shown = true;
    const view = VIEWS.includes(asked) ? asked : VIEWS[0];
    for (const id of VIEWS) element(id, HTMLElement).hidden = id !== view;
    for (const link of document.querySelectorAll("#nav a")) {
      if (link.getAttribute("href") === `#${view}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    scrollTo(0, 0);
    changed(String(view));
  };
  addEventListener("hashchange", follow);
  element("skip", HTMLAnchorElement).addEventListener("click", (event) => {
    // The address keeps the view's name, for a reload to come back to it.
    event.preventDefault();
    element("main", HTMLElement).focus();
  });
  follow();
}

/**
 * Say in the page's head what goes on. Screen readers hear it.
 *
 * @param {string} words
 * @param {"busy" | "good" | "unproven" | "bad"} kind
 */
export function showStatus(words, kind) {
  const status = element("status", HTMLElement);
  status.textContent = words;
  status.dataset["kind"] = kind;
}

/**
 * Show why nothing can be classified, in place of the views that would.
 *
 * @param {string} words
 * @param {string} detail In technical words.
 */
export function showFailure(words, detail) {
  element("failure-text", HTMLElement).textContent = words;
  element("failure-detail", HTMLElement).textContent = detail;
  element("failure", HTMLElement).hidden = false;
  element("app", HTMLElement).dataset["failed"] = "true";
}

/**
 * Return the label to show for a decision.
 *
 * @param {Decision} decision
 * @returns {string}
 */
export function shownLabel(decision) {
  return decision.index === null ? text("result.unknown") : (decision.ranked[0]?.label ?? "");
}

/**
 * Show the best classes as a list with bars; elements are kept from one call to the next.
 *
 * @param {HTMLElement} list
 * @param {readonly import("./postprocess.js").Score[]} ranked
 */
export function showBars(list, ranked) {
  while (list.children.length > ranked.length) list.lastElementChild?.remove();
  while (list.children.length < ranked.length) {
    const item = make("li");
    item.append(make("span", "", "name"), make("span", "", "percent"), make("span", "", "bar"));
    list.append(item);
  }
  ranked.forEach(({ label, score }, place) => {
    const [name, percent, bar] = /** @type {HTMLCollectionOf<HTMLElement>} */ (
      /** @type {Element} */ (list.children[place]).children
    );
    if (!name || !percent || !bar) throw new Error("a bar has lost its parts");
    name.textContent = label;
    percent.textContent = percentText(score);
    // Through the object model, which style-src 'self' allows; an attribute it would not.
    bar.style.setProperty("--share", String(score));
  });
}
