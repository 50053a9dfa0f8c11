"""The runs of the workspace on a page: choose one, see what it is, rename, annotate and delete it, and judge it."""

from __future__ import annotations

from collections.abc import Collection

import streamlit as st

from smviz.annotations import parse_ground_truth
from smviz.errors import BadAnnotations, SmvizError
from smviz.evaluation import Evaluation, judge, read_by
from smviz.names import upright
from smviz.store import Run
from smviz.ui import session
from smviz.ui.frame import badge_label, plain, show_error
from smviz.ui.in_common import InCommon
from smviz.ui.resources import store, works
from smviz.ui.running import elsewhere, going_on

# What the address bar tells of one run, and of no other.
_OF_A_RUN = (
    *("threshold", "objective", "image", "crop_kind", "crop_class"),
    *("errors", "doubt", "doubt_reason", "doubt_status"),
)

_PICTURES = {"small": "small pictures", "none": "shared without pictures"}


def run_picker(runs: tuple[Run, ...], live: Collection[str] = ()) -> Run:
    """Choose one of the runs, by typing a part of its name where there are many; the address bar keeps it."""
    ids = [run.id for run in runs]
    wanted = st.query_params.get("run")
    if wanted is not None and wanted not in ids:
        st.warning("The link names a run that is not in this workspace; the newest run is shown.")
    index = ids.index(wanted) if wanted in ids else 0
    run = st.selectbox(
        "Run",
        runs,
        index=index,
        format_func=lambda run: run_label(run, run.id in live),
        label_visibility="collapsed",
        placeholder="Type a part of a run's name",
    )
    run = runs[ids.index(run.id)]  # the widget hands back the run as it was when it was chosen
    if run.id != wanted:
        open_run(run.id)
    return run


def open_run(run_id: str) -> None:
    """Name a run in the address bar; what is chosen and opened there belonged to another one."""
    for name in (
        "threshold",
        "objective",
        "image",
        "errors",
        "doubt",
        "doubt_reason",
        "doubt_status",
        "crops",
        "crops_class",
    ):
        st.query_params.pop(name, None)
    st.query_params["run"] = run_id


def run_label(run: Run, at_work: bool = False) -> str:
    """A run in words; how far one that is at work has come is told elsewhere."""
    if at_work:
        return f"{upright(run.name)} · at work now"
    failed = f", {run.failed:,} failed" if run.failed else ""
    return f"{upright(run.name)} · {run.answered:,} of {run.total:,} images{failed}"


def about(run: Run) -> None:
    """What a run is: when, on what, by whom; and its note."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.badge(f"{run.created[:16].replace('T', ' ')} UTC", icon=":material/schedule:", color="gray")
        if run.imported:
            st.badge(badge_label(f"imported: {run.imported}"), icon=":material/upload:", color="violet")
        else:
            variant = f" · {run.request.variant}" if run.request.variant else ""
            st.badge(badge_label(f"{run.request.endpoint}{variant}"), icon=":material/dns:", color="blue")
        if run.source:
            st.badge(badge_label(_shortened(run.source)), icon=":material/folder:", color="gray")
        if run.shared in _PICTURES:
            st.badge(_PICTURES[run.shared], icon=":material/photo_size_select_small:", color="gray")
        st.badge(_size(store().size(run.id)), icon=":material/hard_drive:", color="gray")
    if run.note:
        st.caption(f":material/sticky_note_2: {plain(run.note)}".replace("\n", "  \n"))


def none_yet() -> None:
    """Tell whoever came for a run, or only to look, that there is none; who makes runs sees where to make one."""
    if "run" in st.query_params:
        st.warning("The link names a run that is not in this workspace.")
    if session.read_only():
        st.info("No run is shared here yet.", icon=":material/visibility_off:")


def manage_menu(run: Run) -> None:
    """Rename, annotate and delete a run, and give the room of deleted ones back; nothing of it in a shared one."""
    if session.read_only():
        return
    menu = st.popover("Manage", icon=":material/settings:", on_change="rerun", key=f"manage {run.id}")
    if menu.open:
        with menu:
            _rename(run)
            st.divider()
            _delete(run)
            st.divider()
            _room()


def _rename(run: Run) -> None:
    with st.form(f"words {run.id}", border=False):
        name = st.text_input("Name", run.name, max_chars=200)
        note = st.text_area("Note", run.note, max_chars=5000, height=100)
        if st.form_submit_button("Save", icon=":material/check:"):
            try:
                store().rename_run(run.id, name.strip())
                store().set_note(run.id, note.strip())
            except SmvizError as error:
                show_error(error)
            else:
                st.rerun()


def _delete(run: Run) -> None:
    st.markdown("**Delete this run**")
    st.caption("Its replies, uploads and ground truth go; image files, and what other runs share with it, stay.")
    word = st.text_input("To delete it, type its name or id", key=f"really delete {run.id}", placeholder=run.id)
    sure = word.strip() in {run.id, run.name}
    away = any(claim.run == run.id for claim in elsewhere(going_on()))
    if away:
        st.caption(":orange[:material/lan:] Another process works on this run: stop it there first.")
    if st.button("Delete", icon=":material/delete:", disabled=not sure or away, key=f"delete {run.id}"):
        work = works().pop(run.id, None)
        if work is not None:
            work.batch.stop()
        with st.spinner("Deleting …"):
            store().delete_run(run.id)
        st.query_params.pop("run", None)
        st.rerun()


def _room() -> None:
    st.markdown(f"**The workspace** has {_size(store().size())} on the disk.")
    if st.button(
        "Give room back",
        icon=":material/compress:",
        help="Deleted runs leave room for new ones in the file; this makes the file smaller.",
    ):
        with st.spinner("Giving room back …"):
            freed = store().compact()
        st.toast(f"{_size(freed)} were given back to the disk.", icon=":material/check:")


def judged(run: Run) -> Evaluation | None:
    """The evaluation of the images of a run that were answered; None where it has no ground truth.

    Raises:
        BadAnnotations: when its ground truth cannot be read.
    """
    try:
        return _judged(run.id, run.answered, run.class_map, run)
    except _NoGroundTruth:
        return None


_evaluations: InCommon[Evaluation] = InCommon()  # of everybody who looks at the same workspace


class _NoGroundTruth(BadAnnotations):
    """The run was made without."""


@st.cache_resource(scope="session", max_entries=4, show_spinner="Matching detections to ground truth …")
def _judged(run_id: str, answered: int, class_map: tuple[tuple[str, str | None], ...], _run: Run) -> Evaluation:
    """The first three arguments name what is kept: a run grows, and failed images may be answered later."""
    key = (session.workspace_folder(), run_id, answered, class_map)
    return _evaluations.get(key, lambda: _made(run_id, class_map, _run))


def _made(run_id: str, class_map: tuple[tuple[str, str | None], ...], run: Run) -> Evaluation:
    annotations = store().annotations(run_id)
    if annotations is None:
        raise _NoGroundTruth("This run has no ground truth.", "Start a run with one to judge it.")
    truth = parse_ground_truth(annotations, "The run's ground truth")
    return judge(truth, store().iter_outcomes(run_id), read_by(run.preset), class_map=dict(class_map) or None)


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else f"… {text[-57:]}"


def _size(size: int) -> str:
    return f"{size / 2**20:,.1f} MB" if size >= 2**19 else f"{size / 2**10:,.0f} kB"
