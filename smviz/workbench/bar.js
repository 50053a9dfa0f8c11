// The bar above the sections. It alone tells Python what was chosen, also what other components moved.

const BINS = 100;
const FEW_CLASSES = 12; // more are found by their name
const SETTLE = 300; // milliseconds after the last key

const bars = new WeakMap();

class Bar {
  constructor(parent) {
    this.host = parent.host || parent;
    this.root = parent.querySelector(".bar");
    this.find = (name) => this.root.querySelector(name);
    this.slider = this.find(".slider");
    this.chips = new Chips(this.root, (classes) => this.live.tell({ classes }, true));
    this.live = new Live({
      draw: (columns, state) => this.draw(columns, state),
      fail: (error) => showFailure(this.root, error),
      settled: (state) => this.report(state),
    });
    this.wire();
    this.observer = new ResizeObserver(() => {
      this.room = sizeOf(this.find(".histogram"));
      this.live.redraw();
    });
    this.observer.observe(this.root);
  }

  wire() {
    this.slider.oninput = () => this.move(Math.round(Number(this.slider.value) * 1000) / 1000);
    this.slider.onchange = () => this.live.tell({}, true);
    this.slider.onkeydown = (event) => {
      const way = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
      if (!way || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      this.nudge(way * (event.shiftKey ? 0.001 : 0.01));
    };
    this.find(".best").onclick = () => this.live.tell({ threshold: this.data.best }, true);
    const value = this.find(".value");
    value.onchange = () => this.type(value);
    value.onkeydown = (event) => { if (event.key === "Escape") this.untype(); };
    this.find(".iou").onchange = ({ target }) => this.live.tell({ iou: Number(target.value) }, true);
    this.find(".size").onchange = ({ target }) => this.live.tell({ area: Number(target.value) }, true);
    this.pressed = (event) => this.press(event);
    window.addEventListener("keydown", this.pressed);
  }

  unwire() {
    this.observer.disconnect();
    this.live.close();
    clearTimeout(this.timer);
    window.removeEventListener("keydown", this.pressed);
  }

  update({ data, setStateValue }) {
    Object.assign(this, { data, setStateValue });
    this.live.update(data);
    this.live.channel.passOn();
    // What Python gave overrules what was chosen here only where Python changed it.
    const known = this.live.channel.state;
    if (known?.revision !== data.revision) {
      this.live.channel.tell({ ...data.state, revision: data.revision });
      this.live.channel.flush();
    }
    this.choices(data.layout);
    this.live.redraw();
  }

  // ---- what a person does

  move(threshold) { this.live.tell({ threshold: Math.max(0, Math.min(1, threshold)) }); }

  nudge(step) {
    this.move(Math.round((this.live.state.threshold + step) * 1000) / 1000);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.live.tell({}, true), SETTLE);
  }

