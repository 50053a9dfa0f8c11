// The boxes of one image as columns. Items are numbered: the detections by descending score, then the ground truth,
// then the second set by descending score.

const MARK_NAMES = { tp: "TP", fp: "FP", fn: "FN", ignored: "ign", only_a: "A", only_b: "B", agree: "A+B" };

class Model {
  constructor(data) {
    const { detections, truth, other } = data, none = { xyxy: [], class_id: [], score: [], ignored: [] };
    const [g, b] = [truth ?? none, other ?? none];
    this.frame = data.image;
    this.count = detections.score.length;
    this.truthEnd = this.count + g.class_id.length;
    this.size = this.truthEnd + b.score.length;
    this.marked = data.matches !== null;
    this.hasTruth = truth !== null;
    this.hasOther = other !== null;
    this.box = Float64Array.from(detections.xyxy.concat(g.xyxy, b.xyxy));
    this.classId = detections.class_id.concat(g.class_id, b.class_id);
    this.score = Float64Array.from(detections.score.concat(g.class_id.map(() => null), b.score), (s) => s ?? NaN);
    this.matches = data.matches;
    this.matched = new Int32Array(this.count).fill(-1); // the object that each detection took
    this.ignored = Array(this.count).fill(false).concat(g.ignored, b.score.map(() => false));
    this.classes = new Map(data.classes.map((entry) => [entry.id, entry]));
    this.colours = data.colours;
    this.names = data.names;
    this.paired = data.pair !== null;
    this.agreeIou = data.pair?.iou ?? 0.5;
    this.hasScores = this.score.some((score) => !Number.isNaN(score));
    this.kept = new Uint8Array(this.size).fill(1);
    this.partners = new Int32Array(this.size).fill(-1);
    if (this.marked) match(this);
  }

  isTruth(item) { return item >= this.count && item < this.truthEnd; }
  isOther(item) { return item >= this.truthEnd; }
  get total() { return this.count + this.size - this.truthEnd; }
  className(item) { return this.classes.get(this.classId[item]).name; }
  colour(item, kind) { return kind === "plain" ? this.classes.get(this.classId[item]).colour : this.colours[kind]; }

  // What Python calls an item, and back.
  nameOf(item) {
    if (item === null) return null;
    if (this.isTruth(item)) return { truth: item - this.count };
    return this.isOther(item) ? { other: item - this.truthEnd } : { detection: item };
  }

  itemOf(name) {
    const { detection = Infinity, truth = Infinity, other = Infinity } = name ?? {};
    if (detection < this.count) return detection;
    if (this.count + truth < this.truthEnd) return this.count + truth;
    return this.truthEnd + other < this.size ? this.truthEnd + other : null;
  }

  // Who is kept, and who goes together: among those kept alone, so that every filter has its own outcomes.
  filter(choice) {
    const { kept, partners, count, truthEnd, size } = this;
    keep(this, choice, kept, 0, count);
    keep(this, choice, kept, truthEnd, size, true);
    partners.fill(-1);
    if (this.hasOther) pair(this, kept, [0, count], [truthEnd, size], this.agreeIou, partners);
    if (!this.marked) return;
    match(this);
    for (let item = 0; item < count; item++) {
      if (!kept[item] || this.matched[item] < 0) continue;
      partners[item] = count + this.matched[item];
      if (!this.ignored[item]) partners[partners[item]] = item;
    }
  }

  kind(item) {
    if (this.hasOther && !this.isTruth(item)) {
      if (this.partners[item] >= 0) return "agree";
      return this.isOther(item) ? "only_b" : "only_a";
    }
    if (this.isTruth(item)) {
      if (!this.marked) return "truth";
      if (this.ignored[item]) return "ignored";
      return this.partners[item] >= 0 ? "truth" : "fn";
    }
    if (!this.marked) return "plain";
    if (this.ignored[item]) return "ignored";
    return this.matched[item] >= 0 ? "tp" : "fp";
  }

  partner(item) { return this.partners[item] >= 0 ? this.partners[item] : null; }

  // What is to be seen: `boxes` on the picture, `rows` in the list, and how many of each class and each outcome.
  select(choice, { off, truth, difference }) {
    this.filter(choice);
    const boxes = [], rows = [], perClass = new Map(), perKind = {}, same = new Set(["tp", "agree", "truth", "ignored"]);
    let detections = 0;
    for (let item = 0; item < this.size; item++) {
      const id = this.classId[item], labelled = this.isTruth(item);
      if (!this.kept[item]) continue;
      if (!labelled) perClass.set(id, (perClass.get(id) || 0) + 1);
      if (choice.hidden.has(id)) continue;
      const kind = this.kind(item);
      // A pair that agrees is one finding; an ignored object is a labelled one, not an ignored detection.
      if (!(kind === "agree" && this.isOther(item)) && !(labelled && kind === "ignored")) perKind[kind] = (perKind[kind] || 0) + 1;
      if (off.has(kind) || (difference && same.has(kind))) continue;
      if (labelled && kind !== "fn" && !truth) continue;
      if (!labelled) detections++;
      boxes.push(item);
      if (labelled ? kind === "fn" : !(kind === "agree" && this.isOther(item))) rows.push(item);
    }
    if (this.hasOther) rows.sort((a, b) => this.score[b] - this.score[a] || a - b);
    return { boxes, rows, perClass, perKind, detections, visible: new Set(boxes) };
  }

  totals() {
    const totals = new Map([...this.classes.keys()].map((id) => [id, 0]));
    for (let item = 0; item < this.size; item++) {
      if (!this.isTruth(item)) totals.set(this.classId[item], totals.get(this.classId[item]) + 1);
    }
    return totals;
  }

  // The items under a point of the image, the smallest first: nested boxes stay reachable.
  under(items, x, y, margin) {
    const b = this.box, hit = (item) => {
      const o = 4 * item;
      return x >= b[o] - margin && x <= b[o + 2] + margin && y >= b[o + 1] - margin && y <= b[o + 3] + margin;
    };
    return items.filter(hit).sort((p, q) => areaOf(b, p) - areaOf(b, q));
  }

  // The items that overlap one, the most first: [[item, IoU]].
  neighbours(items, item) {
    return items.filter((other) => other !== item).map((other) => [other, iouOf(this.box, item, other)])
      .filter(([, overlap]) => overlap > 0).sort((a, b) => b[1] - a[1]);
  }

  // All labelled objects, shown or not.
  labelled() { return Array.from({ length: this.truthEnd - this.count }, (_, g) => this.count + g); }
}

// COCO's matching of the detections that are kept: by falling score each takes the first of its choices that is free.
function match({ matches, matched, ignored, kept, count, classId }) {
  const { choices, crowd, uncounted, most } = matches, gone = new Uint8Array(crowd.length), ranks = new Map();
  matched.fill(-1);
  for (let item = 0, at = 0; item < count; item++) {
    const rank = ranks.get(classId[item]) ?? 0, late = rank >= most;
    if (kept[item]) ranks.set(classId[item], rank + 1);
    for (; at < choices.length && choices[at] === item; at += 2) {
      const object = choices[at + 1];
      if (!kept[item] || late || matched[item] >= 0 || gone[object]) continue;
      matched[item] = object;
      gone[object] = crowd[object] ? 0 : 1;
    }
    ignored[item] = matched[item] < 0 ? late || uncounted[item] : ignored[count + matched[item]];
  }
}
