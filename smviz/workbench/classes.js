// The table of classes. Only the rows in sight exist; they are filled anew at every change.

const ROW = 35; // CSS pixels
const SPARE = 2; // rows beyond what is in sight
const SPARK_BINS = 27;
const WHOLE = new Set(["objects", "detections", "tp", "fp", "fn"]);
const BETWEEN = "between", SCORES = "scores"; // columns that Python knows otherwise
// The width of each column: the least, in CSS pixels, and its share of what is left.
const TRACKS = {
  name: [120, 1.6], objects: [62, 0.7], detections: [62, 0.7], ap: [80, 0.9], between: [104, 0.9], ap50: [58, 0.6], tp: [58, 0.6], fp: [58, 0.6],
  fn: [58, 0.6], precision: [66, 0.65], recall: [66, 0.65], f1: [66, 0.65], best: [80, 0.8], scores: [108, 0],
};
const SPACE = 8, PADDING = 24; // of classes.css
const { latency: _, ...COUNTED_WORDS } = NUMBER_WORDS;
const CLASS_WORDS = { ...COUNTED_WORDS, ap: "ap", ap50: "ap50", best: "best", threshold: "best" };

const tables = new WeakMap();

class ClassTable {
  constructor(parent) {
    this.host = parent.host || parent;
    this.root = parent.querySelector(".classes");
    this.find = (name) => this.root.querySelector(name);
    this.grid = this.find(".grid");
    this.rows = [];
    this.active = null;
    this.sort = { column: null, falling: true };
    Object.assign(this, { filter: this.find(".filter"), query: null, chosen: null });
    this.live = new Live({
      draw: (columns, state) => this.draw(columns, state),
      fail: (error) => showFailure(this.root, error),
      settled: () => { if (this.query) this.report(); },
    });
    this.forget = wireFilter(this.filter, this.find(".clear"), (text) => this.search(text));
    this.away = wirePopup(this.find(".choose"), this.find(".menu .list"));
    this.scrolled = 0;
    this.grid.onscroll = () => {
      this.scrolled = this.grid.scrollTop;
      this.live.redraw();
    };
    this.grid.onkeydown = (event) => this.press(event);
    this.observer = new ResizeObserver(() => {
      this.room = { ...sizeOf(this.grid), head: this.find(".head").offsetHeight, spark: null };
      this.live.redraw();
    });
    this.observer.observe(this.grid);
  }

  unwire() {
    this.forget();
    this.away();
    this.observer.disconnect();
    this.live.close();
  }

  update({ data, setStateValue }) {
    Object.assign(this, { data, setStateValue });
    this.ap = Float64Array.from(data.ap, (value) => value ?? NaN);
    this.ap50 = Float64Array.from(data.ap50, (value) => value ?? NaN);
    if (!this.heads) {
      const menu = Object.entries({ ...data.headings, [SCORES]: "Scores" }).filter(([column]) => column !== "name");
      fillColumns(this.find(".menu .list"), menu, (on) => this.chooseColumns(on));
      this.buildHead();
    }
    this.live.update(data);
  }

  // The names of the columns shown, in their order.
  get columns() {
    const all = [...Object.keys(this.data.headings), SCORES], shown = all.filter((name) => name === "name" || (this.chosen?.includes(name) ?? true));
    return shown.flatMap((name) => (name === "ap" ? [name, BETWEEN] : [name]));
  }

  buildHead() {
    const { columns } = this, titles = { ...this.data.headings, [BETWEEN]: "AP, 95 %", [SCORES]: "Scores" };
    this.heads = new Map();
    this.find(".head").replaceChildren(...columns.map((column) => {
      const sorts = column in this.data.headings, head = document.createElement(sorts ? "button" : "span");
      head.textContent = titles[column];
      if (!sorts) return head;
      Object.assign(head, { type: "button", onclick: () => this.sortBy(column) });
      head.setAttribute("role", "columnheader");
      this.heads.set(column, head);
      return head;
    }));
    const tracks = columns.map((column) => TRACKS[column]);
    this.grid.style.setProperty("--tracks", tracks.map(([least, share]) => (share ? `minmax(${least}px, ${share}fr)` : `${least}px`)).join(" "));
    this.grid.style.setProperty("--least", `${tracks.reduce((sum, [least]) => sum + least + SPACE, PADDING - SPACE)}px`);
    for (const box of this.find(".menu .list").querySelectorAll("input")) box.checked = columns.includes(box.value);
    this.rows = [];
    this.find(".rows").replaceChildren();
    if (this.room) this.room.spark = null;
  }

  // Other columns: the head and the rows are made anew.
  chooseColumns(chosen) {
    this.chosen = chosen;
    this.buildHead();
    this.live.redraw();
    this.report();
  }

