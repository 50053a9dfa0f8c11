"""The pictures of an evaluation in a real Chromium: table, gallery, crops, filters, files and the keyboard."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import ROOT, open_browser, start_app
from picture_runs import CLASSES, name_of, picture_run
from playwright.sync_api import Locator, Page, expect

from smviz.annotations import parse_ground_truth
from smviz.evaluation import Evaluation, judge, read_by
from smviz.store import Run, Store

pytestmark = pytest.mark.browser

APP = Path(__file__).parent / "browser_apps" / "pictures_app.py"
WORKBENCH = ROOT / "smviz" / "workbench"
IMAGES, FAILED, GONE = 60, 3, 5


@pytest.fixture(scope="module")
def app(home) -> Iterator[str]:
    with start_app(APP, home) as url:
        yield url


@pytest.fixture(scope="module")
def run(home) -> Run:
    """Sixty images: one failed, the file of another is gone."""
    with workspace(home) as store:
        return picture_run(store, Path(str(home["HOME"])), IMAGES, failed=[FAILED], gone=[GONE])


@pytest.fixture(scope="module")
def evaluation(home, run) -> Evaluation:
    """The same run, judged here."""
    with workspace(home) as store:
        truth = parse_ground_truth(store.annotations(run.id))
        return judge(truth, store.iter_outcomes(run.id), read_by(run.preset))


def workspace(home: dict[str, str | None]) -> Store:
    return Store(Path(str(home["SMVIZ_WORKSPACE"])))


def ready(page: Page, count: int) -> Page:
    expect(page.locator("[data-images]")).to_have_attribute("data-images", str(count))
    return page


def grid(page: Page) -> Locator:
    return page.locator(".images .grid")


def rows(page: Page) -> list[list[str]]:
    """The texts of the table's cells that are in sight, from the top."""
    found: list[list[str]] = page.locator(".images .row:visible").evaluate_all(
        """rows => rows.sort((a, b) => a.dataset.index - b.dataset.index)
            .map(row => [...row.children].map(cell => cell.textContent))"""
    )
    return found


def active(page: Page) -> int:
    return int(grid(page).locator(".active").get_attribute("data-index") or -1)


def tell(page: Page, run: Run, settled: bool = False, **part: Any) -> None:
    """Say what the bar above says when it is moved."""
    page.evaluate(
        """([word, part, settled]) => {
            const states = (globalThis.smvizChannels ??= new Map());
            const state = { threshold: 0.5, iou: 0, area: 0, classes: null, ...states.get(word), ...part };
            states.set(word, state);
            window.dispatchEvent(new CustomEvent("smviz-channel", { detail: { word, state, settled } }));
        }""",
        [run.id, part, settled],
    )


def no_traceback(page: Page) -> None:
    expect(page.get_by_text("Traceback")).to_have_count(0)
    expect(page.locator('[data-testid="stException"]')).to_have_count(0)


def worst_first(evaluation: Evaluation, threshold: float) -> list[str]:
    table = evaluation.image_table(threshold)
    return [row.name for row in sorted(table, key=lambda row: (-(row.fp + row.fn), row.name))]


