/** Files that are dropped: anywhere on the page, and never left to the browser. */

import { element } from "./view.js";

/**
 * Keep the browser from leaving the app for a file that is dropped on it, from now on.
 *
 * @returns {(take: (files: File[]) => void) => void} Says who takes the files; until then, and so
 *   where the app cannot start, there is nothing to drop them for.
 */
export function catchDrops() {
  /** @type {((files: File[]) => void) | null} */
  let taker = null;
  const cue = element("drop-cue", HTMLElement);
  addEventListener("dragover", (event) => {
    event.preventDefault();
    const { dataTransfer } = event;
    const wanted = taker !== null && dataTransfer?.types.includes("Files") === true;
    if (dataTransfer !== null) dataTransfer.dropEffect = wanted ? "copy" : "none";
    cue.hidden = !wanted;
  });
  addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) cue.hidden = true;
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    cue.hidden = true;
    taker?.(Array.from(event.dataTransfer?.files ?? []));
  });
  return (take) => {
    taker = take;
  };
}