  // What is wrong with a text is told, and what was shown before stays.
  search(text) {
    this.forget();
    if (this.filter.value !== text) this.filter.value = text;
    this.find(".clear").hidden = !text;
    let wrong = null;
    try {
      this.query = text.trim() ? parseQuery(text, this.data.layout.classes, CLASS_WORDS) : null;
    } catch (error) {
      if (!(error instanceof QueryError)) throw error;
      wrong = error;
    }
    showWrong(this.find(".wrong"), this.filter, text, wrong);
    if (wrong) return;
    this.grid.scrollTop = this.scrolled = 0;
    this.active = null;
    this.live.redraw();
    this.report();
  }

  // Python makes the file: of these columns and, where only some classes are shown, of just these in this order.
  report() {
    const rows = this.query && this.order ? [...this.order] : null;
    this.setStateValue("sort", { ...this.sort, columns: this.chosen, rows });
  }

  // Falling, rising, and as the classes stand; names begin by rising.
  sortBy(column) {
    const first = column !== "name", { sort } = this;
    if (sort.column !== column) this.sort = { column, falling: first };
    else if (sort.falling === first) this.sort = { column, falling: !first };
    else this.sort = { column: null, falling: true };
    this.live.redraw();
    this.report();
  }

  press(event) {
    const way = { ArrowDown: 1, ArrowUp: -1 }[event.key], last = this.order?.length - 1;
    if (event.target !== this.grid || !(last >= 0)) return;
    if (way) this.active = Math.max(0, Math.min(last, (this.active ?? -1) + way));
    else if (event.key === "Enter" && this.active !== null) this.chooseClass(this.order[this.active]);
    else return;
    event.preventDefault();
    const top = this.active * ROW, room = this.room.height - this.room.head;
    if (top < this.grid.scrollTop) this.grid.scrollTop = top;
    else if (top + ROW > this.grid.scrollTop + room) this.grid.scrollTop = top + ROW - room;
    this.live.redraw();
  }

  chooseClass(k) {
    const { classes } = this.live.state, only = classes?.length === 1 && classes[0] === k;
    this.live.tell({ classes: only ? null : [k] }, true);
  }

  draw(columns, state) {
    if (!this.room?.width) return; // folded away, or gone already
    this.find(".failed").hidden = true;
    const counts = countByClass(columns, state), known = this.data.state.area === state.area;
    const unknown = new Float64Array(columns.classNames.length).fill(NaN);
    this.values = {
      ...counts, name: columns.classNames, best: bestByClass(columns, state), ap: known ? this.ap : unknown, ap50: known ? this.ap50 : unknown,
    };
    this.known = known;
    const all = columns.classNames.length, rows = askable(this.values);
    this.order = sortedBy(this.values, this.sort, all).filter((k) => !this.query || this.query(rows, k));
    write(this.find(".count"), this.query ? `${GROUPED.format(this.order.length)} of ${counted(all, "class", "classes")}` : "");
    place(this.find(".rows"), "height", `${this.order.length * ROW}px`);
    for (const [column, head] of this.heads) {
      const sorted = column === this.sort.column ? (this.sort.falling ? "falling" : "rising") : null;
      if (sorted) head.dataset.sorted = sorted;
      else delete head.dataset.sorted;
      head.setAttribute("aria-sort", { falling: "descending", rising: "ascending" }[sorted] ?? "none");
    }
    this.grid.setAttribute("aria-rowcount", this.order.length + 1);
    this.fill(columns, state);
    this.host.dataset.painted = performance.now();
  }

  fill(columns, state) {
    const first = Math.max(0, Math.floor(this.scrolled / ROW) - SPARE);
    const count = Math.max(0, Math.min(this.order.length - first, Math.ceil(this.room.height / ROW) + 2 * SPARE));
    while (this.rows.length < count) this.addRow();
    if (count && this.rows[0].cells[SCORES]) this.room.spark ??= sizeOf(this.rows[0].cells[SCORES]);
    const chosen = chosenClasses(columns, state.classes), sparks = sparksOf(columns, state);
    this.rows.forEach((row, i) => {
      row.element.hidden = i >= count;
      if (i < count) this.fillRow(row, first + i, chosen, sparks, state);
    });
  }

  addRow() {
    const element = document.createElement("div"), cells = {};
    Object.assign(element, { className: "row", onclick: () => this.chooseClass(Number(element.dataset.id)) });
    element.setAttribute("role", "row");
    const add = (name, tag = "span") => {
      cells[name] = element.appendChild(document.createElement(tag));
      cells[name].setAttribute("role", "gridcell");
      return cells[name];
    };
    for (const column of this.columns) add(column, column === SCORES ? "canvas" : "span");
    if (cells[BETWEEN]) cells[BETWEEN].className = "between";
    cells.name.className = "class";
    cells.swatch = cells.name.appendChild(Object.assign(document.createElement("i"), { className: "swatch" }));
    cells.label = cells.name.appendChild(document.createElement("b"));
    cells.weak = cells.name.appendChild(Object.assign(document.createElement("small"), { className: "weak", textContent: "weak" }));
    if (cells.ap) cells.ap.className = "ap";
    this.find(".rows").append(element);
    this.rows.push({ element, cells, painted: null });
  }

