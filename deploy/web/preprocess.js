/**
 * The project's own resize rule, `centre-crop-box-average-1`, in integers.
 *
 * It gives the same bytes as `edgecnn_runner/preprocess.py`, where the rule is written down; a
 * canvas would scale in another way on every phone. Nothing is scaled anywhere else in this app.
 */

/** Width and height of a crop, and where it begins; pixels.
 * @typedef {{left: number, upper: number, width: number, height: number}} Crop */

/** An image to read rows from. `stride` is 3 for RGB, 4 for RGBA; `rows` gives `count` rows of
 * `width` pixels, starting at the column `left` and the row `upper`, one after the other; it is
 * asked from the top down, and only the last answer has to stay valid.
 * @typedef {object} PixelSource
 * @property {number} height
 * @property {number} width
 * @property {3 | 4} stride
 * @property {(left: number, upper: number, width: number, count: number) =>
 *   Uint8Array | Uint8ClampedArray} rows */

/** What the model wants; channels is 1 (luma) or 3 (RGB).
 * @typedef {{height: number, width: number, channels: number}} ModelSize */

/** Beyond it a picture is refused, as by the Python runner (`MAX_PIXELS` in `decode.py`). */
export const MAX_PIXELS = 2 ** 26;

/**
 * Wrap pixels that are in memory.
 *
 * @param {Uint8Array | Uint8ClampedArray} pixels Row by row, `channels` bytes a pixel.
 * @param {number} height
 * @param {number} width
 * @param {number} channels 1 (luma), 3 (RGB) or 4 (RGBA).
 * @returns {PixelSource}
 * @throws {RangeError} If there are not height * width * channels bytes, or no pixel.
 */
export function pixelsInMemory(pixels, height, width, channels) {
  if (height < 1 || width < 1 || pixels.length !== height * width * channels) {
    throw new RangeError(`${pixels.length} bytes are no image of ${height} x ${width} x ${channels}`);
  }
  const stride = channels === 4 ? 4 : 3;
  const bytes = channels === 1 ? threeTimes(pixels) : pixels;
  return {
    height,
    width,
    stride,
    rows(left, upper, columns, count) {
      if (columns === width) {
        return bytes.subarray(upper * width * stride, (upper + count) * width * stride);
      }
      const part = new Uint8Array(count * columns * stride);
      for (let row = 0; row < count; row++) {
        const start = ((upper + row) * width + left) * stride;
        part.set(bytes.subarray(start, start + columns * stride), row * columns * stride);
      }
      return part;
    },
  };
}

/**
 * Say which middle part of an image has the aspect ratio of the model's input.
 *
 * @param {number} height Of the image.
 * @param {number} width Of the image.
 * @param {ModelSize} size
 * @returns {Crop}
 */
export function centreCrop(height, width, size) {
  if (width * size.height > height * size.width) {
    const kept = Math.max(1, floorDivide(2 * height * size.width + size.height, 2 * size.height));
    return { left: floorDivide(width - kept, 2), upper: 0, width: kept, height };
  }
  const kept = Math.max(1, floorDivide(2 * width * size.height + size.width, 2 * size.width));
  return { left: 0, upper: floorDivide(height - kept, 2), width, height: kept };
}

/**
 * Bring an image to the size a model wants.
 *
 * RGBA is put on white first, as `decode.py` does: `(c * a + 255 * (255 - a) + 127) // 255`.
 * Memory beyond the source is that of the rows under one row of the result.
 *
 * @param {PixelSource} source
 * @param {ModelSize} size
 * @returns {Uint8Array} height * width * channels bytes, row by row.
 */
export function prepare(source, size) {
  const crop = centreCrop(source.height, source.width, size);
  const averaged = boxAverage(source, crop, size.height, size.width);
  return size.channels === 1 ? toLuma(averaged) : averaged;
}

/**
 * Average over boxes of equal size.
 *
 * All sums are integers below 255 * H * W * width, for 2 ** 26 pixels and a width of 16384
 * about 3e14: exact in a double, whose integers reach 9e15.
 *
 * @param {PixelSource} source
 * @param {Crop} crop
 * @param {number} height Of the result.
 * @param {number} width Of the result.
 * @returns {Uint8Array} RGB.
 */
