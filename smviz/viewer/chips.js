// The classes, with their counts and thresholds, and the outcomes: each is a switch.

const LEGENDS = {
  tp: ["TP", "True positives: detections that match a labelled object"],
  fp: ["FP", "False positives: detections that match none"],
  fn: ["FN", "False negatives: labelled objects that no detection shown matches"],
  ignored: ["Ignored", "Detections that count neither way"],
};

function makeChip(place, name, look, title) {
  const button = document.createElement("button"), swatch = document.createElement("i");
  const text = document.createElement("span"), number = document.createElement("em");
  button.type = "button";
  button.className = "chip";
  button.title = title;
  swatch.className = "swatch";
  look(swatch);
  text.className = "name";
  text.textContent = name;
  button.append(swatch, text, number);
  place.append(button);
  return { button, number };
}

class Chips {
  constructor(root) {
    this.find = (name) => root.querySelector(name);
  }

  wire(actions) { this.actions = actions; }

  build(model) {
    this.buildClasses(model);
    this.buildOutcomes(model);
  }

  buildClasses(model) {
    const place = this.find(".chips"), totals = model.totals(), plain = !model.marked && !model.hasOther;
    const signature = JSON.stringify([[...totals], [...model.classes.values()], plain]);
    if (signature === this.classSignature) return;
    this.classSignature = signature;
    place.textContent = "";
    this.classes = new Map();
    for (const [id, { name, colour }] of model.classes) {
      const pill = document.createElement("span"), total = document.createElement("small"), cut = document.createElement("button");
      pill.className = "class";
      place.append(pill);
      const chip = makeChip(pill, name, (swatch) => {
        swatch.hidden = !plain; // otherwise colours tell the outcome
        swatch.style.background = colour;
      }, `${name}. Click: show or hide. Double click, Alt+click or S: only this one.`);
      write(total, `/${COUNTED.format(totals.get(id))}`);
      chip.button.append(total);
      chip.button.onclick = (event) => this.actions.toggleClass(id, event.altKey);
      chip.button.ondblclick = () => this.actions.toggleClass(id, true);
      cut.type = "button";
      cut.className = "cut";
      cut.onclick = () => this.actions.activate(id);
      pill.append(cut);
      this.classes.set(id, { ...chip, pill, cut });
    }
    this.find(".quick").hidden = this.classes.size < 2;
  }

  buildOutcomes(model) {
    const place = this.find(".marks"), ignored = model.marked && model.ignored.slice(0, model.count).some(Boolean);
    const signature = JSON.stringify([model.marked, model.hasTruth, model.hasOther, ignored, model.names, model.agreeIou, model.paired]);
    if (signature === this.outcomeSignature) return;
    this.outcomeSignature = signature;
    place.textContent = "";
    this.outcomes = new Map();
    const add = (kind, name, key, title) => {
      const mark = makeChip(place, name, (swatch) => {
        swatch.classList.add("outline", kind);
        swatch.style.borderColor = (kind === "truth" && !model.paired) || kind === "difference" ? "currentcolor" : model.colours[kind];
        swatch.hidden = kind === "difference";
      }, title);
      const hint = document.createElement("kbd");
      hint.textContent = key;
      if (key) mark.button.append(hint);
      mark.button.onclick = () => this.actions.toggleOutcome(kind);
      this.outcomes.set(kind, mark);
    };
    if (model.marked) ["tp", "fp", "fn"].forEach((kind, at) => add(kind, LEGENDS[kind][0], `${at + 1}`, LEGENDS[kind][1]));
    if (ignored) add("ignored", LEGENDS.ignored[0], "", LEGENDS.ignored[1]);
    if (model.hasOther) {
      const [a, b] = model.names;
      add("agree", "Both", "1", `Found by ${a} and ${b}: same class, IoU of at least ${model.agreeIou}`);
      add("only_a", `Only ${a}`, "2", `Found by ${a} alone`);
      add("only_b", `Only ${b}`, "3", `Found by ${b} alone`);
    }
    if (model.hasTruth) add("truth", model.marked ? "Found" : "Ground truth", "G", "Labelled objects");
    if (model.marked || model.hasOther) add("difference", "Differences", "D", "Only what differs: nothing that is right, or that both found");
  }

  show({ shown, choice, off, truth, difference, active, model }) {
    this.classes.forEach(({ button, number, pill, cut }, id) => {
      button.setAttribute("aria-pressed", !choice.hidden.has(id));
      write(number, shown.perClass.get(id) || 0);
      cut.hidden = choice.own === null;
      pill.classList.toggle("own", choice.own !== null);
      if (cut.hidden) return;
      const { name } = model.classes.get(id), threshold = formatThreshold(choice.thresholdOf(name));
      write(cut, `≥ ${threshold}`);
      cut.title = `Threshold of ${name}: click to move it with the slider`;
      cut.setAttribute("aria-label", `Threshold of ${name}: ${threshold}`);
      cut.setAttribute("aria-pressed", id === active);
    });
    this.outcomes.forEach(({ button, number }, kind) => {
      const on = kind === "truth" ? truth : kind === "difference" ? difference : !off.has(kind);
      button.setAttribute("aria-pressed", on);
      write(number, kind === "difference" ? "" : shown.perKind[kind] || 0);
    });
  }
}
