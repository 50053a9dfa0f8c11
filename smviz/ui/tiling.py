"""The what-if with tiles: a grid on the picture, its calls counted before they are made, and what they found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import streamlit as st

from smviz import images, tiling
from smviz.drawing import with_grid
from smviz.errors import BadResponse, BadSetting
from smviz.records import Detections, Payload
from smviz.tiling import Tile
from smviz.ui import answers
from smviz.ui.choice import Chosen, request_of
from smviz.ui.detect import Look
from smviz.ui.frame import show_error
from smviz.ui.opening import show_told
from smviz.ui.resources import LONGEST_SHOWN

WHOLE, TILES, BOTH, COMPARE = VIEWS = ("Whole image", "Tiles", "Both, merged", "Compare")
COMPARED = ("Tiles", "Whole image")
GRID, SIZE = ("Rows and columns", "Size")


@dataclass(frozen=True, eq=False)
class Tiled:
    """What the viewer shows in place of the whole image's detections.

    Attributes:
        other: the whole image's, beside those of the tiles; None where they are not compared.
        picture: with the grid drawn in, or None.
        what: in words, for exports; "" for the whole image.
    """

    detections: Detections
    other: Detections | None = None
    picture: bytes | None = None
    what: str = ""


def tiling_panel(look: Look, chosen: Chosen) -> Tiled:
    """The controls, and what is shown with them; nothing is called before it is asked for.

    Raises:
        EndpointError: when the endpoint cannot be described.
    """
    whole = Tiled(look.detections)
    if not st.toggle(
        "Tiles, for small objects",
        key="tiles on",
        help="Cuts the image into overlapping parts, calls for each, and puts together what was found.",
    ):
        return whole
    with st.container(border=True):
        try:
            tiles = _grid(look.payload)
        except BadSetting as error:
            show_error(error)
            return whole
        found = _answered(look, chosen, tiles)
        controls = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
        with controls:
            drawn = st.toggle("Draw the grid", True, key="tiles drawn")
        picture = _with_grid(look.payload.sha256, tiles, look.payload) if drawn else None
        if not found:
            return Tiled(look.detections, picture=picture)
        with controls:
            view = st.segmented_control("Show", VIEWS, default=TILES, required=True, key="tiles view")
            iou = st.slider(
                "NMS: overlap up to an IoU of",
                0.05,
                1.0,
                0.5,
                0.05,
                key="tiles iou",
                width=260,
                help="Of boxes of one class that overlap by more, the most confident stays. Calls nothing.",
            )
        _rule()
        return _tiled(look, found, view, iou, picture)


def _tiled(look: Look, found: Sequence[tuple[Tile, Detections]], view: str, iou: float, picture: bytes | None) -> Tiled:
    if view == WHOLE:
        return Tiled(look.detections, picture=picture)
    width, height = look.payload.width, look.payload.height
    of_all = (Tile(0, 0, width, height), look.detections)
    parts = [*found, of_all] if view == BOTH else list(found)
    merged = tiling.merge(parts, width, height, iou)
    what = f"{len(found)} tiles{' and the whole image' if view == BOTH else ''}, merged at IoU {iou:.2f}: "
    if view != COMPARE:
        return Tiled(merged, None, picture, what)
    names = tuple(dict.fromkeys(look.detections.class_names + merged.class_names))
    return Tiled(_named(merged, names), _named(look.detections, names), picture, what)


def _named(detections: Detections, names: tuple[str, ...]) -> Detections:
    """The same with class ids of another list of names, which has all of them."""
    ids = [names.index(name) for name in detections.names()]
    return Detections(detections.xyxy, detections.confidence, ids, names)  # type: ignore[arg-type]


def _grid(payload: Payload) -> tuple[Tile, ...]:
    """The tiles that are asked for.

    Raises:
        BadSetting: when there would be too many.
    """
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        way = st.segmented_control("Tiles by", (GRID, SIZE), default=GRID, required=True, key="tiles by")
        if way == GRID:
            rows = st.number_input("Rows", 1, 16, 2, key="tile rows", width=120)
            columns = st.number_input("Columns", 1, 16, 3, key="tile columns", width=120)
        else:
            side = st.number_input("Side, pixels", 32, 8192, 640, 32, key="tile side", width=160)
        overlap = st.slider("Overlap", 0, 75, 20, 5, format="%d %%", key="tile overlap", width=220) / 100
    if way == GRID:
        return tiling.tiles_by_count(payload.width, payload.height, int(rows), int(columns), overlap)
    return tiling.tiles_by_size(payload.width, payload.height, int(side), overlap)


def _answered(look: Look, chosen: Chosen, tiles: tuple[Tile, ...]) -> list[tuple[Tile, Detections]]:
    """The tiles that have an answer, with what was found in them; says what the others would cost, and calls."""
    parts = _cut(look.payload.sha256, tiles, look.payload)
    request = request_of(chosen)
    kept = [answers.answers().get(answers.answer_key(chosen, request, part.sha256)) for part in parts]
    missing = [i for i, answer in enumerate(kept) if answer is None or answer.reply is None]
    found, unread = [], []
    for tile, part, answer in zip(tiles, parts, kept, strict=True):
        if answer and answer.reply:
            try:
                found.append((tile, answers.read(answer.reply, part, look.preset)))
            except BadResponse as error:
                unread.append(error)
    if unread:
        show_error(unread[0])
        st.caption(f"{len(unread)} of {len(tiles)} replies cannot be read; those tiles are left out.")
    _calling(chosen, tiles, parts, missing)
    return found


def _calling(chosen: Chosen, tiles: Sequence[Tile], parts: Sequence[Payload], missing: Sequence[int]) -> None:
    of = f"{len(tiles)} tiles of {tiles[0].width} × {tiles[0].height} px"
    calls = st.session_state.get("calls")
    if calls is not None and calls.title == "Tiles":
        answers.show_calls()
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if missing:
            size = sum(len(parts[i].body) for i in missing) / 1024
            number = f"{len(missing)} call{'s' * (len(missing) > 1)}"
            if st.button(
                f"Make {number}",
                type="primary",
                icon=":material/grid_view:",
                disabled=calls is not None,
                key="call tiles",
                help=f"{answers.AT_ONCE} at once; you can stop it, and what was answered stays.",
            ):
                st.session_state.pop("calls told", None)
                jobs = [answers.Job(f"tile {i + 1}", partial(parts.__getitem__, i)) for i in missing]
                answers.start_calls("Tiles", chosen, jobs)
                st.rerun()
            have = "" if len(missing) == len(tiles) else f"; {len(tiles) - len(missing)} are answered already"
            st.caption(f"{of}: {number}, {size:,.0f} kB to send{have}.", width="content")
        else:
            st.caption(f":material/check: {of}: all answered, and kept for this session.", width="content")
    said = st.session_state.get("calls told")
    if said and said[0].startswith("Tiles") and said[1]:
        show_told(said)


def _rule() -> None:
    covered, sure = tiling.COVERED, tiling.AS_SURE
    st.caption(
        "A box that ends at a border between tiles is a piece of an object. It is left out where a whole box of its "
        f"class covers {covered:.0%} of it and is at least {sure:.0%} as confident, and stays otherwise. Objects "
        "smaller than the overlap are whole in one tile; larger ones in the whole image, which “Both, merged” takes in."
    )


@st.cache_resource(max_entries=4, scope="session", show_spinner="Cutting the tiles …")
def _cut(sha256: str, tiles: tuple[Tile, ...], _payload: Payload) -> tuple[Payload, ...]:
    return tuple(tiling.cut(_payload, tiles))


@st.cache_resource(max_entries=4, scope="session", show_spinner=False)
def _with_grid(sha256: str, tiles: tuple[Tile, ...], _payload: Payload) -> bytes:
    return with_grid(images.display(_payload, LONGEST_SHOWN), _payload.width, tiles)