class TestTable:
    def test_shows_what_python_counts(self, app, run, evaluation, browser):
        """Worst first; each row's counts and rates are those of the evaluation, with its latency and picture."""
        page = ready(browser(f"{app}/?run={run.id}"), IMAGES - 1)
        table = {row.name: row for row in evaluation.image_table(0.5)}
        shown = rows(page)
        assert [row[1] for row in shown] == worst_first(evaluation, 0.5)[: len(shown)]
        for _, name, f1, precision, recall, tp, fp, fn, objects, latency, _ in shown:
            row = table[name]
            assert [int(tp), int(fp), int(fn), int(objects)] == [row.tp, row.fp, row.fn, row.tp + row.fn]
            rates = zip((f1, precision, recall), (row.f1, row.precision, row.recall), strict=True)
            assert all(text == ("—" if value != value else f"{value:.2f}") for text, value in rates)
            assert latency.endswith(" ms")
        expect(page.locator(".images .row img[src*='media/']:visible").first).to_be_visible()
        no_traceback(page)

    def test_follows_the_threshold_and_is_sorted_when_it_is_let_go(self, app, run, evaluation, browser):
        """While the bar is dragged numbers change and no row moves; afterwards the worst are first again."""
        page = ready(browser(f"{app}/?run={run.id}"), IMAGES - 1)
        before = rows(page)
        page.mouse.move(5, 5)
        page.mouse.down()  # a pointer that is held is still dragging
        tell(page, run, threshold=0.9)
        dragged = rows(page)
        assert [row[1] for row in dragged] == [row[1] for row in before]
        table = {row.name: row for row in evaluation.image_table(0.9)}
        assert [int(row[7]) for row in dragged] == [table[row[1]].fn for row in dragged]
        tally = [sum(row.fp > 0 for row in table.values()), sum(row.fn > 0 for row in table.values())]
        chips = page.locator(".presets small")
        assert [int(text) for text in chips.all_inner_texts()[1:3]] == tally
        page.mouse.up()
        tell(page, run, settled=True)
        assert [row[1] for row in rows(page)] == worst_first(evaluation, 0.9)[: len(dragged)]

    def test_is_sorted_by_any_column_and_shows_those_that_are_wanted(self, app, run, evaluation, browser):
        """A click on a heading sorts, another turns it over; the menu takes columns away; the link restores all."""
        page = ready(browser(f"{app}/?run={run.id}"), IMAGES - 1)
        heading = page.get_by_role("columnheader", name="Latency")
        heading.get_by_role("button").click()
        expect(heading).to_have_attribute("aria-sort", "descending")
        falling = [int(row[9].removesuffix(" ms")) for row in rows(page)]
        assert falling == sorted(falling, reverse=True)
        heading.get_by_role("button").click()
        rising = [int(row[9].removesuffix(" ms")) for row in rows(page)]
        assert rising == sorted(rising)
        assert rising[0] < falling[-1]
        page.get_by_role("button", name="Columns").click()
        page.get_by_role("checkbox", name="Objects", exact=True).uncheck()
        page.get_by_role("checkbox", name="Scores").uncheck()
        page.keyboard.press("Escape")
        expect(page.get_by_role("columnheader")).to_have_count(9)
        expect(page).to_have_url(re.compile(r"sort=latency.*columns=[^&]*latency(&|$)"))
        again = ready(browser(page.url), IMAGES - 1)
        expect(again.get_by_role("columnheader")).to_have_count(9)
        assert rows(again)[0][1] == rows(page)[0][1]

    def test_files_hold_what_is_shown(self, app, run, evaluation, browser):
        """CSV and Parquet have the rows, the order and the columns of the screen, at its threshold."""
        missed = sum(row.fn > 0 for row in evaluation.image_table(0.5))
        page = ready(browser(f"{app}/?run={run.id}&filter=fn%20%3E%200&sort=-fp&columns=name,fp,f1,latency"), missed)
        tell(page, run, settled=True, threshold=0.6)
        count = int(page.locator(".images .count").inner_text().split(" ")[0])
        shown = rows(page)
        with page.expect_download() as download:
            page.get_by_role("button", name="CSV").click()
        assert download.value.suggested_filename == "images.csv"
        with Path(download.value.path()).open(newline="") as file:
            header, *table = list(csv.reader(file))
        assert header == ["Image", "F1", "FP", "Latency (ms)"]
        assert len(table) == count
        for (name, f1, fp, latency), row in zip(table, shown, strict=False):
            assert row == [name, "—" if f1 == "" else f"{float(f1):.2f}", fp, f"{float(latency):.0f} ms"]
        with page.expect_download() as download:
            page.get_by_role("button", name="Parquet").click()
        frame = pd.read_parquet(io.BytesIO(Path(download.value.path()).read_bytes()))
        assert frame["Image"].tolist() == [row[0] for row in table]
        assert frame["FP"].tolist() == [int(row[2]) for row in table]


