// Draws an explanation as a heat map over the picture: warm for pixels that support the answer, cold for those against it.

const SIDE = 448; // canvas pixels of a photo's map
const PIXELATED = 64; // pixels; an input no larger than this is shown pixel by pixel
const SHADE = "rgb(22 22 20 / 28%)";

/** Sums attributions ([channel][y][x]) over channels into a Float32Array, scaled so that its 99th percentile is 1. */
export function heat(attributions) {
  const height = attributions[0].length, width = attributions[0][0].length;
  let values = new Float32Array(width * height);
  for (const channel of attributions) {
    channel.forEach((row, y) => row.forEach((value, x) => { values[y * width + x] += value; }));
  }
  const smoothed = Math.max(width, height) > PIXELATED;
  if (smoothed) values = blur(blur(values, width, height), width, height);
  const strengths = values.map(Math.abs).sort();
  const strong = strengths[Math.floor(0.99 * (strengths.length - 1))] || 1;
  return { values: values.map((value) => Math.max(-1, Math.min(1, value / strong))), width, height, smoothed };
}

/** Draws it over `picture`: an image source and the part of it that the model sees, or null if that is unknown. */
export function drawHeat(canvas, { values, width, height, smoothed }, picture) {
  canvas.width = smoothed ? SIDE : width;
  canvas.height = smoothed ? Math.round((SIDE * height) / width) : height;
  canvas.classList.toggle("pixelated", !smoothed);
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#161614";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  if (picture) {
    const { source, x, y, width: w, height: h } = picture;
    pen.drawImage(source, x, y, w, h, 0, 0, canvas.width, canvas.height);
    // Make the picture grey and dim, so that only the map has colours; Safari's canvas has no filters.
    for (const [operation, colour] of [["saturation", "#000"], ["source-over", SHADE]]) {
      pen.globalCompositeOperation = operation;
      pen.fillStyle = colour;
      pen.fillRect(0, 0, canvas.width, canvas.height);
    }
  }
  pen.imageSmoothingQuality = "high";
  pen.drawImage(layer(values, width, height), 0, 0, canvas.width, canvas.height);
}

function layer(values, width, height) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const pen = canvas.getContext("2d");
  const image = pen.createImageData(width, height);
  values.forEach((value, index) => {
    const colour = value > 0 ? [255, 106, 61] : [72, 149, 255];
    image.data.set([...colour, 255 * Math.abs(value) ** 1.2], 4 * index);
  });
  pen.putImageData(image, 0, 0);
  return canvas;
}

/** Averages over (2r + 1)² pixels, where r is a fiftieth of the width: first along rows, then along columns. */
function blur(values, width, height) {
  const reach = Math.max(1, Math.round(width / 50));
  const along = (source, steps, size, stride, length) => {
    const result = new Float32Array(source.length);
    for (let line = 0; line < size; line++) {
      for (let at = 0; at < length; at++) {
        let sum = 0, count = 0;
        for (let near = Math.max(0, at - reach); near <= Math.min(length - 1, at + reach); near++, count++) {
          sum += source[line * steps + near * stride];
        }
        result[line * steps + at * stride] = sum / count;
      }
    }
    return result;
  };
  return along(along(values, width, height, 1, width), 1, width, width, height);
}

/** Returns the part of a picture that a model with this `input` sees; null if a handler may have moved it. */
export function seenPart({ width, height }, input) {
  if (input.crop) {
    const side = (Math.min(width, height) * input.crop) / input.resize;
    return { x: (width - side) / 2, y: (height - side) / 2, width: side, height: side };
  }
  const [wantedHeight, wantedWidth] = input.size;
  const isAsWanted = width === wantedWidth && height === wantedHeight;
  return isAsWanted || input.mode !== "L" ? { x: 0, y: 0, width, height } : null;
}
