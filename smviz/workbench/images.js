// The images of an evaluation as a table or a gallery that follow the bar. Streamlit calls the default export again
// whenever data or theme change.

const ROW = 59; // CSS pixels
const HEAD = 36;
const TILE = 176; // the least
const CAPTION = 58; // below and around a picture
const CALM = 350; // milliseconds after which what was moved is taken to be let go

const PRESET_NAMES = { all: "All", fp: "With FP", fn: "With FN", perfect: "Perfect", failed: "Failed" };
const SORTS = {
  mistakes: "Worst first", name: "Image", f1: "F1", precision: "Precision", recall: "Recall", tp: "TP", fp: "FP", fn: "FN", objects: "Objects", latency: "Latency",
};
const ASCENDING = new Set(["name", "f1", "precision", "recall"]); // how a column is sorted first: the worst on top
const EXAMPLES = (names) => {
  const such = names.find((name) => /^[\p{L}_][\p{L}\p{N}_]*$/u.test(name) && knownNumber(name) === undefined) ?? (names.length ? `"${names[0]}"` : "car");
  return {
    "f1 < 0.6 and fp > 5": "bad, and much of it false alarms", [`fp > 3 and ${such}`]: `false alarms where there is a ${such.replaceAll('"', "")}`,
    'fn >= 1 and not (name ~ "night")': "objects missed, but not at night", [`${such}.fn > 0`]: "objects of one class missed", "fp + fn > objects": "more mistakes than objects",
    "latency > 200 or objects = 0": "slow, or nothing to be found",
  };
};

const imageViews = new WeakMap();

class ImageView {
  constructor(parent) {
    this.host = parent.host || parent;
    this.root = parent.querySelector(".images");
    this.find = (name) => this.root.querySelector(name);
    this.box = this.find(".grid");
    this.live = new Live({ draw: (columns, state) => this.draw(columns, state), fail: (error) => this.fail(error), settled: () => this.arrange() });
    this.grid = new Grid(this.box, {
      open: (at) => this.opened.set(this.order[at]),
      painted: (first, last) => this.supply.want([...this.order.subarray(first, last)]),
    });
    this.supply = new Supply((wanted) => this.setStateValue("wanted", wanted), () => this.grid.paint());
    this.opened = new Opened((value) => this.setStateValue("open", { ...value, version: this.supply.version }), () => this.show());
    Object.assign(this, { order: new Uint32Array(0), rows: null, query: null, about: null, drawn: 0, exports: 0 });
    this.makers = { tile: () => makeTile(this), fillTile: (tile, at) => fillTile(this, tile, at), fillRow: (row, at) => fillRow(this, row, at) };
    this.controls = new Controls(this);
    this.observer = new ResizeObserver(() => this.layout());
    this.observer.observe(this.root);
    this.held = false;
    this.hold = ({ type }) => { this.held = type === "pointerdown"; };
    for (const type of ["pointerdown", "pointerup", "pointercancel"]) window.addEventListener(type, this.hold, true);
  }

  update({ data, setStateValue, setTriggerValue }) {
    const first = !this.data;
    Object.assign(this, { data, setStateValue, setTriggerValue });
    if (first) {
      this.choice = data.choice;
      this.controls.build(data);
    }
    this.opened.update(data.open, (by) => this.step(by));
    this.supply.update(data.version, data.answer);
    if (data.file && data.file.turn > (this.filed ?? 0)) this.download(data.file);
    if (this.aboutUrl !== data.about) this.loadAbout(data.about);
    this.live.update(data);
    this.show();
  }

