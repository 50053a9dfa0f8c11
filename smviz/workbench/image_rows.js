// The numbers of each image at the present state, in what order they are shown, and which of them.

const SCORE_BINS = 20;
const RATES = { precision: (tp, fp) => tp / (tp + fp), recall: (tp, fp, fn) => tp / (tp + fn), f1: (tp, fp, fn) => (2 * tp) / (2 * tp + fp + fn) };
const SUMS = {
  tp: (tp) => tp, fp: (tp, fp) => fp, fn: (tp, fp, fn) => fn, objects: (tp, fp, fn) => tp + fn, detections: (tp, fp) => tp + fp,
  mistakes: (tp, fp, fn) => fp + fn, ...RATES,
};
const PRESETS = {
  all: (rows, i) => !rows.failed(i),
  fp: (rows, i) => rows.counts.fp[i] > 0,
  fn: (rows, i) => rows.counts.fn[i] > 0,
  perfect: (rows, i) => rows.perfect(i),
  failed: (rows, i) => rows.failed(i),
};

// The images that were answered come first; those that failed follow, without a number.
class ImageRows {
  constructor({ names, latency, failures }) {
    Object.assign(this, { names: [...names, ...failures.map(([name]) => name)], latency, failures, answered: names.length });
    this.size = this.names.length;
  }

  update(columns, state) {
    Object.assign(this, { columns, state, counts: countByImage(columns, state), classes: new Map() });
  }

  failed(i) { return i >= this.answered; }

  perfect(i) { return i < this.answered && this.counts.fp[i] === 0 && this.counts.fn[i] === 0; }

  value(name, i) {
    if (i >= this.answered) return NaN;
    if (name === "latency") return this.latency[i] ?? NaN;
    const { tp, fp, fn } = this.counts;
    return SUMS[name](tp[i], fp[i], fn[i]);
  }

  // The same of one class, whichever are chosen.
  ofClass(k, name, i) {
    if (i >= this.answered) return NaN;
    let counts = this.classes.get(k);
    if (!counts) this.classes.set(k, (counts = countByImage(this.columns, { ...this.state, classes: [k] })));
    return SUMS[name](counts.tp[i], counts.fp[i], counts.fn[i]);
  }

  // How many images each preset shows.
  tally() {
    const { fp, fn } = this.counts, tally = { all: this.answered, fp: 0, fn: 0, perfect: 0, failed: this.size - this.answered };
    for (let i = 0; i < this.answered; i++) {
      if (fp[i]) tally.fp++;
      if (fn[i]) tally.fn++;
      if (!fp[i] && !fn[i]) tally.perfect++;
    }
    return tally;
  }

  // The images that a preset and a query leave, in order. What is undefined comes last, either way.
  ordered(preset, query, { by, descending }) {
    const shown = [], kept = PRESETS[preset];
    for (let i = 0; i < this.size; i++) if (kept(this, i) && (!query || query(this, i))) shown.push(i);
    const keys = new Float64Array(this.size), sign = descending ? -1 : 1, rank = this.nameRank();
    for (const i of shown) {
      const key = by === "name" ? rank[i] : this.value(by, i);
      keys[i] = Number.isNaN(key) ? Infinity : sign * key;
    }
    return Uint32Array.from(shown).sort((a, b) => (keys[a] === keys[b] ? rank[a] - rank[b] : keys[a] - keys[b]));
  }

  // The place of each image by its name, 2 before 10.
  nameRank() {
    return (this.ranks ??= (() => {
      const { compare } = new Intl.Collator("en", { numeric: true }), { names } = this, order = Uint32Array.from(names.keys());
      if (names.every((name, i) => i === 0 || compare(names[i - 1], name) <= 0)) return order; // as they mostly are
      const rank = new Uint32Array(this.size);
      order.sort((a, b) => compare(names[a], names[b])).forEach((i, at) => { rank[i] = at; });
      return rank;
    })());
  }

  // How many scores of an image lie in each bin from 0 to 1.
  scores(i) {
    const bins = this.columns.once(keyOf("scores by image", { ...this.state, iou: 0, area: 0 }), () => scoresByImage(this.columns, this.state.classes));
    return bins.subarray(i * SCORE_BINS, (i + 1) * SCORE_BINS);
  }
}

function scoresByImage({ image, confidence, start, images, classNames }, classes) {
  const bins = new Uint16Array(images * SCORE_BINS), last = SCORE_BINS - 1;
  for (const k of classes ?? classNames.keys()) {
    for (let n = start[k], end = start[k + 1]; n < end; n++) {
      const bin = (confidence[n] * SCORE_BINS + 1e-9) | 0;
      bins[image[n] * SCORE_BINS + (bin < 0 ? 0 : bin > last ? last : bin)]++;
    }
  }
  return bins;
}
