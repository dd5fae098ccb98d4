/* Run in a web bundle's page: tries to send something to another origin in every way that the page
   has, and says which of them its policy refused. The arguments are where to, and whether to try
   the form: where that is not refused, the page is left, and this script with it. */
async ([outside, leaving]) => {
  const refused = [];
  const note = (event) => refused.push([event.effectiveDirective, event.blockedURI]);
  document.addEventListener("securitypolicyviolation", note);
  const element = (name, values) => {
    const made = Object.assign(document.createElement(name), values);
    document.body.append(made);
    return made;
  };
  const ways = {
    fetch: (url) => fetch(url),
    "fetch with a body": (url) => fetch(url, { method: "POST", body: "x", mode: "no-cors" }),
    XMLHttpRequest: (url) => {
      const request = new XMLHttpRequest();
      request.open("POST", url);
      request.send("x");
    },
    beacon: (url) => navigator.sendBeacon(url, "x"),
    WebSocket: (url) => new WebSocket(url.replace(/^http/, "ws")),
    EventSource: (url) => new EventSource(url),
    image: (url) => {
      new Image().src = url;
    },
    script: (url) => element("script", { src: url }),
    "module import": (url) => import(url),
    style: (url) => element("link", { rel: "stylesheet", href: url }),
    frame: (url) => element("iframe", { src: url }),
    media: (url) => element("video", { src: url }),
    object: (url) => element("object", { data: url }),
    worker: (url) => {
      const text = `fetch(${JSON.stringify(url)}, { mode: "no-cors" })`;
      new Worker(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
    },
    WebTransport: (url) => {
      const transport = new WebTransport(url.replace(/^http:/, "https:"));
      transport.closed.catch(() => 0);
      return transport.ready;
    },
    form: (url) => {
      const form = element("form", { action: url, method: "post" });
      form.submit();
    },
  };
  const outcome = {};
  for (const [name, way] of Object.entries(ways)) {
    if ((name === "form") !== leaving) continue;
    if (name === "WebTransport" && globalThis.WebTransport === undefined) continue;
    const place = `${outside}/${encodeURIComponent(name)}`;
    const before = refused.length;
    try {
      await Promise.race([way(place), new Promise((wake) => setTimeout(wake, 150))]);
    } catch {
      // What matters is what the policy refused.
    }
    for (let turn = 0; turn < 10 && refused.length === before; turn++) {
      await new Promise((wake) => setTimeout(wake, 50));
    }
    const found = refused.slice(before).map(([directive]) => directive);
    outcome[name] = found[0] ?? null;
  }
  document.removeEventListener("securitypolicyviolation", note);
  return outcome;
}