  loadAbout(url) {
    this.aboutUrl = url;
    fetch(url).then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(`The server answered ${answer.status}.`)))).then(
      (about) => {
        if (url !== this.aboutUrl) return;
        this.about = about;
        this.rows = null;
        this.live.redraw();
      },
      (error) => this.fail(error),
    );
  }

  fail(error) {
    this.find(".empty span").textContent = `The numbers cannot be had. ${error.message} Reload the page.`;
    this.find(".empty").hidden = false;
    this.find(".reset").hidden = true;
  }

  // At every move: the numbers change at once, the order when it is let go.
  draw(columns, state) {
    if (!this.about) return;
    const first = !this.rows;
    if (first) this.rows = new ImageRows(this.about);
    this.rows.update(columns, state);
    this.drawn += 1;
    this.controls.tally(this.rows.tally());
    if (first) {
      this.parse();
      this.arrange();
    } else {
      this.grid.paint();
      this.calm();
    }
  }

  calm() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => (this.held ? this.calm() : this.arrange()), CALM);
  }

  parse() {
    const text = this.choice.filter;
    let wrong = null;
    try {
      this.query = text.trim() ? parseQuery(text, this.live.columns.classNames) : null;
    } catch (error) {
      if (!(error instanceof QueryError)) throw error;
      wrong = error; // what was shown before stays
    }
    this.controls.complain(text, wrong);
    return wrong === null;
  }

  // Which images, in what order; whoever was pointed at stays so.
  arrange() {
    clearTimeout(this.timer);
    if (!this.rows) return;
    const active = this.grid.active === null ? null : this.order[this.grid.active];
    this.order = this.rows.ordered(this.choice.preset, this.query, this.choice.sort);
    const at = active === null ? -1 : this.order.indexOf(active);
    this.grid.active = at < 0 ? null : at;
    this.controls.count(this.order.length);
    this.show();
    this.host.dataset.images = this.order.length;
  }

  change(part) {
    const filtered = "filter" in part || "preset" in part;
    this.choice = { ...this.choice, ...part };
    if ("filter" in part && this.live.columns && !this.parse()) return;
    this.setStateValue("choice", this.choice);
    this.controls.show(this.choice);
    if (filtered || part.sort) this.box.scrollTop = 0;
    if (this.rows && !("view" in part) && !("columns" in part)) this.arrange();
    else this.show();
  }

  reset() {
    this.query = null;
    this.controls.filter.value = "";
    this.change({ filter: "", preset: "all" });
  }

  show() {
    if (!this.data) return;
    const open = this.opened.id !== null, crops = this.choice.view === "crops", was = this.wasOpen, some = this.order.length > 0;
    if (open && was === false) {
      this.place = this.box.scrollTop;
      holdPlace(this.root);
    }
    this.controls.show(this.choice, open);
    this.find(".strip").hidden = !open;
    this.box.hidden = open || crops || !this.rows || !some;
    this.find(".empty").hidden = open || crops || !this.rows || some;
    this.find(".empty span").textContent = this.rows?.size ? "No image is like that." : "There is no image.";
    this.find(".reset").hidden = this.choice.preset === "all" && !this.choice.filter;
    this.wasOpen = open;
    if (open) {
      this.showStrip();
      if (was === false) this.find(".back").focus();
      return;
    }
    this.layout();
    if (!was || this.box.hidden) return;
    this.box.scrollTop = this.place ?? 0;
    if (this.grid.active !== null) this.grid.activate(this.grid.active);
    this.box.focus({ preventScroll: true });
  }

  showStrip() {
    const at = this.order.indexOf(this.opened.id);
    showStrip(this.find(".strip"), at, this.order.length, this.rows?.names[this.opened.id] ?? this.data.open.title ?? "");
    if (at >= 0) this.grid.active = at;
  }

  layout() {
    if (!this.rows || this.box.hidden) return;
    const { box, grid, data } = this, table = this.choice.view !== "gallery", count = this.order.length;
    box.classList.toggle("tiles", !table);
    this.find(".head").hidden = !table;
    if (table) {
      const { makeRow, width } = this.controls.table(this.choice);
      this.find(".spacer").style.minWidth = width;
      box.style.height = `${Math.min(data.height, count * ROW + HEAD + 3)}px`;
      grid.arrange({ count, columns: 1, height: ROW, make: makeRow, fill: this.makers.fillRow, head: HEAD });
      return;
    }
    const width = box.clientWidth - 20;
    if (width <= 0) return;
    this.find(".spacer").style.minWidth = "";
    const columns = Math.max(1, Math.floor((width + 10) / (TILE + 10))), tile = (width + 10) / columns - 10;
    const height = Math.round((tile - 14) * 0.75 + CAPTION + 10);
    box.style.height = `${Math.min(data.height, Math.ceil(count / columns) * height + 14)}px`;
    grid.arrange({ count, columns, height, make: this.makers.tile, fill: this.makers.fillTile });
  }

  step(by) {
    const at = this.order.indexOf(this.opened.id) + by;
    if (this.opened.id === null || at < 0 || at >= this.order.length) return;
    this.opened.set(this.order[at]);
  }

  // The file is made by Python, of just these rows, columns and this state.
  export(format) {
    this.exports += 1;
    const { threshold, iou, area, classes } = this.live.state;
    const columns = this.choice.columns, turn = (this.exported = Date.now());
    this.setTriggerValue("export", { format, turn, columns, state: { threshold, iou, area, classes }, rows: [...this.order] });
  }

  download({ turn, url, name }) {
    this.filed = turn;
    if (turn !== this.exported) return; // of a page before this one
    const link = document.createElement("a");
    Object.assign(link, { href: url, download: name });
    link.click();
  }

  close() {
    clearTimeout(this.timer);
    this.observer.disconnect();
    for (const type of ["pointerdown", "pointerup", "pointercancel"]) window.removeEventListener(type, this.hold, true);
    this.live.close();
    this.supply.close();
    this.opened.close();
    this.controls.close();
  }
}

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  let view = imageViews.get(parentElement);
  if (!view) imageViews.set(parentElement, (view = new ImageView(parentElement)));
  view.update({ data, setStateValue, setTriggerValue });
  return () => {
    view.close();
    imageViews.delete(parentElement);
  };
}
