"""The report of a run: what goes in is chosen in a popover, it is made beside the page, and then downloaded."""

from __future__ import annotations

import math

import streamlit as st

from smviz.errors import SmvizError
from smviz.evaluation import Evaluation
from smviz.reporting.making import Report, make_report
from smviz.reporting.subject import MOST_WORST, SHOWN, Options, Shown, Subject
from smviz.store import Run
from smviz.ui.derived import Background, Derived, Progress
from smviz.ui.frame import plain, show_error
from smviz.ui.outcomes import without_bodies
from smviz.ui.resources import image_reader
from smviz.ui.running import connection_now, usd_per_hour
from smviz.ui.threshold_bar import Chosen, in_words

LABELS: dict[Shown, str] = {"full": "Whole", "crops": "Crops", "blurred": "Blurred", "none": "None"}
MEANT: dict[Shown, str] = {
    "full": "The worst images are in it as they are, with their boxes.",
    "crops": "Of the worst images only mistakes are cut out: false positives and misses.",
    "blurred": "The worst images are averaged to a few pixels, which nobody can undo; the boxes stay sharp.",
    "none": "No pixel of an image is in it; the worst are named.",
}


def report_menu(run: Run, evaluation: Evaluation, derived: Derived, chosen: Chosen) -> None:
    """A popover that makes a report of what the page shows, of all classes and sizes."""
    menu = st.popover("Report", icon=":material/summarize:", on_change="rerun", key=f"report {run.id}")
    if not menu.open:
        return
    with menu:
        options = _options(run, chosen)
        kept, asked = f"report of {run.id}", (options, run.answered, run.class_map)
        row = st.container(horizontal=True, gap="small", vertical_alignment="center")
        if row.button("Make the report", type="primary", icon=":material/summarize:", key=f"make report {run.id}"):
            before = st.session_state.get(kept)
            if before is not None:
                before[1].stop()
            st.session_state[kept] = (asked, _begun(run, evaluation, derived, options))
        if kept in st.session_state:
            answered, work = st.session_state[kept]
            with row:
                _files(run, work)
            if answered != asked and work.ended:
                st.caption(":material/info: It was made before, with other choices.")


def _options(run: Run, chosen: Chosen) -> Options:
    title = st.text_input("Title", placeholder=run.name, max_chars=200, key=f"report title {run.id}")
    left, right = st.columns([2.4, 1], gap="small", vertical_alignment="bottom")
    shown = left.segmented_control(
        "Worst images",
        SHOWN,
        default="crops",
        required=True,
        format_func=LABELS.__getitem__,
        help="  \n".join(f"**{LABELS[one]}**: {meant}" for one, meant in MEANT.items()),
        key=f"report images {run.id}",
    )
    worst = right.number_input("How many", 0, MOST_WORST, 8, key=f"report worst {run.id}")
    st.caption(
        f"One HTML file that anybody can open and print. {MEANT[shown]} {plain(in_words(chosen.objective))}, at "
        f"confidence ≥ {chosen.threshold:.3f} and IoU ≥ {chosen.iou:.2f}, of all classes and sizes."
    )
    return Options(chosen.objective, chosen.threshold, chosen.iou, shown, worst, title.strip())


def _begun(run: Run, evaluation: Evaluation, derived: Derived, options: Options) -> Background[Report]:
    """The work; what belongs to the session is read before it begins."""
    price = math.nan if run.imported else usd_per_hour(connection_now(run), run.request.endpoint)
    subject = Subject(evaluation, run, without_bodies(run), usd_per_hour=price)
    read = image_reader(run)
    choosing = derived.choice(options.objective, options.iou)

    def work(progress: Progress) -> Report:
        choice = choosing.result()
        assert choice is not None
        return make_report(
            subject,
            options,
            read,
            lambda share: progress(0.5 + share / 2),
            derived.bootstrap,
            choice,
            derived.near,
        )

    return Background(work, after=choosing)


def _files(run: Run, work: Background[Report]) -> None:
    """The files; while they are being made, how far that is."""
    try:
        report = work.result(0.3)
    except SmvizError as error:
        show_error(error)
        return
    if report is None:
        _coming(work)
        return
    for label, body, suffix, kind in (
        (f"HTML, {len(report.html) / 1024:,.0f} kB", report.html, "html", "text/html"),
        ("JSON", report.json, "json", "application/json"),
    ):
        st.download_button(
            label,
            body,
            f"report-{run.id}.{suffix}",
            kind,
            icon=":material/download:",
            on_click="ignore",
            key=f"download report {suffix} {run.id}",
        )


@st.fragment(run_every=0.5)
def _coming(work: Background[Report]) -> None:
    if work.ended:
        st.rerun()
    st.progress(work.share, f"Making the report … {work.share:.0%}")
