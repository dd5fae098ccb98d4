/**
 * Which part of a picture becomes which part of what a model sees: the fit of a resize rule.
 *
 * The same integers as in `edgecnn_runner/images/preprocess.py`, where the fits are written down. All of
 * them are below 2 ** 53, so doubles hold them: pictures have at most 2 ** 26 pixels, models at most
 * 2 ** 14 on a side, and a side of a picture that is resized before it is cropped, W * sh / H, is
 * below 2 ** 26 * (1000 * 2 ** 14).
 */

/** @typedef {import("./contract.js").ResizeRule} ResizeRule */

/** Width and height of a crop, and where it begins; pixels.
 * @typedef {{left: number, upper: number, width: number, height: number}} Crop */

/** What the model wants; channels is 1 (luma) or 3 (RGB).
 * @typedef {{height: number, width: number, channels: number, resize: ResizeRule}} ModelInput */

/** How the rows, or the columns, of a picture become those of the model's input: of the picture,
 * `length` from `first` on are resized to `resized`; of these, `kept` from `skipped` on are what the
 * model's input has from `place` on.
 * @typedef {object} Side
 * @property {number} first
 * @property {number} length At least 1.
 * @property {number} resized At least 1.
 * @property {number} skipped
 * @property {number} kept At least 1.
 * @property {number} place */

/** @typedef {{rows: Side, columns: Side}} Fit */

/**
 * Say how a picture is brought to the size that a model wants.
 *
 * @param {number} height Of the picture.
 * @param {number} width Of the picture.
 * @param {ModelInput} input
 * @returns {Fit}
 */
export function fitOf(height, width, input) {
  const { fit, fraction, filter } = input.resize;
  if (fit === "stretch") {
    return { rows: whole(height, input.height), columns: whole(width, input.width) };
  }
  const isAntialiased = filter === "bilinear-antialias";
  if (fit === "pad") {
    const padded = isAntialiased ? paddedAsByPillow : paddedAsByTensorflow;
    return padded(height, width, input);
  }
  if (isAntialiased) return resizedThenCropped(height, width, input);
  const crop =
    fraction === 1000 && filter === "box-average"
      ? centreCrop(height, width, input)
      : partialCrop(height, width, input);
  return {
    rows: { ...whole(crop.height, input.height), first: crop.upper },
    columns: { ...whole(crop.width, input.width), first: crop.left },
  };
}

/**
 * Say which part of a picture the model sees, for the eye: its edges may lie within pixels.
 *
 * @param {Fit} fit
 * @returns {Crop}
 */
export function partSeen({ rows, columns }) {
  return {
    left: columns.first + (columns.skipped * columns.length) / columns.resized,
    upper: rows.first + (rows.skipped * rows.length) / rows.resized,
    width: (columns.kept * columns.length) / columns.resized,
    height: (rows.kept * rows.length) / rows.resized,
  };
}

/**
 * @param {number} length
 * @param {number} resized
 * @returns {Side}
 */
function whole(length, resized) {
  return { first: 0, length, resized, skipped: 0, kept: resized, place: 0 };
}

/**
 * The middle part that has the aspect ratio of the model's input, rounded to the nearest pixel.
 *
 * @param {number} height
 * @param {number} width
 * @param {ModelInput} input
 * @returns {Crop}
 */
function centreCrop(height, width, input) {
  if (width * input.height > height * input.width) {
    const kept = floorDivide(2 * height * input.width + input.height, 2 * input.height);
    return middle(height, width, height, kept);
  }
  const kept = floorDivide(2 * width * input.height + input.width, 2 * input.width);
  return middle(height, width, kept, width);
}

/**
 * The middle part that has the aspect ratio of the model's input, or a fraction of it, rounded down.
 *
 * @param {number} height
 * @param {number} width
 * @param {ModelInput} input
 * @returns {Crop}
 */
function partialCrop(height, width, input) {
  const { fraction } = input.resize;
  const rows = Math.min(height, floorDivide(width * input.height, input.width));
  const columns = Math.min(width, floorDivide(height * input.width, input.height));
  const [keptRows, keptColumns] = [rows, columns].map((one) => floorDivide(one * fraction, 1000));
  return middle(height, width, Number(keptRows), Number(keptColumns));
}

