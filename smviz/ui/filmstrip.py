"""Two small components: the strip of thumbnails, and images from the clipboard."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

MOST_PASTED = 25_000_000  # bytes; a message to the server carries a third more

_STRIP_CSS = """
.strip {
  display: flex; gap: 8px; padding: 3px 3px 6px; overflow-x: auto; scrollbar-width: thin; scroll-behavior: smooth;
}
.strip button {
  position: relative; flex: none; width: 92px; padding: 0; border: 0; border-radius: 6px; background: none;
  font: 500 11px/1.3 var(--st-font, system-ui, sans-serif); color: var(--st-text-color); text-align: left;
  cursor: pointer;
}
.strip button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
.strip .picture {
  display: grid; place-items: center; width: 92px; height: 56px; border-radius: 6px; overflow: hidden;
  background: #0b0d10; color: #c3cad3; font-size: 11px; box-shadow: 0 0 0 1px var(--st-border-color);
}
.strip img { width: 100%; height: 100%; object-fit: cover; display: block; }
.strip button[aria-current="true"] .picture { box-shadow: 0 0 0 3px var(--st-primary-color); }
.strip .name {
  display: block; margin-top: 4px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; opacity: .8;
}
.strip button[aria-current="true"] .name { opacity: 1; font-weight: 600; }
.strip .mark {
  position: absolute; right: 4px; top: 36px; min-width: 18px; padding: 0 5px; border-radius: 8px; color: #fff;
  background: rgb(11 13 16 / 88%); font: 600 11px/16px var(--st-font, sans-serif); text-align: center;
  font-variant-numeric: tabular-nums;
}
.strip .mark.failed { background: #b3261e; }
.strip .mark.new { background: rgb(11 13 16 / 70%); color: #c3cad3; font-weight: 500; }
"""
_STRIP_JS = """
export default function ({ data, parentElement, setTriggerValue }) {
  const strip = parentElement.querySelector(".strip");
  const at = strip.scrollLeft, shown = strip.dataset.current;
  strip.replaceChildren(...data.items.map((item) => {
    const button = document.createElement("button");
    button.type = "button";
    button.title = item.title;
    button.setAttribute("aria-label", item.title);
    button.setAttribute("aria-current", String(item.key === data.current));
    button.onclick = () => setTriggerValue("opened", item.key);
    const picture = document.createElement("span");
    picture.className = "picture";
    if (item.url) {
      const image = document.createElement("img");
      image.src = item.url;
      image.alt = "";
      picture.append(image);
    } else picture.textContent = "no image";
    const mark = document.createElement("span");
    mark.className = `mark ${item.state}`;
    mark.textContent = item.mark;
    const name = document.createElement("span");
    name.className = "name";
    name.textContent = item.name;
    button.append(picture, mark, name);
    return button;
  }));
  strip.scrollLeft = at;
  strip.dataset.current = data.current;
  if (shown !== data.current) {
    const open = strip.querySelector('[aria-current="true"]');
    if (open) strip.scrollLeft = open.offsetLeft - strip.offsetLeft - strip.clientWidth / 2 + 46;
  }
}
"""
_PASTE_JS = """
const listeners = new WeakMap();
const encoded = (file) => new Promise((resolve) => {
  const reader = new FileReader();
  reader.onload = () => resolve({ type: file.type, data: reader.result.slice(reader.result.indexOf(",") + 1) });
  reader.readAsDataURL(file);
});
export default function ({ data, parentElement, setTriggerValue }) {
  document.removeEventListener("paste", listeners.get(parentElement));
  const listen = async (event) => {
    const files = [...(event.clipboardData?.files ?? [])].filter((file) => file.type.startsWith("image/"));
    if (!files.length) return;
    event.preventDefault();
    const large = files.some((file) => file.size > data.most);
    setTriggerValue("pasted", large ? { large } : { images: await Promise.all(files.map(encoded)) });
  };
  listeners.set(parentElement, listen);
  document.addEventListener("paste", listen);
  return () => document.removeEventListener("paste", listeners.get(parentElement));
}
"""

_strip = st.components.v2.component(
    "smviz_filmstrip", html='<div class="strip" role="list"></div>\n', css=_STRIP_CSS, js=_STRIP_JS
)
_paste = st.components.v2.component("smviz_paste", html="<span hidden></span>\n", js=_PASTE_JS)


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of the strip.

    Attributes:
        key: what `on_open` is given.
        url: of the thumbnail; None where there is none.
        mark: a short word or number on it.
        state: "done", "failed" or "new".
        title: what is said of it when the pointer rests on it, and to screen readers.
    """

    key: str
    name: str
    url: str | None
    mark: str
    state: str
    title: str


def filmstrip(frames: Sequence[Frame], current: str, on_open: Callable[[str], None]) -> None:
    """A row of thumbnails; `on_open` is called, before the page runs again, with the key of the one clicked."""

    def opened() -> None:
        key = st.session_state["filmstrip"].opened
        if key in {frame.key for frame in frames}:
            on_open(key)

    items: list[dict[str, Any]] = [
        {"key": f.key, "name": f.name, "url": f.url, "mark": f.mark, "state": f.state, "title": f.title} for f in frames
    ]
    _strip(key="filmstrip", data={"items": items, "current": current}, on_opened_change=opened)


def paste_listener(on_paste: Callable[[list[bytes]], None]) -> None:
    """Takes images that are pasted anywhere on the page; nothing of it is seen."""

    def pasted() -> None:
        told = st.session_state["paste"].pasted or {}
        if told.get("large"):
            st.toast(f"That image has more than {MOST_PASTED // 1_000_000} MB; upload it as a file.")
            return
        try:
            on_paste([base64.b64decode(image["data"], validate=True) for image in told.get("images", ())])
        except (binascii.Error, KeyError, TypeError):
            st.toast("What was pasted is no image.")

    _paste(key="paste", data={"most": MOST_PASTED}, on_pasted_change=pasted, width=1, height=1)
