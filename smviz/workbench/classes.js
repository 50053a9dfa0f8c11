// The table of classes. Only the rows in sight exist; they are filled anew at every change.

const ROW = 35; // CSS pixels
const SPARE = 2; // rows beyond what is in sight
const SPARK_BINS = 27;
const WHOLE = new Set(["objects", "detections", "tp", "fp", "fn"]);

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
    this.live = new Live({ draw: (columns, state) => this.draw(columns, state), fail: (error) => showFailure(this.root, error) });
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
    this.observer.disconnect();
    this.live.close();
  }

  update({ data, setStateValue }) {
    Object.assign(this, { data, setStateValue });
    this.ap = Float64Array.from(data.ap, (value) => value ?? NaN);
    this.ap50 = Float64Array.from(data.ap50, (value) => value ?? NaN);
    if (!this.heads) this.buildHead();
    place(this.find(".rows"), "height", `${data.layout.classes.length * ROW}px`);
    this.live.update(data);
  }

  buildHead() {
    const told = Object.entries(this.data.headings).map(([column, heading]) => {
      const head = document.createElement("button");
      Object.assign(head, { type: "button", textContent: heading, onclick: () => this.sortBy(column) });
      head.setAttribute("role", "columnheader");
      return [column, head];
    });
    this.heads = new Map(told);
    const plain = (text) => Object.assign(document.createElement("span"), { textContent: text });
    this.find(".head").replaceChildren(...told.map(([, head]) => head), plain("Scores"));
    this.heads.get("ap").after(plain("AP, 95 %"));
  }

  // Falling, rising, and as the classes stand; names begin by rising.
  sortBy(column) {
    const first = column !== "name", { sort } = this;
    if (sort.column !== column) this.sort = { column, falling: first };
    else if (sort.falling === first) this.sort = { column, falling: !first };
    else this.sort = { column: null, falling: true };
    this.setStateValue("sort", this.sort);
    this.live.redraw();
  }

  press(event) {
    const way = { ArrowDown: 1, ArrowUp: -1 }[event.key], last = this.order?.length - 1;
    if (event.target !== this.grid || !(last >= 0)) return;
    if (way) this.active = Math.max(0, Math.min(last, (this.active ?? -1) + way));
    else if (event.key === "Enter" && this.active !== null) this.choose(this.order[this.active]);
    else return;
    event.preventDefault();
    const top = this.active * ROW, room = this.room.height - this.room.head;
    if (top < this.grid.scrollTop) this.grid.scrollTop = top;
    else if (top + ROW > this.grid.scrollTop + room) this.grid.scrollTop = top + ROW - room;
    this.live.redraw();
  }

  choose(k) {
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
    this.order = sortedBy(this.values, this.sort, columns.classNames.length);
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
    const count = Math.min(this.order.length - first, Math.ceil(this.room.height / ROW) + 2 * SPARE);
    while (this.rows.length < count) this.addRow();
    if (count) this.room.spark ??= sizeOf(this.rows[0].cells.scores);
    const chosen = chosenClasses(columns, state.classes), sparks = sparksOf(columns, state);
    this.rows.forEach((row, i) => {
      row.element.hidden = i >= count;
      if (i < count) this.fillRow(row, first + i, chosen, sparks, state);
    });
  }

  addRow() {
    const element = document.createElement("div"), cells = {};
    Object.assign(element, { className: "row", onclick: () => this.choose(Number(element.dataset.id)) });
    element.setAttribute("role", "row");
    const add = (name, tag = "span") => {
      cells[name] = element.appendChild(document.createElement(tag));
      cells[name].setAttribute("role", "gridcell");
      return cells[name];
    };
    for (const column of Object.keys(this.data.headings)) {
      add(column);
      if (column === "ap") add("between").className = "between";
    }
    cells.name.className = "class";
    cells.swatch = cells.name.appendChild(Object.assign(document.createElement("i"), { className: "swatch" }));
    cells.label = cells.name.appendChild(document.createElement("b"));
    cells.weak = cells.name.appendChild(Object.assign(document.createElement("small"), { className: "weak", textContent: "weak" }));
    cells.ap.className = "ap";
    add("scores", "canvas");
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
      if (column !== "name") write(cells[column], WHOLE.has(column) ? GROUPED.format(values[column][k]) : inThree(values[column][k]));
    }
    if (!this.known) for (const column of ["ap", "ap50"]) write(cells[column], "…");
    cells.ap.style.setProperty("--share", `${(100 * (values.ap[k] || 0)).toFixed(1)}%`);
    write(cells.between, this.between(k));
    this.spark(row, k, sparks, state);
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
