/** The camera: asked for, lost, paused; one frame at a time to whoever wants it. */

import { ClassifierError } from "./errors.js";

/** @typedef {"off" | "asking" | "on" | "paused"} CameraState */

/** What browsers call the ways in which a camera cannot be had.
 * @type {Record<string, import("./errors.js").ErrorCode>} */
const CAMERA_ERRORS = {
  NotAllowedError: "camera-denied",
  SecurityError: "camera-denied",
  NotFoundError: "camera-none",
  OverconstrainedError: "camera-none",
  NotReadableError: "camera-busy",
  AbortError: "camera-busy",
};

/** A model sees a few thousand pixels; more from the camera only costs time. */
const WANTED = { width: { ideal: 640 }, height: { ideal: 480 } };

export class Camera {
  /**
   * @param {HTMLVideoElement} video Where the picture is shown.
   * @param {(video: HTMLVideoElement) => Promise<void>} onFrame Called for a frame; the next one is
   *   waited for when it is done.
   * @param {(state: CameraState, error: unknown) => void} onState Called when the state changes;
   *   with an error when it became "off" for a reason.
   */
  constructor(video, onFrame, onState) {
    this.video = video;
    this.onFrame = onFrame;
    this.onState = onState;
    /** @type {CameraState} */
    this.state = "off";
    /** @type {MediaStream | null} */
    this.stream = null;
    /** @type {string | null} */
    this.device = null;
    // Frames and answers of an earlier start are recognized by it, and dropped.
    this.run = 0;
  }

  /**
   * Ask for the camera, the one at the back if there is one, and begin.
   *
   * @returns {Promise<void>} When it shows a picture, or the state says why not.
   */
  async start() {
    this.release();
    const run = ++this.run;
    this.change("asking");
    try {
      const stream = await askForCamera(this.device);
      if (run !== this.run) {
        stopTracks(stream);
        return;
      }
      this.stream = stream;
      for (const track of stream.getVideoTracks()) {
        track.addEventListener("ended", () => {
          if (run === this.run) this.fail(new ClassifierError("camera-lost", "the track ended"));
        });
      }
      this.video.srcObject = stream;
      await this.video.play();
      if (run !== this.run) return;
      this.change("on");
      this.next(run);
    } catch (error) {
      if (run === this.run) this.fail(error);
    }
  }

  /** Give the camera back. */
  stop() {
    this.release();
    this.change("off");
  }

  /**
   * Give the camera back for as long as nobody sees its picture. Not while it is asked for: the
   * browser's question may itself hide the page.
   */
  pause() {
    if (this.state !== "on") return;
    this.release();
    this.change("paused");
  }

  /** Go on after `pause`. */
  async resume() {
    if (this.state === "paused") await this.start();
  }

  /**
   * Take the next camera, if there are several.
   *
   * @returns {Promise<void>}
   */
  async switch() {
    const { run } = this;
    if (this.state !== "on") return;
    const cameras = await listCameras();
    if (run !== this.run) return;
    const used = this.stream?.getVideoTracks()[0]?.getSettings().deviceId;
    const place = cameras.findIndex((camera) => camera.deviceId === used);
    this.device = cameras[(place + 1) % cameras.length]?.deviceId ?? null;
    await this.start();
  }

  /**
   * @param {number} run
   */
  next(run) {
    const { video } = this;
    const classify = async () => {
      if (run !== this.run) return;
      try {
        await this.onFrame(video);
      } catch (error) {
        if (run === this.run) this.fail(error);
        return;
      }
      if (run === this.run) this.next(run);
    };
    if (typeof video.requestVideoFrameCallback === "function") {
      video.requestVideoFrameCallback(classify);
      return;
    }
    const seen = video.currentTime;
    const wait = () => {
      if (run !== this.run) return;
      if (video.currentTime === seen) requestAnimationFrame(wait);
      else void classify();
    };
    requestAnimationFrame(wait);
  }

  release() {
    this.run += 1;
    if (this.stream !== null) stopTracks(this.stream);
    this.stream = null;
    this.video.srcObject = null;
  }

  /**
   * @param {unknown} error
   */
  fail(error) {
    this.release();
    this.device = null; // the next start takes any camera, not again the one that failed
    const code = CAMERA_ERRORS[String(Object(error).name)];
    const known = error instanceof ClassifierError || code === undefined;
    this.change("off", known ? error : new ClassifierError(code, String(error)));
  }

  /**
   * @param {CameraState} state
   * @param {unknown} [error]
   */
  change(state, error = null) {
    this.state = state;
    this.onState(state, error);
  }
}

/**
 * Say why this page can have no camera, before one asks for it.
 *
 * @returns {ClassifierError | null} Null if one may ask.
 */
export function whyNoCamera() {
  // Typed as always there; in an insecure context it is not.
  if ("mediaDevices" in navigator) return null;
  return isSecureContext
    ? new ClassifierError("camera-missing", "no navigator.mediaDevices")
    : new ClassifierError("camera-insecure", location.origin);
}

/**
 * List the cameras; browsers name them only while one is in use.
 *
 * @returns {Promise<MediaDeviceInfo[]>}
 */
export async function listCameras() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter((device) => device.kind === "videoinput");
}

/**
 * Ask for one camera; for any, if it is not there any more or none is named.
 *
 * @param {string | null} device
 * @returns {Promise<MediaStream>}
 */
async function askForCamera(device) {
  const reason = whyNoCamera();
  if (reason !== null) throw reason;
  /** @type {(which: MediaTrackConstraints) => Promise<MediaStream>} */
  const ask = (which) =>
    navigator.mediaDevices.getUserMedia({ audio: false, video: { ...WANTED, ...which } });
  if (device !== null) {
    try {
      // Without "exact" it is a wish, and a browser may stay with the camera that it had.
      return await ask({ deviceId: { exact: device } });
    } catch (error) {
      if (CAMERA_ERRORS[String(Object(error).name)] !== "camera-none") throw error;
    }
  }
  return ask({ facingMode: { ideal: "environment" } });
}

/**
 * @param {MediaStream} stream
 */
function stopTracks(stream) {
  for (const track of stream.getTracks()) track.stop();
}
