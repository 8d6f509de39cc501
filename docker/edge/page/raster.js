// Turns a drawing into the small picture that the model gets: light on dark, in the format of MNIST's images, whose
// digits fit 20 of 28 pixels and have their centre of mass in the middle. The handler does not change pictures in this
// format, so an explanation's heat map fits them exactly.
import { drawStrokes } from "./pad.js";

const BOX = 20 / 28;
const LINE = 2.3 / 28;
const DOT = 0.08; // as a fraction of the pad; smaller drawings are not enlarged any further
const FINE = 4; // subpixels per pixel, each way

/** Draws a Pad's strokes on a canvas of `side` × `side` pixels and returns it. */
export function smallPicture(strokes, side) {
  const points = strokes.flat();
  const [left, right] = range(points.map((point) => point.x));
  const [top, bottom] = range(points.map((point) => point.y));
  const scale = (side * (BOX - LINE)) / Math.max(right - left, bottom - top, DOT);
  const middle = { x: (left + right) / 2, y: (top + bottom) / 2 };
  const usual = points.reduce((sum, point) => sum + point.width, 0) / points.length;

  const render = (shiftX, shiftY) => {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = side * FINE;
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.strokeStyle = "#fff";
    const place = (point) => [
      FINE * ((point.x - middle.x) * scale + side / 2 + shiftX),
      FINE * ((point.y - middle.y) * scale + side / 2 + shiftY),
    ];
    drawStrokes(pen, strokes, place, (point) => FINE * LINE * side * (point.width / usual));
    return levels(pen.getImageData(0, 0, side * FINE, side * FINE), side);
  };

  const centre = centreOfMass(render(0, 0), side);
  // Shift by whole pixels, as MNIST does, and never so far that part of the drawing is cut off.
  const most = Math.floor((side * (1 - BOX)) / 2);
  const shift = (at) => Math.max(-most, Math.min(most, Math.round(side / 2 - at)));
  return painted(render(shift(centre.x), shift(centre.y)), side);
}

const range = (values) => [Math.min(...values), Math.max(...values)];

/** Averages the alpha of a fine image over FINE × FINE pixels; returns side × side levels from 0 to 255. */
function levels(image, side) {
  const sums = new Float32Array(side * side);
  for (let y = 0; y < image.height; y++) {
    for (let x = 0; x < image.width; x++) {
      sums[Math.floor(y / FINE) * side + Math.floor(x / FINE)] += image.data[4 * (y * image.width + x) + 3];
    }
  }
  return sums.map((sum) => sum / FINE ** 2);
}

function centreOfMass(values, side) {
  let mass = 0, x = 0, y = 0;
  values.forEach((value, index) => {
    mass += value;
    x += value * ((index % side) + 0.5);
    y += value * (Math.floor(index / side) + 0.5);
  });
  return { x: x / mass, y: y / mass };
}

function painted(values, side) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  const pen = canvas.getContext("2d");
  const image = pen.createImageData(side, side);
  values.forEach((value, index) => image.data.set([value, value, value, 255], 4 * index));
  pen.putImageData(image, 0, 0);
  return canvas;
}
