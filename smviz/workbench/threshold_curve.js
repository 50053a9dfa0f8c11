// Precision, recall and F1 against confidence, exact at every pixel, with the threshold as a line to drag.

const RATES = {
  precision: { colour: "#0072B2", dark: "#56B4E9", dash: [], width: 2.2 },
  recall: { colour: "#B8660A", dark: "#E69F00", dash: [7, 4], width: 2.2 },
  f1: { colour: "#00785A", dark: "#22C29A", dash: [2, 3], width: 2.6 },
};

const curves = new WeakMap();

class ThresholdCurve extends LivePlot {
  constructor(parent) {
    super(parent, "Confidence");
    this.wire();
  }

  wire() {
    const { root } = this.plot, handle = this.find(".handle");
    root.onpointerdown = (event) => {
      if (event.button) return;
      root.setPointerCapture(event.pointerId);
      this.held = true;
      this.move(event);
    };
    root.onpointermove = (event) => (this.held ? this.move(event) : this.hover(event));
    root.onpointerup = root.onpointercancel = () => {
      if (this.held) this.live.tell({}, true);
      this.held = false;
    };
    root.onpointerleave = () => this.plot.say(null, [0, 0]);
    handle.onkeydown = (event) => {
      const way = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
      if (!way) return;
      event.preventDefault();
      const threshold = Math.round((this.live.state.threshold + way * (event.shiftKey ? 0.001 : 0.01)) * 1000) / 1000;
      this.live.tell({ threshold: Math.max(0, Math.min(1, threshold)) }, true);
    };
  }

  move(event) {
    const threshold = Math.round(this.plot.valueAt(this.plot.pointOf(event)[0]) * 1000) / 1000;
    this.plot.say(null, [0, 0]);
    this.live.tell({ threshold });
  }

  hover(event) {
    if (!this.sweep) return;
    const point = this.plot.pointOf(event), confidence = this.plot.valueAt(point[0]), row = rowAt(this.sweep, confidence);
    const { precision, recall, f1, tp, fp } = this.at(row);
    this.plot.say([
      `confidence ≥ ${confidence.toFixed(3)}`,
      `precision ${inThree(precision)} · recall ${inThree(recall)} · F1 ${inThree(f1)}`,
      `${GROUPED.format(tp)} TP · ${GROUPED.format(fp)} FP · ${GROUPED.format(this.sweep.positives - tp)} missed`,
    ], point);
  }

  at(row) {
    const { tp, fp, positives } = this.sweep;
    if (row < 0) return { tp: 0, fp: 0, ...ratesOf(0, 0, positives) };
    return { tp: tp[row], fp: fp[row], ...ratesOf(tp[row], fp[row], positives - tp[row]) };
  }

  draw(columns, state) {
    if (!this.plot.size.width) return; // folded away, or gone already
    this.find(".failed").hidden = true;
    this.sweep = sweepOf(columns, state);
    const key = `${this.plot.look} ${state.iou} ${state.area} ${state.classes}`;
    if (key !== this.drawn) this.paint(state);
    this.drawn = key;
    this.show(state.threshold);
    this.host.dataset.painted = performance.now();
  }

  show(threshold) {
    const rates = this.at(rowAt(this.sweep, threshold)), handle = this.find(".handle");
    place(handle, "transform", `translateX(${this.plot.scale.x(threshold)}px)`);
    for (const name of Object.keys(RATES)) write(this.find(`.${name}`), inThree(rates[name]));
    handle.setAttribute("aria-valuenow", threshold.toFixed(3));
    const words = Object.keys(RATES).map((name) => `${name} ${inThree(rates[name])}`).join(", ");
    handle.setAttribute("aria-valuetext", `${threshold.toFixed(3)}: ${words}`);
    this.find(".base").setAttribute("aria-label", `Precision, recall and F1 against confidence; at ${threshold.toFixed(3)} ${words}`);
  }

  paint(state) {
    const { pen, scale, text } = this.plot.begin(), { data } = this, given = data.state;
    const same = given.iou === state.iou && given.area === state.area && String(given.classes) === String(state.classes);
    const dark = isLight(text);
    if (same && data.flat) this.shade(pen, scale, data.flat, text);
    for (const [name, { colour, dark: onDark }] of Object.entries(RATES)) {
      const mine = dark ? onDark : colour;
      this.find(`.legend .${name[0]}`).style.color = mine;
      if (same && data.bands) paintBand(pen, scale, data.bands.confidence, data.bands[name], mine);
    }
    for (const [name, { colour, dark: onDark, dash, width }] of Object.entries(RATES)) {
      Object.assign(pen, { strokeStyle: dark ? onDark : colour, lineWidth: width, lineJoin: "round" });
      pen.setLineDash(dash);
      this.trace(pen, scale, name);
    }
    pen.setLineDash([]);
    if (same && data.best !== null) this.mark(pen, scale, text);
  }

  // At each half pixel, the rate that this very threshold gives.
  trace(pen, scale, name) {
    let open = false;
    pen.beginPath();
    for (let step = 0; step <= scale.across * 2; step++) {
      const value = this.at(rowAt(this.sweep, step / 2 / scale.across))[name];
      if (Number.isNaN(value)) { open = false; continue; }
      const x = scale.x(0) + step / 2, y = scale.y(value);
      if (open) pen.lineTo(x, y);
      else pen.moveTo(x, y);
      open = true;
    }
    pen.stroke();
  }

  shade(pen, scale, [low, high], text) {
    const left = scale.x(Math.max(0, low)), right = scale.x(Math.min(1, high));
    pen.globalAlpha = 0.09;
    pen.fillStyle = text;
    pen.fillRect(left, scale.y(1), Math.max(1, right - left), scale.y(0) - scale.y(1));
    pen.globalAlpha = 1;
  }

  mark(pen, scale, text) {
    const { best, best_label: label } = this.data, x = scale.x(Math.max(0, Math.min(1, best)));
    Object.assign(pen, { strokeStyle: text, fillStyle: text, lineWidth: 1.5 });
    pen.setLineDash([3, 3]);
    line(pen, [[x, scale.y(0)], [x, scale.y(1)]]);
    pen.setLineDash([]);
    const words = `${label} ${best.toFixed(3)}`, half = pen.measureText(words).width / 2;
    pen.textAlign = "center";
    pen.fillText(words, Math.max(scale.x(0) + half, Math.min(scale.x(1) - half, x)), scale.y(1) - 8);
  }
}

// Between the ends of the intervals, wherever both are defined.
function paintBand(pen, scale, confidence, { low, high }, colour) {
  pen.fillStyle = colour;
  pen.globalAlpha = 0.16;
  let first = 0;
  while (first < confidence.length) {
    while (first < confidence.length && low[first] === null) first++;
    let end = first;
    while (end < confidence.length && low[end] !== null) end++;
    pen.beginPath();
    for (let i = first; i < end; i++) pen.lineTo(scale.x(confidence[i]), scale.y(high[i]));
    for (let i = end - 1; i >= first; i--) pen.lineTo(scale.x(confidence[i]), scale.y(low[i]));
    pen.fill();
    first = end;
  }
  pen.globalAlpha = 1;
}

export default function ({ data, parentElement }) {
  let curve = curves.get(parentElement);
  if (!curve) curves.set(parentElement, (curve = new ThresholdCurve(parentElement)));
  curve.update({ data });
  return () => {
    curve.unwire();
    curves.delete(parentElement);
  };
}
