"""Which two runs are compared, on which images and by which ground truth; and what to do where nothing can be."""

from __future__ import annotations

from collections.abc import Collection

import streamlit as st

from smviz.errors import SmvizError
from smviz.local import DEMO_ENDPOINT, SAMPLES
from smviz.records import ImageRef
from smviz.store import Run
from smviz.ui import session
from smviz.ui.choice import Chosen, preset_of, request_of
from smviz.ui.compare_state import Compared, Side, compared_runs, same_truth, truth_of
from smviz.ui.frame import plain, show_error
from smviz.ui.resources import EMBEDDED, described, store
from smviz.ui.running import work_on
from smviz.ui.runs import run_label

SAMPLE_SET = "sample set"
NAMED = 5
_OF_A_PAIR = ("image", "threshold", "threshold_a", "threshold_b", "truth")


def two_runs(runs: tuple[Run, ...], live: Collection[str] = ()) -> tuple[Run, Run]:
    """Choose A and B; the address bar keeps them. Stops the page, with what to do, where there are not two runs."""
    if len(runs) < 2:
        _too_few(runs, live)
    ids = [run.id for run in runs]
    start = _proposed(runs)
    left, swap, right = st.columns([10, 1, 10], vertical_alignment="bottom", gap="small")
    with left:
        a = _picker("A", "a", runs, ids, start[0], live)
    with right:
        b = _picker("B", "b", runs, ids, start[1], live)
    swap.button(
        ":material/swap_horiz:",
        on_click=_swap,
        args=(a.id, b.id),
        key="swap runs",
        width="stretch",
        type="tertiary",
        help="Swap A and B",
    )
    _demo_offer(runs, live)
    for letter, run in (("A", a), ("B", b)):
        if not run.answered and run.id in live:
            st.info(
                f"Run {letter} is at work: it is compared as soon as it has ended.", icon=":material/hourglass_top:"
            )
            st.stop()
        if not run.answered:
            st.info(
                f"No image of run {letter} has a reply, so there is nothing to compare. Choose another run, or call "
                "again for its images on the Evaluate page.",
                icon=":material/info:",
            )
            st.stop()
    if a.id == b.id:
        st.info("A and B are the same run: every difference is 0.", icon=":material/info:")
    return a, b


def compared(a: Run, b: Run) -> Compared:
    """The two runs on the images that both have; stops the page where there is none.

    Raises:
        StoreError: when the workspace cannot be read.
    """
    found = compared_runs(a, b, _judge(a, b))
    if not found.comparison.images:
        _nothing_common(found)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.caption(_told(found), width="content")
        _names_left_out(found)
    return found


def _proposed(runs: tuple[Run, ...]) -> tuple[int, int]:
    """The newest that answered, and the newest other one over the same images; the older of the two is A."""
    first, *others = sorted(range(len(runs)), key=lambda place: not runs[place].answered)
    second = min(others, key=lambda place: (not runs[place].answered, runs[place].source != runs[first].source))
    return max(first, second), min(first, second)


def _picker(letter: str, name: str, runs: tuple[Run, ...], ids: list[str], start: int, live: Collection[str]) -> Run:
    wanted = st.query_params.get(name)
    if wanted is not None and wanted not in ids:
        st.warning(f"The link names a run {letter} that is not in this workspace; another one is shown.")
    index = ids.index(wanted) if wanted in ids else start
    # Its key changes with what the address asks for, as a swap or a link does behind the widget's back.
    run = st.selectbox(
        f"Run {letter}",
        runs,
        index=index,
        format_func=lambda run: run_label(run, run.id in live),
        placeholder="Type a part of a run's name",
        key=f"run {name} {st.session_state.get('swaps', 0)}",
    )
    run = runs[ids.index(run.id)]
    if run.id != wanted:
        if wanted in ids:
            _forget()
        st.query_params[name] = run.id
    return run


def _swap(a: str, b: str) -> None:
    st.session_state["swaps"] = st.session_state.get("swaps", 0) + 1
    thresholds = {name: st.query_params.get(f"threshold_{name}") for name in "ab"}
    judge = {"a": "b", "b": "a"}.get(st.query_params.get("truth", ""))
    for name in ("image", "threshold_a", "threshold_b", "truth"):
        st.query_params.pop(name, None)
    st.query_params.update({"a": b, "b": a})
    for name, other in (("a", "b"), ("b", "a")):
        if asked := thresholds[other]:
            st.query_params[f"threshold_{name}"] = asked
    if judge:
        st.session_state["truth"] = judge


def _forget() -> None:
    """What belonged to another pair of runs."""
    for name in _OF_A_PAIR:
        st.query_params.pop(name, None)


