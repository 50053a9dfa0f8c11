// The rows and tiles of images, and the controls above them.

const COLUMNS = {
  picture: { title: "", menu: "Picture", least: 76, share: 0 },
  name: { title: "Image", least: 150, share: 1.8 },
  f1: { title: "F1", least: 120, share: 1 },
  precision: { title: "P", least: 50, share: 0, menu: "Precision" },
  recall: { title: "R", least: 50, share: 0, menu: "Recall" },
  tp: { title: "TP", least: 42, share: 0, menu: "True positives" },
  fp: { title: "FP", least: 42, share: 0, menu: "False positives" },
  fn: { title: "FN", least: 42, share: 0, menu: "Missed objects" },
  objects: { title: "Objects", least: 62, share: 0 },
  latency: { title: "Latency", least: 72, share: 0 },
  scores: { title: "Scores", least: 110, share: 0.8 },
};
const SCORES_MEAN = "How many detections have which score; grey below the threshold";
const GAP = 12, PADDING = 22;
const SVG = "http://www.w3.org/2000/svg";

function made(tag, className, text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

function shownAs(name, value) {
  if (Number.isNaN(value)) return "—";
  return name === "latency" ? `${GROUPED.format(Math.round(value))} ms` : name in RATES ? value.toFixed(2) : GROUPED.format(value);
}

// ---- pictures, the same in both views

function makePicture(view, item, picture) {
  Object.assign(item, { image: picture.querySelector("img"), told: picture.querySelector(".told"), tile: undefined, id: null });
  item.image.onerror = () => { if (item.image.getAttribute("src")) view.supply.lost(item.id); };
  return item;
}

function fillPicture(view, item, id) {
  const tile = view.supply.tiles.get(id) ?? null;
  if (item.id === id && item.tile === tile) return;
  const other = item.id !== id;
  Object.assign(item, { id, tile });
  item.image.hidden = !tile?.url;
  if (tile?.url) item.image.src = tile.url;
  else if (other) item.image.removeAttribute("src");
  write(item.told, tile?.error ?? "");
  item.told.title = tile?.error ?? "";
}

// ---- the gallery

function makeTile(view) {
  const element = view.find(".tile-template").content.firstElementChild.cloneNode(true), find = (name) => element.querySelector(name);
  const tile = { element, name: find(".name"), tp: find(".tp"), fp: find(".fp"), fn: find(".fn"), bar: find(".bar i"), rate: find(".rate") };
  for (const kind of ["tp", "fp", "fn"]) tile[kind].style.borderColor = view.data.colours[kind];
  return makePicture(view, tile, find(".picture"));
}

function fillTile(view, tile, at) {
  const { rows, order } = view, id = order[at];
  fillPicture(view, tile, id);
  if (tile.shown === `${id} ${view.drawn}`) return;
  tile.shown = `${id} ${view.drawn}`;
  write(tile.name, rows.names[id]);
  tile.element.title = rows.failed(id) ? `${rows.names[id]}: ${rows.failures[id - rows.answered][1]}` : rows.names[id];
  for (const kind of ["tp", "fp", "fn"]) {
    const count = rows.value(kind, id);
    write(tile[kind], shownAs(kind, count));
    tile[kind].classList.toggle("none", !count);
  }
  const f1 = rows.value("f1", id);
  place(tile.bar, "width", `${(f1 || 0) * 100}%`);
  write(tile.rate, shownAs("f1", f1));
  const counts = ["tp", "fp", "fn"].map((kind) => `${shownAs(kind, rows.value(kind, id))} ${kind.toUpperCase()}`);
  tile.element.setAttribute("aria-label", `${rows.names[id]}: ${counts.join(", ")}, F1 ${shownAs("f1", f1)}`);
}

// ---- the table

function makeRow(view, columns) {
  const element = made("div", "row"), row = { element, cells: new Map() };
  element.setAttribute("role", "row");
  place(element, "gridTemplateColumns", trackOf(columns));
  columns.forEach((name, i) => {
    const cell = made("div", name in SUMS || name === "latency" ? "number" : name);
    cell.setAttribute("role", "gridcell");
    cell.setAttribute("aria-colindex", i + 1);
    if (name === "picture") {
      cell.append(Object.assign(made("img", ""), { alt: "", draggable: false }), made("span", "told"));
      makePicture(view, row, cell);
    } else if (name === "f1") {
      cell.className = "f1";
      cell.append(made("span", "bar"), made("b", ""));
      cell.firstChild.append(made("i", ""));
    } else if (name === "scores") cell.append(sparkline());
    row.cells.set(name, cell);
    element.append(cell);
  });
  return row;
}

function trackOf(columns) {
  return columns.map((name) => { const { least, share } = COLUMNS[name]; return share ? `minmax(${least}px, ${share}fr)` : `${least}px`; }).join(" ");
}

function sparkline() {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "spark");
  svg.setAttribute("viewBox", `0 0 ${SCORE_BINS * 5} 40`);
  svg.setAttribute("preserveAspectRatio", "none");
  for (const part of ["cut", "kept"]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("class", part);
    svg.append(path);
  }
  return svg;
}

