// One viewer per place on the page. Streamlit calls the default export again whenever data or theme change.

const viewers = new WeakMap();
const HINT = "Scroll to zoom, drag to move, click a box to pin it";

class Viewer {
  constructor(parent) {
    this.host = parent.host || parent;
    this.root = parent.querySelector(".viewer");
    this.find = (name) => this.root.querySelector(name);
    this.slider = new Slider(this.root);
    this.list = new List(this.root);
    this.stage = new Stage(this.root);
    this.card = new Card(this.root);
    this.chips = new Chips(this.root);
    this.controls = new Controls(this.root);
    this.sync = new Sync((part) => this.follow(part));
    Object.assign(this, { off: new Set(), difference: false, labels: true, hovered: null, selected: null, active: null, revision: null });
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
      change: () => { this.sync.tell({ view: this.stage.relative }); this.repaint(); },
      hover: (point, target) => this.point(point, target),
      click: (point) => this.click(point),
      loaded: (good) => this.loaded(good),
      fetching: (on) => { this.find(".hint").textContent = on ? "Fetching all pixels …" : HINT; },
    });
    this.card.wire({ select: (item) => this.select(item), close: () => this.select(null) });
    this.chips.wire({
      toggleClass: (id, only) => this.toggleClass(id, only),
      toggleOutcome: (kind) => this.toggleOutcome(kind),
      activate: (id) => this.activate(id),
    });
    this.controls.wire({ change: (part) => this.change(part), own: (on) => this.setOwn(on) });
    const clicks = {
      all: () => this.setHidden([]), none: () => this.setHidden([...this.model.classes.keys()]),
      in: () => this.stage.zoomMiddle(1.5), out: () => this.stage.zoomMiddle(1 / 1.5), fit: () => this.stage.fit(),
      label: () => this.toggleLabels(), ask: () => this.toggleHelp(), previous: () => this.step(-1), next: () => this.step(1),
    };
    for (const [name, act] of Object.entries(clicks)) this.find(`.${name}`).onclick = act;
    this.root.onkeydown = (event) => pressed(this, event);
  }

  unwire() {
    this.observer.disconnect();
    this.stage.unwire();
    this.sync.unwire();
  }

  update({ data, setStateValue, setTriggerValue }) {
    Object.assign(this, { setStateValue, setTriggerValue, steps: data.steps });
    const model = (this.model = new Model(data)), first = this.revision === null, overruled = data.revision !== this.revision;
    if (first || (overruled && !this.slider.held)) this.choice = new Choice(data.state);
    if (first) this.truth = !model.marked;
    const other = this.frameKey !== data.image.key;
    if (other || overruled) this.selected = model.itemOf(data.selected);
    if (other) this.hovered = null;
    Object.assign(this, { revision: data.revision, frameKey: data.image.key, best: data.best_threshold });
    this.given = new Map(Object.entries(data.given_class_thresholds ?? {}));
    this.sync.word = data.sync;
    this.find(".truth-key").hidden = !model.hasTruth;
    this.find(".marks-key").hidden = !model.marked;
    this.find(".other-key").hidden = !model.hasOther;
    this.find(".difference-key").hidden = !model.marked && !model.hasOther;
    this.find(".step-key").hidden = this.find(".steps").hidden = !data.steps;
    if (other || this.stage.frame.url !== data.image.url) {
      delete this.host.dataset.ready;
      this.find(".error").hidden = true;
    }
    this.chips.build(model);
    this.stage.show(data.image, data.stage_height);
    this.refresh();
    if (!other && this.selected !== null && this.selected !== this.revealed) this.reveal(this.selected);
    this.revealed = this.selected;
  }

  // ---- what is shown

  refresh() {
    const { model, choice } = this;
    this.shown = model.select(choice, this);
    const { detections, visible } = this.shown;
    if (this.hovered !== null && !visible.has(this.hovered)) this.hovered = null;
    if (choice.own === null) this.active = null;
    else if (!model.classes.has(this.active)) this.active = [...model.classes.keys()].find((id) => !choice.hidden.has(id)) ?? null;
    this.bins = binScores(model, choice, this.active);
    this.showSlider();
    this.chips.show(this);
    this.controls.show(choice, model);
    this.list.show(model, this.shown.rows);
    this.mark();
    this.host.dataset.shown = detections;
    this.stage.element.setAttribute("aria-label", `Image with ${detections} boxes; the list holds the same detections`);
    this.repaint();
  }

  showSlider() {
    const { model, choice, active } = this, name = active === null ? null : model.classes.get(active).name;
    this.slider.show({
      threshold: name === null ? choice.threshold : choice.thresholdOf(name),
      name, shown: this.shown.detections, total: model.total, hasScores: model.hasScores,
    });
    const best = name === null ? this.best : this.given.get(name) ?? this.best;
    this.slider.showBest(best, name === null || !this.given.has(name) ? "best" : "tuned");
    this.root.classList.toggle("with-best", best !== null);
    const told = choice.own === null ? this.given : null, all = [];
    for (const [id, { name: each, colour }] of model.classes) {
      const threshold = told === null ? choice.thresholdOf(each) : told.get(each);
      if (threshold !== undefined && id !== active) all.push({ id, colour, threshold });
    }
    this.slider.showTicks(all, active);
  }

  mark() {
    this.list.mark(this.hovered, this.selected);
    this.card.show(this.model, this.selected !== null && this.shown.visible.has(this.selected) ? this.selected : null, this.shown.boxes);
  }

  // Pointing at a box repaints the focus alone, however many boxes there are.
  repaint(boxes = true) {
    this.stale ||= boxes;
    this.frame ??= requestAnimationFrame(() => { this.frame = null; this.paint(); });
  }

  paint() {
    if (!this.shown || !this.stage.width) return;
    const ratio = window.devicePixelRatio || 1, { view } = this.stage, { model } = this;
    const font = getComputedStyle(this.root).fontFamily, size = sizes(view.k / this.stage.fitScale, this.shown.boxes.length);
    const focus = [...new Set([this.selected, this.hovered])].filter((item) => item !== null && this.shown.visible.has(item));
    if (this.stale) {
      const canvas = this.find(".boxes"), seen = paintBoxes(canvas, model, this.shown.boxes, view, size.line, ratio);
      this.spots = this.labels ? paintLabels(canvas, model, seen, font, size.label) : new Map();
      this.slider.paint(this.bins, model.colours, ratio);
      this.stale = false;
    }
    paintFocus(this.find(".focus"), model, focus, view, ratio, font, size.label, this.spots);
    this.find(".scale").textContent = `${Math.round(view.k * 100)}%`;
    Object.assign(this.host.dataset, { scale: view.k, x: view.x, y: view.y, painted: performance.now() });
    if (this.stage.image.complete && this.stage.image.naturalWidth) this.host.dataset.ready = "1";
  }

  resize() {
    if (!this.shown || !this.stage.width) return;
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

  // ---- what a person chooses; all of it filters

  change(part, tell = () => this.reportSoon()) {
    Object.assign(this.choice, part);
    this.refresh();
    this.sync.tell({ choice: this.choice.sent() });
    tell();
  }

  setThreshold(threshold) {
    const value = Math.max(0, Math.min(1, threshold)), { own } = this.choice;
    const name = this.active === null ? null : this.model.classes.get(this.active).name;
    this.change(name === null ? { threshold: value } : { own: new Map(own).set(name, value) }, () => {});
  }

  nudge(step) {
    this.setThreshold(Math.round(Number(this.slider.input.value) * 100 + step) / 100);
    this.reportSoon();
  }

  setOwn(on) { this.change({ own: on ? new Map(this.given) : null }); }

  activate(id) {
    this.active = id;
    this.refresh();
  }

  nextClass() {
    if (this.choice.own === null) return;
    const ids = [...this.model.classes.keys()].filter((id) => !this.choice.hidden.has(id));
    if (ids.length) this.activate(ids[(ids.indexOf(this.active) + 1) % ids.length]);
  }

  setHidden(ids) { this.change({ hidden: new Set(ids) }); }

  toggleClass(id, only) {
    const { hidden } = this.choice, others = [...this.model.classes.keys()].filter((other) => other !== id);
    if (only) this.setHidden(others.every((other) => hidden.has(other)) && !hidden.has(id) ? [] : others);
    else this.setHidden(hidden.has(id) ? [...hidden].filter((other) => other !== id) : [...hidden, id]);
  }

  toggleOutcome(kind) {
    if (!this.chips.outcomes.has(kind)) return false;
    if (kind === "truth" || kind === "difference") this[kind] = !this[kind];
    else if (!this.off.delete(kind)) this.off.add(kind);
    this.refresh();
    return true;
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

  escape() {
    if (!this.find(".help").hidden) this.toggleHelp(false);
    else if (this.selected !== null) this.select(null);
    else return false;
    return true;
  }

  step(by) {
    if (!this.steps) return false;
    this.setTriggerValue("step", by);
    return true;
  }

  // ---- pointing and pinning

  select(item) {
    this.toggleHelp(false);
    if (item === this.selected) return;
    this.selected = this.revealed = item;
    this.mark();
    if (item !== null) this.reveal(item);
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

  under([x, y]) {
    const { k, x: left, y: top } = this.stage.view;
    return this.model.under(this.shown.boxes, (x - left) / k, (y - top) / k, 2 / k);
  }

  // The smallest box at the point; when it is pinned, the next larger one there, and after the largest the first.
  click(point) {
    const items = this.under(point);
    this.select(items.length ? items[(items.indexOf(this.selected) + 1) % items.length] : null);
  }

  // The same without a pointer: the boxes under the middle of the pinned one take turns.
  cycle() {
    if (this.selected === null) return false;
    const [left, top, right, bottom] = this.bounds([this.selected]);
    this.turn ??= null;
    if (!this.turn?.includes(this.selected)) this.turn = this.model.under(this.shown.boxes, (left + right) / 2, (top + bottom) / 2, 0);
    const turn = this.turn.filter((item) => this.shown.visible.has(item));
    if (turn.length) this.select(turn[(turn.indexOf(this.selected) + 1) % turn.length]);
    return true;
  }

  zoomToBoxes() {
    const { boxes, visible } = this.shown;
    if (boxes.length) this.stage.zoomTo(this.bounds(visible.has(this.selected) ? [this.selected] : boxes));
  }

  point(point, target) {
    const item = point === null || this.stage.isHelp(target) ? null : this.under(point)[0] ?? null;
    if (item !== null && item !== this.hovered) this.list.reveal(item);
    this.hover(item);
    this.stage.element.classList.toggle("pointing", item !== null);
    const tip = this.find(".tip");
    tip.hidden = item === null;
    if (item === null) return;
    fillTip(tip, this.model, item);
    const flip = (at, size, room) => (at + 16 + size > room ? Math.max(4, at - 12 - size) : at + 16);
    const left = flip(point[0], tip.offsetWidth, this.stage.width), top = flip(point[1], tip.offsetHeight, this.stage.height);
    tip.style.transform = `translate(${left}px, ${top}px)`;
  }

  // ---- what Python and the other viewers hear: one value, so that its parts always belong together

  report() {
    clearTimeout(this.timer);
    this.setStateValue("view", {
      revision: this.revision, image: this.frameKey, selected: this.model.nameOf(this.selected), ...this.choice.sent(),
    });
  }

  reportSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.report(), 250);
  }

  follow({ view, choice }) {
    if (!this.shown) return;
    if (view) this.stage.setRelative(view);
    if (!choice) return;
    this.choice = new Choice(choice);
    this.refresh();
    this.reportSoon();
  }
}

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  let viewer = viewers.get(parentElement);
  if (!viewer) viewers.set(parentElement, (viewer = new Viewer(parentElement)));
  viewer.update({ data, setStateValue, setTriggerValue });
  return () => {
    viewer.unwire();
    viewers.delete(parentElement);
  };
}