def _judge(a: Run, b: Run) -> Side | None:
    """By whose ground truth both are judged; what there is to say about it is said."""
    has = {side: truth_of(run.id) is not None for side, run in (("a", a), ("b", b))}
    if not any(has.values()):
        st.info(
            "Neither run has ground truth, so nobody can say which is right: only where they agree is shown.",
            icon=":material/label_off:",
        )
        return None
    if not all(has.values()):
        side: Side = "a" if has["a"] else "b"
        st.caption(f":material/info: Only run {side.upper()} has ground truth; both are judged by it.")
        return side
    if same_truth(a.id, b.id):
        return "a"
    letters: tuple[Side, Side] = ("a", "b")
    return st.segmented_control(
        "The runs have different ground truths. Judge both by",
        letters,
        default="a",
        required=True,
        format_func=lambda side: f"that of run {side.upper()}",
        key="truth",
        bind="query-params",
    )


def _told(found: Compared) -> str:
    """How many images are compared, and how many are not."""
    comparison, joined = found.comparison, found.comparison.joined
    count = len(comparison.images)
    told = [f"Compared on {count:,} {'image' if count == 1 else 'images'} that both runs have."]
    left = {"A": found.a.total - len(joined.pairs), "B": found.b.total - len(joined.pairs)}
    told += [f"Left out: {left['A']:,} of A, {left['B']:,} of B."] if any(left.values()) else []
    if comparison.unlabelled:
        told.append(f"{comparison.unlabelled:,} more are not in the ground truth.")
    if joined.renamed:
        told.append(f"{joined.renamed:,} have other names but the same content.")
    if joined.changed:
        told.append(f"{joined.changed:,} were joined by name, though other bytes were sent.")
    return f":material/join_inner: {' '.join(told)}"


def _names_left_out(found: Compared) -> None:
    comparison = found.comparison
    notes = [f"A: {note}" for note in comparison.a.notes] + [f"B: {note}" for note in comparison.b.notes]
    lists = {"A": (found.a, comparison.joined.only_a), "B": (found.b, comparison.joined.only_b)}
    unanswered = {letter: run.total - run.answered for letter, (run, _) in lists.items()}
    if not (notes or any(names for _, names in lists.values()) or any(unanswered.values())):
        return
    with st.popover("Details", icon=":material/info:", type="tertiary"):
        for letter, (_, names) in lists.items():
            if unanswered[letter]:
                st.markdown(f"- {letter}: {unanswered[letter]:,} images have no reply.")
            if names:
                more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
                st.markdown(f"- Only {letter} has {plain(', '.join(names[:NAMED]))}{more}.")
        for note in notes:
            st.markdown(f"- {plain(note)}")


def _nothing_common(found: Compared) -> None:
    joined = found.comparison.joined
    if joined.pairs:
        why = f"The ground truth has none of the {len(joined.pairs):,} images that both runs have."
        advice = "Judge by the other ground truth, or choose other runs."
    else:
        first = [names[0] for names in (joined.only_a, joined.only_b) if names]
        why = "No image is in both runs."
        advice = f"Images are joined by their bytes or their names; the first are {', '.join(first)}."
    st.warning(f"**{why}**  \n{plain(advice)}", icon=":material/join_inner:")
    st.stop()


def _too_few(runs: tuple[Run, ...], live: Collection[str]) -> None:
    st.subheader("Two runs are needed", anchor=False)
    where = "shared here" if session.read_only() else "so far"
    there = f"There is one run {where}." if runs else f"There is no run {where}."
    st.markdown(
        f"{there} Compare lays two runs over the same images side by side: two endpoints, two variants, or one "
        "endpoint at two times."
    )
    _demo_offer(runs, live, first=True)
    if not session.read_only():
        st.page_link("pages/3_Evaluate.py", label="Make a run of your own", icon=":material/analytics:")
    st.stop()


def _demo_offer(runs: tuple[Run, ...], live: Collection[str], first: bool = False) -> None:
    """A button that runs the demo detectors which have no run on the sample images yet."""
    mine = [run for run in runs if run.request.endpoint == DEMO_ENDPOINT and run.source == SAMPLE_SET]
    missing = [variant for variant in "AB" if variant not in {run.request.variant for run in mine}]
    if not missing or live or not (first or mine) or session.read_only():
        return
    what = f"demo detector {missing[0]}" if len(missing) == 1 else "both demo detectors"
    if not st.button(
        f"Run {what} on the {len(SAMPLES.images)} sample images",
        type="primary" if first else "secondary",
        icon=":material/play_arrow:",
        help="The embedded endpoint answers on this machine and costs nothing.",
    ):
        return
    try:
        for variant in missing:
            _run_demo(variant)
    except SmvizError as error:
        show_error(error)
        return
    st.rerun()


def _run_demo(variant: str) -> None:
    """Raises EndpointError, NotAllowed or StoreError when it cannot begin."""
    chosen = Chosen(EMBEDDED, DEMO_ENDPOINT, variant)
    session.policy().check_run(session.person(), len(SAMPLES.images))
    run = store().create_run(
        store().new_name(f"{chosen.label} on {SAMPLE_SET}"),
        chosen.connection,
        request_of(chosen),
        preset_of(chosen),
        tuple(ImageRef(path.name, path=path) for path in SAMPLES.images),
        SAMPLES.annotations.read_bytes(),
        described(chosen.connection, DEMO_ENDPOINT).config,
        SAMPLE_SET,
    )
    work_on(run, workers=2)  # side by side with the other variant, whose latency counts too