function fillRow(view, row, at) {
  const { rows, order } = view, id = order[at];
  if (row.image) fillPicture(view, row, id);
  if (row.shown === `${id} ${view.drawn}`) return;
  row.shown = `${id} ${view.drawn}`;
  for (const [name, cell] of row.cells) {
    if (name === "name") {
      write(cell, rows.names[id]);
      cell.title = rows.failed(id) ? rows.failures[id - rows.answered][1] : rows.names[id];
    } else if (name === "f1") {
      const f1 = rows.value("f1", id);
      place(cell.firstChild.firstChild, "width", `${(f1 || 0) * 100}%`);
      write(cell.lastChild, shownAs("f1", f1));
    } else if (name === "scores") fillSparkline(cell.firstChild, rows, id);
    else if (name !== "picture") {
      const value = rows.value(name, id);
      write(cell, shownAs(name, value));
      cell.classList.toggle("zero", value === 0 || Number.isNaN(value));
    }
  }
}

// Square roots, or one full bin flattens the rest.
function fillSparkline(svg, rows, id) {
  const [cut, kept] = svg.children, paths = { cut: "", kept: "" };
  if (!rows.failed(id)) {
    const bins = rows.scores(id), most = Math.sqrt(bins.reduce((a, b) => Math.max(a, b), 1));
    bins.forEach((count, bin) => {
      if (!count) return;
      const tall = Math.max(3, (Math.sqrt(count) / most) * 38);
      paths[(bin + 1) / SCORE_BINS > rows.state.threshold ? "kept" : "cut"] += `M${bin * 5} 40v${-tall.toFixed(1)}h4v${tall.toFixed(1)}z`;
    });
  }
  cut.setAttribute("d", paths.cut);
  kept.setAttribute("d", paths.kept);
}

// ---- what is above

class Controls {
  constructor(view) {
    this.view = view;
    const { find } = view;
    Object.assign(this, { filter: find(".filter"), head: find(".head"), chips: new Map(), makers: new Map() });
    for (const button of view.root.querySelectorAll("[data-view]")) button.onclick = () => view.change({ view: button.dataset.view });
    for (const button of view.root.querySelectorAll("[data-format]")) button.onclick = () => view.export(button.dataset.format);
    this.forget = wireFilter(this.filter, find(".clear"), (text) => this.search(text));
    find(".reset").onclick = () => view.reset();
    find(".way").onclick = () => view.change({ sort: { ...view.choice.sort, descending: !view.choice.sort.descending } });
    find(".by").onchange = ({ target }) => this.sort(target.value, true);
    this.aways = [wirePopup(find(".ask"), find(".help")), wirePopup(find(".choose"), find(".menu .list"))];
    wireStrip(find(".strip"), { back: () => view.opened.set(null), step: (by) => view.step(by) });
  }

  build({ classes, failed, colours }) {
    const { find, choice } = this.view;
    this.filter.value = choice.filter;
    for (const [name, title] of Object.entries(PRESET_NAMES)) {
      if (name === "failed" && !failed) continue;
      const chip = made("button", ""), count = made("small", "");
      chip.type = "button";
      chip.append(title, count);
      chip.onclick = () => this.view.change({ preset: name });
      this.chips.set(name, { chip, count });
      find(".presets").append(chip);
    }
    for (const [name, title] of Object.entries(SORTS)) find(".by").append(new Option(title, name));
    for (const [text, about] of Object.entries(EXAMPLES(classes))) {
      const entry = document.createElement("li"), button = made("button", "");
      button.type = "button";
      button.append(made("code", "", text), made("span", "", about));
      button.onclick = () => { this.search(text); find(".help").hidden = true; find(".ask").setAttribute("aria-expanded", "false"); this.filter.focus(); };
      entry.append(button);
      find(".examples").append(entry);
    }
    const columns = Object.entries(COLUMNS).filter(([name]) => name !== "name").map(([name, { menu, title }]) => [name, menu ?? title]);
    fillColumns(find(".menu .list"), columns, (on) => this.view.change({ columns: Object.keys(COLUMNS).filter((name) => name === "name" || on.includes(name)) }));
  }