function boxAverage(source, crop, height, width) {
  const area = crop.height * crop.width;
  const half = floorDivide(area, 2);
  const result = new Uint8Array(height * width * 3);
  const columns = new Float64Array(crop.width * 3);
  const integral = new Float64Array((width + 1) * 3);
  for (let index = 0; index < height; index++) {
    weightedRows(source, crop, index * crop.height, (index + 1) * crop.height, height, columns);
    integrate(columns, crop.width, width, integral);
    for (let at = 0; at < width * 3; at++) {
      const sum = /** @type {number} */ (integral[at + 3]) - /** @type {number} */ (integral[at]);
      result[index * width * 3 + at] = floorDivide(sum + half, area);
    }
  }
  return result;
}

/**
 * Sum the rows from `start` to `stop`, in which each row is `unit` long.
 *
 * @param {PixelSource} source
 * @param {Crop} crop
 * @param {number} start
 * @param {number} stop
 * @param {number} unit
 * @param {Float64Array} sums Three for each column of the crop; overwritten.
 */
function weightedRows(source, crop, start, stop, unit, sums) {
  const first = floorDivide(start, unit);
  const last = floorDivide(stop - 1, unit);
  const stride = source.stride;
  const bytes = source.rows(crop.left, crop.upper + first, crop.width, last - first + 1);
  sums.fill(0);
  let at = 0;
  for (let row = first; row <= last; row++) {
    const weight = Math.min(stop, (row + 1) * unit) - Math.max(start, row * unit);
    for (let sum = 0; sum < sums.length; sum += 3, at += stride) {
      const alpha = stride === 4 ? /** @type {number} */ (bytes[at + 3]) : 255;
      for (let channel = 0; channel < 3; channel++) {
        let value = /** @type {number} */ (bytes[at + channel]);
        if (alpha !== 255) value = floorDivide(value * alpha + 255 * (255 - alpha) + 127, 255);
        sums[sum + channel] = /** @type {number} */ (sums[sum + channel]) + value * weight;
      }
    }
  }
}

/**
 * Write the integral of a row up to each edge of the result's columns.
 *
 * In units of 1/width of a source column, edge i is at i * columns.
 *
 * @param {Float64Array} values Three for each source column.
 * @param {number} columns How many source columns.
 * @param {number} width How many columns the result has.
 * @param {Float64Array} integral Three for each edge, width + 1 edges; overwritten.
 */
function integrate(values, columns, width, integral) {
  for (let channel = 0; channel < 3; channel++) {
    let prefix = 0;
    let column = 0;
    for (let edge = 0; edge <= width; edge++) {
      const whole = floorDivide(edge * columns, width);
      for (; column < whole; column++) {
        prefix += /** @type {number} */ (values[column * 3 + channel]);
      }
      // The last edge lies behind the last pixel, of which there is no share.
      const share = (edge * columns) % width;
      const next = share ? /** @type {number} */ (values[whole * 3 + channel]) : 0;
      integral[edge * 3 + channel] = prefix * width + next * share;
    }
  }
}

/**
 * Weigh R, G and B as ITU-R BT.601 does, in thousandths.
 *
 * @param {Uint8Array} rgb
 * @returns {Uint8Array} One byte a pixel.
 */
function toLuma(rgb) {
  const luma = new Uint8Array(rgb.length / 3);
  for (let index = 0; index < luma.length; index++) {
    const [red = 0, green = 0, blue = 0] = rgb.subarray(index * 3, index * 3 + 3);
    luma[index] = floorDivide(299 * red + 587 * green + 114 * blue + 500, 1000);
  }
  return luma;
}

/**
 * @param {Uint8Array | Uint8ClampedArray} luma
 * @returns {Uint8Array}
 */
function threeTimes(luma) {
  const rgb = new Uint8Array(luma.length * 3);
  luma.forEach((value, index) => rgb.fill(value, index * 3, index * 3 + 3));
  return rgb;
}

/**
 * Divide non-negative integers below 2 ** 53 and round down. The quotient of doubles is exact
 * enough here: quotients below 2 ** 20 differ from the next integer by more than their rounding.
 *
 * @param {number} dividend
 * @param {number} divisor
 * @returns {number}
 */
function floorDivide(dividend, divisor) {
  return Math.floor(dividend / divisor);
}
