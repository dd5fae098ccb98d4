/** The service worker from the page's side: offline use, and the change to a newer version. */

import { showFact } from "./facts.js";
import { isSingleFile } from "./resources.js";
import { text } from "./texts.js";
import { element } from "./view.js";

/** Have the app's files kept on this device, and say how that went. */
export async function keepOffline() {
  if (isSingleFile()) {
    say("about.offline.single");
    return;
  }
  if (!isSecureContext) {
    say("about.offline.insecure");
    return;
  }
  const workers = navigator.serviceWorker;
  if (workers === undefined) {
    say("about.offline.missing");
    return;
  }
  try {
    say("about.offline.saving");
    const told = whyNotKept(workers);
    const registration = await workers.register("service-worker.js");
    const first = registration.active === null;
    const installing = registration.installing;
    if (first && installing !== null) {
      installing.addEventListener("statechange", () => {
        if (installing.state !== "redundant") return;
        fail("the service worker was not installed");
        void told.then(fail);
      });
    }
    registration.addEventListener("updatefound", () => watch(registration));
    watch(registration);
    followOtherTabs(registration);
    await workers.ready;
    say("about.offline.ready");
  } catch (error) {
    if (isDistrusted(error)) say("about.offline.distrusted");
    else fail(String(error));
  }
}

/**
 * Wait for the service worker to say which file it could not keep.
 *
 * @param {ServiceWorkerContainer} workers
 * @returns {Promise<string>}
 */
function whyNotKept(workers) {
  return new Promise((resolve) => {
    workers.addEventListener("message", (event) => {
      const reason = Object(event.data).notKept;
      if (typeof reason === "string") resolve(reason);
    });
    workers.startMessages();
  });
}

/**
 * Tell whether a browser refused the service worker because of the server's certificate, which it
 * does also where the user has gone on to the page all the same.
 *
 * @param {unknown} error
 * @returns {boolean}
 */
function isDistrusted(error) {
  const { name, message } = Object(error);
  return name === "SecurityError" && /certificate/i.test(String(message));
}

/**
 * Offer the newer version once it is complete. It waits until the user wants it: the page that
 * is open keeps the files that it began with.
 *
 * @param {ServiceWorkerRegistration} registration
 */
function watch(registration) {
  const look = () => {
    if (registration.waiting !== null && navigator.serviceWorker.controller !== null) {
      offer(registration);
    }
  };
  registration.installing?.addEventListener("statechange", look);
  look();
}

/**
 * Offer the newer version also where another tab has put it in charge: this page is still of the
 * older one, whose files are gone. It is not loaded again unasked, which would lose its results.
 *
 * @param {ServiceWorkerRegistration} registration
 */
function followOtherTabs(registration) {
  const workers = navigator.serviceWorker;
  // The very first worker takes charge of a page of its own version.
  let controlled = workers.controller !== null;
  workers.addEventListener("controllerchange", () => {
    if (controlled) offer(registration);
    controlled = true;
  });
}

/**
 * @param {ServiceWorkerRegistration} registration
 */
function offer(registration) {
  element("update", HTMLElement).hidden = false;
  element("update-apply", HTMLButtonElement).onclick = () => {
    const { waiting } = registration;
    if (waiting === null) {
      location.reload(); // it is in charge already
      return;
    }
    navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), {
      once: true,
    });
    waiting.postMessage("activate");
  };
}

/**
 * @param {string} reason
 */
function fail(reason) {
  showFact("about.offline", text("about.offline.failed", { reason }));
}

/**
 * @param {import("./texts.js").TextKey} key
 */
function say(key) {
  showFact("about.offline", text(key));
}
