/* Run before a page's own scripts: notes each use of a way out that neither the page's policy covers
   nor a proxy sees, by the function that the session gives the page. */
(() => {
  const note = globalThis.edgecnnSessionNote;
  for (const name of ["RTCPeerConnection", "webkitRTCPeerConnection"]) {
    const real = globalThis[name];
    if (real === undefined) continue;
    globalThis[name] = new Proxy(real, {
      construct(target, given, made) {
        note(name);
        return Reflect.construct(target, given, made);
      },
    });
  }
  for (const [owner, name] of [[globalThis, "open"], [navigator, "share"]]) {
    const real = owner[name];
    if (real === undefined) continue;
    owner[name] = (...given) => {
      note(`${name}()`);
      return Reflect.apply(real, owner, given);
    };
  }
})();