  search(text) {
    this.forget();
    if (this.filter.value !== text) this.filter.value = text;
    if (text !== this.view.choice.filter) this.view.change({ filter: text });
  }

  sort(by, keep = false) {
    const { sort } = this.view.choice, first = !ASCENDING.has(by);
    this.view.change({ sort: { by, descending: sort.by === by && !keep ? !sort.descending : first } });
  }

  complain(text, wrong) { showWrong(this.view.find(".wrong"), this.filter, text, wrong); }

  tally(counts) { for (const [name, { count }] of this.chips) write(count, GROUPED.format(counts[name])); }

  count(shown) {
    const { rows, choice } = this.view, of = choice.preset === "failed" ? rows.size - rows.answered : rows.answered;
    write(this.view.find(".count"), shown === of ? counted(of, "image") : `${GROUPED.format(shown)} of ${counted(of, "image")}`);
  }

  show({ view, preset, sort, columns, filter }, open = this.view.opened.id !== null) {
    const { find, root } = this.view, crops = view === "crops";
    find(".top").hidden = open;
    find(".below").hidden = open || crops;
    find(".search").hidden = find(".ways").hidden = crops;
    if (open || crops) find(".wrong").hidden = true;
    find(".clear").hidden = !filter;
    for (const button of root.querySelectorAll("[data-view]")) button.setAttribute("aria-pressed", button.dataset.view === view);
    for (const [name, { chip }] of this.chips) chip.setAttribute("aria-pressed", name === preset);
    for (const box of root.querySelectorAll(".menu input")) box.checked = columns.includes(box.value);
    find(".menu").hidden = view !== "table";
    find(".by").value = sort.by;
    write(find(".way"), sort.descending ? "↓" : "↑");
    find(".way").setAttribute("aria-label", sort.descending ? "Falling; make it rising" : "Rising; make it falling");
    for (const cell of this.head.children) {
      if (cell.dataset.column === "picture" || cell.dataset.column === "scores") continue;
      cell.setAttribute("aria-sort", cell.dataset.column !== sort.by ? "none" : sort.descending ? "descending" : "ascending");
    }
  }

  // The head of the table, what makes its rows, and the width that they need.
  table(choice) {
    const { columns } = choice, key = columns.join(" "), width = columns.reduce((sum, name) => sum + COLUMNS[name].least + GAP, PADDING - GAP);
    if (!this.makers.has(key)) this.makers.set(key, () => makeRow(this.view, columns));
    if (this.head.dataset.key !== key) {
      this.head.dataset.key = key;
      place(this.head, "gridTemplateColumns", trackOf(columns));
      place(this.head, "minWidth", `${width}px`);
      this.head.replaceChildren(...columns.map((name) => this.heading(name)));
      this.view.box.setAttribute("aria-colcount", columns.length);
      this.show(choice);
    }
    return { makeRow: this.makers.get(key), width: `${width}px` };
  }

  heading(name) {
    const { title, menu } = COLUMNS[name], cell = made("div", name in SUMS && name !== "f1" || name === "latency" ? "number" : "");
    cell.setAttribute("role", "columnheader");
    cell.dataset.column = name;
    if (name === "picture") cell.append(made("span", "unseen", "Picture"));
    else if (name === "scores") cell.append(Object.assign(made("span", "", title), { title: SCORES_MEAN }));
    else {
      const button = made("button", "", title);
      Object.assign(button, { type: "button", title: `Sort by ${menu ?? title}` });
      button.onclick = (event) => { event.stopPropagation(); this.sort(name); };
      cell.append(button);
    }
    return cell;
  }

  close() {
    this.forget();
    for (const away of this.aways) away();
  }
}