  fillRow(row, at, chosen, sparks, state) {
    const { element, cells } = row, k = this.order[at], { values, data } = this;
    place(element, "transform", `translateY(${at * ROW}px)`);
    element.dataset.id = k;
    element.classList.toggle("active", at === this.active);
    element.setAttribute("aria-rowindex", at + 2);
    element.setAttribute("aria-selected", Boolean(chosen[k]));
    write(cells.label, values.name[k]);
    place(cells.swatch, "background", data.colours.classes[k]);
    cells.weak.hidden = !values.objects[k] || values.objects[k] >= data.few;
    cells.weak.title = `Fewer than ${data.few} objects: too few for a threshold of its own; lean on that of all classes together`;
    for (const column of Object.keys(data.headings)) {
      if (column === "name" || !cells[column]) continue;
      const told = WHOLE.has(column) ? GROUPED.format(values[column][k]) : inThree(values[column][k]);
      write(cells[column], !this.known && column.startsWith("ap") ? "…" : told);
    }
    if (cells.ap) {
      cells.ap.style.setProperty("--share", `${(100 * (values.ap[k] || 0)).toFixed(1)}%`);
      write(cells[BETWEEN], this.between(k));
    }
    if (cells[SCORES]) this.spark(row, k, sparks, state);
  }

  between(k) {
    if (!this.known || !this.data.intervals) return "…";
    const [low, high] = this.data.intervals[k];
    return low === null ? "—" : `${inThree(low)} – ${inThree(high)}`;
  }

  spark(row, k, sparks, { threshold }) {
    const { pen, width, height } = penOn(row.cells.scores, this.room.spark), { colours } = this.data;
    const bins = (part) => part.subarray(k * SPARK_BINS, (k + 1) * SPARK_BINS);
    const parts = [{ bins: bins(sparks.tp), colour: colours.tp }, { bins: bins(sparks.fp), colour: colours.fp }];
    pen.globalAlpha = 0.3;
    paintBins(pen, parts, { width, height });
    pen.save();
    pen.beginPath();
    pen.rect(threshold * width, 0, width, height);
    pen.clip();
    pen.globalAlpha = 1;
    paintBins(pen, parts, { width, height });
    pen.restore();
  }
}

// The classes as a filter asks for them; each has nothing of another class.
function askable(values) {
  const value = (name, k) => (name === "mistakes" ? values.fp[k] + values.fn[k] : values[name][k]);
  return {
    names: values.name,
    value,
    ofClass: (other, name, k) => (other === k ? value(name, k) : NaN),
    perfect: (k) => values.objects[k] > 0 && !values.fp[k] && !values.fn[k],
  };
}

// What is undefined comes last either way, equal ones as they stand; Python sorts the file alike.
function sortedBy(values, { column, falling }, count) {
  const order = [...Array(count).keys()];
  if (column === null) return order;
  const mine = values[column], undefinedAt = (k) => Number.isNaN(mine[k]);
  return order.sort((a, b) => {
    if (undefinedAt(a) || undefinedAt(b)) return undefinedAt(a) - undefinedAt(b) || a - b;
    const way = mine[a] < mine[b] ? -1 : mine[a] > mine[b] ? 1 : 0;
    return (falling ? -way : way) || a - b;
  });
}

// A small histogram of the scores of each class, one after the other.
function sparksOf(columns, { iou, area }) {
  return columns.once(`sparks ${iou} ${area}`, () => {
    const K = columns.classNames.length, tp = new Uint32Array(K * SPARK_BINS), fp = new Uint32Array(K * SPARK_BINS);
    const isTrue = columns.tp[area], isFalse = columns.fp[area], bit = 1 << iou;
    for (let n = 0; n < columns.size; n++) {
      const bin = Math.max(0, Math.min(SPARK_BINS - 1, Math.floor(columns.confidence[n] * SPARK_BINS + 1e-9)));
      const cell = columns.classId[n] * SPARK_BINS + bin;
      if (isTrue[n] & bit) tp[cell]++;
      else if (isFalse[n] & bit) fp[cell]++;
    }
    return { tp, fp };
  });
}

export default function ({ data, parentElement, setStateValue }) {
  let table = tables.get(parentElement);
  if (!table) tables.set(parentElement, (table = new ClassTable(parentElement)));
  table.update({ data, setStateValue });
  return () => {
    table.unwire();
    tables.delete(parentElement);
  };
}
