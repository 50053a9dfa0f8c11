// One viewer per place on the page. Streamlit calls the default export again whenever data or theme change.

const viewers = new WeakMap();

// What a person does at the board, and who hears of it.
class Viewer extends Board {
  // ---- choosing; all of it filters

  change(part, tell = () => this.reportSoon()) {
    Object.assign(this.choice, part);
    this.refresh();
    this.sync.tell({ choice: this.choice.sent() });
    tell();
  }

  setThreshold(threshold) {
    const value = Math.max(0, Math.min(1, threshold)), { own } = this.choice;
    const name = this.active === null ? null : this.model.classes.get(this.active).name;
    if (this.panes.whose === "b") this.change({ otherThreshold: value }, () => {});
    else this.change(name === null ? { threshold: value } : { own: new Map(own).set(name, value) }, () => {});
  }

  nudge(step) {
    this.setThreshold(Math.round(this.threshold * 100 + step) / 100);
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

  // Of the chip that has the focus, or of the pinned box.
  onlyThis() {
    const pill = this.root.getRootNode().activeElement?.closest(".class");
    const chip = [...this.chips.classes].find(([, each]) => each.pill === pill);
    const id = chip ? chip[0] : this.selected === null ? null : this.model.classId[this.selected];
    if (id === null) return false;
    this.toggleClass(id, true);
    return true;
  }

  openFilters() {
    this.controls.open();
    (this.controls.row.hidden ? this.stage.element : this.controls.mode.all).focus();
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

  under([x, y], second) {
    const { k, x: left, y: top } = this.stage.view;
    return this.model.under(this.panes.at(this.shown.boxes, x, second), (x - left) / k, (y - top) / k, 2 / k);
  }

  // The smallest box at the point; when it is pinned, the next larger one there, and after the largest the first.
  click(point, second) {
    const items = this.under(point, second);
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

  point(point, target, second) {
    const item = point === null || this.stage.isHelp(target) ? null : this.under(point, second)[0] ?? null;
    if (item !== null && item !== this.hovered) this.list.reveal(item);
    this.hover(item);
    const stage = second ? this.panes.twin.element : this.stage.element, tip = this.find(".tip");
    if (tip.parentElement !== stage) stage.append(tip);
    stage.classList.toggle("pointing", item !== null);
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

  // A threshold alone comes from a bar of the page, which tells Python itself.
  follow({ view, choice, threshold }) {
    if (!this.shown) return;
    if (view) this.stage.setRelative(view);
    if (threshold !== undefined && threshold !== this.choice.threshold) {
      Object.assign(this.choice, { threshold });
      this.refresh();
    }
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
