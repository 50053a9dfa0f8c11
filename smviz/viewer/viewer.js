const OUTCOMES = { tp: "true positive", fp: "false positive", fn: "false negative", ignored: "ignored", truth: "ground truth", plain: "" };

// One viewer per place on the page. Streamlit calls the default export again whenever data or theme change.

const viewers = new WeakMap();

class Viewer {
  constructor(parent) {
    this.host = parent.host || parent;
    this.root = parent.querySelector(".viewer");
    this.find = (name) => this.root.querySelector(name);
    this.slider = new Slider(this.root);
    this.list = new List(this.root);
    this.stage = new Stage(this.root);
    this.hidden = new Set();
    this.off = new Set();
    this.labels = true;
    this.hovered = null;
    this.selected = null;
    this.revision = null;
    this.wire();
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.root);
    this.observer.observe(this.stage.element);
  }

  wire() {
    this.slider.wire({ move: (threshold) => this.setThreshold(threshold), release: () => this.report() });
    this.list.wire({
      hover: (item) => this.hover(item),
      select: (item) => this.select(item === this.selected ? null : item),
      zoom: (item) => { this.select(item); this.stage.zoomTo(this.bounds([item])); },
    });
    this.stage.wire({
      change: () => this.repaint(),
      hover: (point, target) => this.point(point, target),
      click: (point) => this.select(this.itemAt(point)),
      loaded: (good) => this.loaded(good),
    });
    this.find(".all").onclick = () => this.setHidden([]);
    this.find(".none").onclick = () => this.setHidden([...this.model.classes.keys()]);
    this.find(".in").onclick = () => this.stage.zoomMiddle(1.5);
    this.find(".out").onclick = () => this.stage.zoomMiddle(1 / 1.5);
    this.find(".fit").onclick = () => this.stage.fit();
    this.find(".label").onclick = () => this.toggleLabels();
    this.find(".ask").onclick = () => this.toggleHelp();
    this.root.onkeydown = (event) => this.key(event);
  }

  unwire() {
    this.observer.disconnect();
    this.stage.unwire();
  }

  update({ data, setStateValue }) {
    this.setStateValue = setStateValue;
    this.model = new Model(data);
    const first = this.revision === null;
    if (first || (data.revision !== this.revision && !this.slider.held)) this.threshold = data.threshold;
    if (first) {
      this.hidden = new Set(data.hidden);
      this.truth = !this.model.marked;
    }
    const other = this.frameKey !== data.image.key;
    if (first || other || data.revision !== this.revision) this.selected = data.selected;
    if (other) this.hovered = null;
    this.revision = data.revision;
    this.frameKey = data.image.key;
    this.root.classList.toggle("with-best", data.best_threshold !== null);
    this.find(".truth-key").hidden = !this.model.hasTruth;
    this.find(".marks-key").hidden = !this.model.marked;
    this.slider.showBest(data.best_threshold);
    if (other || this.stage.frame.url !== data.image.url) {
      delete this.host.dataset.ready;
      this.find(".error").hidden = true;
    }
    this.buildChips();
    this.buildMarks();
    this.stage.show(data.image, data.stage_height);
    this.refilter();
    if (!other && this.selected !== null && this.selected !== this.revealed) this.reveal(this.selected);
    this.revealed = this.selected;
  }

  // ---- what is shown

  refilter() {
    this.bins = binScores(this.model, this.hidden);
    this.refresh();
  }

  refresh() {
    this.shown = this.model.select(this);
    const { rows, detections, perClass, perKind } = this.shown;
    if (this.hovered !== null && !this.shown.boxes.includes(this.hovered)) this.hovered = null;
    this.slider.show(this.threshold, detections, this.model.count, this.model.scored > 0);
    this.chips.forEach(({ button, number }, id) => {
      button.setAttribute("aria-pressed", !this.hidden.has(id));
      number.textContent = perClass.get(id) || 0;
    });
    this.marks.forEach(({ button, number }, kind) => {
      button.setAttribute("aria-pressed", kind === "truth" ? this.truth : !this.off.has(kind));
      number.textContent = perKind[kind];
    });
    this.list.show(this.model, rows, this.threshold);
    this.list.mark(this.hovered, this.selected);
    this.host.dataset.shown = detections;
    this.stage.element.setAttribute("aria-label", `Image with ${detections} boxes; the list holds the same detections`);
    this.repaint();
  }

  // Pointing at a box repaints the focus alone, however many boxes there are.
  repaint(boxes = true) {
    this.stale ||= boxes;
    this.frame ??= requestAnimationFrame(() => { this.frame = null; this.paint(); });
  }

  paint() {
    if (!this.model || !this.stage.width) return;
    const ratio = window.devicePixelRatio || 1, { view } = this.stage, { model, threshold } = this;
    const font = getComputedStyle(this.root).fontFamily;
    const focus = [...new Set([this.selected, this.hovered])]
      .filter((item) => item !== null && this.shown.boxes.includes(item));
    if (this.stale) {
      const canvas = this.find(".boxes"), seen = paintBoxes(canvas, model, this.shown.boxes, view, threshold, ratio);
      this.spots = this.labels ? paintLabels(canvas, model, seen, font) : new Map();
      this.slider.paint(this.bins, threshold, model.colours, ratio);
      this.stale = false;
    }
    paintFocus(this.find(".focus"), model, focus, view, threshold, ratio, font, this.spots);
    this.find(".scale").textContent = `${Math.round(view.k * 100)}%`;
    Object.assign(this.host.dataset, { scale: view.k, x: view.x, y: view.y, painted: performance.now() });
    if (this.stage.image.complete && this.stage.image.naturalWidth) this.host.dataset.ready = "1";
  }

  resize() {
    if (!this.model || !this.stage.width) return;
    this.stage.resize();
    this.list.paint();
  }

  loaded(good) {
    this.find(".error").hidden = good;
    this.stage.element.classList.toggle("failed", !good);
    if (good) this.repaint();
    else this.host.dataset.ready = "error";
  }

  bounds(items) {
    const { box } = this.model, bounds = [Infinity, Infinity, -Infinity, -Infinity];
    for (const item of items) {
      for (const i of [0, 1]) bounds[i] = Math.min(bounds[i], box[4 * item + i]);
      for (const i of [2, 3]) bounds[i] = Math.max(bounds[i], box[4 * item + i]);
    }
    return bounds;
  }

  // ---- what a person does

  setThreshold(threshold) {
    this.threshold = Math.max(0, Math.min(1, threshold));
    this.refresh();
  }

  nudge(step) {
    this.setThreshold(Math.round(this.threshold * 100 + step) / 100);
    this.reportSoon();
  }

  setHidden(ids) {
    this.hidden = new Set(ids);
    this.refilter();
    this.reportSoon();
  }

  toggleClass(id, only) {
    const others = [...this.model.classes.keys()].filter((other) => other !== id);
    if (only) this.setHidden(others.every((other) => this.hidden.has(other)) && !this.hidden.has(id) ? [] : others);
    else this.setHidden(this.hidden.has(id) ? [...this.hidden].filter((other) => other !== id) : [...this.hidden, id]);
  }

  toggleMark(kind) {
    if (kind === "truth") this.truth = !this.truth;
    else if (!this.off.delete(kind)) this.off.add(kind);
    this.refresh();
  }

  toggleLabels() {
    this.labels = !this.labels;
    this.find(".label").setAttribute("aria-pressed", this.labels);
    this.repaint();
  }

  toggleHelp(open = this.find(".help").hidden) {
    this.find(".help").hidden = !open;
    this.find(".ask").setAttribute("aria-expanded", open);
  }

  select(item) {
    this.toggleHelp(false);
    if (item === this.selected) return;
    this.selected = this.revealed = item;
    if (item !== null) this.reveal(item);
    this.list.mark(this.hovered, item);
    this.repaint(false);
    this.report();
  }

  reveal(item) {
    this.list.reveal(item);
    this.stage.reveal(this.bounds([item]));
  }

  hover(item) {
    if (item === this.hovered) return;
    this.hovered = item;
    this.list.mark(item, this.selected);
    this.repaint(false);
  }

  itemAt([x, y]) {
    const { k, x: left, y: top } = this.stage.view;
    return this.model.at(this.shown.boxes, (x - left) / k, (y - top) / k, 2 / k);
  }

  point(point, target) {
    const item = point === null || this.stage.isHelp(target) ? null : this.itemAt(point);
    if (item !== null && item !== this.hovered) this.list.reveal(item);
    this.hover(item);
    this.stage.element.classList.toggle("pointing", item !== null);
    const tip = this.find(".tip");
    tip.hidden = item === null;
    if (item === null) return;
    this.fillTip(tip, item);
    const flip = (at, size, room) => (at + 16 + size > room ? Math.max(4, at - 12 - size) : at + 16);
    const left = flip(point[0], tip.offsetWidth, this.stage.width), top = flip(point[1], tip.offsetHeight, this.stage.height);
    tip.style.transform = `translate(${left}px, ${top}px)`;
  }

  fillTip(tip, item) {
    const { model, threshold } = this, kind = model.kind(item, threshold), partner = model.partner(item, threshold);
    const score = item < model.scored ? model.score[item].toFixed(3) : "";
    const [left, top, right, bottom] = this.bounds([item]).map((value) => value.toFixed(0));
    tip.querySelector("i").style.background = model.colour(item, kind);
    tip.querySelector("b").textContent = [model.name(item), score].filter(Boolean).join("  ");
    tip.querySelector("span").textContent =
      [OUTCOMES[kind], partner === null ? "" : `IoU ${model.iou(item, partner).toFixed(2)}`].filter(Boolean).join(", ") +
      (OUTCOMES[kind] ? "\n" : "") +
      `${model.width(item).toFixed(0)} × ${model.height(item).toFixed(0)} px\nx ${left}–${right}, y ${top}–${bottom}`;
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const onStage = event.target === this.stage.element, kinds = { 1: "tp", 2: "fp", 3: "fn" };
    const moves = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (moves[key]) {
      if (!onStage || !this.stage.pan(...moves[key])) return;
    } else if (kinds[key] && this.model.marked) this.toggleMark(kinds[key]);
    else if (key === "g" && this.model.hasTruth) this.toggleMark("truth");
    else if (key === "[" || key === "]") this.nudge(key === "]" ? 1 : -1);
    else if (key === "+" || key === "=") this.stage.zoomMiddle(1.5);
    else if (key === "-") this.stage.zoomMiddle(1 / 1.5);
    else if (key === "f") this.stage.fit();
    else if (key === "l") this.toggleLabels();
    else if (key === "?") this.toggleHelp();
    else if (key === "z" && this.shown.boxes.length) {
      this.stage.zoomTo(this.bounds(this.selected === null ? this.shown.boxes : [this.selected]));
    } else if (key === "Escape" && !this.find(".help").hidden) this.toggleHelp(false);
    else if (key === "Escape" && this.selected !== null) this.select(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // ---- what Python hears: one value, so that its parts always belong together

  report() {
    clearTimeout(this.timer);
    this.setStateValue("view", {
      revision: this.revision, image: this.frameKey, threshold: this.threshold, hidden: [...this.hidden], selected: this.selected,
    });
  }

  reportSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.report(), 250);
  }

  // ---- chips

  chip(place, name, look, title) {
    const button = document.createElement("button"), swatch = document.createElement("i");
    const text = document.createElement("span"), number = document.createElement("em");
    button.type = "button";
    button.className = "chip";
    button.title = title;
    swatch.className = "swatch";
    look(swatch);
    text.className = "name";
    text.textContent = name;
    button.append(swatch, text, number);
    place.append(button);
    return { button, number };
  }

  buildChips() {
    const place = this.find(".chips"), totals = this.model.totals();
    const signature = JSON.stringify([[...totals], [...this.model.classes.values()], this.model.marked]);
    if (signature === this.chipSignature) return;
    this.chipSignature = signature;
    place.textContent = "";
    this.chips = new Map();
    for (const [id, { name, colour }] of this.model.classes) {
      const chip = this.chip(place, name, (swatch) => {
        swatch.hidden = this.model.marked; // with outcomes, colours tell the outcome
        swatch.style.background = colour;
      }, `${name}. Click: show or hide. Double click or Alt+click: only this one.`);
      const total = document.createElement("small");
      total.textContent = `/${totals.get(id)}`;
      chip.button.append(total);
      chip.button.onclick = (event) => this.toggleClass(id, event.altKey);
      chip.button.ondblclick = () => this.toggleClass(id, true);
      this.chips.set(id, chip);
    }
    this.find(".quick").hidden = this.chips.size < 2;
  }

  buildMarks() {
    const place = this.find(".marks"), { model } = this;
    const ignored = model.marked && model.ignored.some(Boolean);
    const signature = JSON.stringify([model.marked, model.hasTruth, ignored]);
    if (signature === this.markSignature) return;
    this.markSignature = signature;
    place.textContent = "";
    this.marks = new Map();
    const add = (kind, name, key, title) => {
      const mark = this.chip(place, name, (swatch) => {
        swatch.classList.add("outline", kind);
        swatch.style.borderColor = kind === "truth" ? "currentcolor" : model.colours[kind];
      }, title);
      const hint = document.createElement("kbd");
      hint.textContent = key;
      if (key) mark.button.append(hint);
      mark.button.onclick = () => this.toggleMark(kind);
      this.marks.set(kind, mark);
    };
    if (model.marked) {
      add("tp", "TP", "1", "True positives: detections that match a labelled object");
      add("fp", "FP", "2", "False positives: detections that match none");
      add("fn", "FN", "3", "False negatives: labelled objects that no detection at this threshold matches");
      if (ignored) add("ignored", "Ignored", "", "Detections that count neither way");
    }
    if (model.hasTruth) add("truth", model.marked ? "Found" : "Ground truth", "G", "Labelled objects");
  }
}

export default function ({ data, parentElement, setStateValue }) {
  let viewer = viewers.get(parentElement);
  if (!viewer) viewers.set(parentElement, (viewer = new Viewer(parentElement)));
  viewer.update({ data, setStateValue });
  return () => {
    viewer.unwire();
    viewers.delete(parentElement);
  };
}
