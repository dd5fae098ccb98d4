/**
 * Keeps the app's files on the device, and answers with them whether there is a network or not.
 *
 * The packaging fills in the two constants. VERSION is a hash over all files, so that any change
 * makes a new worker, which loads all of them afresh: there is no mixture of two versions.
 * Nothing but these files is stored.
 */

const VERSION = "@VERSION@";
const FILES = @FILES@;

const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));
// Other apps of the same origin, in other folders, keep their caches.
const PREFIX = `edgecnn ${worker.registration.scope} `;
const CACHE = PREFIX + VERSION;

worker.addEventListener("install", (event) => {
  event.waitUntil(keepAll());
});

worker.addEventListener("activate", (event) => {
  event.waitUntil(removeOlder().then(() => worker.clients.claim()));
});

worker.addEventListener("message", (event) => {
  // The user has asked for the newer version; the page reloads once it is in charge.
  if (event.data === "activate") event.waitUntil(worker.skipWaiting());
});

worker.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method === "GET" && request.url.startsWith(worker.registration.scope)) {
    event.respondWith(answer(request));
  }
});

/**
 * Fetch all files anew, past the browser's own cache. If one fails, nothing is kept, and the app's
 * pages are told which.
 *
 * @returns {Promise<void>}
 */
async function keepAll() {
  const cache = await caches.open(CACHE);
  const outcomes = await Promise.allSettled(FILES.map((file) => keep(cache, file)));
  const failed = outcomes.find((outcome) => outcome.status === "rejected");
  if (failed === undefined) return;
  await caches.delete(CACHE);
  const reason = String(failed.reason?.message ?? failed.reason);
  for (const page of await worker.clients.matchAll({ includeUncontrolled: true })) {
    if (page.url.startsWith(worker.registration.scope)) page.postMessage({ notKept: reason });
  }
  throw failed.reason;
}

/**
 * @param {Cache} cache
 * @param {string} file
 * @returns {Promise<void>}
 * @throws {Error} Its message names the file.
 */
async function keep(cache, file) {
  try {
    const response = await fetch(new Request(file, { cache: "reload" }));
    if (!response.ok) throw new Error(`HTTP status ${response.status}`);
    await cache.put(file, response);
  } catch (error) {
    throw new Error(`${file}: ${error instanceof Error ? error.message : error}`);
  }
}

/**
 * @returns {Promise<void>}
 */
async function removeOlder() {
  const names = await caches.keys();
  const older = names.filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  await Promise.all(older.map((name) => caches.delete(name)));
}

/**
 * Answer from the device. What is no file of the app goes to the network and is not kept.
 *
 * @param {Request} request
 * @returns {Promise<Response>}
 */
async function answer(request) {
  const cache = await caches.open(CACHE);
  const url = new URL(request.url);
  const wanted = url.pathname.endsWith("/") ? new URL("index.html", url) : request;
  const kept = await cache.match(wanted, { ignoreSearch: true });
  return kept ?? fetch(request);
}