/**
 * @param {number} height Of the picture.
 * @param {number} width Of the picture.
 * @param {number} rows To keep, if that is not none.
 * @param {number} columns To keep, if that is not none.
 * @returns {Crop}
 */
function middle(height, width, rows, columns) {
  const kept = { height: Math.max(1, rows), width: Math.max(1, columns) };
  const left = floorDivide(width - kept.width, 2);
  return { ...kept, left, upper: floorDivide(height - kept.height, 2) };
}

/**
 * As torchvision's Resize and CenterCrop: the picture is resized to what is larger than the model's
 * input by the fraction, and the middle of that is kept.
 *
 * @param {number} height
 * @param {number} width
 * @param {ModelInput} input
 * @returns {Fit}
 */
function resizedThenCropped(height, width, input) {
  const { fraction } = input.resize;
  let rows = floorDivide(input.height * 1000, fraction);
  let columns = floorDivide(input.width * 1000, fraction);
  if (width * rows >= height * columns) columns = floorDivide(width * rows, height);
  else rows = floorDivide(height * columns, width);
  /** @type {(length: number, resized: number, kept: number) => Side} */
  const cropped = (length, resized, kept) => {
    const skipped = roundedHalfEven(resized - kept, 2);
    return { first: 0, length, resized, skipped, kept, place: 0 };
  };
  return {
    rows: cropped(height, rows, input.height),
    columns: cropped(width, columns, input.width),
  };
}

/**
 * As TensorFlow's resize_with_pad, whose float32 decides where a size is near an integer: 384 x 512
 * pixels become 168 x 223 of 224 x 224. A double's quotient or difference of two float32 numbers,
 * rounded to float32, is the same as that of float32's own arithmetic.
 *
 * @param {number} height
 * @param {number} width
 * @param {ModelInput} input
 * @returns {Fit}
 */
function paddedAsByTensorflow(height, width, input) {
  const { fround } = Math;
  const ratio = Math.max(
    fround(fround(width) / fround(input.width)),
    fround(fround(height) / fround(input.height)),
  );
  /** @type {(length: number, room: number) => Side} */
  const shrunk = (length, room) => {
    const exact = fround(fround(length) / ratio);
    const resized = Math.max(1, Math.min(room, Math.floor(exact)));
    const before = Math.max(0, Math.floor(fround(fround(room) - exact) / 2));
    return { ...whole(length, resized), place: Math.min(before, room - resized) };
  };
  return { rows: shrunk(height, input.height), columns: shrunk(width, input.width) };
}

/**
 * As Pillow's ImageOps.pad.
 *
 * @param {number} height
 * @param {number} width
 * @param {ModelInput} input
 * @returns {Fit}
 */
function paddedAsByPillow(height, width, input) {
  /** @type {(length: number, other: number, room: number, otherRoom: number) => Side} */
  const shrunk = (length, other, room, otherRoom) => {
    const resized = Math.max(1, roundedHalfEven(length * otherRoom, other));
    return { ...whole(length, resized), place: roundedHalfEven(room - resized, 2) };
  };
  if (height * input.width >= width * input.height) {
    const columns = shrunk(width, height, input.width, input.height);
    return { rows: whole(height, input.height), columns };
  }
  const rows = shrunk(height, width, input.height, input.width);
  return { rows, columns: whole(width, input.width) };
}

/**
 * Divide integers and round down.
 *
 * It is exact where dividend + divisor is below 2 ** 53. A quotient a / b that is no integer is at
 * least 1 / b below the next one, n; doubles below n are at most n / 2 ** 52 apart, so it can be
 * rounded up to n only if 1 / b <= n / 2 ** 53, and n * b is at most a + b.
 *
 * @param {number} dividend Not negative.
 * @param {number} divisor Positive.
 * @returns {number}
 */
export function floorDivide(dividend, divisor) {
  return Math.floor(dividend / divisor);
}

/**
 * Divide integers and round to the nearest, halves to the even one.
 *
 * @param {number} dividend Not negative.
 * @param {number} divisor Positive.
 * @returns {number}
 */
function roundedHalfEven(dividend, divisor) {
  const down = floorDivide(dividend, divisor);
  const twice = 2 * (dividend % divisor);
  return twice > divisor || (twice === divisor && down % 2 === 1) ? down + 1 : down;
}
