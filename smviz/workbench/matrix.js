// A confusion matrix whose cells are buttons. Streamlit calls the default export again whenever data or theme change.

const NARROW = 7; // columns from which on their names stand upright
const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

const matrices = new WeakMap();

class Matrix {
  constructor(parent) {
    this.root = parent.querySelector(".confusion");
    this.box = this.root.querySelector(".matrix");
    this.at = [0, 0];
    this.box.onclick = (event) => this.pick(event.target.closest(".cell"));
    this.box.onkeydown = (event) => this.key(event);
  }

  update({ data, setTriggerValue }) {
    const same = this.names === JSON.stringify(data.names);
    Object.assign(this, { data, setTriggerValue, names: JSON.stringify(data.names) });
    if (!same) this.build();
    this.root.classList.toggle("narrow", data.names.length >= NARROW);
    data.counts.forEach((row, r) => row.forEach((_, c) => this.fill(r, c)));
    this.root.dataset.ready = "1";
  }

  // Names come from files: they are text, never markup.
  build() {
    const { names } = this.data, count = names.length;
    this.at = [Math.min(this.at[0], count - 1), Math.min(this.at[1], count - 1)];
    this.box.style.gridTemplateColumns = `minmax(60px, 130px) repeat(${count}, minmax(0, 1fr))`;
    this.box.replaceChildren(this.row([element("span", ""), ...names.map((name, c) => this.name(name, "top", "columnheader", c))]));
    this.cells = names.map((_, r) => names.map((_, c) => this.cell(r, c)));
    names.forEach((name, r) => this.box.append(this.row([this.name(name, "side", "rowheader", r), ...this.cells[r]])));
  }

  row(children) {
    const row = element("div", "row");
    row.setAttribute("role", "row");
    row.append(...children);
    return row;
  }

  name(name, side, role, at) {
    const label = element("span", `name ${side}${at === this.data.names.length - 1 ? " nothing" : ""}`);
    label.setAttribute("role", role);
    label.textContent = label.title = name;
    return label;
  }

  cell(r, c) {
    const cell = element("button", "cell");
    cell.type = "button";
    cell.setAttribute("role", "gridcell");
    Object.assign(cell.dataset, { r, c });
    return cell;
  }

  fill(r, c) {
    const { names, counts, shares, picked, colours } = this.data, cell = this.cells[r][c], count = counts[r][c], last = names.length - 1;
    const kind = r === c ? "tp" : c === last ? "fn" : "fp";
    write(cell, count ? GROUPED.format(count) : "");
    cell.style.setProperty("--mark", colours[kind]);
    cell.style.setProperty("--share", count ? `${Math.round(10 + 62 * (shares[r][c] ?? 0))}%` : "0%");
    cell.setAttribute("aria-disabled", count === 0);
    cell.setAttribute("aria-pressed", picked !== null && picked[0] === r && picked[1] === c);
    cell.tabIndex = this.at[0] === r && this.at[1] === c ? 0 : -1;
    const share = shares[r][c] === null || r === last ? "" : `, ${(shares[r][c] * 100).toFixed(1)}% of the row`;
    const what = r === last ? `${names[c]} found where nothing is labelled` : c === last ? `${names[r]} missed` : `${names[r]} found as ${names[c]}`;
    cell.title = `${what}: ${GROUPED.format(count)}${share}`;
    cell.setAttribute("aria-label", cell.title);
  }

  focus(r, c) {
    const last = this.cells.length - 1, [was, column] = this.at;
    this.at = [Math.min(Math.max(r, 0), last), Math.min(Math.max(c, 0), last)];
    this.cells[was][column].tabIndex = -1;
    this.cells[this.at[0]][this.at[1]].tabIndex = 0;
    this.cells[this.at[0]][this.at[1]].focus();
  }

  key(event) {
    const cell = event.target.closest(".cell"), move = ARROWS[event.key];
    if (!cell || !move || event.ctrlKey || event.metaKey || event.altKey) return;
    this.focus(Number(cell.dataset.r) + move[0], Number(cell.dataset.c) + move[1]);
    event.preventDefault();
    event.stopPropagation();
  }

  pick(cell) {
    if (!cell) return;
    const { r, c } = cell.dataset;
    this.focus(Number(r), Number(c));
    if (cell.getAttribute("aria-disabled") === "true") return;
    this.setTriggerValue("picked", [Number(r), Number(c)]);
  }
}

function element(tag, name) {
  const made = document.createElement(tag);
  made.className = name;
  return made;
}

export default function ({ data, parentElement, setTriggerValue }) {
  let matrix = matrices.get(parentElement);
  if (!matrix) matrices.set(parentElement, (matrix = new Matrix(parentElement)));
  matrix.update({ data, setTriggerValue });
  return () => { matrices.delete(parentElement); };
}
