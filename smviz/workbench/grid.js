// A grid of which only the rows in sight are in the document: it may have hundreds of thousands of items. With one
// column an item is a row of a table, whose cells it holds; with more it is a cell.

const ROWS_BEYOND = 2; // above and below those in sight

class Grid {
  // make() gives an item { element, ... }, fill(item, index) shows what it stands for; open(index) and painted(first,
  // last) are told of.
  constructor(box, { open, painted }) {
    this.box = box;
    this.spacer = box.querySelector(".spacer");
    Object.assign(this, { openItem: open, painted, rows: new Map(), spare: [], count: 0, columns: 1, active: null, made: 0 });
    box.onscroll = () => this.paint();
    box.onclick = (event) => {
      const index = this.indexOf(event.target);
      if (index === null) return;
      this.activate(index);
      open(index);
    };
    box.onfocus = () => { if (this.active === null && this.count) this.activate(this.inSight()[0]); };
    box.onkeydown = (event) => this.press(event);
  }

  arrange({ count, columns, height, make, fill, head = 0 }) {
    if (make !== this.make || columns !== this.columns) {
      this.spacer.replaceChildren();
      this.rows.clear();
      this.spare = [];
    }
    Object.assign(this, { count, columns, height, make, fill, head });
    if (this.active !== null) this.active = count ? Math.min(this.active, count - 1) : null;
    this.spacer.style.height = `${Math.ceil(count / columns) * height}px`;
    this.box.setAttribute("aria-rowcount", Math.ceil(count / columns) + (head ? 1 : 0));
    if (columns > 1) this.box.setAttribute("aria-colcount", columns);
    this.paint();
  }

  // The items in sight: [first, last).
  inSight() {
    const { box, height, columns, count } = this, top = box.scrollTop;
    const first = Math.floor(top / height), last = Math.ceil((top + box.clientHeight - this.head) / height);
    return [Math.max(0, first * columns), Math.min(count, last * columns)];
  }

  paint() {
    if (!this.make || !this.box.clientHeight) return;
    const [from, to] = this.inSight(), { columns } = this;
    const first = Math.max(0, Math.floor(from / columns) - ROWS_BEYOND);
    const last = Math.min(Math.ceil(this.count / columns), Math.ceil(to / columns) + ROWS_BEYOND);
    for (const [at, row] of this.rows) {
      if (at >= first && at < last) continue;
      row.element.hidden = true;
      this.rows.delete(at);
      this.spare.push(row);
    }
    for (let at = first; at < last; at++) this.place(at);
    const item = this.itemAt(this.active);
    if (item) this.box.setAttribute("aria-activedescendant", item.element.id);
    else this.box.removeAttribute("aria-activedescendant");
    this.painted(from, to);
  }

  place(at) {
    let row = this.rows.get(at);
    if (!row) this.rows.set(at, (row = this.spare.pop() ?? this.makeRow()));
    row.element.hidden = false;
    row.element.style.top = `${at * this.height}px`;
    row.element.setAttribute("aria-rowindex", at + 1 + (this.head ? 1 : 0));
    row.items.forEach((item, column) => {
      const index = at * this.columns + column;
      item.element.hidden = index >= this.count;
      if (item.element.hidden) return;
      item.element.dataset.index = index;
      item.element.classList.toggle("active", index === this.active);
      this.fill(item, index);
    });
  }

  makeRow() {
    const items = Array.from({ length: this.columns }, (_, column) => {
      const item = this.make();
      item.element.id = `item-${this.made++}`;
      item.element.classList.add("item");
      if (this.columns > 1) item.element.setAttribute("aria-colindex", column + 1);
      return item;
    });
    if (this.columns === 1 && this.head) {
      this.spacer.append(items[0].element);
      return { element: items[0].element, items };
    }
    const element = document.createElement("div");
    element.className = "line";
    element.setAttribute("role", "row");
    element.style.gridTemplateColumns = `repeat(${this.columns}, minmax(0, 1fr))`;
    element.append(...items.map((item) => item.element));
    this.spacer.append(element);
    return { element, items };
  }

  itemAt(index) {
    return index === null ? null : this.rows.get(Math.floor(index / this.columns))?.items[index % this.columns] ?? null;
  }

  indexOf(target) {
    const element = target.closest(".item");
    return element ? Number(element.dataset.index) : null;
  }

  activate(index) {
    this.active = index;
    this.reveal(index);
    this.paint();
  }

