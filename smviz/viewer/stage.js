// The picture: zoom, pan and pointing. The view {k, x, y} takes image pixels to stage pixels.

const CLOSEST = 40; // CSS pixels per image pixel

class Stage {
  constructor(element) {
    this.element = element;
    this.image = element.querySelector("img.shown");
    this.full = element.querySelector("img.full");
    this.view = { k: 1, x: 0, y: 0 };
    this.fitted = true;
    this.pointers = new Map();
    this.zoomedAt = 0;
    this.pageScrolledAt = 0;
    this.asked = this.decoded = false; // of the image with all pixels
  }

  get width() { return sizeOf(this.element)[0]; }
  get height() { return sizeOf(this.element)[1]; }
  get fitScale() { return Math.min(this.width / this.frame.width, this.height / this.frame.height); }

  wire({ change, hover, click, loaded, fetching }) {
    Object.assign(this, { change, fetching });
    const { element } = this;
    const at = (event) => {
      const rect = element.getBoundingClientRect();
      return [event.clientX - rect.left, event.clientY - rect.top];
    };
    element.addEventListener("wheel", (event) => this.wheel(event, at(event)), { passive: false });
    element.onpointerdown = (event) => this.press(event, at(event));
    element.onpointermove = (event) => { if (!this.drag(event, at(event))) hover(at(event), event.target); };
    element.onpointerup = element.onpointercancel = (event) => {
      const clicked = event.type === "pointerup" && this.pointers.size === 1 && this.travel < 4;
      this.pointers.delete(event.pointerId);
      element.classList.toggle("panning", false);
      if (clicked) click(at(event));
    };
    element.onpointerleave = () => hover(null);
    element.ondblclick = (event) => { if (!this.isHelp(event.target)) this.zoomAt(at(event), 2); };
    this.image.onload = () => loaded(true);
    this.image.onerror = () => loaded(false);
    // A page that is being scrolled keeps scrolling when the pointer comes across the picture.
    this.scrolled = () => { this.pageScrolledAt = performance.now(); };
    window.addEventListener("scroll", this.scrolled, { capture: true, passive: true });
  }

  unwire() { window.removeEventListener("scroll", this.scrolled, { capture: true }); }

  isHelp(target) { return target.closest(".help") !== null; }

  show(frame, height) {
    const changed = !this.frame || this.frame.key !== frame.key;
    this.frame = frame;
    this.element.style.aspectRatio = `${frame.width} / ${frame.height}`;
    this.element.style.setProperty("--stage-height", `${height}px`);
    for (const image of [this.image, this.full]) {
      image.style.width = `${frame.width}px`;
      image.style.height = `${frame.height}px`;
    }
    if (this.image.getAttribute("src") !== frame.url) this.image.src = frame.url;
    if (this.fullUrl !== frame.full) this.dropFull();
    measure(this.element);
    if (changed) this.fit();
    return changed;
  }

  dropFull() {
    this.fullUrl = this.frame.full;
    this.asked = this.decoded = false;
    this.full.removeAttribute("src");
    this.full.hidden = true;
  }

  // All pixels are fetched once, when the screen has more of them than the image shown. Until they are decoded the
  // image shown stays, and it comes back when it is enough: 108 megapixels are slow to scale down.
  async wantFull() {
    const enough = this.view.k * (window.devicePixelRatio || 1) <= (1.05 * this.image.naturalWidth) / this.frame.width;
    this.full.hidden = enough || !this.decoded;
    if (enough || this.asked || !this.fullUrl || !this.image.naturalWidth) return;
    const url = this.fullUrl;
    this.asked = true;
    this.fetching(true);
    this.full.src = url;
    // So large an image may find no room to be decoded beforehand; then it is decoded when it is painted.
    const good = await this.full.decode().then(() => true, () => this.full.naturalWidth > 0);
    if (url !== this.fullUrl) return;
    this.decoded = good;
    this.fetching(false);
    this.wantFull();
  }

  // The view as viewers of other sizes understand it: zoom over fit, and the middle as shares of the image.
  get relative() {
    const { k, x, y } = this.view, { width, height } = this.frame;
    return { zoom: k / this.fitScale, at: [(this.width / 2 - x) / k / width, (this.height / 2 - y) / k / height] };
  }

  setRelative({ zoom, at: [u, v] }) {
    const k = zoom * this.fitScale, { width, height } = this.frame;
    this.set({ k, x: this.width / 2 - u * width * k, y: this.height / 2 - v * height * k });
  }

