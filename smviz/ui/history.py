"""The images of a session: what was opened, brought, pasted or photographed. Kept in the session only."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import streamlit as st

from smviz import images
from smviz.errors import BadImage, NotAllowed
from smviz.records import Payload
from smviz.ui.frame import plain
from smviz.ui.resources import image_check

MOST_IMAGES = 100
MOST_BYTES = 300_000_000  # of the files, as they came
THUMBNAIL = 144  # pixels wide


class NothingToShow(Exception):
    """Why an image is not shown has been said on the page; what is above and beside it is drawn all the same."""


@dataclass(frozen=True, slots=True)
class Held:
    """An image of the session.

    Attributes:
        key: names it in the session.
        name: of the file.
        data: the file's bytes.
        sample: whether it is one of the sample scenes.
        payload: what is sent of it; None until it was looked at, or when it cannot be decoded.
        error: why it cannot be decoded, or is too large for this server.
    """

    key: str
    name: str
    data: bytes
    sample: bool = False
    payload: Payload | None = None
    error: BadImage | NotAllowed | None = None


def held() -> dict[str, Held]:
    """The images of this session by key, in the order in which they came."""
    kept: dict[str, Held] = st.session_state.setdefault("images", {})
    return kept


def add(name: str, data: bytes, sample: bool = False) -> str:
    """Keep an image, and return its key; the oldest give way where there are too many, with a word about it."""
    key = hashlib.sha256(data + b"\0" + name.encode("utf-8", "replace")).hexdigest()[:16]
    kept = held()
    if key not in kept:
        kept[key] = _allowed(Held(key, name, data, sample))
        _forget_oldest(kept, key)
    return key


def _allowed(item: Held) -> Held:
    """The image, or in place of one that is too large for this server why it is not kept."""
    try:
        image_check()(item.data, item.name)
    except BadImage:  # told where it is looked at
        return item
    except NotAllowed as error:
        return replace(item, data=b"", error=error)
    return item


def open_image(key: str) -> None:
    """Show this image."""
    st.session_state["current image"] = key


def current() -> Held | None:
    """The image that is shown."""
    return held().get(st.session_state.get("current image", ""))


def looked_at(item: Held, kept: dict[str, Held]) -> Held:
    """The image with what is sent of it, or why nothing can be; decoded once and kept. Any thread may ask."""
    if item.payload is None and item.error is None:
        try:
            item = replace(item, payload=images.prepare(item.data, item.name))
        except BadImage as error:
            item = replace(item, error=error)
        if item.key in kept:
            kept[item.key] = item
    return item


@st.cache_data(max_entries=2 * MOST_IMAGES, scope="session", show_spinner=False)
def thumbnail(key: str, _item: Held) -> bytes | None:
    """A small JPEG of an image; None where it cannot be decoded."""
    if _item.error is not None:
        return None
    try:
        return images.thumbnail(_item.data, THUMBNAIL)
    except BadImage:
        return None


def _forget_oldest(kept: dict[str, Held], newest: str) -> None:
    dropped = []
    size = sum(len(item.data) for item in kept.values())
    for key, item in list(kept.items()):
        if len(kept) <= MOST_IMAGES and size <= MOST_BYTES:
            break
        if key not in {newest, st.session_state.get("current image")}:
            size -= len(kept.pop(key).data)
            dropped.append(item.name)
    if dropped:
        more = f" and {len(dropped) - 1} more" if len(dropped) > 1 else ""
        st.toast(f"The oldest images made room: {plain(dropped[0])}{more}.", icon=":material/history:")
