// The confidence slider on the histogram of the scores that it cuts.

const BINS = 50;
const COUNTED = new Intl.NumberFormat("en");

// What is written already stays: text that is set again is laid out again, and a new node costs more than a new text.
function write(element, value) {
  const text = typeof value === "number" ? COUNTED.format(value) : value, node = element.firstChild;
  if (node === null) element.textContent = text;
  else if (node.data !== text) node.data = text;
}

// Per bin, how many detections of the classes shown are kept, by kind, and how many are not, listed from the bottom
// up. With `only`, of that class alone.
function binScores(model, choice, only) {
  const kinds = model.marked ? ["tp", "fp", "ignored"] : model.hasOther ? ["agree", "only_a", "only_b"] : ["plain"];
  const bins = new Map([...kinds, "cut"].map((kind) => [kind, new Float64Array(BINS)]));
  for (let item = 0; item < model.size; item++) {
    if (Number.isNaN(model.score[item])) continue;
    if (only === null ? choice.hidden.has(model.classId[item]) : model.classId[item] !== only) continue;
    const bin = Math.max(0, Math.min(BINS - 1, Math.floor(model.score[item] * BINS + 1e-9)));
    bins.get(model.kept[item] ? model.kind(item) : "cut")[bin]++;
  }
  return bins;
}

function formatThreshold(threshold) {
  const exact = Math.abs(threshold * 100 - Math.round(threshold * 100)) < 1e-9;
  return threshold.toFixed(exact ? 2 : 3);
}

class Slider {
  constructor(root) {
    const find = (name) => root.querySelector(name);
    this.input = find(".slider");
    this.canvas = find(".histogram");
    this.ticks = find(".ticks");
    this.best = find(".best");
    this.line = find(".best-line");
    this.prompt = find(".prompt");
    this.value = find(".value");
    this.count = find(".count");
    this.held = false;
  }

  wire({ move, release }) {
    this.input.onpointerdown = () => { this.held = true; };
    this.input.onpointerup = this.input.onpointercancel = () => { this.held = false; };
    this.input.oninput = () => move(Number(this.input.value));
    this.input.onchange = () => { this.held = false; release(); };
    this.best.onclick = () => { move(this.bestAt); release(); };
  }

  left(threshold) { return `calc(8px + (100% - 16px) * ${threshold})`; }

  // The tuned threshold of what the slider moves now.
  showBest(best, word) {
    this.bestAt = best;
    this.best.hidden = this.line.hidden = best === null;
    if (best === null) return;
    this.best.textContent = `${word} ${formatThreshold(best)}`;
    this.best.title = "Set the threshold to this one";
    this.line.style.left = this.left(best);
    this.best.style.left = `clamp(34px, ${this.left(best)}, calc(100% - 34px))`;
  }

  // The thresholds of all classes: [{ id, colour, threshold }].
  showTicks(all, active) {
    while (this.ticks.childElementCount < all.length) this.ticks.append(document.createElement("i"));
    [...this.ticks.children].forEach((tick, at) => {
      tick.hidden = at >= all.length;
      if (tick.hidden) return;
      tick.style.left = this.left(all[at].threshold);
      tick.style.background = all[at].colour;
      tick.classList.toggle("active", all[at].id === active);
    });
  }

  show({ threshold, name, shown, total, hasScores }) {
    const text = formatThreshold(threshold);
    if (Number(this.input.value) !== threshold) this.input.value = threshold;
    this.input.setAttribute("aria-valuetext", text);
    this.input.setAttribute("aria-label", name === null ? "Confidence threshold" : `Confidence threshold of ${name}`);
    this.input.disabled = total > 0 && !hasScores;
    write(this.prompt, name === null ? "confidence ≥" : `${name} ≥`);
    this.prompt.classList.toggle("named", name !== null);
    write(this.value, text);
    write(this.count, this.input.disabled
      ? `${COUNTED.format(total)} boxes without scores`
      : `${COUNTED.format(shown)} of ${COUNTED.format(total)} ${total === 1 ? "box" : "boxes"}`);
  }

  tint(style) {
    this.accent = style.getPropertyValue("--st-primary-color").trim();
    this.grey = style.color;
  }

  paint(bins, colours, ratio) {
    const { pen, width, height } = prepare(this.canvas, ratio), { accent, grey } = this;
    const sums = Array.from({ length: BINS }, (_, i) => [...bins.values()].reduce((sum, bin) => sum + bin[i], 0));
    // Square roots, or one full bin flattens all the others.
    const scale = (height - 2) / Math.sqrt(Math.max(1, ...sums));
    const full = sums.map((sum) => (sum ? Math.max(3, Math.sqrt(sum) * scale) : 0)), below = new Float64Array(BINS);
    for (const [kind, bin] of bins) {
      pen.globalAlpha = kind === "cut" ? 0.22 : 0.85;
      pen.fillStyle = kind === "cut" ? grey : kind === "plain" ? accent : colours[kind];
      for (let i = 0; i < BINS; i++) {
        if (!bin[i]) continue;
        const part = (full[i] * bin[i]) / sums[i];
        pen.fillRect((i * width) / BINS + 0.75, height - below[i] - part, width / BINS - 1.5, part);
        below[i] += part;
      }
    }
    pen.globalAlpha = 1;
  }
}
