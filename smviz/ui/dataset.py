"""The ground truth of a new run: where it comes from, what it is read as, what its classes mean, and what is amiss."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
import streamlit as st

from smviz.annotations import FORMATS, Proposal, canonical_json, ground_truth_of, propose
from smviz.datasets import DataSetCheck, Finding, check, propose_class_map, unmatched
from smviz.errors import SmvizError
from smviz.records import GroundTruth, Skipped
from smviz.settings import Connection
from smviz.sources import Source, from_bytes, open_source
from smviz.ui import session
from smviz.ui.choice import Chosen
from smviz.ui.frame import plain, show_error
from smviz.ui.resources import files_door

UPLOAD, SERVER, S3 = "Upload", "On this server", "S3"
LEFT_OUT = "(leave out)"
ICONS = {"error": ":material/error:", "warning": ":material/warning:", "note": ":material/info:"}
COLOURS: dict[str, Literal["red", "orange", "gray"]] = {"error": "red", "warning": "orange", "note": "gray"}
MOST_NAMED = 500  # rows of a table in an expander

ImageSize = Callable[[str], tuple[int, int] | None]


@dataclass(frozen=True)
class Labels:
    """The ground truth that a run gets.

    Attributes:
        annotations: COCO JSON, as `annotations.canonical_json` writes it.
        title: where it came from, in words.
        class_map: what the endpoint's class names mean, as `evaluation.judge` takes it; only those that do not stand
            for the class of the same name.
    """

    annotations: bytes
    title: str
    class_map: dict[str, str | None]


@dataclass(frozen=True, eq=False)
class _Read:
    """Ground truth as it was read, and canonical; `digest` names its content."""

    truth: GroundTruth
    annotations: bytes
    digest: str


@dataclass(frozen=True)
class _Given:
    """Where ground truth is to be read from: `open` opens it, and `key` names its content."""

    open: Callable[[], Source]
    key: str
    title: str


def ground_truth_picker(
    chosen: Chosen,
    image_names: Sequence[str],
    class_names: Sequence[str] = (),
    image_size: ImageSize | None = None,
    key: str = "run annotations",
) -> Labels | None:
    """Choose ground truth, see what it is read as, settle what classes mean, and see the check of the whole set.

    Args:
        chosen: what is connected; its credentials read S3.
        image_names: of the images that will be sent; empty while none are chosen.
        class_names: of the endpoint; empty where they are not known.
        image_size: width and height of an image by its file name, for formats that do not tell them (YOLO).
        key: of the widgets.

    Returns:
        The labels; None while there are none, they cannot be read, or nothing can be judged by them.
    """
    given = _given(chosen, key)
    if given is None:
        return None
    try:
        proposal = _proposal(given.key, given)
        form = _format_picker(proposal, f"{key} {given.key}")
        names = hashlib.sha256("\n".join(image_names).encode(errors="replace")).hexdigest()
        read = _read(given.key, form, names, given, image_size)
    except SmvizError as error:
        show_error(error)
        return None
    summary(read.truth)
    class_map = class_map_table(read.truth, class_names, {}, f"{key} {read.digest}")
    if not image_names:
        return None
    found = _checked(read.digest, names, tuple(class_names), tuple(class_map.items()), image_names, read.truth)
    findings(found)
    return Labels(read.annotations, given.title, class_map) if found.ok else None


def place_picker(label: str, places: Sequence[str], key: str) -> str:
    """Where files come from, of `places`, the server and S3; what is not open to this person is told, and why."""
    closed = []
    if not session.may_name_files():
        closed.append("files of the server, which only who sits at it may name")
    if not session.may_use_s3():
        closed.append("S3, where nothing is open to you")
    offered = [*places, *([SERVER] if session.may_name_files() else []), *([S3] if session.may_use_s3() else [])]
    if len(offered) == 1:
        place = offered[0]
    else:
        place = st.segmented_control(label, offered, default=offered[0], required=True, key=key)
    if closed:
        st.caption(f":material/lock: Not here: {'; '.join(closed)}.")
    return place


def server_source(path: Path) -> Source:
    """What is at a path of the server.

    Raises:
        NotAllowed: unless the person sits at the server.
        BadSource: when it cannot be opened.
    """
    session.check_files()
    return open_source(path.expanduser())


def summary(truth: GroundTruth) -> None:
    """How much there is, what was mended, and which records could not be used, each by name."""
    images, classes = len(truth.image_names), len(truth.class_names)
    ignored = int((truth.crowd | truth.ignore).sum())
    regions = f" · **{ignored:,}** regions to ignore" if ignored else ""
    st.markdown(f"**{images:,}** images · **{len(truth) - ignored:,}** objects{regions} · **{classes:,}** classes")
    for note in truth.notes:
        st.caption(f":material/info: {plain(note)}")
    if truth.skipped:
        skipped_records(truth.skipped)


def skipped_records(skipped: Sequence[Skipped]) -> None:
    """The records that could not be used, in an expander that tells how many."""
    records = "record" if len(skipped) == 1 else "records"
    with st.expander(f"{len(skipped):,} {records} could not be used", icon=":material/warning:"):
        shown = skipped[:MOST_NAMED]
        table = {
            "File": [record.file for record in shown],
            "Where": [record.where for record in shown],
            "Why": [record.why for record in shown],
        }
        st.dataframe(pd.DataFrame(table), hide_index=True, height=min(35 * len(shown) + 38, 300))
        if len(skipped) > MOST_NAMED:
            st.caption(f"The first {MOST_NAMED} of them.")


def class_map_table(
    truth: GroundTruth, class_names: Sequence[str], kept: Mapping[str, str | None], key: str
) -> dict[str, str | None]:
    """What each class of the endpoint means, to be edited; returns those that do not stand for their own name.

    Args:
        truth: whose classes may be meant.
        class_names: of the endpoint; without any there is no table.
        kept: what was chosen before; it goes before what is proposed.
        key: of the table.
    """
    if not class_names:
        st.caption(
            ":material/info: The endpoint's class names are not known before it answers; classes are joined by name."
        )
        return dict(kept)
    names = dict.fromkeys((*class_names, *kept))
    proposed = propose_class_map(truth.class_names, names)
    start = {name: kept.get(name, proposed[name]) for name in names}
    open_ends = unmatched(truth.class_names, names, start)
    matched = sum(meant is not None for meant in start.values())
    with st.expander(
        f"Classes: {matched} of {len(names)} of the endpoint's mean one of the ground truth's",
        icon=":material/join_inner:",
        expanded=bool(open_ends.endpoint or open_ends.ground_truth),
    ):
        class_map = _edited(truth, start, key)
        _open_ends(truth, class_map)
    return {name: meant for name, meant in class_map.items() if meant != name}


def findings(found: DataSetCheck) -> None:
    """What the check of a data set found, the most serious first, each with its names."""
    for finding in found.findings:
        _finding(finding)
    if not found.findings:
        st.caption(":green[:material/check_circle:] Images, ground truth and classes belong together.")


def _given(chosen: Chosen, key: str) -> _Given | None:
    place = place_picker("Ground truth", [UPLOAD], f"{key} place")
    if place == UPLOAD:
        return _uploaded(key)
    if place == SERVER:
        return _on_server(key)
    return _in_s3(chosen.connection, key)


def _uploaded(key: str) -> _Given | None:
    files = st.file_uploader(
        "Ground truth files",
        accept_multiple_files=True,
        key=key,
        label_visibility="collapsed",
        help="One file, all files of a format with a file for each image, or a zip of them: COCO, Pascal VOC, YOLO, "
        "SageMaker Ground Truth, KITTI, Open Images, LabelMe, CVAT and others. The content tells which.",
    )
    if not files:
        return None
    label = files[0].name if len(files) == 1 else f"{len(files)} files"
    named = "\n".join(f"{file.name} {file.file_id}" for file in files)
    return _Given(lambda: from_bytes([(file.name, file.getvalue()) for file in files], label), named, label)


def _on_server(key: str) -> _Given | None:
    text = st.text_input("File, folder or zip", key=f"{key} path", placeholder="/data/labels", max_chars=4096).strip()
    if not text:
        return None
    path = Path(text).expanduser()
    return _Given(lambda: server_source(path), f"{path} {st.session_state.get(f'{key} again', 0)}", path.name or text)


def _in_s3(where: Connection, key: str) -> _Given | None:
    uri = st.text_input("S3 prefix", key=f"{key} uri", placeholder="s3://bucket/labels/", max_chars=1200).strip()
    if not uri:
        return None
    return _Given(lambda: files_door(where).s3_source(uri), f"{where} {uri}", uri)


@st.cache_resource(scope="session", max_entries=4, show_spinner="Looking what format it is in …")
def _proposal(key: str, _given: _Given) -> Proposal | None:
    """None where no format is recognised, but one may still be named."""
    with _given.open() as source:
        return propose(source)


@st.cache_resource(scope="session", max_entries=4, show_spinner="Reading the ground truth …")
def _read(key: str, form: str | None, names: str, _given: _Given, _image_size: ImageSize | None) -> _Read:
    """`key`, `form` and `names` of the images, whose sizes may count, name what is kept."""
    with _given.open() as source:
        truth = ground_truth_of(source, form, _image_size)
        annotations = canonical_json(source, truth, form or "", _given.title)
    return _Read(truth, annotations, hashlib.sha256(annotations).hexdigest())


@st.cache_resource(scope="session", max_entries=8, show_spinner="Checking the data set …")
def _checked(
    digest: str,
    names: str,
    class_names: tuple[str, ...],
    class_map: tuple[tuple[str, str | None], ...],
    _image_names: Sequence[str],
    _truth: GroundTruth,
) -> DataSetCheck:
    return check(_image_names, _truth, class_names, dict(class_map))


def _format_picker(proposal: Proposal | None, key: str) -> str | None:
    """The format to read by: the one proposed until another one is chosen."""
    names = list(FORMATS)
    index = names.index(proposal.format) if proposal else 0
    form = st.selectbox("Format", names, index=index, format_func=_format_label, key=f"{key} format")
    if proposal and form == proposal.format:
        st.caption(f"Recognised by its content. {plain(proposal.reason)}")
    for name, reason in proposal.rivals if proposal else ():
        st.caption(f":material/alt_route: It could be **{plain(_format_label(name))}** too. {plain(reason)}")
    return form


def _format_label(name: str) -> str:
    return f"{name} — {FORMATS[name].doc}" if name in FORMATS else name


def _edited(truth: GroundTruth, start: Mapping[str, str | None], key: str) -> dict[str, str | None]:
    table = pd.DataFrame({"Endpoint": list(start), "Ground truth": [meant or LEFT_OUT for meant in start.values()]})
    edited = st.data_editor(
        table,
        hide_index=True,
        disabled=["Endpoint"],
        column_config={
            "Endpoint": st.column_config.TextColumn("Class of the endpoint"),
            "Ground truth": st.column_config.SelectboxColumn(
                "Class of the ground truth", options=[LEFT_OUT, *dict.fromkeys(truth.class_names)], required=True
            ),
        },
        height=min(35 * len(start) + 38, 320),
        key=f"class map {key}",
        alt="What each class of the endpoint means; choose a class of the ground truth, or leave it out",
    )
    pairs = zip(edited["Endpoint"], edited["Ground truth"], strict=True)
    return {name: None if meant == LEFT_OUT else meant for name, meant in pairs}


def _open_ends(truth: GroundTruth, class_map: Mapping[str, str | None]) -> None:
    left = unmatched(truth.class_names, class_map, class_map)
    if left.endpoint:
        st.caption(f":material/arrow_back: Left out of the numbers: {plain(', '.join(left.endpoint))}")
    if left.ground_truth:
        st.caption(f":material/arrow_forward: Can only be missed: {plain(', '.join(left.ground_truth))}")
    for doubt in left.doubts:
        st.caption(f":orange[:material/help:] {plain(doubt)}")


def _finding(finding: Finding) -> None:
    colour, icon = COLOURS[finding.severity], ICONS[finding.severity]
    text = f":{colour}[{icon}] {plain(finding.sentence)}"
    if len(finding.names) <= 5:  # the sentence names them all
        st.markdown(text)
        return
    with st.expander(text):
        shown = finding.names[:MOST_NAMED]
        st.dataframe(pd.DataFrame({"Name": shown}), hide_index=True, height=min(35 * len(shown) + 38, 260))
        if len(finding.names) > MOST_NAMED:
            st.caption(f"The first {MOST_NAMED} of {len(finding.names):,}.")
