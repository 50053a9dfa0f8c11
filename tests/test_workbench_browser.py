"""The live part of Evaluate in a real Chromium: its counts are those of Python, and they follow the pointer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from browser import ROOT, open_browser
from coco_sets import columns as columns_of
from coco_sets import dense_set, random_columns, small_set
from playwright.sync_api import Page, Playwright, sync_playwright

from smviz import metrics
from smviz.evaluation import Evaluation, evaluate
from smviz.operating import best_f1, sweep
from smviz.workbench import Part, pack

pytestmark = pytest.mark.browser

WORKBENCH = ROOT / "smviz" / "workbench"
COUNTED = """([url, layout, state, image]) => loadColumns(url, layout).then((columns) => {
  const list = (object) => Object.fromEntries(Object.entries(object).map(
    ([name, value]) => [name, ArrayBuffer.isView(value) ? [...value].map(told) : told(value)]));
  const told = (value) => Number.isNaN(value) ? null : value;
  return {
    all: list(countAll(columns, state)),
    classes: list(countByClass(columns, state)),
    images: list(countByImage(columns, state)),
    sweep: list(sweepOf(columns, state)),
    best: [...bestByClass(columns, state)].map(told),
    histogram: list(histogramOf(columns, state, 10)),
    row: rowAt(sweepOf(columns, state), state.threshold),
  };
})"""


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def counting(playwright) -> Iterator[Page]:
    """A page with nothing but columns.js, which finds the packed columns of a set under /NAME."""
    with open_browser(playwright) as open_page:
        page = open_page("about:blank")
        page.route("http://counting/", lambda route: route.fulfill(body="<title>counting</title>"))
        page.goto("http://counting/")
        page.add_script_tag(content=(WORKBENCH / "columns.js").read_text())
        yield page


def told(values: Any) -> list[Any]:
    """As JSON has them: None for NaN."""
    return [None if value != value else value for value in np.asarray(values).tolist()]


def counts_told(counts: Any, *names: str) -> dict[str, Any]:
    return {name: told(getattr(counts, name)) for name in names}


RATES = ("tp", "fp", "fn", "precision", "recall", "f1")
SETS = {
    **{f"random {seed}": lambda seed=seed: random_columns(seed) for seed in range(6)},
    "dense": lambda: columns_of(*dense_set(2)),
    "nothing": lambda: small_set(),
    "no detections": lambda: small_set(objects=[(0, 0, (1, 1, 9, 9)), (1, 1, (1, 1, 50, 50))]),
    "no objects": lambda: small_set(detections=[(0, 0, (1, 1, 9, 9), 0.5), (1, 1, (1, 1, 9, 9), 1.0)]),
    "scores beyond 0 and 1": lambda: small_set(
        objects=[(0, 0, (1, 1, 40, 40))],
        detections=[(0, k % 2, (1, 1, 40, 40), score) for k, score in enumerate((-3.5, -0.0, 0.0, 7.0, -3.5, 1e-300))],
    ),
}


def states(evaluation: Evaluation, seed: int) -> list[tuple[float, int, int, list[int] | None]]:
    """Thresholds that are scores, or are none, at every area range, some IoUs and with some classes."""
    rng = np.random.default_rng(seed)
    scores, classes = evaluation.matches.confidence, len(evaluation.matches.ground_truth.class_names)
    thresholds = [0.0, 0.5, 1.0, *(rng.choice(scores, 3).tolist() if len(scores) else [])]
    subsets = [None, [], [0], sorted(rng.permutation(classes)[: classes // 2 + 1].tolist())]
    return [
        (float(rng.choice(thresholds)), iou, area, subset)
        for area in range(4)
        for iou in (0, 5, 9)
        for subset in subsets
    ]


class TestCounting:
    @pytest.mark.parametrize("name", SETS)
    def test_is_pythons_to_the_last_digit(self, counting, name):
        """Counts, rates, sweeps, best thresholds: at all area ranges, with some classes, at thresholds that a score
        equals."""
        evaluation = evaluate(*SETS[name]())
        packed = pack(evaluation.matches)
        url = f"http://counting/{name.replace(' ', '-')}"
        counting.route(url, lambda route: route.fulfill(body=packed.data))
        for threshold, iou, area, subset in states(evaluation, 7):
            state = {"threshold": threshold, "iou": iou, "area": area, "classes": subset}
            found = counting.evaluate(COUNTED, [url, packed.layout, state, 0])
            expected = by_python(evaluation, threshold, iou, area, subset)
            assert {key: found[key] for key in expected} == expected, state


def by_python(evaluation: Evaluation, threshold: float, iou: int, area: int, subset: list[int] | None) -> Any:
    matches = evaluation.matches
    overlap, size = matches.settings.ious[iou], matches.settings.areas[area][0]
    part = Part(overlap, size, None if subset is None else tuple(subset))
    table, swept = part.per_class(matches, threshold), part.sweep(matches)
    chosen = range(len(table)) if subset is None else subset
    kept = np.isin(matches.class_id, list(chosen)) & (matches.confidence >= threshold)
    truth, images = matches.ground_truth, len(matches.ground_truth.image_names)
    of_image = {
        "tp": np.bincount(matches.image[kept & matches.true_positive(overlap, size)], minlength=images),
        "fp": np.bincount(matches.image[kept & matches.false_positive(overlap, size)], minlength=images),
    }
    there = ~matches.ground_truth_ignored(size) & np.isin(truth.class_id, list(chosen))
    of_image["objects"] = np.bincount(truth.image[there], minlength=images)
    of_image["fn"] = of_image["objects"] - of_image["tp"]
    if size == "all":
        assert counts_told(table, *RATES) == counts_told(metrics.per_class(matches, threshold, overlap), *RATES)
        if subset is None:
            assert counts_told(swept, *RATES) == counts_told(sweep(matches, None, overlap), *RATES)
            assert told(of_image["fn"]) == told(metrics.per_image(matches, threshold, overlap).fn)
    pooled = metrics.Counts(*(int(getattr(table, n)[list(chosen)].sum()) for n in ("tp", "fp", "fn")))
    in_bins = np.clip(np.floor(matches.confidence * 10 + 1e-9), 0, 9).astype(int)
    return {
        "all": {
            **{name: None if (value := getattr(pooled, name)) != value else value for name in RATES},
            "objects": int(table.objects[list(chosen)].sum()),
            "detections": int(table.detections[list(chosen)].sum()),
        },
        "classes": counts_told(table, "objects", "detections", *RATES),
        "images": {name: told(column) for name, column in of_image.items()},
        "sweep": {**counts_told(swept, "confidence", "tp", "fp"), "positives": swept.positives},
        "best": told([best_f1(one).confidence for one in part.sweeps(matches)]),
        "row": int((swept.confidence >= threshold).sum()) - 1,
        "histogram": {
            name: told(np.bincount(in_bins[flags & np.isin(matches.class_id, list(chosen))], minlength=10))
            for name, flags in (
                ("tp", matches.true_positive(overlap, size)),
                ("fp", matches.false_positive(overlap, size)),
                ("ignored", matches.ignored(overlap, size)),
            )
        },
    }
