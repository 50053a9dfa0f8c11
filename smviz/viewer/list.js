// The list beside the picture: only the rows in sight are in the document. It is the picture's accessible form.

const ROW = 32;

class List {
  constructor(root) {
    this.box = root.querySelector(".list");
    this.spacer = root.querySelector(".rows");
    this.template = root.querySelector(".row-template");
    this.empty = root.querySelector(".empty");
    this.rows = [];
    this.pool = [];
    this.active = null;
    this.height = this.top = 0;
  }

  wire({ hover, select, zoom }) {
    this.hover = hover;
    const itemOf = (event) => {
      const row = event.target.closest(".row");
      return row ? Number(row.dataset.item) : null;
    };
    this.box.onscroll = () => {
      this.top = this.box.scrollTop;
      this.paint();
    };
    this.box.onpointermove = (event) => hover(itemOf(event));
    this.box.onpointerleave = () => hover(null);
    this.box.onclick = (event) => { if (itemOf(event) !== null) select(itemOf(event)); };
    this.box.ondblclick = (event) => { if (itemOf(event) !== null) zoom(itemOf(event)); };
    this.box.onfocus = () => { if (this.rows.length) hover(this.active !== null && this.rows.includes(this.active) ? this.active : this.rows[0]); };
    this.box.onblur = () => hover(null);
    this.box.onkeydown = (event) => {
      const page = Math.max(1, Math.floor(this.box.clientHeight / ROW) - 1);
      const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
      const at = this.rows.indexOf(this.active);
      if (step !== undefined && this.rows.length) {
        const next = this.rows[Math.max(0, Math.min(this.rows.length - 1, at + step))];
        hover(next);
        this.reveal(next);
      } else if ((event.key === "Enter" || event.key === " ") && at >= 0) {
        select(this.active);
      } else return;
      event.preventDefault();
      event.stopPropagation();
    };
  }

  show(model, rows) {
    Object.assign(this, { model, rows });
    this.spacer.style.height = `${rows.length * ROW}px`;
    this.empty.hidden = rows.length > 0;
    write(this.empty, model.total ? "No detection at this threshold, these classes and filters." : "Nothing was detected.");
  }

  mark(active, selected) {
    if (active !== null) this.active = active;
    this.hovered = active;
    this.selected = selected;
  }

  resize() {
    this.height = this.box.clientHeight;
    this.paint();
  }

  reveal(item) {
    const at = this.rows.indexOf(item);
    if (at < 0) return;
    if (at * ROW < this.box.scrollTop) this.box.scrollTop = at * ROW;
    const below = (at + 1) * ROW - this.box.clientHeight;
    if (below > this.box.scrollTop) this.box.scrollTop = below;
  }

  // Reads nothing of the document: that would lay out the page in the middle of a frame.
  paint() {
    if (!this.model) return;
    const top = Math.max(0, Math.min(this.top, this.rows.length * ROW - this.height));
    const first = Math.max(0, Math.floor(top / ROW) - 4);
    const last = Math.min(this.rows.length, Math.ceil((top + this.height) / ROW) + 4);
    while (this.pool.length < last - first) this.pool.push(this.make());
    this.pool.forEach((row, i) => {
      row.element.hidden = first + i >= last;
      if (!row.element.hidden) this.fill(row, first + i);
    });
    const active = this.pool.find((row) => !row.element.hidden && row.item === this.hovered);
    if (active) this.box.setAttribute("aria-activedescendant", active.element.id);
    else this.box.removeAttribute("aria-activedescendant");
  }

  make() {
    const element = this.template.content.firstElementChild.cloneNode(true);
    element.id = `row-${this.pool.length}`;
    this.spacer.append(element);
    const find = (name) => element.querySelector(name);
    return { element, mark: find(".mark"), swatch: find(".swatch"), name: find(".name"), score: find(".score"),
      track: find(".track"), bar: find(".track i"), number: find(".score b"), size: find(".size") };
  }

  fill(row, at) {
    const { model } = this, item = this.rows[at], told = model.marked || model.hasOther;
    const kind = model.kind(item), colour = model.colour(item, kind);
    row.element.setAttribute("aria-setsize", this.rows.length);
    const state = `${item}/${at}/${kind}/${this.hovered === item}/${this.selected === item}`;
    if (row.state === state && row.model === model) return;
    Object.assign(row, { state, model, item });
    const { element } = row;
    element.dataset.item = item;
    element.style.top = `${at * ROW}px`;
    element.setAttribute("aria-posinset", at + 1);
    element.setAttribute("aria-selected", this.selected === item);
    element.classList.toggle("hover", this.hovered === item);
    row.mark.hidden = !told;
    row.swatch.hidden = told;
    row.mark.className = `mark ${kind}`;
    row.mark.style.borderColor = colour;
    write(row.mark, MARK_NAMES[kind] || "");
    row.swatch.style.background = colour;
    write(row.name, model.className(item));
    row.name.title = model.className(item);
    const score = model.score[item];
    row.track.hidden = Number.isNaN(score);
    row.bar.style.width = `${score * 100}%`;
    row.bar.style.background = told ? colour : "";
    write(row.number, Number.isNaN(score) ? "—" : score.toFixed(2));
    write(row.size, `${widthOf(model.box, item).toFixed(0)} × ${heightOf(model.box, item).toFixed(0)}`);
  }
}