  allowed(scale) { return Math.max(this.fitScale, Math.min(Math.max(CLOSEST, this.fitScale), scale)); }

  resize() {
    if (this.fitted) this.fit();
    else this.set(this.view);
  }

  fit() {
    this.fitted = true;
    this.set({ k: this.fitScale, x: 0, y: 0 });
  }

  // The image never leaves the frame: it is centred along a side that it does not fill, and covers one that it does.
  set({ k, x, y }) {
    const scale = this.allowed(k);
    const hold = (offset, length, room) => (length <= room + 0.5 ? (room - length) / 2 : Math.min(0, Math.max(room - length, offset)));
    this.view = {
      k: scale,
      x: hold(x, this.frame.width * scale, this.width),
      y: hold(y, this.frame.height * scale, this.height),
    };
    this.fitted = scale <= this.fitScale * 1.0001;
    this.image.style.transform = this.full.style.transform = `translate(${this.view.x}px, ${this.view.y}px) scale(${scale})`;
    this.wantFull();
    this.element.classList.toggle("close", scale > 4);
    this.element.style.touchAction = this.fitted ? "pan-y" : "none";
    this.change();
  }

  // What is at a point of the stage goes to another one, or stays.
  zoomAt([px, py], factor, [qx, qy] = [px, py]) {
    const { k, x, y } = this.view;
    const scale = this.allowed(k * factor);
    this.set({ k: scale, x: qx - ((px - x) * scale) / k, y: qy - ((py - y) * scale) / k });
  }

  zoomMiddle(factor) { this.zoomAt([this.width / 2, this.height / 2], factor); }

  zoomTo([left, top, right, bottom]) {
    const room = Math.min(this.width / Math.max(1, right - left), this.height / Math.max(1, bottom - top));
    this.centre([left, top, right, bottom], this.allowed(Math.min(0.8 * room, 12)));
  }

  centre([left, top, right, bottom], k) {
    this.set({ k, x: this.width / 2 - ((left + right) / 2) * k, y: this.height / 2 - ((top + bottom) / 2) * k });
  }

  // Brings a box into sight without changing the scale.
  reveal([left, top, right, bottom]) {
    const { k, x, y } = this.view;
    const inside = left * k + x >= 0 && right * k + x <= this.width && top * k + y >= 0 && bottom * k + y <= this.height;
    if (!inside) this.centre([left, top, right, bottom], k);
  }

  // Whether the picture moved: when it cannot, the key is the page's.
  pan(dx, dy) {
    const before = this.view;
    this.set({ k: before.k, x: before.x + dx, y: before.y + dy });
    return before.x !== this.view.x || before.y !== this.view.y;
  }

  // The wheel zooms, but is no trap: a scroll that began on the page goes on, and a picture that is all in view lets
  // the page scroll down.
  wheel(event, point) {
    const now = performance.now();
    const pageMoves = now - this.pageScrolledAt < 200 && now - this.zoomedAt > 200;
    const nothingLeft = this.fitted && event.deltaY > 0 && now - this.zoomedAt > 400;
    if (!event.ctrlKey && (pageMoves || nothingLeft)) return;
    event.preventDefault();
    this.zoomedAt = now;
    const pixels = event.deltaY * (event.deltaMode === 1 ? 33 : 1);
    this.zoomAt(point, Math.exp(-Math.max(-240, Math.min(240, pixels)) * (event.ctrlKey ? 0.01 : 0.002)));
  }

  press(event, point) {
    if (event.button !== 0 || this.isHelp(event.target)) return;
    this.element.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, point);
    this.travel = this.pointers.size > 1 ? Infinity : 0;
  }

  drag(event, point) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return false;
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, other]) => other);
    this.pointers.set(event.pointerId, point);
    this.travel += Math.hypot(point[0] - before[0], point[1] - before[1]);
    if (others.length) {
      const [other] = others;
      const distance = (p) => Math.max(1, Math.hypot(p[0] - other[0], p[1] - other[1]));
      const middle = (p) => [(p[0] + other[0]) / 2, (p[1] + other[1]) / 2];
      this.zoomAt(middle(before), distance(point) / distance(before), middle(point));
    } else if (this.travel >= 4) {
      this.element.classList.add("panning");
      this.pan(point[0] - before[0], point[1] - before[1]);
    }
    return true;
  }
}
