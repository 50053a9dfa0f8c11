// Labels in doubt, one after the other: a virtual list, what is decided about each, and keys for it. Streamlit calls the
// default export again whenever data or theme change.

const ROW = 70; // CSS pixels
const BEYOND = 6; // rows drawn above and below the window

const queues = new WeakMap();

class Queue {
  constructor(parent) {
    this.root = parent.querySelector(".queue");
    this.find = (name) => this.root.querySelector(name);
    this.list = this.find(".list");
    this.spacer = this.find(".spacer");
    this.drawn = new Map();
    // Python applies what it has not seen of this log: nothing is lost when two keys come before a rerun.
    Object.assign(this, { mount: `${Date.now()} ${Math.random()}`, log: [], undoable: [], decided: new Map(), selected: null, following: null });
    this.list.onscroll = () => this.paint();
    this.list.onclick = (event) => {
      const row = event.target.closest(".row");
      if (row) this.select(Number(row.dataset.at));
    };
    this.root.onkeydown = (event) => this.key(event);
    const clicks = { keep: () => this.decide("keep"), reject: () => this.decide("reject"), undo: () => this.undo(), previous: () => this.step(-1), next: () => this.step(1) };
    for (const [name, act] of Object.entries(clicks)) this.find(`.acts .${name}`).onclick = act;
    this.observer = new ResizeObserver(() => this.paint());
    this.observer.observe(this.list);
  }

  update({ data, setStateValue }) {
    const listed = this.listed !== data.listed;
    Object.assign(this, { data, setStateValue, listed: data.listed });
    // What was decided here since Python last looked is newer than what Python knows.
    const unseen = this.log.slice(data.applied.mount === this.mount ? data.applied.count : 0);
    this.decided = new Map(Object.entries(data.decisions));
    for (const [key, decision] of unseen) this.note(key, decision);
    this.at = new Map(data.rows.map((row, at) => [row.key, at]));
    if (listed) this.clear();
    const known = [this.selected, this.following, data.selected, data.rows[0]?.key];
    this.selected = known.find((key) => this.at.has(key)) ?? null;
    this.list.hidden = !data.rows.length;
    this.find(".acts").hidden = !data.rows.length;
    for (const name of ["keep", "reject", "undo"]) this.find(`.acts .${name}`).hidden = data.read_only;
    this.find(".empty").hidden = data.rows.length > 0;
    this.find(".empty").textContent = data.empty;
    this.spacer.style.height = `${data.rows.length * ROW}px`;
    if (listed) this.reveal();
    this.show();
    this.root.dataset.ready = "1";
  }

  get index() { return this.at.get(this.selected) ?? -1; }

  note(key, decision) {
    if (decision === null) this.decided.delete(key);
    else this.decided.set(key, decision);
  }

