// The boxes of one image as columns, and which of them are shown. Items 0..N-1 are the detections, by descending
// score; N..N+G-1 is the ground truth.

const KINDS = ["plain", "tp", "fp", "fn", "ignored", "truth"];
const MARK_NAMES = { tp: "TP", fp: "FP", fn: "FN", ignored: "ign" };

class Model {
  constructor(data) {
    const { detections, truth } = data;
    this.count = detections.score.length;
    this.size = this.count + (truth ? truth.class_id.length : 0);
    this.marked = detections.matched !== null;
    this.hasTruth = truth !== null;
    this.box = Float64Array.from(truth ? detections.xyxy.concat(truth.xyxy) : detections.xyxy);
    this.classId = truth ? detections.class_id.concat(truth.class_id) : detections.class_id;
    this.score = Float64Array.from(detections.score, (score) => score ?? NaN);
    this.scored = detections.score.indexOf(null) < 0 ? this.count : detections.score.indexOf(null);
    this.matched = detections.matched;
    this.ignored = (detections.ignored || Array(this.count).fill(false)).concat(truth ? truth.ignored : []);
    this.classes = new Map(data.classes.map((entry) => [entry.id, entry]));
    this.colours = data.colours;
    // The score at which each labelled object is found; -1 when no detection finds it.
    this.foundAt = new Float64Array(this.size - this.count).fill(-1);
    if (this.marked) this.matched.forEach((g, i) => { if (g >= 0 && !this.ignored[i]) this.foundAt[g] = this.scoreOf(i); });
  }

  // A detection without a score cannot be cut.
  scoreOf(item) { return item < this.scored ? this.score[item] : Infinity; }
  isTruth(item) { return item >= this.count; }
  name(item) { return this.classes.get(this.classId[item]).name; }
  width(item) { return this.box[4 * item + 2] - this.box[4 * item]; }
  height(item) { return this.box[4 * item + 3] - this.box[4 * item + 1]; }

  // How many scored detections reach the threshold: they are the first ones.
  cut(threshold) {
    let low = 0, high = this.scored;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.score[middle] >= threshold) low = middle + 1; else high = middle;
    }
    return low;
  }

  *reaching(threshold) {
    const cut = this.cut(threshold);
    for (let item = 0; item < cut; item++) yield item;
    for (let item = this.scored; item < this.count; item++) yield item;
  }

  kind(item, threshold) {
    if (this.isTruth(item)) {
      if (!this.marked) return "truth";
      if (this.ignored[item]) return "ignored";
      return this.foundAt[item - this.count] >= threshold ? "truth" : "fn";
    }
    if (!this.marked) return "plain";
    if (this.ignored[item]) return "ignored";
    return this.matched[item] >= 0 ? "tp" : "fp";
  }

  colour(item, kind) {
    return kind === "plain" ? this.classes.get(this.classId[item]).colour : this.colours[kind];
  }

  // What is to be seen: `boxes` on the picture, `rows` in the list, and how many of each class and each outcome.
  select({ threshold, hidden, off, truth }) {
    const boxes = [], rows = [], perClass = new Map(), perKind = { tp: 0, fp: 0, fn: 0, ignored: 0, truth: 0 };
    let detections = 0;
    for (const item of this.reaching(threshold)) {
      const id = this.classId[item];
      perClass.set(id, (perClass.get(id) || 0) + 1);
      if (hidden.has(id)) continue;
      const kind = this.kind(item, threshold);
      if (kind !== "plain") perKind[kind]++;
      if (off.has(kind)) continue;
      detections++;
      boxes.push(item);
      rows.push(item);
    }
    for (let item = this.count; item < this.size; item++) {
      if (hidden.has(this.classId[item])) continue;
      const kind = this.kind(item, threshold);
      if (kind === "fn" || kind === "truth") perKind[kind]++;
      if (kind === "fn" ? off.has("fn") : !truth) continue;
      boxes.push(item);
      if (kind === "fn") rows.push(item);
    }
    return { boxes, rows, perClass, perKind, detections };
  }

  totals() {
    const totals = new Map([...this.classes.keys()].map((id) => [id, 0]));
    for (let item = 0; item < this.count; item++) totals.set(this.classId[item], totals.get(this.classId[item]) + 1);
    return totals;
  }

  // The smallest of the items under a point of the image, or null: nested boxes stay reachable.
  at(items, x, y, margin) {
    let best = null, smallest = Infinity;
    for (const item of items) {
      const o = 4 * item, b = this.box;
      if (x < b[o] - margin || x > b[o + 2] + margin || y < b[o + 1] - margin || y > b[o + 3] + margin) continue;
      const area = (b[o + 2] - b[o]) * (b[o + 3] - b[o + 1]);
      if (area < smallest) { smallest = area; best = item; }
    }
    return best;
  }

  // The labelled object of a detection, or the detection that found the object; null where there is none.
  partner(item, threshold) {
    if (!this.marked) return null;
    if (!this.isTruth(item)) return this.matched[item] >= 0 ? this.count + this.matched[item] : null;
    const found = this.matched.indexOf(item - this.count);
    return found >= 0 && this.scoreOf(found) >= threshold ? found : null;
  }

  iou(a, b) {
    const [p, q, box] = [4 * a, 4 * b, this.box];
    const width = Math.min(box[p + 2], box[q + 2]) - Math.max(box[p], box[q]);
    const height = Math.min(box[p + 3], box[q + 3]) - Math.max(box[p + 1], box[q + 1]);
    const overlap = Math.max(0, width) * Math.max(0, height);
    return overlap / (this.width(a) * this.height(a) + this.width(b) * this.height(b) - overlap);
  }
}
