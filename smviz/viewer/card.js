// What is told of one box: the tip beside the pointer, and the card of the pinned box below the list.

const OUTCOMES = {
  tp: "true positive", fp: "false positive", fn: "false negative", ignored: "ignored", truth: "ground truth", plain: "",
};
const NEIGHBOURS = 4;

function outcomeOf(model, kind) {
  const [a, b] = model.names;
  return { agree: `${a} and ${b}`, only_a: `only ${a}`, only_b: `only ${b}` }[kind] ?? OUTCOMES[kind];
}

function scoreText(model, item) { return Number.isNaN(model.score[item]) ? "" : model.score[item].toFixed(3); }

function fillTip(tip, model, item) {
  const { box } = model, kind = model.kind(item), partner = model.partner(item);
  const [left, top, right, bottom] = box.slice(4 * item, 4 * item + 4).map((value) => Math.round(value));
  const outcome = [outcomeOf(model, kind), partner === null ? "" : `IoU ${iouOf(box, item, partner).toFixed(2)}`].filter(Boolean).join(", ");
  tip.querySelector("i").style.background = model.colour(item, kind);
  tip.querySelector("b").textContent = [model.className(item), scoreText(model, item)].filter(Boolean).join("  ");
  tip.querySelector("span").textContent = `${outcome ? `${outcome}\n` : ""}` +
    `${widthOf(box, item).toFixed(0)} × ${heightOf(box, item).toFixed(0)} px\nx ${left}–${right}, y ${top}–${bottom}`;
}

class Card {
  constructor(root) {
    this.element = root.querySelector(".card");
    this.facts = this.element.querySelector("dl");
  }

  wire({ select, close }) {
    this.element.onclick = (event) => {
      const near = event.target.closest("[data-near]");
      if (near) select(Number(near.dataset.near));
    };
    this.element.querySelector(".close").onclick = close;
  }

  show(model, item, boxes) {
    this.element.hidden = item === null;
    if (item === null) return;
    const { box, frame } = model, kind = model.kind(item), [left, top, right, bottom] = box.slice(4 * item, 4 * item + 4);
    const px = (value) => COUNTED.format(Math.round(value * 100) / 100), share = (value, side) => (value / side).toFixed(4);
    this.element.querySelector(".swatch").style.background = model.colour(item, kind);
    this.element.querySelector("b").textContent = [model.className(item), scoreText(model, item)].filter(Boolean).join("  ");
    this.element.querySelector(".outcome").textContent = outcomeOf(model, kind);
    this.facts.textContent = "";
    this.fact("Pixels", `x ${px(left)} – ${px(right)}, y ${px(top)} – ${px(bottom)}`);
    this.fact("Normalised", `x ${share(left, frame.width)} – ${share(right, frame.width)}, y ${share(top, frame.height)} – ${share(bottom, frame.height)}`);
    const area = areaOf(box, item), part = (100 * area) / (frame.width * frame.height);
    this.fact("Size", `${px(right - left)} × ${px(bottom - top)} px, area ${COUNTED.format(Math.round(area))} px² (${part.toPrecision(2)} %)`);
    if (model.hasTruth && !model.isTruth(item)) this.near("Ground truth", model, model.neighbours(model.labelled(), item).slice(0, 1), boxes);
    const near = model.neighbours(boxes.filter((other) => model.isTruth(item) || !model.isTruth(other)), item);
    this.near("Overlaps", model, near.slice(0, NEIGHBOURS), boxes, near.length - NEIGHBOURS);
  }

  fact(name, value) {
    const term = document.createElement("dt"), told = document.createElement("dd");
    term.textContent = name;
    told.append(value);
    this.facts.append(term, told);
    return told;
  }

  // Boxes by the IoU with this one; those on the picture can be pinned from here.
  near(name, model, all, boxes, more = 0) {
    const told = this.fact(name, all.length ? "" : "none");
    for (const [other, overlap] of all) {
      const place = document.createElement(boxes.includes(other) ? "button" : "span");
      place.textContent = `${model.isOther(other) ? `${model.names[1]}: ` : ""}${model.className(other)} ${scoreText(model, other)}`.trim();
      if (place.localName === "button") Object.assign(place, { type: "button", title: "Pin this box" }).dataset.near = other;
      told.append(place, ` IoU ${overlap.toFixed(2)} `);
    }
    if (more > 0) told.append(`and ${more} more`);
  }
}
