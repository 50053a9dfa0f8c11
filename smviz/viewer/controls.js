// The row of filters, folded away until it is asked for: thresholds per class, shorter side, NMS and top k.

class Controls {
  constructor(root) {
    const find = (name) => root.querySelector(name);
    this.toggle = find(".filters-toggle");
    this.row = find(".what-if");
    this.mode = { all: find(".one-for-all"), own: find(".per-class") };
    this.side = find(".min-side");
    this.nms = find(".nms");
    this.iou = find(".nms-iou");
    this.iouValue = find(".nms-value");
    this.across = find(".across");
    this.topK = find(".top-k");
    this.reset = find(".reset");
    this.note = find(".nms-note");
    this.lastIou = 0.5;
  }

  wire({ change, own }) {
    const number = (input) => (input.value === "" || !(Number(input.value) > 0) ? null : Number(input.value));
    const nms = (on) => ({ nmsIou: on ? Number(this.iou.value) : null });
    this.toggle.onclick = () => this.open();
    this.mode.all.onclick = () => own(false);
    this.mode.own.onclick = () => own(true);
    this.side.oninput = () => change({ minSide: number(this.side) ?? 0 });
    this.topK.oninput = () => change({ topK: number(this.topK) && Math.max(1, Math.round(number(this.topK))) });
    this.nms.onchange = () => change(nms(this.nms.checked));
    this.iou.oninput = () => change(nms(true));
    this.across.onchange = () => change({ across: this.across.value === "across" });
    this.reset.onclick = () => { own(false); change({ minSide: 0, nmsIou: null, topK: null, across: false }); };
    this.toggleNms = () => change(nms(!this.nms.checked));
  }

  open(open = this.row.hidden) {
    this.row.hidden = !open;
    this.toggle.setAttribute("aria-expanded", open);
  }

  show(choice) {
    const words = choice.filters(), typed = (input) => input.getRootNode().activeElement === input;
    this.toggle.querySelector("span").textContent = words.length ? `: ${words.join(", ")}` : "";
    this.toggle.classList.toggle("on", words.length > 0);
    this.mode.all.setAttribute("aria-pressed", choice.own === null);
    this.mode.own.setAttribute("aria-pressed", choice.own !== null);
    if (!typed(this.side)) this.side.value = choice.minSide || "";
    if (!typed(this.topK)) this.topK.value = choice.topK ?? "";
    const on = choice.nmsIou !== null;
    this.nms.checked = on;
    if (on) this.iou.value = choice.nmsIou;
    this.iouValue.textContent = Number(this.iou.value).toFixed(2);
    this.iou.setAttribute("aria-valuetext", this.iouValue.textContent);
    this.across.value = choice.across ? "across" : "within";
    this.iou.disabled = this.across.disabled = !on;
    this.note.hidden = !on;
    this.reset.hidden = !words.length;
  }
}
