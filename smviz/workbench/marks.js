// How numbers are written and canvases are prepared.

const GROUPED = new Intl.NumberFormat("en");

// What is written already stays: text that is set again is laid out again.
function write(element, text) { if (element.textContent !== text) element.textContent = text; }

function place(element, property, value) { if (element.style[property] !== value) element.style[property] = value; }

function inThree(value) { return Number.isNaN(value) ? "—" : value.toFixed(3); }

function counted(count, one, many = `${one}s`) { return `${GROUPED.format(count)} ${count === 1 ? one : many}`; }

// A pen in CSS pixels on a canvas that is as sharp as the screen. Asking the canvas for its size lays the page out, so
// at every move the size that is known is given.
function penOn(canvas, { width, height } = sizeOf(canvas)) {
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w) canvas.width = w;
  if (canvas.height !== h) canvas.height = h;
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width, height, ratio };
}

function sizeOf(element) { return { width: element.clientWidth, height: element.clientHeight }; }

// Bars from the bottom up, a colour for each part: [{ bins, colour }]. Square roots, or one full bin flattens the rest.
function paintBins(pen, parts, { left = 0, width, height }) {
  const bins = parts[0].bins.length, sums = Array.from({ length: bins }, (_, i) => parts.reduce((sum, { bins: part }) => sum + part[i], 0));
  const scale = (height - 1) / Math.sqrt(Math.max(1, ...sums)), step = width / bins, gap = step > 5 ? 1 : step > 3 ? 0.5 : 0;
  const below = new Float64Array(bins);
  for (const { bins: part, colour } of parts) {
    pen.fillStyle = colour;
    for (let i = 0; i < bins; i++) {
      if (!part[i]) continue;
      const tall = (Math.max(2, Math.sqrt(sums[i]) * scale) * part[i]) / sums[i];
      pen.fillRect(left + i * step, height - below[i] - tall, step - gap, tall);
      below[i] += tall;
    }
  }
}

// Whether a computed colour is light, as text is in the dark theme.
function isLight(colour) {
  const [red, green, blue] = colour.match(/[\d.]+/g).map(Number);
  return 0.3 * red + 0.6 * green + 0.1 * blue > 128;
}

function showFailure(root, error) {
  const box = root.querySelector(".failed");
  box.hidden = false;
  write(box.querySelector("span"), `${error.message} Reload the page.`);
}
