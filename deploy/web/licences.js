/** The licences of what the app is made of, loaded when somebody wants to read them. */

import { isSingleFile, resource } from "./resources.js";
import { errorText, text } from "./texts.js";
import { element, make } from "./view.js";

const OVERVIEW = "LICENSES/README.txt";

/** Offer the overview, and each text that it names. */
export function offerLicences() {
  // A single file without them lies beside a folder that has them.
  if (isSingleFile() && document.getElementById(`resource:${OVERVIEW}`) === null) return;
  const box = element("licences", HTMLDetailsElement);
  box.hidden = false;
  loadOnOpening(box, OVERVIEW, (overview) => {
    const names = new Set(overview.match(/LICENSES\/[\w.-]+\.txt/g));
    for (const name of names) {
      const part = document.createElement("details");
      part.append(make("summary", name));
      loadOnOpening(part, name);
      box.append(part);
    }
  });
}

/**
 * Put a text into an element that can be opened, the first time it is.
 *
 * @param {HTMLDetailsElement} box
 * @param {string} name Of the resource.
 * @param {(words: string) => void} [then] Called with the text.
 */
function loadOnOpening(box, name, then = () => undefined) {
  const load = async () => {
    const place = make("pre", text("about.licences.loading"), "detail");
    box.append(place);
    try {
      const words = new TextDecoder().decode(await resource(name));
      place.textContent = words;
      then(words);
    } catch (error) {
      place.textContent = errorText(error);
    }
  };
  box.addEventListener("toggle", load, { once: true });
}
