"""Runs on a page: start one, watch it, stop it, choose one, and judge one."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import PurePosixPath

import pandas as pd
import streamlit as st

from smviz.annotations import parse_ground_truth
from smviz.errors import BadAnnotations
from smviz.evaluation import Evaluation, judge, read_by
from smviz.local import SAMPLES
from smviz.records import GroundTruth, ImageRef, Outcome
from smviz.runner import BatchRun
from smviz.sagemaker import is_loopback
from smviz.store import Run
from smviz.ui.choice import Chosen, preset_of, request_of
from smviz.ui.frame import plain, show_error
from smviz.ui.resources import EMBEDDED, batches, door, store

SOURCES = ("Sample set", "Upload")
WORKERS = 4
GOING_ON = ("running", "stopping")


def new_run(chosen: Chosen) -> None:
    """The form of a new run: which images, which ground truth, and the button that starts it.

    Raises:
        BadAnnotations: when the uploaded ground truth cannot be read.
        StoreError: when the workspace cannot be written.
    """
    source = st.segmented_control("Images", SOURCES, default=SOURCES[0], required=True, key="run source")
    if source == SOURCES[0]:
        files = [ImageRef(path.name, path=path) for path in SAMPLES.images]
        annotations, title = SAMPLES.annotations.read_bytes(), "sample set"
        st.caption(f"{len(files)} labelled highway scenes that neither demo detector has seen in training.")
    else:
        uploaded = st.file_uploader("Images", accept_multiple_files=True, key="run images")
        labels = st.file_uploader("Ground truth, COCO JSON", "json", key="run annotations")
        files = [ImageRef(file.name, data=file.getvalue()) for file in uploaded]
        annotations, title = (labels.getvalue() if labels else b""), f"{len(files)} uploaded images"
    ready = bool(files and annotations)
    if ready:
        ready = _checked(files, parse_ground_truth(annotations, "The ground truth file"))
    label = f"Run {len(files)} images on {plain(chosen.label)}" if files else "Run"
    if st.button(label, type="primary", icon=":material/play_arrow:", disabled=not ready):
        start_run(chosen, title, files, annotations)
        st.rerun()


def start_run(chosen: Chosen, title: str, files: list[ImageRef], annotations: bytes) -> None:
    """Make a run in the workspace, start it in the background, and choose it.

    Raises:
        StoreError: when the workspace cannot be written.
    """
    name = f"{chosen.label} on {title}, {datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
    run = store().create_run(name, chosen.connection, request_of(chosen), preset_of(chosen), files, annotations)
    work_on(run)
    _open(run)


def work_on(run: Run) -> None:
    """Call the endpoint, in the background, for the images of a run that have no reply yet."""
    # The embedded endpoint listens at another port every time it starts.
    embedded = is_loopback(run.connection.endpoint_url)
    client = door(Chosen(EMBEDDED).connection if embedded else run.connection)
    batches()[run.id] = BatchRun(store(), run, lambda payload: client.invoke(run.request, payload), WORKERS)
    batches()[run.id].start()


def run_picker(runs: tuple[Run, ...]) -> Run:
    """Choose one of the runs; the address bar keeps it."""
    ids = [run.id for run in runs]
    wanted = st.query_params.get("run")
    if wanted is not None and wanted not in ids:
        st.warning("The link names a run that is not in this workspace; the newest run is shown.")
    index = ids.index(wanted) if wanted in ids else 0
    run = st.selectbox("Run", runs, index=index, format_func=run_label, label_visibility="collapsed")
    if run.id != wanted:
        _open(run)
    return run


def _open(run: Run) -> None:
    """Name a run in the address bar; threshold and image there belonged to another one."""
    for name in ("threshold", "image"):
        st.query_params.pop(name, None)
    st.query_params["run"] = run.id


def run_label(run: Run) -> str:
    """A run in words."""
    return f"{run.name} · {run.answered} of {run.total} images"


def going_on() -> frozenset[str]:
    """The ids of the runs that this server works on now.

    Ask before reading the store: what has ended by then is in the store whole.
    """
    return frozenset(run_id for run_id, batch in batches().items() if batch.progress.state in GOING_ON)


def progress(run: Run, live: frozenset[str]) -> None:
    """How far a run is, with a button to stop it or to go on with it."""
    if run.id in live:
        _live(run.id)
        return
    batch = batches().get(run.id)
    if batch is not None:
        end = batch.result()  # a bug crashes visibly
        if end.error is not None:
            show_error(end.error)
    missing = run.total - run.answered
    if missing:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f":orange[:material/pause_circle:] {run.answered} of {run.total} images have a reply.")
            if st.button(
                f"Call for the other {missing}",
                icon=":material/resume:",
                help="The endpoint is called only for images that have no reply yet; nothing is paid for twice.",
            ):
                work_on(run)
                st.rerun()


@st.fragment(run_every=0.5)
def _live(run_id: str) -> None:
    batch = batches()[run_id]
    now = batch.progress
    if now.state not in GOING_ON:
        st.rerun()
    ended = now.done + now.failed + now.skipped
    left = "" if math.isnan(now.left) else f" · {now.left:.0f} s left"
    failed = f" · {now.failed} failed" if now.failed else ""
    st.progress(ended / max(now.total, 1), f"{ended} of {now.total} images{failed} · {now.rate:.1f} images/s{left}")
    st.button(
        "Stopping …" if now.state == "stopping" else "Stop",
        icon=":material/stop:",
        on_click=batch.stop,
        disabled=now.state == "stopping",
        help="Calls that are under way are finished and kept; the run can go on later.",
    )


def judged(run: Run, outcomes: tuple[Outcome, ...]) -> Evaluation:
    """The evaluation of the images of a run that were answered, against the run's ground truth.

    Raises:
        BadAnnotations: when the run has no ground truth, or none that can be read.
    """
    replied = sum(outcome.reply is not None for outcome in outcomes)
    return _judged(run.id, len(outcomes), replied, run, outcomes)


@st.cache_resource(scope="session", max_entries=4, show_spinner="Matching detections to ground truth …")
def _judged(run_id: str, done: int, replied: int, _run: Run, _outcomes: tuple[Outcome, ...]) -> Evaluation:
    """The first three arguments name what is kept: a run grows, and failed images may be answered later."""
    annotations = store().annotations(run_id)
    if not annotations:
        raise BadAnnotations("This run has no ground truth.", "Start a run with a COCO annotations file.")
    truth = parse_ground_truth(annotations, "The run's ground truth")
    return judge(truth, _outcomes, read_by(_run.preset))


def failures(outcomes: tuple[Outcome, ...]) -> None:
    """The images that have no reply, grouped by what went wrong."""
    failed = [(outcome.image, outcome.failure) for outcome in outcomes if outcome.failure]
    if not failed:
        return
    with st.expander(f"{len(failed)} images failed and are left out of the numbers", icon=":material/error:"):
        table = {
            "Image": [image for image, _ in failed],
            "What happened": [failure.message for _, failure in failed],
            "What to do": [failure.advice for _, failure in failed],
        }
        st.dataframe(pd.DataFrame(table), hide_index=True)


def _checked(files: list[ImageRef], truth: GroundTruth) -> bool:
    """Say how images and ground truth fit together before a run is paid for; False when nothing does."""
    known = set(truth.image_names) | {PurePosixPath(name).name for name in truth.image_names}
    unlabelled = [file.name for file in files if PurePosixPath(file.name).name not in known]
    for note in truth.notes:
        st.caption(f":material/info: {plain(note)}")
    if len(unlabelled) == len(files):
        st.error("None of these images is in the ground truth: the names in it are different.", icon=":material/error:")
        st.caption(
            f"Images: {plain(', '.join(unlabelled[:3]))} … Ground truth: {plain(', '.join(truth.image_names[:3]))} …"
        )
        return False
    if unlabelled:
        st.warning(
            f"{len(unlabelled)} images are not in the ground truth and would not be judged: "
            f"{plain(', '.join(unlabelled[:5]))}{' …' * (len(unlabelled) > 5)}"
        )
    return True
