/* Runs in browsers of any age, so it is written as of old. It only chooses which of the page's
   texts to show where the app's modules cannot run. */
(function () {
  "use strict";

  /** @param {string} id */
  function show(id) {
    var wait = document.getElementById("start-wait");
    var instead = document.getElementById(id);
    if (wait && instead) {
      wait.hidden = true;
      instead.hidden = false;
    }
  }

  /* The smallest module with an instruction of SIMD: (func (result v128) i32.const 0 i8x16.splat). */
  var simd = [
    0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15,
    11,
  ];

  function isOld() {
    if (!("noModule" in document.createElement("script"))) return true;
    if (typeof WebAssembly !== "object") return true;
    /* In the single file, everything is unpacked by this. */
    if (document.getElementById("resource:model/contract.json") && !window.DecompressionStream) {
      return true;
    }
    try {
      return !WebAssembly.validate(new Uint8Array(simd));
    } catch (error) {
      return true;
    }
  }

  if (isOld()) {
    Object(window).edgecnnTooOld = true;
    show("start-old");
  } else if (
    location.protocol === "file:" &&
    !document.getElementById("resource:model/contract.json")
  ) {
    show("start-folder");
  }
})();
