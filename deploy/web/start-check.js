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
  var isSingle = !!document.getElementById("resource:model/contract.json");

  function hasSimd() {
    try {
      return WebAssembly.validate(new Uint8Array(simd));
    } catch (error) {
      return false;
    }
  }

  /** @returns {string} What the app needs and is not here; empty where nothing is missing. */
  function findMissing() {
    var missing = [];
    if (!("noModule" in document.createElement("script"))) missing.push("JavaScript modules");
    if (!("hasOwn" in Object)) missing.push("Object.hasOwn");
    if (!hasSimd()) missing.push("WebAssembly with SIMD");
    if (!("createImageBitmap" in window)) missing.push("createImageBitmap");
    /* In the single file, everything is unpacked by this. */
    if (isSingle && !("DecompressionStream" in window)) missing.push("DecompressionStream");
    return missing.join(", ");
  }

  /**
   * @param {string} missing
   * @returns {boolean} Whether the browser is too old for the app.
   */
  function judge(missing) {
    var place = document.getElementById("start-missing");
    if (missing && place) {
      place.textContent = missing;
      show("start-old");
    }
    return missing !== "";
  }

  /* An option that a browser does not know is passed over, but not an unknown value of one. */
  function judgePictures() {
    return createImageBitmap(new ImageData(1, 1), { imageOrientation: "from-image" }).then(
      function (bitmap) {
        bitmap.close();
        return false;
      },
      function () {
        return judge("createImageBitmap with imageOrientation: from-image");
      }
    );
  }

  /* The app waits for the answer before it starts. */
  if (judge(findMissing())) {
    Object(window).edgecnnTooOld = true;
  } else if (location.protocol === "file:" && !isSingle) {
    show("start-folder");
  } else {
    Object(window).edgecnnTooOld = judgePictures();
  }
})();
