"""The images of an evaluation as table, gallery or crops, and one of them with every hit, miss and mistake."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from smviz import exports
from smviz.errors import SmvizError
from smviz.records import Outcome
from smviz.store import Run
from smviz.ui.crops import FN, FP, TP, Crops, show_crops
from smviz.ui.derived import Derived
from smviz.ui.frame import plain, show_error
from smviz.ui.one_image import file_names, one_image
from smviz.ui.resources import image_url, thumbnail
from smviz.ui.threshold_bar import Chosen
from smviz.workbench import Part
from smviz.workbench.grid import as_sent, asked, opened, stepper
from smviz.workbench.image_table import image_table
from smviz.workbench.images import LINKED, Choice, from_link, image_grid, told_choice

__all__ = ["images", "one_image"]

WIDTH = 240  # pixels of a thumbnail
AT_ONCE = 0.3  # seconds of making thumbnails before those that are there are shown
SHORT = 20_000  # bytes
HEIGHT = 620  # pixels of the grid
ALL = -1  # stands for all classes
KINDS = {"False positives": FP, "Missed objects": FN, "True positives": TP}


@dataclass(frozen=True, eq=False)
class _Images:
    """The images of a run: those of the ground truth that were answered, and then those that failed.

    Attributes:
        names: as the screen has them.
        files: what the run calls them.
        latency: milliseconds of those that were answered; NaN where it is not known.
        failures: those that failed, with the reason.
        about: the same as JSON, for the browser.
        place: of each name.
    """

    names: tuple[str, ...]
    files: tuple[str, ...]
    latency: tuple[float, ...]
    failures: tuple[tuple[str, str], ...]
    about: bytes
    place: dict[str, int]


def images(derived: Derived, run: Run, outcomes: Sequence[Outcome], chosen: Chosen) -> None:
    """The section: all images as a table or a gallery, or their crops, and the image that is open.

    Raises:
        BadSetting: when nothing was matched at the IoU or in the area range that is chosen.
    """
    about = derived.once(("images", run.answered, run.failed), lambda: _all_of(derived, run, outcomes))
    if not about.names:
        st.info("No image of the ground truth has a reply.", icon=":material/image:")
        return
    # What is large gets its address here: the fragment runs often.
    live = derived.live(chosen.threshold, chosen.part)
    url = _address(about.about, f"about the images of {run.id}")
    _section(derived, run, about, chosen, live, url)


def _address(data: bytes, slot: str) -> str:
    """Where the browser gets JSON; what is short travels in the address, and cannot be gone when it is asked for."""
    if len(data) <= SHORT:
        return f"data:application/json;base64,{base64.b64encode(data).decode()}"
    return image_url(data, "application/json", slot)


@st.fragment
def _section(derived: Derived, run: Run, about: _Images, chosen: Chosen, live: dict[str, Any], url: str) -> None:
    key = f"images of {run.id}"
    told, version = asked(key), f"{run.id} {run.answered} {run.failed}"
    memory = opened(
        key,
        told,
        version,
        lambda image: about.names[image] if 0 <= image < len(about.names) else None,
        st.query_params.get("image"),
    )
    image = about.place.get(memory.what)
    choice = told_choice(key) or from_link(st.query_params)
    _keep_in_link(choice, None if image is None else about.names[image])
    image_grid(
        live,
        key=key,
        about=url,
        version=version,
        failed=len(about.failures),
        turn=told.turn,
        tiles=_tiles(run, about, told.ids if told.version == version else ()),
        opened=as_sent(key, memory, image, "" if image is None else about.names[image]),
        choice=choice,
        file=_file(derived, about, key),
        on_export=lambda: _asked_for_file(key),
        height=HEIGHT,
    )
    if image is not None:
        _open(derived, run, about, image, chosen, key)
    elif choice.view == "crops":
        _crops(derived, run, chosen)


def _open(derived: Derived, run: Run, about: _Images, image: int, chosen: Chosen, key: str) -> None:
    answered = len(about.latency)
    try:
        if image < answered:
            one_image(derived, run, about.names[image], chosen, on_step=stepper(key))
            return
        st.warning(plain(about.failures[image - answered][1]), icon=":material/error:")
        st.image(thumbnail(run.id, about.files[image], 960))
    except SmvizError as error:  # the way back must stay
        show_error(error)


def _crops(derived: Derived, run: Run, chosen: Chosen) -> None:
    """The crops of one kind, of all classes that are counted or of one of them."""
    names, counted = derived.matches.ground_truth.class_names, chosen.part.classes
    linked_kind, linked_class = st.query_params.get("crop_kind"), st.query_params.get("crop_class")
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        kind = st.segmented_control(
            "Kind",
            list(KINDS),
            default=linked_kind if linked_kind in KINDS else next(iter(KINDS)),
            required=True,
            key=f"kind of crops of {run.id}",
            label_visibility="collapsed",
        )
        choices = [ALL, *(range(len(names)) if counted is None else counted)]
        one = st.selectbox(
            "Class",
            choices,
            index=next((place for place, k in enumerate(choices) if k != ALL and names[k] == linked_class), 0),
            format_func=lambda k: "All classes" if k == ALL else names[k],
            key=f"class of crops of {run.id}",
            label_visibility="collapsed",
            width=260,
        )
    for name, value in (("crop_kind", kind), ("crop_class", None if one == ALL else names[one])):
        if value is None:
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != value:
            st.query_params[name] = value
    classes = counted if one == ALL else (one,)
    crops = Crops.of(derived.matches, KINDS[kind], chosen.threshold, chosen.iou, chosen.area, classes)
    of = "" if one == ALL else f" of {names[one]}"
    st.caption(
        plain(f"{len(crops):,} {kind.lower()}{of} at confidence ≥ {chosen.threshold:.3f}, the highest score first.")
    )
    show_crops(derived, run, crops, chosen, f"crops of {run.id} {kind} {one}")


def _tiles(run: Run, about: _Images, wanted: Iterable[int]) -> dict[int, dict[str, str]]:
    """The wanted thumbnails, until the time is over; an image that cannot be read says so."""
    end = time.monotonic() + AT_ONCE
    tiles: dict[int, dict[str, str]] = {}
    for image in wanted:
        if not 0 <= image < len(about.names):
            continue
        try:
            small = thumbnail(run.id, about.files[image], WIDTH)
            tiles[image] = {"url": image_url(small, "image/jpeg", f"thumbnail {run.id} {image}")}
        except SmvizError as error:
            tiles[image] = {"error": error.message}
        if time.monotonic() > end:
            break
    return tiles


def _keep_in_link(choice: Choice, image: str | None) -> None:
    """Only what differs is written: every change of the address is sent to the browser."""
    link = choice.link() | ({} if image is None else {"image": image})
    for name in (*LINKED, "image"):
        if name in link and st.query_params.get(name) != link[name]:
            st.query_params[name] = link[name]
        elif name not in link and name in st.query_params:
            del st.query_params[name]


# ---- files


def _asked_for_file(key: str) -> None:
    st.session_state[f"{key}:export"] = st.session_state[key].export


def _file(derived: Derived, about: _Images, key: str) -> dict[str, Any] | None:
    """The file that was asked for last: the rows that the browser shows, at the state that it shows them at.

    It is told of in every run, as a run may be cut short; the browser takes it once.
    """
    asked_for = st.session_state.get(f"{key}:export")
    made: dict[str, Any] | None = st.session_state.get(f"{key}:file")
    if not asked_for or (made and made["turn"] == asked_for["turn"]):
        return made
    state, settings = asked_for["state"], derived.matches.settings
    classes = None if state["classes"] is None else tuple(state["classes"])
    table = image_table(
        derived.matches,
        state["threshold"],
        Part(settings.ious[state["iou"]], settings.areas[state["area"]][0], classes),
        names=about.names,
        latency=about.latency,
        rows=np.array(asked_for["rows"], np.int64),
        columns=asked_for["columns"],
    )
    if asked_for["format"] == "parquet":
        buffer = io.BytesIO()
        pd.DataFrame(table).to_parquet(buffer, index=False)
        data, name, kind = buffer.getvalue(), "images.parquet", "application/vnd.apache.parquet"
    else:
        columns = [column if isinstance(column, list) else column.tolist() for column in table.values()]
        data, name, kind = exports.table_csv(table, zip(*columns, strict=True)), "images.csv", "text/csv"
    made = {"turn": asked_for["turn"], "url": image_url(data, kind, f"file of {key}"), "name": name}
    st.session_state[f"{key}:file"] = made
    return made


def _all_of(derived: Derived, run: Run, outcomes: Sequence[Outcome]) -> _Images:
    names, files = derived.matches.ground_truth.image_names, file_names(derived, run)
    known = {outcome.image: outcome.reply.latency * 1000 for outcome in outcomes if outcome.reply}
    latency = tuple(known.get(name, float("nan")) for name in files)
    failures = tuple((outcome.image, outcome.failure.message) for outcome in outcomes if outcome.failure)
    every = (*names, *(name for name, _ in failures))
    about = {
        "names": names,
        "latency": [None if value != value else round(value, 3) for value in latency],
        "failures": failures,
    }
    place = {name: image for image, name in reversed(list(enumerate(every)))}  # of equal names the first counts
    return _Images(every, (*files, *every[len(names) :]), latency, failures, json.dumps(about).encode(), place)
