// Two sets of one image: on two pictures that move together, on one that a handle parts, or on one in two colours.

class Panes {
  constructor(board) {
    this.board = board;
    this.twin = null; // the second picture, made when it is first asked for
    this.handle = board.find(".swipe");
    this.whose = null; // the set whose threshold the slider moves: "a", "b", or null for both
    this.view = "Difference";
  }

  get apart() { return this.view !== "Difference"; }
  get twins() { return this.view === "Side by side"; }

  wire() {
    const { board, handle } = this;
    handle.onpointerdown = (event) => { handle.setPointerCapture(event.pointerId); event.stopPropagation(); };
    handle.onpointermove = (event) => {
      if (!handle.hasPointerCapture(event.pointerId)) return;
      const { left, width } = board.stage.element.getBoundingClientRect();
      this.swipeTo(((event.clientX - left) / width) * 100);
      event.stopPropagation();
    };
    handle.onpointerup = handle.ondblclick = (event) => event.stopPropagation();
    handle.onkeydown = (event) => {
      const step = { ArrowLeft: -2, ArrowRight: 2, PageDown: -10, PageUp: 10, Home: -100, End: 100 }[event.key];
      if (step === undefined) return;
      this.swipeTo(this.share + step);
      event.preventDefault();
      event.stopPropagation();
    };
    for (const [name, whose] of [["both", null], ["a", "a"], ["b", "b"]]) board.find(`.whose .of-${name}`).onclick = () => this.choose(whose);
    this.swipeTo(50);
  }

  unwire() { this.twin?.unwire(); }

  makeTwin() {
    const { board } = this, element = board.find(".twin-template").content.firstElementChild.cloneNode(true);
    board.find(".stages").append(element);
    const twin = (this.twin = new Stage(element));
    twin.wire({
      change: () => { if (!this.following) board.stage.set(twin.view); },
      hover: (point, target) => board.point(point, target, true),
      click: (point) => board.click(point, true),
      loaded: () => board.repaint(),
      fetching: () => {},
    });
  }

  swipeTo(percent) {
    this.share = Math.max(0, Math.min(100, percent));
    this.board.stage.element.style.setProperty("--swipe", `${this.share}%`);
    this.handle.setAttribute("aria-valuenow", Math.round(this.share));
  }

  show({ pair }) {
    const { board } = this, { find } = board;
    this.view = pair?.view ?? "Difference";
    this.best = pair?.best ?? null;
    board.root.dataset.view = this.view;
    if (this.twins && !this.twin) this.makeTwin();
    if (this.twin) this.twin.element.hidden = !this.twins;
    this.handle.hidden = find(".boxes-b").hidden = this.view !== "Swipe";
    find(".whose").hidden = pair === null;
    find(".stage .of-a").hidden = !this.apart;
    find(".stage .of-b").hidden = this.view !== "Swipe";
    if (pair === null) return;
    for (const [at, name] of [".of-a", ".of-b"].entries()) {
      for (const place of board.root.querySelectorAll(`.caption${name}`)) place.textContent = place.title = pair.captions[at];
    }
  }

  // When the first picture has its place.
  showTwin({ image, stage_height: height }) {
    if (!this.twins) return;
    this.following = true;
    this.twin.show(image, height);
    this.following = false;
    this.follow();
  }

  // The second picture goes where the first is.
  follow() {
    if (!this.twins || !this.twin.frame || !this.twin.element.clientWidth) return; // it is not laid out yet
    this.following = true;
    this.twin.set(this.board.stage.view);
    this.following = false;
  }

  // ---- which boxes are where

  of(boxes, second) {
    const { model } = this.board;
    return boxes.filter((item) => model.isTruth(item) || model.isOther(item) === second);
  }

  layers(boxes) {
    const canvas = this.board.find(".stage .boxes");
    if (!this.apart) return [{ canvas, boxes }];
    const other = this.board.find(this.twins ? ".twin .boxes" : ".boxes-b");
    return [{ canvas, boxes: this.of(boxes, false) }, { canvas: other, boxes: this.of(boxes, true) }];
  }

  // On the picture of the other set the partner is pointed at.
  focus(items) {
    const { model, find } = this.board, canvas = find(".stage .focus");
    if (!this.twins) return [{ canvas, items }];
    const seen = (second) => items.map((item) => (this.of([item], second).length ? item : model.partner(item))).filter((item) => item !== null);
    return [{ canvas, items: seen(false) }, { canvas: find(".twin .focus"), items: seen(true) }];
  }

  // The boxes that can be pointed at, at a place across the stage.
  at(boxes, x, second = this.view === "Swipe" && x > (this.share / 100) * this.board.stage.width) {
    return this.apart ? this.of(boxes, second) : boxes;
  }

  // ---- whose threshold

  choose(whose) {
    const { choice } = this.board;
    this.whose = whose;
    this.board.change({ otherThreshold: whose === null ? null : choice.otherThreshold ?? choice.threshold });
  }

  get word() { return this.whose === null ? null : this.whose.toUpperCase(); }
  get moved() { return this.whose === "b" ? this.board.choice.otherThreshold : null; }

  ticks() {
    const { choice, model } = this.board, at = { a: choice.threshold, b: choice.otherThreshold };
    if (this.whose === null || choice.own !== null) return null;
    return ["a", "b"].filter((set) => set !== this.whose).map((set) => ({ id: set, colour: model.colours[`only_${set}`], threshold: at[set] }));
  }

  // What the slider moves follows what is set: one threshold for both, or one each.
  settle() {
    const { otherThreshold } = this.board.choice;
    this.whose = otherThreshold === null ? null : this.whose ?? "a";
  }

  mark() {
    for (const [name, whose] of [["both", null], ["a", "a"], ["b", "b"]]) {
      this.board.find(`.whose .of-${name}`).setAttribute("aria-pressed", this.whose === whose);
    }
    this.board.host.dataset.other = this.board.choice.otherThreshold ?? "";
  }
}
