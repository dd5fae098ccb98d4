/** The privacy page: the claims that were checked when the app was packaged, and those not. */

import { parseJson } from "./contract.js";
import { resource } from "./resources.js";
import { errorText, text } from "./texts.js";
import { element, make } from "./view.js";

/** Show `privacy.json`; what is wrong with it is shown instead. */
export async function showPrivacy() {
  const list = element("claims", HTMLElement);
  try {
    const note = parseJson(await resource("privacy.json"), "resource");
    const claims = Array.from(note["claims"], (claim) => claimItem(Object(claim)));
    list.replaceChildren(...claims);
    const facts = [
      `${text("privacy.made")}: ${note["made"]}`,
      `${text("privacy.bundle")}: ${note["bundle"]}`,
    ];
    element("privacy-made", HTMLElement).textContent = facts.join(" · ");
  } catch (error) {
    list.replaceChildren(make("li", text("privacy.failed", { reason: errorText(error) })));
  }
}

/**
 * @param {Record<string, unknown>} claim
 * @returns {HTMLElement}
 */
function claimItem(claim) {
  const item = make("li");
  // Only true itself counts: whatever else stands there has not been checked.
  const checked = claim["checked"] === true;
  item.dataset["checked"] = String(checked);
  item.append(
    make("p", String(claim["text"]), "claim"),
    make("p", text(checked ? "privacy.checked" : "privacy.unchecked"), "mark"),
    make("p", String(claim["how"] ?? ""), "detail"),
  );
  return item;
}