class TestGallery:
    def test_from_a_tile_to_its_image_and_back(self, app, run, evaluation, browser):
        """Arrow keys move, Enter opens, the viewer steps on in the gallery's order, Escape comes back to the place."""
        page = ready(browser(f"{app}/?run={run.id}&view=gallery&at=0.7"), IMAGES - 1)
        order = worst_first(evaluation, 0.7)
        grid(page).focus()
        page.keyboard.press("End")
        assert active(page) == IMAGES - 2
        page.keyboard.press("Home")
        columns = int(grid(page).get_attribute("aria-colcount") or 0)
        for key in ("ArrowRight", "ArrowDown", "ArrowDown", "ArrowLeft", "ArrowDown"):
            page.keyboard.press(key)
        assert active(page) == 3 * columns
        place = grid(page).evaluate("grid => grid.scrollTop")
        page.keyboard.press("Enter")
        expect(page.locator(".strip .title")).to_have_text(order[3 * columns])
        expect(page.locator('[data-ready="1"] .stage')).to_be_visible()
        expect(page).to_have_url(re.compile(f"image={order[3 * columns]}"))
        page.locator(".stage").focus()
        page.keyboard.press(".")
        expect(page.locator(".strip .title")).to_have_text(order[3 * columns + 1])
        page.get_by_role("button", name="Previous image").first.click()
        expect(page.locator(".strip .title")).to_have_text(order[3 * columns])
        expect(page.locator('[data-ready="1"] .stage')).to_be_visible()
        page.locator(".strip .back").focus()
        page.keyboard.press("Escape")
        expect(grid(page)).to_be_focused()
        assert active(page) == 3 * columns
        assert grid(page).evaluate("grid => grid.scrollTop") == place
        expect(page.locator(".stage")).to_have_count(0)
        assert "image" not in parse_qs(urlsplit(page.url).query)
        no_traceback(page)

    def test_a_link_opens_an_image(self, app, run, browser):
        """Below the gallery's strip; a name that is not there opens nothing."""
        page = browser(f"{app}/?run={run.id}&view=gallery&image={name_of(7)}")
        expect(page.locator(".strip .title")).to_have_text(name_of(7))
        expect(page.locator('[data-ready="1"] .stage')).to_be_visible()
        page.get_by_role("button", name="Back to the images").click()
        ready(page, IMAGES - 1)
        expect(page.locator(".tile:visible").first).to_be_visible()
        other = ready(browser(f"{app}/?run={run.id}&image=nothing.jpg"), IMAGES - 1)
        expect(other.locator(".images .row:visible").first).to_be_visible()

    def test_only_what_is_in_sight_is_in_the_document(self, app, home, browser):
        """Of thousands of images there are a few rows at any place, and the last one can be reached."""
        with workspace(home) as store:
            many = picture_run(store, Path(str(home["HOME"])), 4000, "many")
        page = ready(browser(f"{app}/?run={many.id}&view=gallery&sort=name"), 4000)
        assert page.locator(".tile").count() < 60
        grid(page).focus()
        page.keyboard.press("End")
        expect(page.locator(".tile.active .name")).to_have_text(name_of(3999))
        assert page.locator(".tile").count() < 60
        expect(page.locator(".tile.active img")).to_have_attribute("src", re.compile("^media/"))

    @pytest.mark.parametrize("view", ["table", "gallery", "crops"])
    def test_is_accessible(self, app, run, browser, view):
        """No finding of axe-core, in any view."""
        page = browser(f"{app}/?run={run.id}&view={view}")
        page.locator("[data-images]").first.wait_for()
        expect(page.locator(".row:visible, .tile:visible").first).to_be_visible()
        expect(page.locator("img[src*='media/']:visible").first).to_be_visible()
        page.wait_for_load_state("networkidle")
        expect(page.locator('[data-stale="true"]')).to_have_count(0)
        found = Axe().run(page, {"include": [{"fromShadowDom": ["[data-images]", ".pictures"]}]})
        assert found.response["passes"], "nothing was checked"
        assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found.response["violations"]] == []


@pytest.fixture(scope="module")
def evaluate(home) -> Iterator[str]:
    """The page itself."""
    with start_app(ROOT / "streamlit_app.py", home) as url:
        yield f"{url}/Evaluate"


class TestEvaluate:
    def test_bar_gallery_and_viewer_follow_each_other(self, evaluate, run, evaluation, browser):
        """Dragging the bar changes the tiles at once and their order when it is let go; the viewer moves it too."""
        page = ready(browser(f"{evaluate}?run={run.id}&section=Images&view=gallery&threshold=0.4"), IMAGES - 1)
        tiles = page.locator(".images .tile:visible .name")
        expect(tiles.first).to_have_text(worst_first(evaluation, 0.4)[0])
        before = tiles.all_inner_texts()
        rate = page.locator(".images .presets small").nth(2)  # with FN
        slider = page.get_by_role("slider", name="Confidence threshold")
        box = slider.bounding_box()
        assert box
        along = lambda share: box["x"] + 8 + share * (box["width"] - 16)  # noqa: E731
        page.mouse.move(along(0.4), box["y"] + box["height"] - 11)
        page.mouse.down()
        page.mouse.move(along(0.7), box["y"] + box["height"] - 11, steps=5)
        expect(rate).not_to_have_text(str(sum(row.fn > 0 for row in evaluation.image_table(0.4))))
        assert tiles.all_inner_texts() == before
        page.mouse.up()
        expect(page).to_have_url(re.compile(r"threshold=0\.(69|7)"))
        threshold = float(parse_qs(urlsplit(page.url).query)["threshold"][0])
        expect(tiles.first).to_have_text(worst_first(evaluation, threshold)[0])
        tiles.first.click()
        expect(page.locator('[data-ready="1"] .stage')).to_be_visible()
        page.locator(".stage").focus()
        page.keyboard.press("[")
        expect(page).not_to_have_url(re.compile(rf"threshold={threshold:g}(&|$)"))
        moved = float(parse_qs(urlsplit(page.url).query)["threshold"][0])
        assert 0 < threshold - moved < 0.02
        page.get_by_role("button", name="Back to the images").click()
        expect(rate).to_have_text(str(sum(row.fn > 0 for row in evaluation.image_table(moved))))
        no_traceback(page)