  // ---- what a person does

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.data?.rows.length) return;
    const name = event.key.toLowerCase();
    const acts = {
      k: () => this.decide("keep"), r: () => this.decide("reject"), u: () => this.undo(),
      arrowdown: () => this.step(1), arrowup: () => this.step(-1), arrowright: () => this.step(1), arrowleft: () => this.step(-1),
      home: () => this.select(0), end: () => this.select(this.data.rows.length - 1),
    };
    if (!acts[name]) return;
    acts[name]();
    event.preventDefault();
    event.stopPropagation();
  }

  // The same decision again takes it back.
  decide(decision) {
    if (this.data.read_only) return;
    const key = this.selected, before = this.decided.get(key) ?? null, after = before === decision ? null : decision;
    if (key === null) return;
    this.undoable.push([key, before]);
    this.record(key, after);
    if (after !== null) this.selected = this.nextOpen();
    this.tell();
  }

  undo() {
    const last = this.undoable.pop();
    if (!last) return;
    this.record(...last);
    this.selected = last[0];
    this.tell();
  }

  record(key, decision) {
    this.note(key, decision);
    this.log.push([key, decision]);
  }

  // The next one that nobody has decided; behind the last one the first; this one where there is none.
  nextOpen() {
    const { rows } = this.data, count = rows.length, from = this.index;
    for (let by = 1; by < count; by++) {
      const { key } = rows[(from + by) % count];
      if (!this.decided.has(key)) return key;
    }
    return this.selected;
  }

  step(by) { this.select(Math.max(0, Math.min(this.data.rows.length - 1, this.index + by))); }

  select(at) {
    const key = this.data.rows[at]?.key;
    if (key === undefined || key === this.selected) return;
    this.selected = key;
    this.tell();
  }

  tell() {
    this.following = this.selected;
    this.reveal();
    this.show();
    this.setStateValue("told", { mount: this.mount, log: this.log, selected: this.selected });
  }

  // ---- what is seen

  reveal() {
    const top = this.index * ROW, { scrollTop, clientHeight } = this.list;
    if (this.index < 0 || !clientHeight) return;
    if (top < scrollTop) this.list.scrollTop = top;
    else if (top + ROW > scrollTop + clientHeight) this.list.scrollTop = top + ROW - clientHeight;
  }

  show() {
    const { outside, total, rows } = this.data, row = rows[this.index];
    const done = outside + rows.reduce((sum, { key }) => sum + this.decided.has(key), 0);
    write(this.find(".progress"), `${GROUPED.format(done)} of ${GROUPED.format(total)} reviewed`);
    place(this.find(".done"), "width", `${total ? (done / total) * 100 : 0}%`);
    const decision = row ? this.decided.get(row.key) : undefined;
    for (const name of ["keep", "reject"]) {
      const button = this.find(`.acts .${name}`);
      write(button.querySelector("span"), row ? row[name] : "");
      button.setAttribute("aria-pressed", decision === name);
    }
    this.find(".undo").disabled = !this.undoable.length;
    this.find(".previous").disabled = this.index <= 0;
    this.find(".next").disabled = this.index >= rows.length - 1;
    this.paint();
  }

  clear() {
    for (const element of this.drawn.values()) element.remove();
    this.drawn.clear();
  }

  paint() {
    if (!this.data) return;
    const { rows } = this.data, first = Math.max(0, Math.floor(this.list.scrollTop / ROW) - BEYOND);
    const last = Math.min(rows.length, Math.ceil((this.list.scrollTop + this.list.clientHeight) / ROW) + BEYOND);
    for (const [key, element] of this.drawn) {
      const at = this.at.get(key);
      if (at === undefined || at < first || at >= last) {
        element.remove();
        this.drawn.delete(key);
      }
    }
    for (let at = first; at < last; at++) this.draw(rows[at], at);
    if (this.index >= 0) this.list.setAttribute("aria-activedescendant", `doubt-${this.index}`);
  }

  draw(row, at) {
    let element = this.drawn.get(row.key);
    if (!element) {
      element = this.find(".row-template").content.firstElementChild.cloneNode(true);
      element.querySelector(".what").textContent = row.sentence;
      element.querySelector(".where").textContent = `${row.reason} · ${row.image}`;
      element.querySelector(".score").textContent = row.score.toFixed(2);
      element.title = row.sentence;
      this.drawn.set(row.key, element);
      this.spacer.append(element);
    }
    const decision = this.decided.get(row.key);
    Object.assign(element.dataset, { at, decision: decision ?? "" });
    element.id = `doubt-${at}`;
    place(element, "top", `${at * ROW}px`);
    element.setAttribute("aria-selected", row.key === this.selected);
    element.setAttribute("aria-label", `${row.sentence} ${row.image}. ${decision ? row[decision] : "Not reviewed"}`);
    element.querySelector(".state").className = `state ${decision ?? ""}`;
  }

  close() { this.observer.disconnect(); }
}

export default function ({ data, parentElement, setStateValue }) {
  let queue = queues.get(parentElement);
  if (!queue) queues.set(parentElement, (queue = new Queue(parentElement)));
  queue.update({ data, setStateValue });
  return () => {
    queue.close();
    queues.delete(parentElement);
  };
}
