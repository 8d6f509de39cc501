// A drawing pad for mouse, touch or pen. Stores strokes as points from 0 to 1, so that they can be drawn at any size.

const WIDTH = 0.062; // as a fraction of the pad's side
const PEN_RANGE = [0.6, 1.5]; // factors for the width, from no pressure to full pressure

export class Pad {
  #canvas;
  #changed;
  #pointer = null;
  strokes = []; // arrays of points {x, y, width}

  /** `changed` is called after each movement that draws, and after `clear` and `undo`. */
  constructor(canvas, changed) {
    this.#canvas = canvas;
    this.#changed = changed;
    canvas.addEventListener("pointerdown", (event) => this.#start(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => this.#end(event));
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  get isEmpty() {
    return this.strokes.length === 0;
  }

  clear() {
    this.strokes = [];
    this.#pointer = null;
    this.draw();
    this.#changed();
  }

  undo() {
    this.strokes.pop();
    this.draw();
    this.#changed();
  }

  /** Redraws everything in the colour that the style sheet gives the canvas. */
  draw() {
    const canvas = this.#canvas;
    const side = Math.round(canvas.clientWidth * devicePixelRatio);
    if (!side) return;
    if (canvas.width !== side || canvas.height !== side) canvas.width = canvas.height = side;
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, side, side);
    pen.strokeStyle = getComputedStyle(canvas).color;
    drawStrokes(pen, this.strokes, (point) => [point.x * side, point.y * side], (point) => point.width * side);
  }

  #start(event) {
    if (this.#pointer !== null || event.button !== 0) return;
    event.preventDefault();
    this.#canvas.setPointerCapture(event.pointerId);
    this.#pointer = event.pointerId;
    this.strokes.push([this.#point(event)]);
    this.#drawn();
  }

  #move(event) {
    if (event.pointerId !== this.#pointer) return;
    const stroke = this.strokes.at(-1);
    for (const part of event.getCoalescedEvents?.() ?? [event]) stroke.push(this.#point(part));
    this.#drawn();
  }

  #end(event) {
    if (event.pointerId === this.#pointer) this.#pointer = null;
  }

  #drawn() {
    this.draw();
    this.#changed();
  }

  #point(event) {
    const box = this.#canvas.getBoundingClientRect();
    const [least, most] = PEN_RANGE;
    const pressed = event.pointerType === "pen" ? least + (most - least) * event.pressure : 1;
    return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height, width: WIDTH * pressed };
  }
}

/** Draws strokes as smooth round lines; `place` gives a point's [x, y], `width` its line width, in canvas pixels. */
export function drawStrokes(pen, strokes, place, width) {
  pen.lineCap = pen.lineJoin = "round";
  for (const stroke of strokes) {
    let [x, y] = place(stroke[0]);
    let [midX, midY] = [x, y];
    let current = 0;
    for (const point of stroke.length > 1 ? stroke.slice(1) : stroke) {
      const [nextX, nextY] = place(point);
      // One path for as long as the width stays the same, because soft edges would show where two paths meet.
      if (width(point) !== current) {
        if (current) pen.stroke();
        pen.lineWidth = current = width(point);
        pen.beginPath();
        pen.moveTo(midX, midY);
      }
      [midX, midY] = [(x + nextX) / 2, (y + nextY) / 2];
      pen.quadraticCurveTo(x, y, midX, midY);
      if (point === stroke.at(-1)) pen.lineTo(nextX, nextY);
      [x, y] = [nextX, nextY];
    }
    pen.stroke();
  }
}
