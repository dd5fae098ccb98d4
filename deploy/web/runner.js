/** The model in ONNX Runtime Web: an image of the model's size in, probabilities out. */

import { ClassifierError } from "./errors.js";
import { probabilities, scoreCount } from "./postprocess.js";

/** @typedef {import("./contract.js").Contract} Contract */
/** @typedef {import("./resources.js").Runtime} Runtime */
/** @typedef {import("onnxruntime-web/wasm").InferenceSession} Session */

export class Runner {
  /**
   * Use `Runner.load`.
   *
   * @param {Runtime} runtime
   * @param {Session} session
   * @param {Contract} contract
   */
  constructor(runtime, session, contract) {
    this.contract = contract;
    this.runtime = runtime;
    this.session = session;
    const { height, width, channels } = contract.input;
    this.pixels = new Float32Array(height * width * channels);
    this.dimensions =
      contract.feed.layout === "NCHW" ? [1, channels, height, width] : [1, height, width, channels];
    /** @type {Promise<unknown>} */
    this.last = Promise.resolve();
  }

  /**
   * Load a model.
   *
   * @param {Runtime} runtime From `resources.js`.
   * @param {ArrayBuffer} model The ONNX file.
   * @param {Contract} contract
   * @returns {Promise<Runner>}
   * @throws {ClassifierError} `runtime` if it does not load or is not what the contract says.
   */
  static async load(runtime, model, contract) {
    let session;
    try {
      session = await runtime.InferenceSession.create(new Uint8Array(model), {
        executionProviders: ["wasm"],
        logSeverityLevel: 4, // what goes wrong comes as an exception, too
      });
    } catch (error) {
      throw new ClassifierError("runtime", String(error));
    }
    if (session.inputNames.length !== 1 || session.outputNames.length !== 1) {
      throw new ClassifierError("runtime", "the model has not one input and one output");
    }
    return new Runner(runtime, session, contract);
  }

  /**
   * Return the probabilities of one image. Calls wait for each other.
   *
   * @param {Uint8Array} image height * width * channels bytes, as `prepare` gives them.
   * @returns {Promise<{scores: Float32Array, milliseconds: number}>} One score for each label,
   *   and how long the inference alone took.
   * @throws {ClassifierError} `runtime` if the model cannot be run, `scores` if it answers with
   *   a wrong number of scores, with NaN or infinity.
   */
  scores(image) {
    const turn = this.last.then(() => this.infer(image));
    this.last = turn.catch(() => undefined);
    return turn;
  }

  /**
   * Bring an image's bytes into the model's order, and to its numbers.
   *
   * @param {Uint8Array} image Rows from the top, channels side by side.
   */
  fill(image) {
    const { layout, table } = this.contract.feed;
    const { channels } = this.contract.input;
    if (layout === "NHWC" && table === null) {
      this.pixels.set(image);
      return;
    }
    const count = image.length / channels;
    for (let channel = 0; channel < channels; channel++) {
      const values = table?.[channel];
      for (let pixel = 0; pixel < count; pixel++) {
        const from = pixel * channels + channel;
        const byte = Number(image[from]);
        const to = layout === "NCHW" ? channel * count + pixel : from;
        this.pixels[to] = values === undefined ? byte : Number(values[byte]);
      }
    }
  }

  /**
   * @param {Uint8Array} image
   * @returns {Promise<{scores: Float32Array, milliseconds: number}>}
   */
  async infer(image) {
    if (image.length !== this.pixels.length) {
      throw new ClassifierError("runtime", `${image.length} bytes, not ${this.pixels.length}`);
    }
    this.fill(image);
    const [input = "", output = ""] = [this.session.inputNames[0], this.session.outputNames[0]];
    let raw;
    const started = performance.now();
    try {
      const tensor = new this.runtime.Tensor("float32", this.pixels, this.dimensions);
      const answers = await this.session.run({ [input]: tensor });
      raw = answers[output]?.data;
    } catch (error) {
      throw new ClassifierError("runtime", String(error));
    }
    const milliseconds = performance.now() - started;
    const expected = scoreCount(this.contract.output.kind, this.contract.labels.length);
    if (!(raw instanceof Float32Array) || raw.length !== expected) {
      throw new ClassifierError("scores", `${raw?.length} scores, not ${expected} of type float32`);
    }
    return { scores: probabilities(raw, this.contract.output.kind), milliseconds };
  }
}
