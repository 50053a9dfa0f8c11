// A field for an expression, and a menu that opens at its button: of the images and of the classes alike.

const TYPING = 200; // milliseconds after the last key

// A field that is searched by when a person pauses or presses Enter, with the button that clears it. Returns what forgets
// a search that is still to come.
function wireFilter(field, clear, search) {
  let timer = null;
  field.oninput = () => {
    clearTimeout(timer);
    timer = setTimeout(() => search(field.value), TYPING);
  };
  field.onkeydown = ({ key }) => { if (key === "Enter") search(field.value); };
  clear.onclick = () => { search(""); field.focus(); };
  return () => clearTimeout(timer);
}

// What is wrong with a text, marked where it is; nothing where `wrong` is null.
function showWrong(place, field, text, wrong) {
  const code = place.querySelector("code");
  place.hidden = wrong === null;
  field.setAttribute("aria-invalid", wrong !== null);
  if (wrong === null) return;
  const marked = document.createElement("mark");
  marked.textContent = text.slice(wrong.at, wrong.end) || " ";
  code.replaceChildren(text.slice(0, wrong.at), marked, text.slice(wrong.end));
  place.querySelector("span").textContent = wrong.message;
}

// Opens a box at its button; Escape closes it, and a click elsewhere. Returns what takes the listener away.
function wirePopup(button, box) {
  const set = (open) => { box.hidden = !open; button.setAttribute("aria-expanded", open); };
  button.onclick = () => set(box.hidden);
  const away = (event) => { if (!box.hidden && !event.composedPath().some((part) => part === box || part === button)) set(false); };
  const escape = (event) => {
    if (event.key !== "Escape" || box.hidden) return;
    event.stopPropagation();
    set(false);
    button.focus();
  };
  box.onkeydown = button.onkeydown = escape;
  window.addEventListener("pointerdown", away);
  return () => window.removeEventListener("pointerdown", away);
}

// One box to tick for each column, [value, title]; `change` is called with the values that are ticked.
function fillColumns(list, columns, change) {
  list.replaceChildren(...columns.map(([value, title]) => {
    const label = document.createElement("label"), box = Object.assign(document.createElement("input"), { type: "checkbox", value });
    box.onchange = () => change([...list.querySelectorAll("input:checked")].map((each) => each.value));
    label.append(box, title);
    return label;
  }));
}
