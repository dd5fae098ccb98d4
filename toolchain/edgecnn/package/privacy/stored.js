/* Run in a web bundle's page: all that it has stored, with a digest of each kept answer. */
async () => {
  const hex = (bytes) =>
    Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const kept = {};
  const odd = [];
  const headers = new Set();
  const names = await caches.keys();
  for (const name of names) {
    const cache = await caches.open(name);
    for (const request of await cache.keys()) {
      const answer = await cache.match(request);
      for (const header of answer.headers.keys()) headers.add(header);
      const digest = await crypto.subtle.digest("SHA-256", await answer.arrayBuffer());
      const path = new URL(request.url).pathname.slice(1);
      if (request.method !== "GET" || new URL(request.url).origin !== location.origin) {
        odd.push(`${request.method} ${request.url}`);
      }
      if (path in kept) odd.push(`${path}, twice`);
      kept[path] = hex(digest);
    }
  }
  const files = [];
  const root = await navigator.storage.getDirectory();
  for await (const name of root.keys()) files.push(name);
  return {
    kept,
    odd,
    caches: names,
    headers: [...headers],
    buckets: (await navigator.storageBuckets?.keys()) ?? [],
    databases: (await indexedDB.databases()).map((one) => one.name),
    local: Object.keys(localStorage),
    session: Object.keys(sessionStorage),
    cookies: document.cookie,
    files,
  };
}
