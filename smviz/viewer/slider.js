// The confidence slider on the histogram of the scores it cuts.

const BINS = 50;

// Per bin and kind, how many detections of the classes shown; stacked kinds are listed from the bottom up.
function binScores(model, hidden) {
  const kinds = model.marked ? ["tp", "fp", "ignored"] : ["plain"];
  const bins = kinds.map(() => new Float64Array(BINS));
  for (let item = 0; item < model.scored; item++) {
    if (hidden.has(model.classId[item])) continue;
    const bin = Math.max(0, Math.min(BINS - 1, Math.floor(model.score[item] * BINS)));
    bins[kinds.indexOf(model.kind(item, 0))][bin]++;
  }
  return { kinds, bins };
}

class Slider {
  constructor(root) {
    const find = (name) => root.querySelector(name);
    this.input = find(".slider");
    this.canvas = find(".histogram");
    this.best = find(".best");
    this.line = find(".best-line");
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

  showBest(best) {
    this.bestAt = best;
    this.best.hidden = this.line.hidden = best === null;
    if (best === null) return;
    this.best.textContent = `best ${formatThreshold(best)}`;
    this.best.title = "Set the threshold to the best one";
    const left = `calc(8px + (100% - 16px) * ${best})`;
    this.line.style.left = left;
    this.best.style.left = `clamp(34px, ${left}, calc(100% - 34px))`;
  }

  show(threshold, shown, total, hasScores) {
    const text = formatThreshold(threshold);
    if (Number(this.input.value) !== threshold) this.input.value = threshold;
    this.input.setAttribute("aria-valuetext", text);
    this.input.disabled = total > 0 && !hasScores;
    this.value.textContent = text;
    const number = new Intl.NumberFormat("en");
    this.count.textContent = this.input.disabled
      ? `${number.format(total)} boxes without scores`
      : `${number.format(shown)} of ${number.format(total)} ${total === 1 ? "box" : "boxes"}`;
  }

  paint({ kinds, bins }, threshold, colours, ratio) {
    const { pen, width, height } = prepare(this.canvas, ratio);
    const style = getComputedStyle(this.canvas);
    const sums = Array.from({ length: BINS }, (_, i) => bins.reduce((sum, bin) => sum + bin[i], 0));
    // Square roots, or one full bin flattens all the others.
    const scale = (height - 2) / Math.sqrt(Math.max(1, ...sums));
    const edge = threshold * width;
    const bars = (left, right, paintOf) => {
      pen.save();
      pen.beginPath();
      pen.rect(left, 0, right - left, height);
      pen.clip();
      for (let i = 0; i < BINS; i++) {
        const full = sums[i] ? Math.max(3, Math.sqrt(sums[i]) * scale) : 0;
        let y = height;
        kinds.forEach((kind, k) => {
          const part = sums[i] ? (full * bins[k][i]) / sums[i] : 0;
          pen.fillStyle = paintOf(kind);
          pen.fillRect((i * width) / BINS + 0.75, y - part, width / BINS - 1.5, part);
          y -= part;
        });
      }
      pen.restore();
    };
    const accent = style.getPropertyValue("--st-primary-color").trim();
    const grey = style.getPropertyValue("color");
    pen.globalAlpha = 0.22;
    bars(0, edge, () => grey);
    pen.globalAlpha = 0.85;
    bars(edge, width, (kind) => (kind === "plain" ? accent : colours[kind]));
    pen.globalAlpha = 1;
  }
}

function formatThreshold(threshold) {
  const exact = Math.abs(threshold * 100 - Math.round(threshold * 100)) < 1e-9;
  return threshold.toFixed(exact ? 2 : 3);
}
