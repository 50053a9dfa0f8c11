// Counting in the browser, from the columns that Python packed (columns.py), with the same results as smviz.metrics
// and smviz.operating. A state is { threshold, iou, area, classes }: iou and area are indices into the layout's, and
// classes a sorted array of class ids, or null for all.
//
// Within a class detections stand by falling confidence: running sums per IoU and area range, made once, and a binary
// search per class answer every threshold.

const COLUMN_TYPES = { u8: Uint8Array, u16: Uint16Array, u32: Uint32Array, f64: Float64Array };
const MOST_KEPT = 24; // results that do not depend on the threshold
const MOST_LOADED = 2; // evaluations

// The columns of an address, fetched once for all components of the page.
function loadColumns(url, layout) {
  const loaded = (globalThis.smvizColumns ??= new Map());
  if (!loaded.has(url)) {
    while (loaded.size >= MOST_LOADED) loaded.delete(loaded.keys().next().value);
    const columns = fetchColumns(url, layout);
    columns.catch(() => loaded.delete(url));
    loaded.set(url, columns);
  }
  return loaded.get(url);
}

async function fetchColumns(url, layout) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
  const buffer = await answer.arrayBuffer();
  if (buffer.byteLength !== layout.bytes) throw new Error("The server sent something else.");
  return new Columns(buffer, layout);
}

class Columns {
  constructor(buffer, layout) {
    const column = (name) => {
      const { type, offset, length } = layout.columns[name];
      return new COLUMN_TYPES[type](buffer, offset, length);
    };
    this.ious = layout.ious;
    this.areas = layout.areas;
    this.classNames = layout.classes;
    this.images = layout.images;
    this.confidence = column("confidence");
    this.image = column("image");
    this.classId = column("class_id");
    this.tp = layout.areas.map((_, a) => column(`tp/${a}`));
    this.fp = layout.areas.map((_, a) => column(`fp/${a}`));
    this.truthImage = column("truth_image");
    this.truthClass = column("truth_class");
    this.truthAreas = column("truth_areas");
    this.size = this.confidence.length;
    this.start = startsOf(this.classId, this.classNames.length);
    this.kept = new Map();
  }

  // What a key names, made when it is first asked for; what was not asked for the longest goes.
  once(key, make) {
    const value = this.kept.has(key) ? this.kept.get(key) : make();
    this.kept.delete(key);
    this.kept.set(key, value);
    if (this.kept.size > MOST_KEPT) this.kept.delete(this.kept.keys().next().value);
    return value;
  }
}

// Where each class starts, and where the last ends.
function startsOf(classId, classes) {
  const start = new Uint32Array(classes + 1);
  for (let n = 0; n < classId.length; n++) start[classId[n] + 1]++;
  for (let k = 0; k < classes; k++) start[k + 1] += start[k];
  return start;
}

// ---- at a threshold

// Of each class, whichever are chosen: arrays of K. `detections` counts ignored ones too.
function countByClass(columns, { threshold, iou, area }) {
  const K = columns.classNames.length, sums = runningSums(columns, iou, area), objects = objectsByClass(columns, area);
  const counts = { objects, detections: new Int32Array(K), ...emptyCounts(K) };
  for (let k = 0; k < K; k++) {
    const first = columns.start[k], end = reaching(columns.confidence, threshold, first, columns.start[k + 1]);
    counts.detections[k] = end - first;
    counts.tp[k] = sums.tp[end] - sums.tp[first];
    counts.fp[k] = sums.fp[end] - sums.fp[first];
    counts.fn[k] = objects[k] - counts.tp[k];
    const rates = ratesOf(counts.tp[k], counts.fp[k], counts.fn[k]);
    counts.precision[k] = rates.precision;
    counts.recall[k] = rates.recall;
    counts.f1[k] = rates.f1;
  }
  return counts;
}

function emptyCounts(size) {
  const integers = () => new Int32Array(size), floats = () => new Float64Array(size);
  return { tp: integers(), fp: integers(), fn: integers(), precision: floats(), recall: floats(), f1: floats() };
}

// The chosen classes together; `counts` where they are known already.
function countAll(columns, state, counts = countByClass(columns, state)) {
  let tp = 0, fp = 0, objects = 0, detections = 0;
  for (const k of state.classes ?? columns.classNames.keys()) {
    tp += counts.tp[k];
    fp += counts.fp[k];
    objects += counts.objects[k];
    detections += counts.detections[k];
  }
  return { tp, fp, fn: objects - tp, objects, detections, ...ratesOf(tp, fp, objects - tp) };
}

