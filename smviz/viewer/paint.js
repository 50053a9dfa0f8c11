// Painting boxes on canvases, in CSS pixels. A view {k, x, y} takes image pixels to stage pixels: k * p + (x, y).

const INK = "#0b0d10";
const HALO = "rgb(0 0 0 / 55%)";
const DASHES = { fp: [0.01, 4], fn: [7, 4], only_b: [7, 4] };
const TOO_MANY_FOR_HALOS = 4000; // they cover the picture anyway, and cost half the time
const THIN = new Set(["truth", "ignored"]);

// Sizes are read when they change and kept: to read them while painting would lay out the page in the middle of a frame.
const measured = new WeakMap();

function measure(element) { measured.set(element, [element.clientWidth, element.clientHeight]); }

function sizeOf(element) {
  if (!measured.has(element)) measure(element);
  return measured.get(element);
}

function prepare(canvas, ratio) {
  const [width, height] = sizeOf(canvas);
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w) canvas.width = w;
  if (canvas.height !== h) canvas.height = h;
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width, height };
}

function screenRect(model, item, view, ratio) {
  const o = 4 * item, b = model.box;
  const snap = (v) => Math.round(v * ratio) / ratio; // on whole pixels lines are crisp
  const x = snap(b[o] * view.k + view.x), y = snap(b[o + 1] * view.k + view.y);
  return [x, y, snap(b[o + 2] * view.k + view.x) - x, snap(b[o + 3] * view.k + view.y) - y];
}

// Lines and labels grow a little with the zoom; among very many boxes lines are fine.
function sizes(zoom, count) {
  const closer = Math.max(0, Math.min(3, Math.log2(zoom)));
  return { line: (count > 800 ? 1.2 : 2) + closer / 3, label: 16 + Math.round(closer) };
}

// Strokes rectangles so that a line covers whole pixels of the screen: an odd one runs through their middles.
function stroke(pen, rects, line, ratio) {
  const width = Math.max(1, Math.round(line * ratio)), shift = (width % 2) / 2 / ratio;
  pen.lineWidth = width / ratio;
  for (const [x, y, w, h] of rects) pen.strokeRect(x + shift, y + shift, w, h);
}

// All boxes in one stroke per colour: a dark halo below, a thin line above. Returns the rectangles on stage.
function paintBoxes(canvas, model, boxes, view, line, ratio) {
  const { pen, width, height } = prepare(canvas, ratio);
  const groups = new Map(), seen = [];
  for (const item of boxes) {
    const rect = screenRect(model, item, view, ratio);
    if (rect[0] > width || rect[1] > height || rect[0] + rect[2] < 0 || rect[1] + rect[3] < 0) continue;
    const kind = model.kind(item), colour = model.colour(item, kind), name = kind + colour;
    if (!groups.has(name)) groups.set(name, { kind, colour, rects: [] });
    groups.get(name).rects.push(rect);
    seen.push({ item, rect, kind, colour });
  }
  const lineOf = (kind) => Math.max(1, Math.round(ratio * (THIN.has(kind) ? line / 2 : kind === "fp" ? line * 1.25 : line)) / ratio);
  pen.lineJoin = "miter";
  pen.strokeStyle = HALO;
  if (seen.length <= TOO_MANY_FOR_HALOS) for (const { kind, rects } of groups.values()) stroke(pen, rects, lineOf(kind) + 2, ratio);
  for (const { kind, colour, rects } of groups.values()) {
    pen.strokeStyle = colour;
    pen.setLineDash(DASHES[kind] ?? []);
    pen.lineCap = kind === "fp" ? "round" : "butt";
    stroke(pen, rects, lineOf(kind), ratio);
  }
  pen.setLineDash([]);
  return seen;
}

// The pointed-at and the selected box, and the partner each was matched to, above all others.
function paintFocus(canvas, model, items, view, ratio, font, size, spots) {
  const { pen, width, height } = prepare(canvas, ratio);
  const labels = new Labels(width, height, size);
  for (const item of items) {
    const rect = screenRect(model, item, view, ratio), kind = model.kind(item);
    const colour = model.colour(item, kind), partner = model.partner(item);
    pen.fillStyle = colour;
    pen.globalAlpha = 0.1;
    pen.fillRect(...rect);
    pen.globalAlpha = 1;
    pen.lineCap = "butt";
    for (const [style, line] of [[INK, 8], ["#ffffff", 6], [colour, 3]]) {
      pen.strokeStyle = style;
      pen.lineWidth = line;
      pen.strokeRect(...rect);
    }
    if (partner !== null) paintPartner(pen, rect, screenRect(model, partner, view, ratio));
    labelPen(pen, font, size);
    const text = labelText(model, item), w = labelWidth(pen, text);
    const spot = spots.get(item) ?? labels.place([rect[0], rect[1] - 3, rect[2], rect[3] + 6], w, true);
    paintLabel(pen, text, colour, spot, w, size);
  }
}

function paintPartner(pen, rect, partner) {
  const middle = ([x, y, w, h]) => [x + w / 2, y + h / 2];
  pen.setLineDash([5, 4]);
  for (const [style, line] of [[INK, 4], ["#ffffff", 1.5]]) {
    pen.strokeStyle = style;
    pen.lineWidth = line;
    pen.strokeRect(...partner);
    pen.beginPath();
    pen.moveTo(...middle(rect));
    pen.lineTo(...middle(partner));
    pen.stroke();
  }
  pen.setLineDash([]);
}
