"""One image of a run in the viewer, with every hit, miss and mistake marked."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import streamlit as st

from smviz.evaluation import judged_image
from smviz.names import base_name
from smviz.store import Run
from smviz.ui.choice import restored
from smviz.ui.derived import Derived
from smviz.ui.frame import page_link
from smviz.ui.outcomes import without_bodies
from smviz.ui.resources import picture_url, prepared, run_image
from smviz.ui.threshold_bar import Chosen
from smviz.viewer import ImageMatches, ImageTruth, viewer


def one_image(
    derived: Derived,
    run: Run,
    name: str,
    chosen: Chosen,
    key: str = "evaluate viewer",
    detection: int | None = None,
    truth: int | None = None,
    on_step: Callable[[int], None] | None = None,
) -> None:
    """The viewer with one image of the run: true positives, false positives and missed objects marked.

    Args:
        derived: the evaluation.
        run: that has the image.
        name: of the image, as the ground truth has it.
        chosen: what counts.
        key: of the viewer.
        detection: the one to be selected at first, as position in the matches.
        truth: the object to be selected at first instead, as index into the ground truth.
        on_step: called with -1 or 1 when the person asks for the previous or next image.

    Raises:
        StoreError: when the image is not there any more.
        BadImage: when it can no longer be decoded.
    """
    labels = derived.matches.ground_truth
    image = labels.image_names.index(name)
    file = file_names(derived, run)[image]
    payload = prepared(run_image(run.id, file), name)
    judged = judged_image(derived.evaluation, image, chosen.iou)
    width, height = (int(side) for side in labels.image_sizes[image])  # the frame that the boxes are in
    state = viewer(
        picture_url(payload, key),
        judged.detections,
        width=width or payload.width,
        height=height or payload.height,
        key=key,
        image_key=f"{run.id} {name} {chosen.iou}",
        threshold=chosen.threshold,
        best_threshold=chosen.best_known,
        ground_truth=ImageTruth(judged.truth_xyxy, judged.truth_class_id, judged.truth_ignored),
        matches=ImageMatches(judged.choices, judged.truth_crowd, judged.uncounted, judged.most),
        selected=None if detection is None else _place(derived, image, detection),
        selected_truth=None if truth is None else int(np.searchsorted(np.flatnonzero(labels.image == image), truth)),
        sync=derived.word,
        on_step=on_step,
    )
    page_link(
        "Detect",
        "Open in Detect: exports, tiles, the raw reply",
        restored(),
        {"run": run.id, "image": file, "threshold": f"{chosen.threshold:.6g}"},
    )
    if state.threshold != chosen.threshold:
        st.session_state["viewer threshold"] = state.threshold
        st.rerun()


def file_names(derived: Derived, run: Run) -> list[str]:
    """What each image of the ground truth is called in the run, which may have it in a folder."""
    return derived.once("file names", lambda: _file_names(derived, run))


def _file_names(derived: Derived, run: Run) -> list[str]:
    names = derived.matches.ground_truth.image_names
    sent = [outcome.image for outcome in without_bodies(run) if outcome.reply]
    exact = set(sent)
    by_base = {base_name(name): name for name in sent}
    return [name if name in exact else by_base.get(base_name(name), name) for name in names]


def _place(derived: Derived, image: int, detection: int) -> int:
    """Where a detection of the matches stands among those of its image, as `judged_image` sorts them."""
    predictions = derived.matches.predictions
    rows = np.flatnonzero(predictions.image == image)
    rows = rows[np.argsort(-predictions.confidence[rows], kind="stable")]
    return int(np.flatnonzero(rows == derived.matches.prediction[detection])[0])
