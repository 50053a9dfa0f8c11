// A chip per class: a click puts it in or out, a double or shifted click chooses only this one, and again all.

class Chips {
  constructor(root, choose) {
    this.find = (name) => root.querySelector(name);
    this.choose = choose;
    this.list = this.find(".chips");
    this.find(".all").onclick = () => choose(null);
    this.find(".none").onclick = () => choose([]);
    this.find(".find").oninput = () => this.search();
    this.list.onclick = (event) => this.click(event);
    this.list.onkeydown = (event) => this.press(event);
  }

  build(names, colours) {
    if (this.names && names.length === this.names.length && names.every((name, k) => name === this.names[k])) return;
    this.names = names;
    this.find(".find").hidden = names.length <= FEW_CLASSES;
    this.chips = names.map((name, k) => newChip(name, k, colours[k]));
    this.ordered = null;
  }

  show(columns, state) {
    const objects = objectsByClass(columns, state.area), chosen = chosenClasses(columns, state.classes);
    if (this.ordered !== objects) this.order(objects);
    this.chosen = chosen;
    let count = 0;
    this.chips.forEach((chip, k) => {
      count += chosen[k];
      const pressed = String(Boolean(chosen[k]));
      if (chip.getAttribute("aria-pressed") !== pressed) chip.setAttribute("aria-pressed", pressed);
    });
    write(this.find(".how-many"), state.classes === null ? "" : `${count} of ${counted(this.names.length, "class", "classes")}`);
  }

  // Many classes stand by falling number of objects.
  order(objects) {
    this.ordered = objects;
    const ids = [...this.names.keys()];
    if (ids.length > FEW_CLASSES) ids.sort((a, b) => objects[b] - objects[a] || a - b);
    this.chips.forEach((chip, k) => {
      write(chip.lastChild, GROUPED.format(objects[k]));
      chip.title = `${this.names[k]}: ${counted(objects[k], "object")}. Shift-click, double-click or O: only this class.`;
    });
    this.list.replaceChildren(...ids.map((k) => this.chips[k]));
    this.search();
  }

  search() {
    const sought = this.find(".find").value.trim().toLowerCase();
    this.chips.forEach((chip, k) => { chip.hidden = !this.names[k].toLowerCase().includes(sought); });
  }

  click(event) {
    const chip = event.target.closest(".chip");
    if (!chip) return;
    // The first click of a double one has already put it in or out.
    if (event.shiftKey) this.only(Number(chip.dataset.id));
    else if (event.detail === 2) this.choose([Number(chip.dataset.id)]);
    else this.toggle(Number(chip.dataset.id));
  }

  press(event) {
    const chip = event.target.closest(".chip");
    if (!chip || event.key.toLowerCase() !== "o") return;
    event.preventDefault();
    this.only(Number(chip.dataset.id));
  }

  only(id) {
    const already = this.chosen[id] && this.chosen.reduce((sum, one) => sum + one, 0) === 1;
    this.choose(already ? null : [id]);
  }

  toggle(id) {
    const ids = [...this.names.keys()].filter((k) => (k === id ? !this.chosen[k] : this.chosen[k]));
    this.choose(ids.length === this.names.length ? null : ids);
  }
}

function newChip(name, id, colour) {
  const chip = document.createElement("button"), swatch = document.createElement("i");
  const label = document.createElement("span"), count = document.createElement("em");
  Object.assign(chip, { type: "button", className: "chip" });
  chip.dataset.id = id;
  swatch.className = "swatch";
  swatch.style.background = colour;
  label.className = "name";
  label.textContent = name;
  chip.append(swatch, label, count);
  return chip;
}
