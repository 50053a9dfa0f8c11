// What a viewer shows: its parts, what they are told of the data and of what was chosen, and when they are painted.

const HINT = "Scroll to zoom, drag to move, click a box to pin it";

class Board {
  constructor(parent) {
    this.host = parent.host || parent;
    this.root = parent.querySelector(".viewer");
    this.find = (name) => this.root.querySelector(name);
    this.slider = new Slider(this.root);
    this.list = new List(this.root);
    this.stage = new Stage(this.find(".stage"));
    this.panes = new Panes(this);
    this.card = new Card(this.root);
    this.chips = new Chips(this.root);
    this.controls = new Controls(this.root);
    this.sync = new Sync((part) => this.follow(part));
    Object.assign(this, { off: new Set(), difference: false, labels: true, hovered: null, selected: null, active: null, revision: null });
    this.wire();
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.root);
    this.observer.observe(this.stage.element);
    this.observer.observe(this.list.box);
  }

  wire() {
    this.slider.wire({ move: (threshold) => this.setThreshold(threshold), release: () => this.report() });
    this.list.wire({
      hover: (item) => this.hover(item),
      select: (item) => this.select(item === this.selected ? null : item),
      zoom: (item) => { this.select(item); this.stage.zoomTo(this.bounds([item])); },
    });
    this.stage.wire({
      change: () => this.moved(),
      hover: (point, target) => this.point(point, target),
      click: (point) => this.click(point),
      loaded: (good) => this.loaded(good),
      fetching: (on) => { this.find(".hint").textContent = on ? "Fetching all pixels …" : HINT; },
    });
    this.panes.wire();
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
    this.panes.unwire();
    this.sync.unwire();
  }

  update({ data, setStateValue, setTriggerValue }) {
    Object.assign(this, { setStateValue, setTriggerValue, steps: data.steps });
    const [chosen, pointed] = [this.selected, this.hovered].map((item) => this.model?.nameOf(item) ?? null);
    const model = (this.model = new Model(data)), first = this.revision === null, overruled = data.revision !== this.revision;
    if (first || (overruled && !this.slider.held)) this.choice = new Choice(data.state);
    if (first) this.truth = !model.marked;
    const other = this.frameKey !== data.image.key;
    this.selected = model.itemOf(other || overruled ? data.selected : chosen);
    this.hovered = model.itemOf(other ? null : pointed); // the boxes of an image may change beneath the pointer
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
    this.panes.show(data);
    this.stage.show(data.image, data.stage_height);
    this.panes.showTwin(data);
    this.measure();
    this.refresh();
    this.write();
    if (!other && this.selected !== null && this.selected !== this.revealed) this.reveal(this.selected);
    this.revealed = this.selected;
  }

  // ---- what is shown

  refresh() {
    const { model, choice } = this;
    this.shown = model.select(choice, this);
    const { visible } = this.shown;
    if (this.hovered !== null && !visible.has(this.hovered)) this.hovered = null;
    if (choice.own === null) this.active = null;
    else if (!model.classes.has(this.active)) this.active = [...model.classes.keys()].find((id) => !choice.hidden.has(id)) ?? null;
    this.panes.settle();
    this.bins = binScores(model, choice, this.active);
    this.unwritten = true;
    this.repaint();
  }

  // Everything that is told outside the canvases. It comes after them in a frame: to draw text, a canvas asks for the
  // styles of the page, and would have it laid out once more.
  write() {
    const { model, choice } = this, { detections, rows } = this.shown;
    this.panes.mark();
    this.showSlider();
    this.chips.show(this);
    this.controls.show(choice);
    this.list.show(model, rows);
    this.mark();
    this.host.dataset.shown = detections;
    this.stage.element.setAttribute("aria-label", `Image with ${detections} boxes; the list holds the same detections`);
    this.unwritten = false;
  }

  // What the slider moves: that of one of two sets, of the class whose turn it is, or the one of all.
  get threshold() {
    const { active, choice, panes } = this;
    return panes.moved ?? (active === null ? choice.threshold : choice.thresholdOf(this.model.classes.get(active).name));
  }

  showSlider() {
    const { model, choice, active, panes } = this;
    const name = active === null || panes.moved !== null ? panes.word : model.classes.get(active).name;
    this.slider.show({
      threshold: this.threshold, name, shown: this.shown.detections, total: model.total, hasScores: model.hasScores,
    });
    const best = panes.whose === "b" ? panes.best : active === null ? this.best : this.given.get(name) ?? this.best;
    this.slider.showBest(best, active === null || !this.given.has(name) ? "best" : "tuned");
    this.root.classList.toggle("with-best", best !== null);
    const told = choice.own === null ? this.given : null, all = [];
    for (const [id, { name: each, colour }] of model.classes) {
      const threshold = told === null ? choice.thresholdOf(each) : told.get(each);
      if (threshold !== undefined && id !== active) all.push({ id, colour, threshold });
    }
    this.slider.showTicks(panes.ticks() ?? all, active);
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
    const { font } = this, size = sizes(view.k / this.stage.fitScale, this.shown.boxes.length);
    const focus = [...new Set([this.selected, this.hovered])].filter((item) => item !== null && this.shown.visible.has(item));
    if (this.stale) {
      this.spots = new Map();
      for (const { canvas, boxes } of this.panes.layers(this.shown.boxes)) {
        const seen = paintBoxes(canvas, model, boxes, view, size.line, ratio);
        const spots = this.labels ? paintLabels(canvas, model, seen, font, size.label, this.panes.apart) : [];
        for (const [item, spot] of spots) this.spots.set(item, spot);
      }
      this.slider.paint(this.bins, model.colours, ratio);
      this.stale = false;
    }
    if (focus.length || this.focused) {
      for (const { canvas, items } of this.panes.focus(focus)) paintFocus(canvas, model, items, view, ratio, font, size.label, this.spots);
    }
    this.focused = focus.length > 0;
    if (this.unwritten) this.write();
    this.list.paint();
    write(this.find(".scale"), `${Math.round(view.k * 100)}%`);
    Object.assign(this.host.dataset, { scale: view.k, x: view.x, y: view.y, painted: performance.now() });
    if (this.stage.image.complete && this.stage.image.naturalWidth) this.host.dataset.ready = "1";
  }

  moved() {
    this.panes.follow();
    if (this.stage.width) this.sync.tell({ view: this.stage.relative }); // one that is folded away has no view
    this.repaint();
  }

  // What only Streamlit changes, with the theme, and what only the layout does.
  measure() {
    const style = getComputedStyle(this.root);
    this.font = style.fontFamily;
    this.slider.tint(style);
    const stages = [this.stage, this.panes.twin].filter(Boolean).map((stage) => stage.element);
    for (const element of [...stages, ...this.root.querySelectorAll("canvas")]) measure(element);
  }

  resize() {
    this.measure();
    if (!this.shown || !this.stage.width) return;
    this.stage.resize();
    this.list.resize();
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
}
