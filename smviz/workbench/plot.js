// A chart from 0 to 1 on both axes: what follows the threshold is drawn on a layer above what does not.

const MARGIN = { left: 44, right: 14, top: 22, bottom: 40 };

class Plot {
  constructor(root, across, up) {
    Object.assign(this, { root, across, up });
    this.base = root.querySelector(".base");
    this.top = root.querySelector(".top");
    this.tip = root.querySelector(".tip");
  }

  set height(height) { place(this.root, "height", `${height}px`); }

  // Place, sharpness and theme, which a layer depends on beside the data; asked for only when they may have changed.
  measure() {
    const style = getComputedStyle(this.root);
    this.size = sizeOf(this.root);
    this.scale = scaleOf(this.size.width, this.size.height);
    this.text = style.color;
    this.page = style.getPropertyValue("--page").trim();
    this.font = style.fontFamily;
    this.look = `${this.size.width} ${this.size.height} ${window.devicePixelRatio} ${this.text}`;
  }

  // The value at a place across the chart, 0 to 1.
  valueAt(x) {
    const value = (x - MARGIN.left) / this.scale.across;
    return Math.max(0, Math.min(1, value));
  }

  pointOf(event) {
    const box = this.root.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  // An empty frame with its axes; returns the pen and a scale, so that lines need not ask the page for its size.
  begin() {
    const { pen, height } = penOn(this.base, this.size), { scale, text } = this;
    pen.font = `12px ${this.font}`;
    pen.fillStyle = pen.strokeStyle = text;
    pen.lineWidth = 1;
    for (let i = 0; i <= 5; i++) {
      const value = i / 5, x = Math.round(scale.x(value)) + 0.5, y = Math.round(scale.y(value)) + 0.5;
      pen.globalAlpha = 0.13;
      line(pen, [[x, scale.y(0)], [x, scale.y(1)]]);
      line(pen, [[scale.x(0), y], [scale.x(1), y]]);
      pen.globalAlpha = 0.66;
      pen.textAlign = "center";
      pen.fillText(value.toFixed(1), x, scale.y(0) + 16);
      pen.textAlign = "right";
      pen.fillText(value.toFixed(1), scale.x(0) - 7, y + 4);
    }
    pen.textAlign = "center";
    pen.fillText(this.across, (scale.x(0) + scale.x(1)) / 2, height - 6);
    if (this.up) this.upTitle(pen, scale);
    pen.globalAlpha = 1;
    return { pen, scale, text };
  }

  upTitle(pen, scale) {
    pen.save();
    pen.translate(11, (scale.y(0) + scale.y(1)) / 2);
    pen.rotate(-Math.PI / 2);
    pen.fillText(this.up, 0, 0);
    pen.restore();
  }

  say(lines, [x, y]) {
    const { tip } = this, { width, height } = this.size;
    tip.hidden = lines === null;
    if (lines === null) return;
    while (tip.childElementCount < lines.length) tip.append(document.createElement("div"));
    [...tip.children].forEach((row, i) => { row.hidden = i >= lines.length; write(row, lines[i] ?? ""); });
    const left = x + 14 + tip.offsetWidth > width ? Math.max(0, x - 14 - tip.offsetWidth) : x + 14;
    const top = Math.max(0, Math.min(height - tip.offsetHeight, y - tip.offsetHeight - 10));
    place(tip, "transform", `translate(${left}px, ${top}px)`);
  }
}

function scaleOf(width, height) {
  const across = width - MARGIN.left - MARGIN.right, down = height - MARGIN.top - MARGIN.bottom;
  return { across, x: (value) => MARGIN.left + value * across, y: (value) => height - MARGIN.bottom - value * down };
}

function line(pen, points) {
  pen.beginPath();
  points.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.stroke();
}

// A chart that follows the channel: measured anew when its place or the theme changes, and drawn by `draw(columns, state)`.
class LivePlot {
  constructor(parent, across, up) {
    this.host = parent.host || parent;
    this.root = parent.querySelector(".curves");
    this.find = (name) => this.root.querySelector(name);
    this.plot = new Plot(this.find(".plot"), across, up);
    this.live = new Live({ draw: (columns, state) => this.draw(columns, state), fail: (error) => showFailure(this.root, error) });
    this.observer = new ResizeObserver(() => {
      this.plot.measure();
      this.live.redraw();
    });
    this.observer.observe(this.plot.root);
  }

  unwire() {
    this.observer.disconnect();
    this.live.close();
  }

  update({ data }) {
    this.data = data;
    this.drawn = null;
    this.plot.height = data.height;
    this.plot.measure(); // this is called for another theme, too
    this.live.update(data);
  }
}
