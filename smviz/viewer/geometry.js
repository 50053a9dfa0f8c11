// Boxes as one column of numbers: box[4 * i] .. box[4 * i + 3] are left, top, right, bottom of item i.

function widthOf(box, i) { return Math.max(0, box[4 * i + 2] - box[4 * i]); }
function heightOf(box, i) { return Math.max(0, box[4 * i + 3] - box[4 * i + 1]); }
function areaOf(box, i) { return widthOf(box, i) * heightOf(box, i); }

// Written as smviz.boxes.pairwise_iou is, so that both sides of the wire get the same last digit.
function iouOf(box, i, j) {
  const p = 4 * i, q = 4 * j;
  const width = Math.min(box[p + 2], box[q + 2]) - Math.max(box[p], box[q]);
  const height = Math.min(box[p + 3], box[q + 3]) - Math.max(box[p + 1], box[q + 1]);
  if (width <= 0 || height <= 0) return 0;
  const overlap = width * height;
  return overlap / (areaOf(box, i) + areaOf(box, j) - overlap);
}

// Cells over the frame, each with the items that touch it: what is near is found without looking at all.
class Grid {
  constructor(box, width, height, count) {
    this.box = box;
    this.side = Math.max(1, Math.min(64, Math.ceil(Math.sqrt(count) / 2)));
    this.scale = [this.side / width, this.side / height];
    this.cells = new Array(this.side * this.side);
  }

  // A box that reaches beyond the frame counts for the outermost cells.
  cell(value, axis) { return Math.max(0, Math.min(this.side - 1, Math.floor(value * this.scale[axis]))); }

  add(item) {
    const o = 4 * item, { box, side } = this;
    const right = this.cell(box[o + 2], 0), bottom = this.cell(box[o + 3], 1);
    for (let i = this.cell(box[o], 0); i <= right; i++) {
      for (let j = this.cell(box[o + 1], 1); j <= bottom; j++) (this.cells[i * side + j] ??= []).push(item);
    }
  }

  // Whether `test` holds for one of the items near this one; an item that is near in several cells is asked repeatedly.
  some(item, test) {
    const o = 4 * item, { box, side } = this;
    const right = this.cell(box[o + 2], 0), bottom = this.cell(box[o + 3], 1);
    for (let i = this.cell(box[o], 0); i <= right; i++) {
      for (let j = this.cell(box[o + 1], 1); j <= bottom; j++) {
        const near = this.cells[i * side + j];
        if (near) for (const other of near) if (test(other)) return true;
      }
    }
    return false;
  }
}

// One to one, by falling score of the first set: each takes the free box of its class in the second set with the
// highest IoU of at least `least`. Writes both directions into `partner`.
function pair(model, kept, [first, last], [from, to], least, partner) {
  const { box, classId, frame } = model, grid = new Grid(box, frame.width, frame.height, to - from);
  for (let j = from; j < to; j++) if (kept[j]) grid.add(j);
  for (let i = first; i < last; i++) {
    if (!kept[i]) continue;
    let best = -1, highest = 0;
    grid.some(i, (j) => {
      if (partner[j] >= 0 || classId[i] !== classId[j]) return false;
      const overlap = iouOf(box, i, j);
      if (overlap >= least && overlap > highest) { highest = overlap; best = j; }
      return false;
    });
    if (best >= 0) { partner[i] = best; partner[best] = i; }
  }
}