// Of each image, from the chosen classes: Int32Arrays of I.
function countByImage(columns, state) {
  const { image, confidence, start } = columns, bit = 1 << state.iou;
  const isTrue = columns.tp[state.area], isFalse = columns.fp[state.area];
  const tp = new Int32Array(columns.images), fp = new Int32Array(columns.images);
  for (const k of state.classes ?? columns.classNames.keys()) {
    const end = reaching(confidence, state.threshold, start[k], start[k + 1]);
    for (let n = start[k]; n < end; n++) {
      if (isTrue[n] & bit) tp[image[n]]++;
      else if (isFalse[n] & bit) fp[image[n]]++;
    }
  }
  const objects = objectsByImage(columns, state);
  return { tp, fp, fn: objects.map((count, i) => count - tp[i]), objects };
}

function ratesOf(tp, fp, fn) {
  return { precision: tp / (tp + fp), recall: tp / (tp + fn), f1: (2 * tp) / (2 * tp + fp + fn) }; // 0 / 0 is NaN
}

// The end of those in [first, end) that reach the threshold; they fall.
function reaching(confidence, threshold, first, end) {
  while (first < end) {
    const middle = (first + end) >>> 1;
    if (confidence[middle] >= threshold) first = middle + 1;
    else end = middle;
  }
  return first;
}

// ---- at every threshold; made once for an IoU, an area range and the classes

function keyOf(what, { iou, area, classes }) { return `${what} ${iou} ${area} ${classes === null ? "all" : classes}`; }

// True and false positives before each position.
function runningSums(columns, iou, area) {
  return columns.once(`sums ${iou} ${area}`, () => ({ tp: summed(columns.tp[area], iou), fp: summed(columns.fp[area], iou) }));
}

function summed(bits, t) {
  const sums = new Uint32Array(bits.length + 1);
  for (let n = 0; n < bits.length; n++) sums[n + 1] = sums[n] + ((bits[n] >>> t) & 1);
  return sums;
}

function objectsByClass(columns, area) {
  return columns.once(`objects ${area}`, () => {
    const objects = new Int32Array(columns.classNames.length);
    columns.truthAreas.forEach((areas, g) => { objects[columns.truthClass[g]] += (areas >>> area) & 1; });
    return objects;
  });
}

function objectsByImage(columns, { area, classes }) {
  return columns.once(keyOf("objects by image", { area, classes }), () => {
    const objects = new Int32Array(columns.images), chosen = chosenClasses(columns, classes);
    columns.truthAreas.forEach((areas, g) => {
      objects[columns.truthImage[g]] += (areas >>> area) & chosen[columns.truthClass[g]];
    });
    return objects;
  });
}

function chosenClasses(columns, classes) {
  const chosen = new Uint8Array(columns.classNames.length);
  if (classes === null) chosen.fill(1);
  else for (const k of classes) chosen[k] = 1;
  return chosen;
}

// The counts at every distinct score of the chosen classes together, from the highest score down.
function sweepOf(columns, state) {
  return columns.once(keyOf("sweep", state), () => {
    const classes = state.classes ?? [...columns.classNames.keys()], objects = objectsByClass(columns, state.area);
    const positives = classes.reduce((sum, k) => sum + objects[k], 0);
    const rows = classes.length === 1 ? rowsOfClass(columns, state, classes[0]) : rowsOf(columns, state, classes);
    return { ...rows, positives };
  });
}

function rowsOfClass(columns, { iou, area }, k) {
  const { tp, fp } = runningSums(columns, iou, area), first = columns.start[k], end = columns.start[k + 1];
  const { confidence } = columns, last = [];
  for (let n = first; n < end; n++) if (n + 1 === end || confidence[n] !== confidence[n + 1]) last.push(n);
  return {
    confidence: Float64Array.from(last, (n) => confidence[n]),
    tp: Uint32Array.from(last, (n) => tp[n + 1] - tp[first]),
    fp: Uint32Array.from(last, (n) => fp[n + 1] - fp[first]),
  };
}

