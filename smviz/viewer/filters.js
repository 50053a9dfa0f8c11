// What a person has chosen, and which boxes that keeps: threshold, shorter side, NMS, top k, in this order.
// ViewerState.keeps does the same in Python; a test holds the two together.

class Choice {
  constructor(sent) {
    this.threshold = sent.threshold;
    this.hidden = new Set(sent.hidden);
    this.own = sent.class_thresholds && new Map(Object.entries(sent.class_thresholds)); // by class name, or null
    this.minSide = sent.min_side;
    this.nmsIou = sent.nms_iou;
    this.across = sent.nms_across_classes;
    this.topK = sent.top_k;
    this.otherThreshold = sent.other_threshold ?? null; // of the second set, where it has one of its own
  }

  sent() {
    return {
      threshold: this.threshold, hidden: [...this.hidden], class_thresholds: this.own && Object.fromEntries(this.own),
      min_side: this.minSide, nms_iou: this.nmsIou, nms_across_classes: this.across, top_k: this.topK,
      other_threshold: this.otherThreshold,
    };
  }

  thresholdOf(name, second = false) { return (second ? this.otherThreshold : null) ?? this.own?.get(name) ?? this.threshold; }

  // What is in force beside threshold and classes, in words.
  filters() {
    const words = [];
    if (this.own) words.push("per class");
    if (this.minSide > 0) words.push(`side ≥ ${this.minSide} px`);
    if (this.nmsIou !== null) words.push(`NMS ${this.nmsIou.toFixed(2)}`);
    if (this.topK !== null) words.push(`top ${this.topK}`);
    return words;
  }
}

// Marks in `kept` which of the items first..last-1, sorted by falling score, are kept.
function keep(model, choice, kept, first, last, second = false) {
  const { box, score, classId } = model;
  const cuts = new Map([...model.classes].map(([id, { name }]) => [id, choice.thresholdOf(name, second)]));
  for (let i = first; i < last; i++) {
    kept[i] = !(score[i] < cuts.get(classId[i])) // what has no score is not judged by it
      && !(choice.minSide > 0 && Math.min(box[4 * i + 2] - box[4 * i], box[4 * i + 3] - box[4 * i + 1]) < choice.minSide) ? 1 : 0;
  }
  if (choice.nmsIou !== null) suppress(model, choice, kept, first, last);
  if (choice.topK === null) return;
  for (let i = first, count = 0; i < last; i++) if (kept[i] && ++count > choice.topK) kept[i] = 0;
}

function suppress({ box, classId, frame }, { nmsIou, across }, kept, first, last) {
  const grid = new Grid(box, frame.width, frame.height, last - first);
  for (let i = first; i < last; i++) {
    if (!kept[i]) continue;
    if (grid.some(i, (j) => (across || classId[i] === classId[j]) && iouOf(box, i, j) > nmsIou)) kept[i] = 0;
    else grid.add(i);
  }
}
