"""The review of labels in doubt: keep or reject each beside its picture; the numbers then, and corrected labels."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import streamlit as st

from smviz import diagnosis
from smviz.annotations import Corrections, corrected_json
from smviz.diagnosis import REASONS, Review
from smviz.errors import SmvizError
from smviz.matching import Integers
from smviz.reviewing import Numbers, corrections_of, doubt_keys, judged_again, numbers
from smviz.store import Run
from smviz.ui import session
from smviz.ui.derived import Derived
from smviz.ui.errors_picked import latest
from smviz.ui.frame import number, plain, show_error, shown_errors
from smviz.ui.one_image import one_image
from smviz.ui.resources import store
from smviz.ui.threshold_bar import Chosen
from smviz.workbench.queue import queue, told

TITLES = {
    "missing": "No label",
    "class": "Another class",
    "box": "Another box",
    "unseen": "Nothing found",
    "double": "Labelled twice",
}
STATUS = {"open": "To review", "decided": "Reviewed", "all": "All"}
MOST_ROWS = 1000
LABELS = {"ap": "AP", "ap50": "AP50", "precision": "Precision", "recall": "Recall", "f1": "F1"}


@dataclass(frozen=True, eq=False)
class Doubts:
    """Both queues as one, by falling score: N doubts.

    Attributes:
        reviews: the queues.
        keys: what identifies each doubt, [N].
        queue, row: int64 [N], which queue each is of, and its row there.
        reason, class_id: int64 [N]; the class is that of the label, or of the detection where there is none.
    """

    reviews: tuple[Review, ...]
    keys: tuple[str, ...]
    queue: Integers
    row: Integers
    reason: Integers
    class_id: Integers

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def places(self) -> dict[str, int]:
        """Where each key is."""
        return {key: place for place, key in enumerate(self.keys)}

    def review(self, place: int) -> tuple[Review, int]:
        """The queue of a doubt and its row there."""
        return self.reviews[self.queue[place]], int(self.row[place])

    def accepted(self, decisions: Mapping[str, str]) -> Corrections:
        """What the rejected labels are to become."""
        places = [place for place, key in enumerate(self.keys) if decisions.get(key) == "reject"]
        chosen = [
            [int(self.row[place]) for place in places if self.queue[place] == q] for q in range(len(self.reviews))
        ]
        return corrections_of(zip(self.reviews, chosen, strict=True))


def review(derived: Derived, run: Run, chosen: Chosen) -> None:
    """The part of the section."""
    st.subheader("Labels to look at again", anchor=False)
    doubts = derived.once("doubts", lambda: _doubts(derived))
    if not len(doubts):
        st.info("No label is in doubt: no confident detection contradicts one.", icon=":material/check_circle:")
        return
    st.caption(
        "Where a confident detector and the labels contradict each other, one of them is wrong; first where that is "
        f"most likely the labels. {_kept()} Objects of every size are looked at, at any threshold."
    )
    _reviewed(derived, run, chosen, doubts)


def _kept() -> str:
    if session.read_only():
        return "What was decided is shown; here nothing can be decided."
    return "What you decide is kept with the run, whoever looks at it; the run's own labels are not changed."


@st.fragment
def _reviewed(derived: Derived, run: Run, chosen: Chosen, doubts: Doubts) -> None:
    key = f"review of {run.id}"
    with shown_errors():
        done = told(key)
        known = {doubt: decision for doubt, decision in done.decided if doubt in doubts.places}
        if known and not session.read_only():
            store().decide(run.id, known)
        decisions = store().decisions(run.id)
        listed = _filtered(derived, doubts, decisions)
        place = _place(doubts, listed, decisions, done.selected or st.query_params.get("doubt", ""))
        left, right = st.columns([2, 3], gap="medium")
        with left:
            _queue(doubts, listed, decisions, key, None if place is None else doubts.keys[place])
            effect = st.container()
        with right:
            if place is not None:
                st.query_params["doubt"] = doubts.keys[place]
                _picture(derived, run, chosen, *doubts.review(place))
        with effect:  # last, for it can take a while
            _effect(derived, run, chosen, doubts, decisions)


def _place(doubts: Doubts, listed: Integers, decisions: Mapping[str, str], wanted: str) -> int | None:
    """The doubt to look at: the wanted one, or the first that is not decided, or the first of the list."""
    shown: list[int] = listed[:MOST_ROWS].tolist()
    place = doubts.places.get(wanted, -1)
    if place in set(shown):
        return place
    undecided = (place for place in shown if doubts.keys[place] not in decisions)
    return next(undecided, shown[0] if shown else None)


def _filtered(derived: Derived, doubts: Doubts, decisions: Mapping[str, str]) -> Integers:
    """The doubts to list, by reason, class and whether they are decided."""
    names = derived.matches.ground_truth.class_names
    counts = np.bincount(doubts.reason, minlength=len(REASONS))
    bar = st.container(horizontal=True, vertical_alignment="center", gap="small")
    reason = bar.pills(
        "Reason",
        [name for place, name in enumerate(REASONS) if counts[place]],
        format_func=lambda name: f"{TITLES[name]} {counts[REASONS.index(name)]:,}",
        key="doubt_reason",
        bind="query-params",
        label_visibility="collapsed",
    )
    class_id = bar.selectbox(
        "Class",
        np.unique(doubts.class_id).tolist(),
        index=None,
        format_func=lambda k: names[k],
        placeholder="Every class",
        key="doubt class",
        label_visibility="collapsed",
        width=200,
    )
    status = bar.segmented_control(
        "Status",
        list(STATUS),
        default="all",
        required=True,
        format_func=STATUS.__getitem__,
        key="doubt_status",
        bind="query-params",
        label_visibility="collapsed",
    )
    keep = np.ones(len(doubts), np.bool_)
    if reason is not None:
        keep &= doubts.reason == REASONS.index(reason)
    if class_id is not None:
        keep &= doubts.class_id == class_id
    if status != "all":
        decided = np.array([key in decisions for key in doubts.keys])
        keep &= decided == (status == "decided")
    return np.flatnonzero(keep)


def _queue(doubts: Doubts, listed: Integers, decisions: Mapping[str, str], key: str, selected: str | None) -> None:
    shown = [_row(doubts, int(place)) for place in listed[:MOST_ROWS]]
    here = {row["key"] for row in shown}
    queue(
        shown,
        decisions,
        key=key,
        selected=selected,
        total=len(doubts),
        outside=sum(doubt in decisions for doubt in doubts.keys if doubt not in here),
        read_only=session.read_only(),
        empty="Nothing is left of this kind." if len(decisions) else "There is no doubt of this kind.",
    )
    if len(listed) > MOST_ROWS:
        st.caption(f"The first {MOST_ROWS:,} of {len(listed):,}: choose a reason or a class, or what is to review.")


def _row(doubts: Doubts, place: int) -> dict[str, Any]:
    review, row = doubts.review(place)
    keep, reject = _choices(review, row)
    return {
        "key": doubts.keys[place],
        "reason": TITLES[REASONS[review.reason[row]]],
        "image": review.matches.ground_truth.image_names[review.image[row]],
        "sentence": review.sentence(row),
        "score": float(review.score[row]),
        "keep": keep,
        "reject": reject,
    }


def _choices(review: Review, row: int) -> tuple[str, str]:
    """What it means to keep the labels, and to reject them."""
    names, reason = review.matches.ground_truth.class_names, REASONS[review.reason[row]]
    found = names[review.matches.class_id[review.detection[row]]] if review.detection[row] >= 0 else ""
    if reason == "missing":
        return "Leave unlabelled", f"Label as {found}"
    label = names[review.matches.ground_truth.class_id[review.truth[row]]]
    reject = {"class": f"Change to {found}", "box": "Take the detector's box"}.get(reason, "Remove the label")
    return f"Keep {label}", reject


def _picture(derived: Derived, run: Run, chosen: Chosen, review: Review, row: int) -> None:
    """The image of a doubt, with what is in doubt selected; a detection shows whatever the threshold is."""
    st.markdown(f":orange[:material/help:] {plain(review.sentence(row))}")
    name = derived.matches.ground_truth.image_names[review.image[row]]
    detection, truth = int(review.detection[row]), int(review.truth[row])
    sure = float(derived.matches.confidence[detection]) if detection >= 0 else 1.0
    try:
        one_image(
            derived,
            run,
            name,
            replace(chosen, threshold=min(chosen.threshold, sure)),
            key="doubt viewer",
            detection=detection if detection >= 0 else None,
            truth=truth if detection < 0 else None,
        )
    except SmvizError as error:  # a picture that is gone must not end the review
        show_error(error)


def _effect(derived: Derived, run: Run, chosen: Chosen, doubts: Doubts, decisions: Mapping[str, str]) -> None:
    """The numbers before and after, and the corrected labels to download."""
    corrections = doubts.accepted(decisions)
    if not len(corrections):
        st.caption(":material/edit_note: No correction is accepted yet; what one changes in the numbers is shown here.")
        return
    names = derived.matches.ground_truth
    st.markdown(f"**With {len(corrections):,} corrected {'label' if len(corrections) == 1 else 'labels'}**")
    before = numbers(derived.evaluation, chosen.threshold, chosen.iou)
    with st.spinner("Matching to the corrected labels …"):
        after = _after(derived, chosen, corrections)
    lines = ["| | As labelled | Corrected | Change |", "|:--|--:|--:|--:|"]
    for field, title in LABELS.items():
        was, now = getattr(before, field), getattr(after, field)
        lines.append(f"| {title} | {number(was)} | **{number(now)}** | {_change(now - was)} |")
    st.markdown("\n".join(lines))
    told_part = " Over all classes and sizes, whatever is chosen above." if _narrowed(chosen) else ""
    st.caption(
        ":material/balance: Corrections that are chosen where the detector disagrees with the labels flatter the "
        "detector: these are no fair numbers for this model, but the labels are better for the next one. Precision, "
        f"recall and F1 at confidence ≥ {chosen.threshold:.3f} and IoU {chosen.iou:.2f}.{told_part}"
    )
    workspace = store()  # what makes the file belongs to no session
    st.download_button(
        "Corrected labels (COCO)",
        lambda: corrected_json(workspace.annotations(run.id) or b"", names, corrections),
        f"{run.name}.corrected.json",
        "application/json",
        icon=":material/download:",
        on_click="ignore",
        help="All labels of the run as one COCO file. What was not corrected stays as it was: ids, crowds, categories, "
        "further fields.",
        key="corrected labels",
    )


def _change(by: float) -> str:
    return "—" if np.isnan(by) else f"{by:+.3f}" if abs(by) >= 0.0005 else "0.000"


def _narrowed(chosen: Chosen) -> bool:
    return chosen.classes is not None or chosen.area != "all"


def _after(derived: Derived, chosen: Chosen, corrections: Corrections) -> Numbers:
    digest = hashlib.blake2b(digest_size=16)
    for column in vars(corrections).values():
        digest.update(column.tobytes() + b"|")
    again = latest(derived, "judged again", digest.digest(), lambda: judged_again(derived.evaluation, corrections))
    return numbers(again, chosen.threshold, chosen.iou)


def _doubts(derived: Derived) -> Doubts:
    reviews = (
        diagnosis.probably_missing(derived.matches, near=derived.near),
        diagnosis.probably_wrong(derived.matches, near=derived.near),
    )
    keys = [key for review in reviews for key in doubt_keys(review)]
    queue = np.repeat(np.arange(len(reviews)), [len(review) for review in reviews])
    row = np.concatenate([np.arange(len(review)) for review in reviews])
    order = np.argsort(-np.concatenate([review.score for review in reviews]), kind="stable")
    # The very same label twice, say, is one doubt: what is decided about it is decided about both.
    _, first = np.unique(np.array(keys)[order], return_index=True) if keys else ((), np.zeros(0, np.int64))
    order = order[np.sort(first)]
    matches, truth = derived.matches, np.concatenate([review.truth for review in reviews])
    detection = np.concatenate([review.detection for review in reviews])
    class_id = np.where(
        truth >= 0, np.append(matches.ground_truth.class_id, -1)[truth], np.append(matches.class_id, -1)[detection]
    )
    return Doubts(
        reviews,
        tuple(keys[place] for place in order),
        queue[order],
        row[order],
        np.concatenate([review.reason for review in reviews])[order],
        class_id[order],
    )