class TestStates:
    def test_a_failed_image_and_one_that_is_gone(self, app, run, browser):
        """The failed one is told with its reason behind its preset; the picture that is gone says so in its place."""
        page = ready(browser(f"{app}/?run={run.id}&show=failed"), 1)
        assert [cell for cell in rows(page)[0][1:] if cell] == [name_of(FAILED), *["—"] * 8]
        page.locator(".images .row:visible").click()
        expect(page.get_by_text("The model broke.")).to_be_visible()
        page.get_by_role("button", name="Back to the images").click()
        page.get_by_role("button", name=re.compile("^All")).click()
        page.locator(".filter").fill(f'name = "{name_of(GONE)}"')
        ready(page, 1)
        expect(page.locator(".images .row:visible .told")).to_contain_text("gone.jpg")
        page.locator(".images .row:visible").click()
        expect(page.locator('[data-testid="stAlert"]')).to_contain_text("gone.jpg")
        expect(page.get_by_role("button", name="Back to the images")).to_be_visible()
        no_traceback(page)

    def test_one_image(self, app, home, browser):
        """There is no image before or after it."""
        with workspace(home) as store:
            one = picture_run(store, Path(str(home["HOME"])), 1, "one")
        page = ready(browser(f"{app}/?run={one.id}&view=gallery"), 1)
        page.locator(".tile:visible").click()
        expect(page.locator(".strip .at")).to_have_text("1 of 1")
        expect(page.locator(".strip .next")).to_be_disabled()
        expect(page.locator(".strip .previous")).to_be_disabled()

    def test_crops_of_every_kind(self, app, run, browser):
        """Found, false and missed; of a missed object the object itself is selected in the viewer."""
        page = browser(f"{app}/?run={run.id}&view=crops")
        tile = page.locator(".crops .tile:visible")
        expect(tile.locator(".mark").first).to_have_text("FP")
        page.get_by_role("radio", name="Missed objects").click()
        expect(tile.locator(".mark").first).to_have_text("FN")
        expect(page).to_have_url(re.compile("crop_kind=Missed"))
        page.reload()
        expect(tile.locator(".mark").first).to_have_text("FN")
        expect(tile.locator("img[src*='media/']").first).to_be_visible()
        page.locator(".crops .grid").focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        expect(page.locator('.list .row[aria-selected="true"] .mark')).to_have_text("FN")
        page.get_by_role("button", name="Back to the crops").click()
        expect(page.locator(".crops .tile.active")).to_have_attribute("data-index", "1")
        no_traceback(page)

    def test_crops_of_nothing(self, app, run, browser):
        """Where nothing reaches the threshold the gallery says that there is nothing."""
        page = browser(f"{app}/?run={run.id}&crops=fp&at=1")
        expect(page.get_by_text("There is nothing to show.")).to_be_visible()


