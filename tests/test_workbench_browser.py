"""The live part of Evaluate in a real Chromium: its counts are those of Python, and they follow the pointer."""

from __future__ import annotations

import io
import json
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from browser import ROOT, open_browser, start_app
from coco_sets import coco_json, dense_set, random_columns, small_set
from coco_sets import columns as columns_of
from picture_runs import picture_run
from playwright.sync_api import Page, expect

from smviz import metrics
from smviz.annotations import parse_ground_truth
from smviz.evaluation import Evaluation, evaluate, judge, read_by
from smviz.intervals import Bootstrap
from smviz.operating import F1, best_f1, operating_point, sweep
from smviz.records import ImageRef, Outcome, Reply
from smviz.settings import Preset
from smviz.store import Run, Store
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


SIDES = (20, 60, 140)  # pixels: a small, a medium and a large object


@dataclass(frozen=True)
class Kept:
    """A run in the app's workspace, and its evaluation."""

    run: Run
    evaluation: Evaluation


def labels(images: int, classes: int, rng: np.random.Generator) -> list[tuple[int, int, list[float]]]:
    """(image, class, ltwh), three of each size in an image, not over each other."""
    return [
        (
            image,
            int(rng.integers(classes)) if place else image % classes,
            [30 + 200.0 * (place % 3), 20 + 155.0 * (place // 3), side, side],
        )
        for image in range(images)
        for place, side in enumerate(SIDES * 3)
    ]


def kept_run(folder: Path, name: str, images: int, classes: int, seed: int = 0) -> Kept:
    """A run that finds most objects, some of them badly placed or in the wrong class, and some that are not there."""
    rng = np.random.default_rng(seed)
    objects = labels(images, classes, rng)
    truth = json.dumps(coco_json(range(images), classes, [(i, k, box, box[2] * box[3], 0) for i, k, box in objects]))
    found: list[list[list[float]]] = [[] for _ in range(images)]
    for image, k, (left, top, wide, high) in objects:
        if rng.random() < 0.8:
            shift = rng.normal(0, 0.07 * wide, 2)
            left, top = left + float(shift[0]), top + float(shift[1])
            score = round(float(rng.beta(4, 2)), 3)
            found[image].append(
                [k if rng.random() < 0.9 else (k + 1) % classes, score, left, top, left + wide, top + high]
            )
        if rng.random() < 0.6:
            found[image].append([k, round(float(rng.beta(1, 4)), 3), 600.0, 440.0, 620.0 + 15 * rng.random(), 460.0])
    preset = Preset("builtin-ssd", tuple(f"class {k}" for k in range(classes)))
    rows = []
    for image, boxes in enumerate(found):
        scaled = [[k, score, x0 / 640, y0 / 480, x1 / 640, y1 / 480] for k, score, x0, y0, x1, y1 in boxes]
        reply = Reply(json.dumps({"prediction": scaled}).encode(), "application/json", 0.02 + image / 1000, None)
        rows.append((ImageRef(f"{image}.jpg"), Outcome(f"{image}.jpg", "", 640, 480, 1, reply)))
    with Store(folder) as store:
        run = store.keep_run(name, preset, rows, "a test", truth.encode())
        evaluation = judge(parse_ground_truth(truth.encode()), store.iter_outcomes(run.id), read_by(preset))
    return Kept(run, evaluation)


def unused(name: str) -> str:
    """A run's name that no test had before, also when this one is tried again."""
    return f"{name} {secrets.token_hex(4)}"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home") / "ws"


@pytest.fixture(scope="module")
def app(workspace) -> Iterator[str]:
    nothing = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_REGION"))
    home = {**nothing, "HOME": str(workspace.parent), "AWS_EC2_METADATA_DISABLED": "true"}
    with start_app(ROOT / "streamlit_app.py", {**home, "SMVIZ_WORKSPACE": str(workspace)}) as url:
        yield url


@pytest.fixture(scope="module")
def kept(workspace) -> Kept:
    return kept_run(workspace, "forty images", 40, 5)


@pytest.fixture
def browser(playwright) -> Iterator[Callable[[str], Page]]:
    with open_browser(playwright, viewport=(1280, 1400)) as open_page:

        def patient(url: str) -> Page:
            page = open_page(url)
            expect(page.locator(".live.bar .number.recall dd")).not_to_have_text("…")
            return page

        yield patient


class Screen:
    """What stands on the page."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def numbers(self) -> dict[str, str]:
        return {name: self.page.locator(f".live.bar .number.{name} dd").inner_text() for name in RATES}

    def curve(self) -> dict[str, str]:
        return {name: self.page.locator(f".legend .{name}").inner_text() for name in ("precision", "recall", "f1")}

    def rows(self) -> list[list[str]]:
        """The cells of each row in sight but the last, which is a picture; by their place."""
        rows = [
            (
                float(row.evaluate("row => new DOMMatrix(row.style.transform).f")),
                row.locator("> span").all_inner_texts(),
            )
            for row in self.page.locator(".classes .row:visible").all()
        ]
        return [cells for _, cells in sorted(rows)]

    def settle(self) -> None:
        """Python has heard, and nothing is being drawn any more."""
        self.page.wait_for_load_state("networkidle")
        expect(self.page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
        expect(self.page.locator(".live.bar .number.recall small")).not_to_have_text("…")


def shown_number(value: float) -> str:
    return "—" if value != value else f"{value:.3f}"


def expected_numbers(kept: Kept, threshold: float, part: Part) -> dict[str, str]:
    table = part.per_class(kept.evaluation.matches, threshold)
    chosen = list(range(len(table)) if part.classes is None else part.classes)
    pooled = metrics.Counts(*(int(getattr(table, name)[chosen].sum()) for name in ("tp", "fp", "fn")))
    counts = {name: f"{getattr(pooled, name):,}" for name in ("tp", "fp", "fn")}
    return counts | {name: shown_number(getattr(pooled, name)) for name in ("precision", "recall", "f1")}


def expected_row(kept: Kept, k: int, threshold: float, part: Part) -> list[str]:
    """As the table shows it, without AP and its interval."""
    table = part.per_class(kept.evaluation.matches, threshold)
    best = best_f1(part.sweeps(kept.evaluation.matches)[k]).confidence
    whole = [f"{int(getattr(table, name)[k]):,}" for name in ("objects", "detections", "tp", "fp", "fn")]
    return [
        *whole,
        *(shown_number(getattr(table, name)[k]) for name in ("precision", "recall", "f1")),
        shown_number(best),
    ]


def without_average_precision(cells: list[str]) -> list[str]:
    return [*cells[1:3], *cells[6:]]


def held_at(page: Page, threshold: float) -> None:
    """The pointer on the slider at a threshold, its button down."""
    box = page.locator(".live.bar .slider").bounding_box()
    assert box
    page.mouse.move(box["x"] + 8 + (box["width"] - 16) * threshold, box["y"] + 40, steps=4)
    page.mouse.down()


class TestFollowing:
    def test_everything_follows_the_pointer_and_then_python_follows(self, app, kept, browser):
        """While the slider is held, numbers, curve and table are those of the threshold shown, and the address stays;
        when it is let go, the address and the intervals follow."""
        page = browser(f"{app}/Evaluate?run={kept.run.id}")
        screen, part = Screen(page), Part()
        screen.settle()
        before = page.url
        held_at(page, 0.4)
        for at in (0.45, 0.62, 0.5):
            box = page.locator(".live.bar .slider").bounding_box()
            assert box
            page.mouse.move(box["x"] + 8 + (box["width"] - 16) * at, box["y"] + 40, steps=5)
            threshold = float(page.locator(".live.bar .value").input_value())
            assert abs(threshold - at) < 0.01
            assert screen.numbers() == expected_numbers(kept, threshold, part)
            assert screen.curve() == {name: screen.numbers()[name] for name in screen.curve()}
            rows = [without_average_precision(cells) for cells in screen.rows()]
            assert rows == [expected_row(kept, k, threshold, part) for k in range(5)]
            expect(page.locator(".live.bar .number.f1 small")).to_have_text("…")
            assert page.url == before
        page.mouse.up()
        screen.settle()
        expect(page).to_have_url(re.compile(f"threshold={threshold:g}"))
        rates = Bootstrap(kept.evaluation.matches).pooled_rates(threshold)
        for name in ("precision", "recall", "f1"):
            interval = getattr(rates, name)
            expect(page.locator(f".live.bar .number.{name} small")).to_have_text(
                f"{interval.low:.3f} – {interval.high:.3f}"
            )

    def test_a_part_of_it_and_its_link(self, app, kept, browser):
        """IoU, sizes and classes change every number at once; a link restores them all, with intervals of just these;
        what a link asks for in vain is left out."""
        page = browser(f"{app}/Evaluate?run={kept.run.id}&threshold=0.3")
        screen = Screen(page)
        assert screen.numbers() == expected_numbers(kept, 0.3, Part())
        page.get_by_role("combobox", name="IoU").select_option("0.75")
        page.get_by_role("combobox", name="Sizes").select_option("small")
        chips = page.locator(".live.bar .chip")
        chips.nth(1).click()
        chips.nth(3).click()
        part = Part(0.75, "small", (0, 2, 4))
        expect(page.locator(".live.bar .number.tp dd")).to_have_text(expected_numbers(kept, 0.3, part)["tp"])
        assert screen.numbers() == expected_numbers(kept, 0.3, part)
        screen.settle()
        expect(page).to_have_url(re.compile("iou=0.75"))
        again = Screen(browser(page.url))
        assert again.numbers() == expected_numbers(kept, 0.3, part)
        again.settle()
        rates = Bootstrap(kept.evaluation.matches).pooled_rates(0.3, 0.75, "small", (0, 2, 4))
        told = again.page.locator(".live.bar .number.recall small").inner_text()
        assert told == f"{rates.recall.low:.3f} – {rates.recall.high:.3f}"
        best = operating_point(part.sweep(kept.evaluation.matches), F1, 40).confidence
        expect(again.page.get_by_role("button", name="Best F1")).to_contain_text(f"{best:.3f}")
        again.page.get_by_role("button", name="none", exact=True).click()
        expect(again.page.locator(".live.bar .number.precision dd")).to_have_text("—")
        again.page.get_by_role("button", name="all", exact=True).click()
        again.settle()
        expect(again.page).not_to_have_url(re.compile("classes="))
        wrong = Screen(browser(f"{app}/Evaluate?run={kept.run.id}&threshold=x&iou=7&size=huge&classes=99,x,²"))
        best = kept.evaluation.best_threshold.confidence
        assert wrong.numbers() == expected_numbers(kept, best, Part())

    def test_keys_the_curve_and_the_button(self, app, kept, browser):
        """[ and ] move the threshold from anywhere, a drag of the curve's line too, a typed one is taken exactly, and
        the objective's best is a click away."""
        page = browser(f"{app}/Evaluate?run={kept.run.id}&threshold=0.5")
        screen, value = Screen(page), page.locator(".live.bar .value")
        page.keyboard.press("]")
        page.keyboard.press("]")
        page.keyboard.press("Shift+{")
        expect(value).to_have_value("0.519")
        handle = page.get_by_role("slider", name="Threshold on the curve")
        handle.scroll_into_view_if_needed()
        box = handle.bounding_box()
        assert box
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
        page.mouse.down()
        page.mouse.move(box["x"] + 60, box["y"] + 40, steps=4)
        threshold = float(value.input_value())
        assert threshold > 0.56
        assert screen.numbers() == expected_numbers(kept, threshold, Part())
        page.mouse.up()
        expect(page).to_have_url(re.compile(f"threshold={threshold:g}"))
        value.fill("0.4321")
        value.press("Enter")
        expected = expected_numbers(kept, 0.4321, Part())
        expect(page.locator(".live.bar .number.tp dd")).to_have_text(expected["tp"])  # written in a frame
        assert screen.numbers() == expected
        value.fill("much")
        value.press("Enter")
        expect(value).to_have_value("0.4321")
        screen.settle()
        page.get_by_role("button", name="Best F1").click()
        best = kept.evaluation.best_threshold.confidence
        expect(value).to_have_value(f"{best:.3f}")
        assert screen.numbers() == expected_numbers(kept, best, Part())

    def test_the_table_chooses_sorts_and_is_downloaded_as_it_stands(self, app, kept, browser):
        """A click on a row chooses only its class and another one all; a heading sorts; CSV and Parquet hold the rows
        in the order of the screen, and the curve's CSV every distinct score."""
        page = browser(f"{app}/Evaluate?run={kept.run.id}&threshold=0.3")
        screen = Screen(page)
        page.get_by_role("columnheader", name="Recall").click()
        page.locator(".classes .row").nth(2).click()
        screen.settle()
        expect(page).to_have_url(re.compile("classes=2"))
        assert screen.numbers() == expected_numbers(kept, 0.3, Part(classes=(2,)))
        page.locator(".classes .row").nth(2).click()
        screen.settle()
        expect(page).not_to_have_url(re.compile("classes="))
        expect(page.locator(".classes .row .between").first).to_contain_text("–")
        recalls = [cells[10] for cells in screen.rows()]
        assert recalls == sorted(recalls, reverse=True)
        on_screen = screen.rows()
        settled_rows = downloaded(page, "classes.csv", "CSV", -1)
        table = pd.read_csv(io.BytesIO(settled_rows))
        assert [cells[0].removesuffix("weak").strip() for cells in on_screen] == table["Class"].tolist()
        for column, heading in {
            2: "Detections",
            5: "AP50",
            6: "TP",
            9: "Precision",
            10: "Recall",
            12: "Best threshold",
        }.items():
            told = [f"{value:.3f}" if isinstance(value, float) else f"{value:,}" for value in table[heading].tolist()]
            assert [cells[column] for cells in on_screen] == told, heading
        assert [cells[4] for cells in on_screen] == [
            f"{a:.3f} – {b:.3f}" for a, b in zip(table["AP low"], table["AP high"], strict=True)
        ]
        parquet = pd.read_parquet(io.BytesIO(downloaded(page, "classes.parquet", "Parquet", 0)))
        pd.testing.assert_frame_equal(parquet.drop(columns="Weak"), table.drop(columns="Weak"), check_dtype=False)
        curve = pd.read_csv(io.BytesIO(downloaded(page, "thresholds_curve.csv", "CSV", 1)))
        swept = sweep(kept.evaluation.matches)
        assert curve["confidence"].tolist() == swept.confidence.tolist()
        assert curve["fp"].tolist() == swept.fp.tolist()

    def test_classes_are_filtered_and_columns_chosen(self, app, kept, browser):
        """An expression leaves some classes, which follow the bar; the file equals the screen; a slip is marked."""
        page = browser(f"{app}/Evaluate?run={kept.run.id}&threshold=0.3")
        screen, table = Screen(page), page.locator(".live.classes")
        screen.settle()
        field, names = table.get_by_role("textbox"), kept.evaluation.matches.ground_truth.class_names

        def left(threshold: float, most: int) -> list[str]:
            counts = Part().per_class(kept.evaluation.matches, threshold)
            return [name for k, name in enumerate(names) if counts.tp[k] > most or name == names[0]]

        most = int(np.median(Part().per_class(kept.evaluation.matches, 0.3).tp))
        field.fill(f'tp > {most} or name = "{names[0]}"')
        expect(table.locator(".count")).to_have_text(f"{len(left(0.3, most))} of {len(names)} classes")
        assert 0 < len(left(0.3, most)) < len(names)
        table.get_by_role("button", name="Columns").click()
        for name in ("AP", "Scores"):
            table.get_by_role("checkbox", name=name, exact=True).uncheck()
        page.keyboard.press("Escape")
        expect(table.get_by_text("AP, 95 %")).to_have_count(0)
        screen.settle()
        on_screen = screen.rows()
        file = pd.read_csv(io.BytesIO(downloaded(page, "classes.csv", "CSV", -1)))
        assert file["Class"].tolist() == [row[0].removesuffix("weak").strip() for row in on_screen] == left(0.3, most)
        assert [f"{value:,}" for value in file["TP"]] == [row[4] for row in on_screen]
        assert not {"AP", "AP low", "AP high"} & set(file.columns)

        page.locator(".live.bar .value").fill("0.7")
        page.keyboard.press("Enter")
        expect(table.locator(".count")).to_have_text(f"{len(left(0.7, most))} of {len(names)} classes")
        field.fill("tp > 3 and")
        expect(table.get_by_role("alert")).to_contain_text("Something is missing at the end.")
        expect(table.locator(".count")).to_have_text(f"{len(left(0.7, most))} of {len(names)} classes")
        table.get_by_role("button", name="Clear the filter").click()
        expect(table.locator(".count")).to_have_text("")
        expect(table.locator(".row:visible")).to_have_count(len(names))


class TestAnOpenImage:
    def test_follows_the_bar_and_moves_it(self, app, workspace, browser, tmp_path_factory):
        """The picture shows the bar's threshold while it is held, and the bar that of the picture's slider; the address
        has it when it is let go."""
        with Store(workspace) as store:
            run = picture_run(store, tmp_path_factory.mktemp("pictures"), 12, unused("pictures"))
        page = browser(f"{app}/Evaluate?run={run.id}&section=Images&image=frame_00003.jpg&threshold=0.3")
        screen, viewer = Screen(page), page.locator(".viewer")
        expect(page.locator('[data-ready="1"]')).to_have_count(1)
        expect(viewer.locator(".value")).to_have_text("0.30")
        screen.settle()
        held_at(page, 0.35)
        box = page.locator(".live.bar .slider").bounding_box()
        assert box
        page.mouse.move(box["x"] + 8 + (box["width"] - 16) * 0.6, box["y"] + 40, steps=4)
        threshold = float(page.locator(".live.bar .value").input_value())
        assert abs(threshold - 0.6) < 0.01
        expect(viewer.locator(".value")).to_have_text(f"{threshold:.3f}".removesuffix("0"))
        expect(page).to_have_url(re.compile(r"threshold=0\.3\b"))
        page.mouse.up()
        expect(page).to_have_url(re.compile(f"threshold={threshold:g}"))
        screen.settle()
        viewer.locator(".slider").focus()
        viewer.locator(".slider").press("ArrowRight")
        expect(viewer.locator(".value")).not_to_have_text(f"{threshold:.3f}".removesuffix("0"))  # written in a frame
        told = float(viewer.locator(".value").inner_text())
        assert told != threshold
        expect(page.locator(".live.bar .value")).to_have_value(f"{told:.3f}")
        expect(page).to_have_url(re.compile(f"threshold={told:g}"))
        screen.settle()
        expect(viewer.locator(".value")).to_have_text(f"{told:.3f}".removesuffix("0"))


def downloaded(page: Page, file_name: str, button: str, which: int) -> bytes:
    with page.expect_download() as download:
        page.get_by_role("button", name=button, exact=True).nth(which).click()
    assert download.value.suggested_filename == file_name
    return Path(download.value.path()).read_bytes()


class TestManyAndNone:
    def test_two_hundred_classes(self, app, workspace, browser):
        """They are found by name and scrolled through; the table has only the rows in sight; grey lines are counted."""
        kept = kept_run(workspace, unused("two hundred classes"), 60, 200, seed=1)
        page = browser(f"{app}/Evaluate?run={kept.run.id}&threshold=0.3")
        assert page.locator(".live.bar .chips").evaluate("list => list.clientHeight") < 80
        page.get_by_role("searchbox", name="Find a class").fill("class 17")
        expect(page.locator(".live.bar .chip:visible")).to_have_count(11)
        page.locator(".live.bar .chip:visible").first.click(modifiers=["Shift"])
        expect(page.locator(".how-many")).to_have_text("1 of 200 classes")
        assert page.locator(".classes .row").count() < 30
        assert Screen(page).numbers()["tp"] in {
            expected_numbers(kept, 0.3, Part(classes=(k,)))["tp"] for k in (17, *range(170, 180))
        }
        page.get_by_role("button", name="all", exact=True).click()
        expect(page.locator(".note")).to_contain_text("further classes in grey")

    def test_detections_that_cannot_be_had(self, app, kept, browser):
        """Where the server no longer has them, every part says so instead of numbers."""
        page = browser(f"{app}/Evaluate?run={kept.run.id}")
        page.route("**/media/*", lambda route: route.fulfill(body=""))
        page.evaluate("globalThis.smvizColumns.clear()")
        page.get_by_role("radio", name="Data set").click()
        Screen(page).settle()
        page.get_by_role("radio", name="Overview").click()
        expect(page.get_by_text("The detections could not be loaded").last).to_be_visible()