function rowsOf(columns, { iou, area }, classes) {
  const { scores, place } = rankedScores(columns), D = scores.length;
  const seen = new Uint8Array(D), tp = new Uint32Array(D), fp = new Uint32Array(D);
  const isTrue = columns.tp[area], isFalse = columns.fp[area];
  for (const k of classes) {
    for (let n = columns.start[k]; n < columns.start[k + 1]; n++) {
      const row = place[n];
      seen[row] = 1;
      tp[row] += (isTrue[n] >>> iou) & 1;
      fp[row] += (isFalse[n] >>> iou) & 1;
    }
  }
  const confidence = new Float64Array(D);
  let rows = 0, right = 0, wrong = 0;
  for (let row = 0; row < D; row++) {
    if (!seen[row]) continue;
    confidence[rows] = scores[row];
    tp[rows] = right += tp[row]; // rows <= row: what is overwritten was read
    fp[rows] = wrong += fp[row];
    rows++;
  }
  return { confidence: confidence.slice(0, rows), tp: tp.slice(0, rows), fp: fp.slice(0, rows) };
}

// The distinct scores of all classes, falling, and the place among them of each detection's.
function rankedScores(columns) {
  return columns.ranked ??= (() => {
    const order = byFallingScore(columns.confidence), place = new Uint32Array(columns.size);
    const scores = new Float64Array(columns.size);
    let count = 0;
    for (const n of order) {
      if (!count || columns.confidence[n] !== scores[count - 1]) scores[count++] = columns.confidence[n];
      place[n] = count - 1;
    }
    return { scores: scores.slice(0, count), place };
  })();
}

// Positions by falling score. A radix sort by the bits, which takes a tenth of the time of a sort with a comparison.
function byFallingScore(confidence) {
  const size = confidence.length, words = new Uint32Array(Float64Array.from(confidence, (score) => score + 0).buffer);
  for (let n = 0; n < size; n++) {
    const high = words[2 * n + 1], negative = high >>> 31;
    // Of a number that is not negative, higher bits mean more; so they are turned over. -0 was made 0.
    if (!negative) {
      words[2 * n] = ~words[2 * n];
      words[2 * n + 1] = ~high & 0x7fffffff;
    }
  }
  let from = new Uint32Array(size).map((_, n) => n), to = new Uint32Array(size);
  for (let digit = 0; digit < 4; digit++) {
    const word = digit >> 1, shift = 16 * (digit & 1), at = new Uint32Array((1 << 16) + 1);
    for (let n = 0; n < size; n++) at[((words[2 * n + word] >>> shift) & 0xffff) + 1]++;
    for (let i = 0; i < 1 << 16; i++) at[i + 1] += at[i];
    for (const n of from) to[at[(words[2 * n + word] >>> shift) & 0xffff]++] = n;
    [from, to] = [to, from];
  }
  return from;
}

// The row of a sweep that a threshold keeps; -1 where it keeps nothing.
function rowAt(sweep, threshold) { return reaching(sweep.confidence, threshold, 0, sweep.confidence.length) - 1; }

// How many scores of the chosen classes lie in each of equal bins from 0 to 1, by outcome.
function histogramOf(columns, state, bins) {
  return columns.once(keyOf(`histogram ${bins}`, state), () => {
    const histogram = { tp: new Uint32Array(bins), fp: new Uint32Array(bins), ignored: new Uint32Array(bins) };
    const isTrue = columns.tp[state.area], isFalse = columns.fp[state.area], bit = 1 << state.iou;
    for (const k of state.classes ?? columns.classNames.keys()) {
      for (let n = columns.start[k]; n < columns.start[k + 1]; n++) {
        const bin = Math.max(0, Math.min(bins - 1, Math.floor(columns.confidence[n] * bins + 1e-9)));
        (isTrue[n] & bit ? histogram.tp : isFalse[n] & bit ? histogram.fp : histogram.ignored)[bin]++;
      }
    }
    return histogram;
  });
}

// The threshold with the highest F1 of each class, the higher of equal ones; NaN without an object or a detection.
function bestByClass(columns, { iou, area }) {
  return columns.once(`best ${iou} ${area}`, () => {
    const objects = objectsByClass(columns, area), { tp, fp } = runningSums(columns, iou, area), { confidence } = columns;
    return Float64Array.from(objects, (positives, k) => {
      const first = columns.start[k], end = columns.start[k + 1];
      let best = NaN, highest = -1;
      if (!positives) return NaN;
      for (let n = first; n < end; n++) {
        if (n + 1 < end && confidence[n] === confidence[n + 1]) continue;
        const right = tp[n + 1] - tp[first], f1 = ratesOf(right, fp[n + 1] - fp[first], positives - right).f1;
        if (f1 > highest) [best, highest] = [confidence[n], f1];
      }
      return best;
    });
  });
}