  reveal(index) {
    const { box, height } = this, top = Math.floor(index / this.columns) * height;
    const room = box.clientHeight - this.head;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + height > box.scrollTop + room) box.scrollTop = top + height - room;
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== this.box || !this.count) return;
    const { columns } = this, page = columns * Math.max(1, Math.floor((this.box.clientHeight - this.head) / this.height));
    const steps = { ArrowDown: columns, ArrowUp: -columns, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (columns > 1) Object.assign(steps, { ArrowRight: 1, ArrowLeft: -1 });
    if (event.key in steps) this.move(steps[event.key]);
    else if (event.key === "Enter" || event.key === " ") this.openItem(this.active ?? this.inSight()[0]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // A step that leads out of the grid stays in its column where there is one, and goes to the end otherwise.
  move(step) {
    const from = this.active ?? this.inSight()[0], to = from + step, last = this.count - 1;
    const line = Math.abs(step) === this.columns && this.columns > 1;
    this.activate(line && (to < 0 || to > last) ? (to > last && Math.floor(to / this.columns) * this.columns <= last ? last : from) : Math.max(0, Math.min(last, to)));
  }
}

// What the server makes of the items in sight. It is asked when scrolling rests, and again while something is missing.
const RESTING = 70; // milliseconds
const PATIENCE = 5000; // milliseconds, after which an answer is not awaited any more
const ASKED_AT_ONCE = 120;
const MOST_SUPPLIED = 4000;

class Supply {
  constructor(ask, arrived) {
    Object.assign(this, { ask, arrived, tiles: new Map(), losses: new Map(), turn: 0, answered: 0, version: null, timer: null, asked: 0 });
  }

  update(version, { turn, tiles }) {
    if (version !== this.version) {
      this.tiles.clear();
      this.losses.clear();
      if (this.version === null) this.turn = turn;
      this.version = version;
    }
    this.answered = turn;
    for (const [id, tile] of tiles) {
      this.tiles.delete(id);
      this.tiles.set(id, tile);
    }
    for (const id of this.tiles.keys()) {
      if (this.tiles.size <= MOST_SUPPLIED) break;
      this.tiles.delete(id);
    }
    this.arrived();
  }

  want(ids) {
    const missing = ids.filter((id) => !this.tiles.has(id));
    clearTimeout(this.timer);
    if (!missing.length || this.version === null) return;
    const waits = this.answered < this.turn ? this.asked + PATIENCE - performance.now() : 0;
    this.timer = setTimeout(() => {
      this.asked = performance.now();
      this.ask({ turn: ++this.turn, version: this.version, ids: missing.slice(0, ASKED_AT_ONCE) });
    }, Math.max(RESTING, waits));
  }

  // An address may have been given up meanwhile: a new one is asked for, a few times.
  lost(id) {
    const losses = (this.losses.get(id) ?? 0) + 1;
    this.losses.set(id, losses);
    if (losses < 4) this.tiles.delete(id);
    else this.tiles.set(id, { error: "The picture was not sent." });
    this.arrived();
  }

  close() { clearTimeout(this.timer); }
}

// Which item is open below. The browser says so to Python, which answers with the turn that it knows of.
class Opened {
  constructor(tell, changed) {
    Object.assign(this, { tell, changed, turn: 0, id: null, stepped: null });
    this.press = (event) => {
      if (event.key !== "Escape" || event.defaultPrevented || this.id === null) return;
      if (event.composedPath()[0]?.matches?.("input, textarea, select")) return;
      event.preventDefault();
      this.set(null);
    };
    document.addEventListener("keydown", this.press);
  }

  set(id) {
    this.turn += 1;
    this.id = id;
    this.tell({ turn: this.turn, id });
    this.changed();
  }

  // `step` moves once for each of its turns: the viewer below asks for the previous or next one by way of Python.
  update({ turn, id, step }, move) {
    const first = this.stepped === null;
    if (first || turn >= this.turn) Object.assign(this, { turn, id });
    const due = !first && step.turn > this.stepped;
    this.stepped = step.turn;
    if (due) move(step.by);
  }

  close() { document.removeEventListener("keydown", this.press); }
}

// What is opened comes a moment later, and the page is short meanwhile: the top of this part stays where it was, until
// a person scrolls.
const HOLDING = 4000; // milliseconds

function holdPlace(root) {
  const top = root.getBoundingClientRect().top, end = performance.now() + HOLDING, moves = ["wheel", "pointerdown", "keydown", "touchstart"];
  let over = false;
  const stop = () => { over = true; };
  const hold = () => {
    if (over || performance.now() > end || !root.isConnected) return moves.forEach((move) => window.removeEventListener(move, stop, true));
    const off = root.getBoundingClientRect().top - top;
    if (Math.abs(off) > 1) scrollerOf(root).scrollTop += off;
    return requestAnimationFrame(hold);
  };
  requestAnimationFrame(() => moves.forEach((move) => window.addEventListener(move, stop, { capture: true, passive: true })));
  requestAnimationFrame(hold);
}

function scrollerOf(root) {
  for (let at = root.getRootNode().host ?? root; at; at = at.parentElement) {
    if (/auto|scroll/.test(getComputedStyle(at).overflowY) && at.scrollHeight > at.clientHeight) return at;
  }
  return document.scrollingElement;
}

// The strip that stands in the place of the grid while an item is open below.
function wireStrip(strip, { back, step }) {
  strip.querySelector(".back").onclick = back;
  strip.querySelector(".previous").onclick = () => step(-1);
  strip.querySelector(".next").onclick = () => step(1);
  strip.onkeydown = (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    step(by);
  };
}

function showStrip(strip, at, count, name) {
  strip.querySelector(".at").textContent = at < 0 ? `${count.toLocaleString("en")} in all` : `${(at + 1).toLocaleString("en")} of ${count.toLocaleString("en")}`;
  strip.querySelector(".title").textContent = name;
  strip.querySelector(".previous").disabled = at <= 0;
  strip.querySelector(".next").disabled = at + 1 >= count;
}
