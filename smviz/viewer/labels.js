// Where labels go. Greedy, best score first: above the box, below it, inside its top, at its left or right end;
// within the frame, over no other label.

const ROOM_PER_LABEL = 5000; // square px of stage: more labels than that hide the picture
const SMALLEST_LABELLED = 22; // px on screen, the longer side

class Labels {
  constructor(width, height, size) {
    Object.assign(this, { width, height, size });
    this.cells = new Map();
  }

  *cellsOf(x, y, w) {
    for (let i = Math.floor(x / 64); i <= Math.floor((x + w) / 64); i++) {
      for (let j = Math.floor(y / 32); j <= Math.floor((y + this.size) / 32); j++) yield i * 4096 + j;
    }
  }

  free(x, y, w) {
    for (const cell of this.cellsOf(x, y, w)) {
      for (const [u, v, t] of this.cells.get(cell) ?? []) {
        if (x < u + t && u < x + w && y < v + this.size && v < y + this.size) return false;
      }
    }
    return true;
  }

  *spots([left, top, width, height], w) {
    const clamp = (x) => Math.max(0, Math.min(x, this.width - w)), { size } = this;
    const start = clamp(left - 1), end = clamp(left + width + 1 - w);
    for (const y of [top - size - 1, top + height + 1, ...(height > 2.2 * size ? [top + 1] : [])]) {
      if (y < 0 || y + size > this.height) continue;
      yield [start, y];
      if (width > w && end > start) yield [end, y];
    }
  }

  // Where a label of width w goes at this rectangle; null where there is no room, unless there must be a place.
  place(rect, w, always) {
    let spot = null;
    for (const [x, y] of this.spots(rect, w)) {
      if (this.free(x, y, w)) { spot = [x, y]; break; }
    }
    if (spot === null && always) {
      const inside = (at, room, length) => Math.max(0, Math.min(at, room - length));
      spot = this.spots(rect, w).next().value ?? [inside(rect[0], this.width, w), inside(rect[1], this.height, this.size)];
    }
    if (spot !== null) this.take(spot, w);
    return spot;
  }

  take([x, y], w) {
    for (const cell of this.cellsOf(x, y, w)) {
      if (!this.cells.has(cell)) this.cells.set(cell, []);
      this.cells.get(cell).push([x, y, w]);
    }
  }
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
  const score = model.score[item];
  return model.className(item) + (Number.isNaN(score) ? "" : ` ${(score * 100).toFixed(0)}%`);
}

// Names and scores repeat; measuring text is dear.
const widths = new Map();

function labelWidth(pen, text) {
  const key = pen.font + text;
  if (widths.size > 20000) widths.clear();
  if (!widths.has(key)) widths.set(key, Math.ceil(pen.measureText(text).width) + 8);
  return widths.get(key);
}

function labelPen(pen, font, size) {
  pen.font = `600 ${size - 5}px ${font}`;
  pen.textBaseline = "middle";
}

function paintLabel(pen, text, colour, [x, y], w, size) {
  pen.fillStyle = "rgb(0 0 0 / 45%)";
  pen.beginPath();
  pen.roundRect(x - 1, y - 1, w + 2, size + 2, 4);
  pen.fill();
  pen.fillStyle = colour;
  pen.beginPath();
  pen.roundRect(x, y, w, size, 3);
  pen.fill();
  pen.fillStyle = inkOn(colour);
  pen.fillText(text, x + 4, y + size / 2 + 0.5);
}

// Returns where each label went: item -> [x, y]. With `apart` the two sets are painted apart: a pair has two labels.
function paintLabels(canvas, model, seen, font, size, apart) {
  const pen = canvas.getContext("2d");
  labelPen(pen, font, size);
  const [width, height] = sizeOf(canvas), labels = new Labels(width, height, size);
  const spots = new Map(), most = (width * height) / ROOM_PER_LABEL;
  for (const { item, rect, kind, colour } of seen) {
    if (spots.size >= most) break;
    if (kind === "truth" || kind === "ignored" || (kind === "agree" && !apart && model.isOther(item))) continue;
    if (Math.max(rect[2], rect[3]) < SMALLEST_LABELLED) continue;
    const text = labelText(model, item), w = labelWidth(pen, text);
    if (w > 3 * rect[2] + 24) continue; // a long name on a narrow box hides its neighbours
    const spot = labels.place(rect, w, false);
    if (spot === null) continue;
    paintLabel(pen, text, colour, spot, w, size);
    spots.set(item, spot);
  }
  return spots;
}
