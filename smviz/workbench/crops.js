// Square pictures of single boxes, as many as there are. Streamlit calls the default export again whenever data or theme
// change.

const TILE = 132; // CSS pixels, the least
const CAPTION = 62; // CSS pixels below and around the picture
const MARK_OF = { tp: "TP", fp: "FP", fn: "FN" };

const cropViews = new WeakMap();

class CropView {
  constructor(parent) {
    this.host = parent.host || parent;
    this.root = parent.querySelector(".crops");
    this.find = (name) => this.root.querySelector(name);
    this.box = this.find(".grid");
    this.grid = new Grid(this.box, {
      open: (index) => this.opened.set(index),
      painted: (first, last) => this.supply.want(Array.from({ length: last - first }, (_, i) => first + i)),
    });
    this.supply = new Supply((wanted) => this.setStateValue("wanted", wanted), () => this.grid.paint());
    this.opened = new Opened((value) => this.setStateValue("open", { ...value, version: this.data.version }), () => this.show());
    wireStrip(this.find(".strip"), { back: () => this.opened.set(null), step: (by) => this.step(by) });
    this.observer = new ResizeObserver(() => this.layout());
    this.observer.observe(this.root);
    this.make = () => this.makeTile();
    this.fill = (tile, index) => this.fillTile(tile, index);
  }

  update({ data, setStateValue }) {
    Object.assign(this, { data, setStateValue });
    this.box.setAttribute("aria-label", data.label);
    this.find(".empty").textContent = data.empty;
    this.opened.update(data.open, (by) => this.step(by));
    this.supply.update(data.version, data.answer);
    this.show();
    this.host.dataset.crops = data.count;
  }

  // The strip while one is open, the grid otherwise; its place is kept.
  show() {
    const open = this.opened.id !== null, { count } = this.data, was = this.box.hidden;
    if (open && !was && this.grid.make) {
      this.place = this.box.scrollTop;
      holdPlace(this.root);
    }
    this.find(".strip").hidden = !open;
    this.box.hidden = open || !count;
    this.find(".empty").hidden = open || count > 0;
    if (open) {
      showStrip(this.find(".strip"), this.opened.id, count, this.data.open.title ?? "");
      if (!was) this.find(".back").focus();
      return;
    }
    this.layout();
    if (was && count) {
      this.box.scrollTop = this.place ?? 0;
      if (this.grid.active !== null) this.grid.activate(this.grid.active);
      if (this.wasOpen) this.box.focus({ preventScroll: true });
    }
    this.wasOpen = false;
  }

  layout() {
    if (!this.data || this.box.hidden) return;
    const width = this.box.clientWidth - 20;
    if (width <= 0) return;
    const columns = Math.max(2, Math.floor((width + 10) / (TILE + 10)));
    const height = Math.round((width + 10) / columns - 20 + CAPTION + 10), rows = Math.ceil(this.data.count / columns);
    this.box.style.height = `${Math.min(this.data.height, rows * height + 16)}px`;
    this.grid.arrange({ count: this.data.count, columns, height, make: this.make, fill: this.fill });
  }

  step(by) {
    const to = (this.opened.id ?? 0) + by;
    if (this.opened.id === null || to < 0 || to >= this.data.count) return;
    this.grid.active = to;
    this.opened.set(to);
  }

  makeTile() {
    const element = this.find(".tile-template").content.firstElementChild.cloneNode(true);
    const find = (name) => element.querySelector(name), tile = { element, index: null, shown: null };
    for (const [part, name] of Object.entries({ image: "img", other: ".other", first: ".first", told: ".told", mark: ".mark", score: ".score", swatch: ".swatch", name: ".name" })) {
      tile[part] = find(name);
    }
    tile.image.onerror = () => { if (tile.image.getAttribute("src")) this.supply.lost(tile.index); };
    return tile;
  }

  fillTile(tile, index) {
    const known = this.supply.tiles.get(index) ?? null;
    if (tile.index === index && tile.shown === known && tile.version === this.data.version) return;
    Object.assign(tile, { index, shown: known, version: this.data.version });
    const good = known !== null && !known.error, kind = good ? known.kind : "";
    tile.image.hidden = !good;
    if (good) tile.image.src = known.url;
    else tile.image.removeAttribute("src");
    tile.told.textContent = known?.error ?? "";
    for (const part of ["mark", "swatch", "score", "name"]) tile[part].hidden = !known?.name;
    placeBox(tile.first, good ? known.box : null);
    placeBox(tile.other, good ? known.other : null);
    if (!known?.name) return;
    const colour = this.data.colours[known.kind] ?? "";
    tile.first.className = `box first ${kind}`;
    tile.first.style.borderColor = colour;
    tile.mark.className = `mark ${known.kind}`;
    tile.mark.hidden = !(known.kind in MARK_OF);
    tile.mark.style.borderColor = colour;
    tile.mark.textContent = MARK_OF[known.kind] ?? "";
    tile.score.textContent = known.score === null ? "—" : known.score.toFixed(3);
    tile.swatch.style.background = known.colour;
    tile.name.textContent = known.name;
    tile.element.title = `${known.name} in ${known.image}${known.note ? `: ${known.note}` : ""}`;
    tile.element.setAttribute("aria-label", `${MARK_OF[known.kind] ?? ""} ${known.name} ${tile.score.textContent}, ${known.image}`);
  }

  close() {
    this.observer.disconnect();
    this.supply.close();
    this.opened.close();
  }
}

// A box given in hundredths of the crop's side: left, top, width, height.
function placeBox(element, box) {
  element.hidden = !box;
  if (!box) return;
  ["left", "top", "width", "height"].forEach((side, i) => { element.style[side] = `${box[i]}%`; });
}

export default function ({ data, parentElement, setStateValue }) {
  let view = cropViews.get(parentElement);
  if (!view) cropViews.set(parentElement, (view = new CropView(parentElement)));
  view.update({ data, setStateValue });
  return () => {
    view.close();
    cropViews.delete(parentElement);
  };
}
