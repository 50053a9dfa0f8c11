// Precision against recall: a line per class, and where the threshold is on it.

const PLAIN_COLOURS = 8; // the palette's; from there on lines are dashed as well
const NEAR = 12; // CSS pixels that a pointer may be off a line

const charts = new WeakMap();

class PrecisionRecall extends LivePlot {
  constructor(parent) {
    super(parent, "Recall", "Precision");
    this.plot.root.onpointermove = (event) => this.hover(this.plot.pointOf(event));
    this.plot.root.onpointerleave = () => this.leave();
    this.plot.root.onclick = (event) => {
      const near = this.nearest(this.plot.pointOf(event));
      if (near) this.live.tell({ threshold: Math.max(0, Math.min(1, near.confidence)) }, true);
    };
  }

  draw(columns, state) {
    if (!this.plot.size.width) return; // folded away, or gone already
    this.find(".failed").hidden = true;
    const key = `${this.plot.look} ${state.iou} ${state.area} ${state.classes}`;
    if (key !== this.drawn) this.paint(columns, state);
    this.drawn = key;
    this.mark(columns, state);
    this.host.dataset.painted = performance.now();
  }

  // The classes with a colour: the most frequent of the chosen ones.
  named(columns, state) {
    const objects = objectsByClass(columns, state.area), chosen = state.classes ?? [...columns.classNames.keys()];
    const frequent = chosen.filter((k) => objects[k]).sort((a, b) => objects[b] - objects[a] || a - b);
    return frequent.slice(0, this.data.most_lines).sort((a, b) => a - b);
  }

  paint(columns, state) {
    const { pen, scale, text } = this.plot.begin(), named = (this.classes = this.named(columns, state));
    const objects = objectsByClass(columns, state.area), others = [...columns.classNames.keys()].filter((k) => objects[k] && !named.includes(k));
    Object.assign(pen, { lineJoin: "round", lineWidth: 1, strokeStyle: text, globalAlpha: others.length > 40 ? 0.12 : 0.22 });
    for (const k of others) line(pen, curveOf(columns, state, k, scale));
    this.lines = named.map((k) => ({ k, colour: this.data.colours[k], points: curveOf(columns, state, k, scale) }));
    this.lines.forEach(({ colour, points }, i) => {
      pen.setLineDash([]);
      Object.assign(pen, { globalAlpha: 0.35, lineWidth: 3.4, strokeStyle: text }); // pale colours need an edge on white
      line(pen, points);
      Object.assign(pen, { globalAlpha: 1, lineWidth: 2.2, strokeStyle: colour });
      if (i >= PLAIN_COLOURS) pen.setLineDash([6, 3]);
      line(pen, points);
    });
    pen.setLineDash([]);
    pen.globalAlpha = 1;
    this.legend(columns);
    this.note(columns, objects, named, others);
  }

  legend(columns) {
    const entries = this.lines.map(({ k, colour }, i) => {
      const entry = document.createElement("span"), dash = document.createElement("i"), name = document.createElement("span");
      dash.style.color = colour;
      if (i >= PLAIN_COLOURS) dash.className = "dashed";
      name.className = "name";
      name.textContent = columns.classNames[k];
      entry.append(dash, name);
      return entry;
    });
    this.find(".legend").replaceChildren(...entries);
  }

  note(columns, objects, named, others) {
    const without = columns.classNames.length - named.length - others.length, parts = [];
    if (others.length) parts.push(`${counted(others.length, "further class", "further classes")} in grey`);
    if (without) parts.push(`${counted(without, "class", "classes")} without an object left out`);
    write(this.find(".note"), parts.join("; "));
  }

  // Where each class stands at the threshold.
  mark(columns, state) {
    const { scale, size, page } = this.plot, { pen } = penOn(this.plot.top, size), counts = countByClass(columns, state), words = [];
    if (this.pointed) this.ring(pen, this.pointed);
    for (const { k, colour } of this.lines) {
      words.push(`${columns.classNames[k]}: precision ${inThree(counts.precision[k])}, recall ${inThree(counts.recall[k])}`);
      if (Number.isNaN(counts.precision[k])) continue;
      pen.beginPath();
      pen.arc(scale.x(counts.recall[k]), scale.y(counts.precision[k]), 5, 0, 2 * Math.PI);
      Object.assign(pen, { fillStyle: colour, strokeStyle: page, lineWidth: 2 });
      pen.stroke();
      pen.fill();
    }
    const label = `Precision against recall per class. At the threshold: ${words.join("; ") || "no class has an object"}`;
    this.find(".base").setAttribute("aria-label", label);
  }

  ring(pen, { x, y }) {
    pen.beginPath();
    pen.arc(x, y, 6, 0, 2 * Math.PI);
    Object.assign(pen, { strokeStyle: this.plot.text, lineWidth: 1.5 });
    pen.stroke();
  }

  hover(point) {
    this.pointed = this.nearest(point);
    this.plot.root.classList.toggle("pointing", this.pointed !== null);
    this.live.redraw();
    if (!this.pointed) return this.plot.say(null, point);
    const { name, recall, precision, confidence } = this.pointed;
    this.plot.say([name, `recall ${inThree(recall)} · precision ${inThree(precision)}`, `confidence ≥ ${inThree(confidence)}`], point);
  }

  leave() {
    this.pointed = null;
    this.plot.say(null, [0, 0]);
    this.live.redraw();
  }

  nearest([x, y]) {
    let near = null, least = NEAR * NEAR;
    for (const { k, points } of this.lines ?? []) {
      for (const [px, py, recall, precision, confidence] of points) {
        const far = (px - x) ** 2 + (py - y) ** 2;
        if (far < least) {
          near = { x: px, y: py, recall, precision, confidence, name: this.live.columns.classNames[k] };
          least = far;
        }
      }
    }
    return near;
  }
}

// [x, y, recall, precision, confidence] at the scores of a class, the last one on each half pixel.
function curveOf(columns, { iou, area }, k, scale) {
  const { tp, fp } = runningSums(columns, iou, area), first = columns.start[k], end = columns.start[k + 1];
  const positives = objectsByClass(columns, area)[k], { confidence } = columns, points = [];
  let lastX = -1, lastY = -1;
  for (let n = first; n < end; n++) {
    if (n + 1 < end && confidence[n] === confidence[n + 1]) continue;
    const right = tp[n + 1] - tp[first], found = right + fp[n + 1] - fp[first];
    if (!found) continue;
    const recall = right / positives, precision = right / found;
    const x = Math.round(2 * scale.x(recall)) / 2, y = Math.round(2 * scale.y(precision)) / 2;
    if (x === lastX && y === lastY) continue;
    points.push([x, y, recall, precision, confidence[n]]);
    [lastX, lastY] = [x, y];
  }
  return points;
}

export default function ({ data, parentElement }) {
  let chart = charts.get(parentElement);
  if (!chart) charts.set(parentElement, (chart = new PrecisionRecall(parentElement)));
  chart.update({ data });
  return () => {
    chart.unwire();
    charts.delete(parentElement);
  };
}
