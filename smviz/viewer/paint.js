// Painting on canvases, in CSS pixels. A view {k, x, y} takes image pixels to stage pixels: k * p + (x, y).

const INK = "#0b0d10";
const HALO = "rgb(0 0 0 / 55%)";
const LABEL_HEIGHT = 16;
const ROOM_PER_LABEL = 5000; // square px of stage: more labels than that hide the picture
const SMALLEST_LABELLED = 22; // px on screen, the longer side
const DASHES = { plain: [], tp: [], fp: [0.01, 4], fn: [7, 4], ignored: [], truth: [] };

function prepare(canvas, ratio) {
  const { clientWidth: width, clientHeight: height } = canvas;
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

// All boxes in one stroke per colour: a dark halo below, a thin line above. Returns the rectangles on stage.
function paintBoxes(canvas, model, boxes, view, threshold, ratio) {
  const { pen, width, height } = prepare(canvas, ratio);
  const groups = new Map(), seen = [];
  for (const item of boxes) {
    const rect = screenRect(model, item, view, ratio);
    if (rect[0] > width || rect[1] > height || rect[0] + rect[2] < 0 || rect[1] + rect[3] < 0) continue;
    const kind = model.kind(item, threshold), colour = model.colour(item, kind);
    const name = kind + colour;
    if (!groups.has(name)) groups.set(name, { kind, colour, rects: [] });
    groups.get(name).rects.push(rect);
    seen.push({ item, rect, kind, colour });
  }
  const fine = seen.length > 800;
  pen.lineJoin = "miter";
  pen.strokeStyle = HALO;
  for (const { kind, rects } of groups.values()) {
    pen.lineWidth = (kind === "truth" || kind === "ignored" ? 3 : 4) - (fine ? 1.5 : 0);
    for (const rect of rects) pen.strokeRect(...rect);
  }
  for (const { kind, colour, rects } of groups.values()) {
    pen.strokeStyle = colour;
    pen.setLineDash(DASHES[kind]);
    pen.lineCap = kind === "fp" ? "round" : "butt";
    pen.lineWidth = (kind === "truth" || kind === "ignored" ? 1 : kind === "fp" ? 2.5 : 2) - (fine ? 0.8 : 0);
    for (const rect of rects) pen.strokeRect(...rect);
  }
  pen.setLineDash([]);
  return seen;
}

function luminance(colour) {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const channel = parseInt(colour.slice(at, at + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

// Dark or white, whichever has the higher WCAG contrast on the colour.
function inkOn(colour) {
  const l = luminance(colour);
  return (l + 0.05) / 0.053 >= 1.05 / (l + 0.05) ? INK : "#ffffff";
}

function labelText(model, item) {
  const score = item < model.scored ? ` ${(model.score[item] * 100).toFixed(0)}%` : "";
  return model.name(item) + score;
}

// Greedy, best score first: above the box, inside its top, below it; within the frame, over no other label.
class Labels {
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.cells = new Map();
  }

  free(x, y, w) {
    for (const key of this.keys(x, y, w)) {
      for (const [u, v, t] of this.cells.get(key) || []) {
        if (x < u + t && u < x + w && y < v + LABEL_HEIGHT && v < y + LABEL_HEIGHT) return false;
      }
    }
    return true;
  }

  *keys(x, y, w) {
    for (let i = Math.floor(x / 64); i <= Math.floor((x + w) / 64); i++) {
      for (let j = Math.floor(y / 32); j <= Math.floor((y + LABEL_HEIGHT) / 32); j++) yield `${i},${j}`;
    }
  }

  place([left, top, , boxHeight], w, always) {
    const x = Math.max(0, Math.min(left - 1, this.width - w));
    const spots = [top - LABEL_HEIGHT - 1, top + 1, top + boxHeight + 1]
      .filter((y, i) => y >= 0 && y + LABEL_HEIGHT <= this.height && (i !== 1 || boxHeight > 2.2 * LABEL_HEIGHT));
    let y = spots.find((spot) => this.free(x, spot, w));
    if (y === undefined && always) y = spots[0] ?? Math.max(0, Math.min(top, this.height - LABEL_HEIGHT));
    if (y === undefined) return null;
    for (const key of this.keys(x, y, w)) {
      if (!this.cells.has(key)) this.cells.set(key, []);
      this.cells.get(key).push([x, y, w]);
    }
    return [x, y];
  }
}

function paintLabel(pen, text, colour, x, y, w) {
  pen.fillStyle = "rgb(0 0 0 / 45%)";
  pen.beginPath();
  pen.roundRect(x - 1, y - 1, w + 2, LABEL_HEIGHT + 2, 4);
  pen.fill();
  pen.fillStyle = colour;
  pen.beginPath();
  pen.roundRect(x, y, w, LABEL_HEIGHT, 3);
  pen.fill();
  pen.fillStyle = inkOn(colour);
  pen.fillText(text, x + 4, y + LABEL_HEIGHT / 2 + 0.5);
}

function labelPen(pen, font) {
  pen.font = `600 11px ${font}`;
  pen.textBaseline = "middle";
}

// Returns where each label went: item -> [x, y].
function paintLabels(canvas, model, seen, font) {
  const pen = canvas.getContext("2d");
  labelPen(pen, font);
  const labels = new Labels(canvas.clientWidth, canvas.clientHeight);
  const spots = new Map(), most = (canvas.clientWidth * canvas.clientHeight) / ROOM_PER_LABEL;
  for (const { item, rect, kind, colour } of seen) {
    if (spots.size >= most) break;
    if (kind === "truth" || kind === "ignored") continue;
    if (Math.max(rect[2], rect[3]) < SMALLEST_LABELLED) continue;
    const text = labelText(model, item), w = Math.ceil(pen.measureText(text).width) + 8;
    if (w > 3 * rect[2] + 24) continue; // a long name on a narrow box hides its neighbours
    const spot = labels.place(rect, w, false);
    if (spot === null) continue;
    paintLabel(pen, text, colour, spot[0], spot[1], w);
    spots.set(item, spot);
  }
  return spots;
}

// The pointed-at and the selected box, and the partner each was matched to, above all others.
function paintFocus(canvas, model, items, view, threshold, ratio, font, spots) {
  const { pen, width, height } = prepare(canvas, ratio);
  const labels = new Labels(width, height);
  for (const item of items) {
    const rect = screenRect(model, item, view, ratio), kind = model.kind(item, threshold);
    const colour = model.colour(item, kind), partner = model.partner(item, threshold);
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
    labelPen(pen, font);
    const text = labelText(model, item), w = Math.ceil(pen.measureText(text).width) + 8;
    const [x, y] = spots.get(item) || labels.place([rect[0], rect[1] - 3, rect[2], rect[3] + 6], w, true);
    paintLabel(pen, text, colour, x, y, w);
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