HOLDS = {
    "fp > 3 and car": [0],
    "f1<0.6 and fp>5": [],
    "f1 < 0.6 and fp>3": [0],
    'fn>=1 and not (name ~ "night")': [2],
    'fn>=1 and name ~ "night"': [1],
    '"traffic light"': [1],
    "'Traffic Light'.fn > 0": [1],
    "car.fn > 0 or truck": [0],
    "0 < fp < 5": [0],
    "fp + fn * 2 >= 4": [0, 1],
    "(fp + fn) * 2 >= 8": [0],
    "not not car": [0],
    "fp - 1 = 3 or name = 'DAWN.jpg'": [0, 2],
    "-fp < -3": [0],
    "f1 != 3": [0, 2],
    "latency > 15 && !(fn > 1)": [2],
    "objects = 2 || perfect": [1],
}
WRONG = {
    "f1": (0, 2, "compared"),
    "name": (0, 4, "compared"),
    "fp >": (4, 5, "missing at the end"),
    "(fp > 1": (0, 1, "never closed"),
    "fp > 1)": (6, 7, "no bracket"),
    'name ~ "night': (7, 13, "never closed"),
    'fp > "a"': (0, 8, "cannot be compared"),
    'name > "b"': (5, 6, "~"),
    "fp ~ 3": (3, 4, "Only texts"),
    "trcuk": (0, 5, "neither a class nor"),
    "car truck": (4, 9, "“and”, “or” or the end"),
    '"nothing"': (0, 9, "no class"),
    "nothing.fp > 1": (0, 7, "no class"),
    "car.latency > 3": (4, 11, "point of a class"),
    "car.": (4, 5, "point of a class"),
    "fp = = 3": (5, 6, "a number, a name or a class"),
    "fp ; 3": (3, 4, "means nothing"),
    "perfect > 1": (0, 7, "holds or does not"),
    "constructor": (0, 11, "neither a class nor"),
    "car.__proto__ > 1": (4, 13, "point of a class"),
}
ASK = """([source, classes, texts]) => {
    const parse = new Function(`${source}; return parseQuery;`)();
    const values = {
        f1: [0.5, NaN, 0.9], fp: [4, 0, 0], fn: [0, 2, 1], objects: [3, 2, 5], latency: [10, 20, 30],
    };
    const byClass = { objects: [[1, 0, 0], [0, 0, 0], [0, 2, 0]], detections: [[0, 0, 0], [0, 0, 0], [0, 1, 0]],
        fn: [[1, 0, 0], [0, 0, 0], [0, 2, 0]] };
    const rows = {
        names: ["day.jpg", "NIGHT_2.jpg", "dawn.jpg"], value: (name, i) => values[name][i],
        ofClass: (k, name, i) => byClass[name][k][i], perfect: () => false,
    };
    return texts.map((text) => {
        try { const holds = parse(text, classes); return [0, 1, 2].filter((i) => holds(rows, i)); }
        catch (error) { return { at: error.at, end: error.end, message: error.message }; }
    });
}"""


@pytest.fixture(scope="module")
def answers(playwright) -> dict[str, Any]:
    """What the language makes of each text: the images of three for which it holds, or what is wrong."""
    texts, source = [*HOLDS, *WRONG], (WORKBENCH / "query.js").read_text(encoding="utf-8")
    with open_browser(playwright) as open_page:
        told = open_page("about:blank").evaluate(ASK, [source, ["car", "truck", "traffic light"], texts])
    return dict(zip(texts, told, strict=True))


class TestFilter:
    @pytest.mark.parametrize("text", HOLDS)
    def test_holds_for(self, answers, text):
        """Numbers, texts, classes, their joining and their precedence."""
        assert answers[text] == HOLDS[text]

    @pytest.mark.parametrize("text", WRONG)
    def test_says_what_is_wrong_and_where(self, answers, text):
        """Each mistake has its place and its own words."""
        at, end, words = WRONG[text]
        assert (answers[text]["at"], answers[text]["end"]) == (at, end)
        assert words in answers[text]["message"]

    def test_on_the_page(self, app, run, evaluation, browser):
        """What is typed filters at once and stays in the link; what is wrong is marked; all can be shown again."""
        page = ready(browser(f"{app}/?run={run.id}&at=0.6"), IMAGES - 1)
        box = page.locator(".filter")
        box.fill("fp >= 1 and fn >= 1")
        table = {row.name: row for row in evaluation.image_table(0.6)}
        kept = [name for name in worst_first(evaluation, 0.6) if table[name].fp and table[name].fn]
        ready(page, len(kept))
        assert [row[1] for row in rows(page)] == kept[: len(rows(page))]
        expect(page).to_have_url(re.compile("filter=fp"))
        again = ready(browser(page.url), len(kept))
        expect(again.locator(".filter")).to_have_value("fp >= 1 and fn >= 1")
        box.fill("fp >= 1 and lorry")
        expect(page.locator(".wrong mark")).to_have_text("lorry")
        expect(box).to_have_attribute("aria-invalid", "true")
        ready(page, len(kept))  # what was shown stays
        box.fill("tp > 100")
        expect(page.get_by_text("No image is like that.")).to_be_visible()
        page.get_by_role("button", name="Show all images").click()
        ready(page, IMAGES - 1)
        expect(box).to_have_value("")
        page.get_by_role("button", name="How to filter").click()
        page.get_by_role("button", name=re.compile(re.escape(f"{CLASSES[0]}.fn > 0"))).click()
        expect(box).to_have_value(f"{CLASSES[0]}.fn > 0")
        missed = evaluation.matches.ground_truth.class_names.index(CLASSES[0])
        assert missed == 0
        expect(page.locator(".images .count")).to_contain_text(f"of {IMAGES - 1} images")
        no_traceback(page)