  // [ and ] work from anywhere on the page where they are not typed into something.
  press(event) {
    const way = { "[": -0.01, "]": 0.01, "{": -0.001, "}": 0.001 }[event.key];
    if (!way || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
    event.preventDefault();
    this.nudge(way);
  }

  type(field) {
    const typed = Number(field.value.trim().replace(",", "."));
    if (field.value.trim() && typed >= 0 && typed <= 1) this.live.tell({ threshold: typed }, true);
    else this.untype();
  }

  // What was typed gives way to what is in force.
  untype() {
    this.typed = null;
    this.live.redraw();
  }

  report({ threshold, iou, area, classes }) {
    this.setStateValue("state", { revision: this.data.revision, threshold, iou, area, classes });
  }

  // ---- what is shown

  choices({ ious, areas, classes }) {
    fillSelect(this.find(".iou"), ious.map((iou) => iou.toFixed(2)));
    fillSelect(this.find(".size"), areas.map((area) => (area === "all" ? "all sizes" : area)));
    this.chips.build(classes, this.data.colours.classes);
    for (const kind of ["tp", "fp", "fn"]) this.find(`.${kind} .swatch`).style.background = this.data.colours[kind];
  }

  draw(columns, state) {
    const counts = countAll(columns, state), best = this.data.best;
    this.find(".failed").hidden = true;
    if (Number(this.slider.value) !== state.threshold) this.slider.value = state.threshold;
    this.slider.setAttribute("aria-valuetext", state.threshold.toFixed(3));
    const value = this.find(".value"), root = this.root.getRootNode();
    if (root.activeElement !== value || this.typed !== state.threshold) value.value = formatExact(state.threshold);
    this.typed = state.threshold;
    this.find(".iou").value = state.iou;
    this.find(".size").value = state.area;
    place(this.find(".cut"), "left", alongSlider(state.threshold));
    this.showBest(best !== null && this.isGiven(state) ? best : null);
    this.chips.show(columns, state);
    this.showNumbers(columns, state, counts);
    this.paint(columns, state);
    this.host.dataset.painted = performance.now();
  }

  showBest(best) {
    const mark = this.find(".best"), line = this.find(".best-line");
    mark.hidden = line.hidden = best === null || best < 0 || best > 1;
    if (mark.hidden) return;
    write(mark, `${this.data.best_label} ${best.toFixed(3)}`);
    mark.setAttribute("aria-label", `Set the threshold to ${best.toFixed(3)}`);
    place(line, "left", alongSlider(best));
    place(mark, "left", `clamp(50px, ${alongSlider(best)}, calc(100% - 50px))`);
  }

  // Whether what Python gave is of the IoU, sizes and classes shown.
  isGiven({ iou, area, classes }) {
    const given = this.data.state;
    return given.iou === iou && given.area === area && String(given.classes) === String(classes);
  }

  showNumbers(columns, state, counts) {
    const same = this.isGiven(state) && this.data.state.threshold === state.threshold;
    for (const name of ["precision", "recall", "f1"]) {
      const interval = same ? this.data.intervals?.[name] : null;
      const between = !interval ? "…" : interval.low === null ? "no interval" : `${inThree(interval.low)} – ${inThree(interval.high)}`;
      this.number(name, inThree(counts[name]), between, interval?.method ?? "The 95 % interval follows.");
    }
    const objects = `of ${counted(counts.objects, "object")}`;
    this.number("tp", GROUPED.format(counts.tp), objects);
    this.number("fp", GROUPED.format(counts.fp), columns.images ? `${(counts.fp / columns.images).toFixed(2)} per image` : "no image");
    this.number("fn", GROUPED.format(counts.fn), objects);
  }

  number(name, value, beside, title = "") {
    const box = this.find(`.number.${name}`);
    write(box.children[1], value);
    write(box.children[2], beside);
    if (box.title !== title) box.title = title;
  }

  paint(columns, state) {
    if (!this.room?.width) return;
    const { pen, width, height } = penOn(this.find(".histogram"), this.room), { tp, fp } = histogramOf(columns, state, BINS);
    const { colours } = this.data, parts = [{ bins: tp, colour: colours.tp }, { bins: fp, colour: colours.fp }];
    pen.globalAlpha = 0.25;
    paintBins(pen, parts, { width, height });
    pen.save();
    pen.beginPath();
    pen.rect(state.threshold * width, 0, width, height);
    pen.clip();
    pen.globalAlpha = 1;
    pen.clearRect(0, 0, width, height);
    paintBins(pen, parts, { width, height });
    pen.restore();
  }
}

function alongSlider(threshold) { return `calc(8px + (100% - 16px) * ${threshold})`; }

// All digits that a chosen score has, up to six.
function formatExact(threshold) {
  const text = threshold.toFixed(6).replace(/0+$/, "");
  return text.length < 5 ? threshold.toFixed(3) : text;
}

function fillSelect(select, labels) {
  if (select.dataset.labels === String(labels)) return;
  select.dataset.labels = String(labels);
  select.replaceChildren(...labels.map((label, value) => new Option(label, value)));
}

function isTyping(event) {
  const target = event.composedPath()[0];
  return target.isContentEditable || (target.matches?.("input, textarea, select") && target.type !== "range");
}

export default function ({ data, parentElement, setStateValue }) {
  let bar = bars.get(parentElement);
  if (!bar) bars.set(parentElement, (bar = new Bar(parentElement)));
  bar.update({ data, setStateValue });
  return () => {
    bar.unwire();
    bars.delete(parentElement);
  };
}
