"""The section of errors in a real Chromium: from a number to its pictures and back, and the review of labels."""

from __future__ import annotations

import contextlib
import io
import json
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from browser import ROOT, open_browser, start_app, until
from PIL import Image
from playwright.sync_api import Locator, Page, expect
from pycocotools.coco import COCO

from smviz.records import ImageRef, Outcome, Reply
from smviz.settings import Preset
from smviz.store import Run, Store

pytestmark = pytest.mark.browser

WIDTH, HEIGHT = 320, 240
CAR, TRUCK, BUS = range(3)
NAMES = ("car", "truck", "bus: 20%")
LEFT, MIDDLE, RIGHT = (20, 20, 60, 40), (120, 90, 60, 40), (220, 160, 60, 40)
BADLY = (120, 90, 60, 16)  # IoU 0.4 with MIDDLE

# An image each: what is labelled, and what is found with which confidence.
SCENES: tuple[tuple[list[tuple[int, tuple[int, ...]]], list[tuple[int, float, tuple[int, ...]]]], ...] = (
    ([(CAR, LEFT), (TRUCK, MIDDLE)], [(CAR, 0.95, LEFT), (TRUCK, 0.9, MIDDLE)]),
    ([(CAR, LEFT)], [(TRUCK, 0.85, LEFT)]),  # another class
    ([(CAR, LEFT)], [(TRUCK, 0.75, LEFT), (CAR, 0.2, LEFT)]),
    ([(CAR, LEFT)], [(TRUCK, 0.7, LEFT)]),
    ([(CAR, LEFT)], [(CAR, 0.94, LEFT), (BUS, 0.93, RIGHT)]),  # no label
    ([(CAR, LEFT)], [(CAR, 0.96, LEFT), (CAR, 0.88, RIGHT)]),  # no label
    ([(TRUCK, MIDDLE)], [(TRUCK, 0.9, BADLY)]),  # another box
    ([(TRUCK, LEFT), (TRUCK, RIGHT)], [(TRUCK, 0.9, LEFT)]),  # nothing found
    ([(BUS, LEFT)], [(BUS, 0.9, LEFT)]),
    ([], []),
)


def truth_json(scenes: object, names: tuple[str, ...]) -> bytes:
    """COCO with further fields, ids from 100 on, and a crowd in the last image."""
    annotations = [
        {
            "id": 100 + n,
            "image_id": 7 + image,
            "category_id": 1 + k,
            "bbox": list(box),
            "area": box[2] * box[3],
            "iscrowd": 0,
            "annotator": "Ann",
        }
        for n, (image, (k, box)) in enumerate(
            (image, label)
            for image, (labels, _) in enumerate(scenes)  # type: ignore[arg-type,misc,var-annotated]
            for label in labels
        )
    ]
    crowd = {"id": 5, "image_id": 7, "category_id": 1, "bbox": [0, 200, 320, 40], "area": 12800, "iscrowd": 1}
    images = [
        {"id": 7 + i, "file_name": f"{i:02}.png", "width": WIDTH, "height": HEIGHT}
        for i in range(len(scenes))  # type: ignore[arg-type]
    ]
    categories = [{"id": 1 + k, "name": name, "supercategory": "vehicle"} for k, name in enumerate(names)]
    return json.dumps({"images": images, "annotations": [*annotations, crowd], "categories": categories}).encode()


def picture(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(60, 200, (HEIGHT // 20, WIDTH // 20, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((WIDTH, HEIGHT), Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()


def kept_run(home: dict[str, str | None], name: str, scenes: object, names: tuple[str, ...] = NAMES) -> Run:
    """A run that was made elsewhere, with its pictures."""
    rows = []
    for image, (_, found) in enumerate(scenes):  # type: ignore[arg-type,var-annotated]
        boxes = [[k, sure, x / WIDTH, y / HEIGHT, (x + w) / WIDTH, (y + h) / HEIGHT] for k, sure, (x, y, w, h) in found]
        reply = Reply(json.dumps({"prediction": boxes}).encode(), "application/json", 0.1, None)
        file = f"{image:02}.png"
        rows.append((ImageRef(file, data=picture(image)), Outcome(file, "", WIDTH, HEIGHT, 1, reply)))
    with Store(Path(str(home["SMVIZ_WORKSPACE"]))) as store:
        name = f"{name} {secrets.token_hex(4)}"  # a test may be tried again
        return store.keep_run(name, Preset("builtin-ssd", names), rows, "a test", truth_json(scenes, names))


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> dict[str, str | None]:
    folder = tmp_path_factory.mktemp("home")
    nothing = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_REGION"))
    return {**nothing, "HOME": str(folder), "SMVIZ_WORKSPACE": str(folder / "ws"), "AWS_EC2_METADATA_DISABLED": "true"}


@pytest.fixture(scope="module")
def app(home) -> Iterator[str]:
    with start_app(ROOT / "streamlit_app.py", home) as url:
        yield url


@pytest.fixture(scope="module")
def browser(playwright):
    with open_browser(playwright, viewport=(1280, 1600)) as open_page:
        yield open_page


def errors_of(browser, app: str, run: Run, more: str = "&threshold=0.5") -> Page:
    return browser(f"{app}/Evaluate?run={run.id}&section=Errors{more}")


def settled(page: Page) -> None:
    page.wait_for_load_state("networkidle")
    expect(page.locator('[data-stale="true"]')).to_have_count(0)


def no_traceback(page: Page) -> None:
    expect(page.locator('[data-testid="stException"]')).to_have_count(0)
    expect(page.get_by_text("BidiComponent Error")).to_have_count(0)


def cell(page: Page, row: int, column: int) -> Locator:
    return page.locator(f'.confusion .cell[data-r="{row}"][data-c="{column}"]')


def parts(page: Page, chart: str, name: str) -> Locator:
    """A part of a chart, as a button below it."""
    return page.locator(f".st-key-{chart}-parts").get_by_text(name, exact=True)


def tiles(page: Page) -> Locator:
    return page.locator(".crops .tile:visible")


def asked(page: Page, name: str) -> str | None:
    return parse_qs(urlsplit(page.url).query).get(name, [None])[0]


@pytest.fixture(scope="module")
def run(home, app) -> Run:
    return kept_run(home, "errors", SCENES)


class TestCharts:
    def test_from_a_cell_to_its_crops_to_the_image_and_back(self, app, browser, run):
        """A click opens as many crops as the cell counts; one opens its image; Back and a link lead to them again;
        the keyboard does the same; what is closed leaves the address."""
        page = errors_of(browser, app, run)
        expect(cell(page, CAR, TRUCK)).to_have_text("3")
        cell(page, CAR, TRUCK).click()
        expect(page.get_by_text("Labelled car, found as truck · 3 cases")).to_be_visible()
        expect(page).to_have_url(re.compile("errors=cell"))
        assert asked(page, "errors") == "cell:car:truck"
        expect(tiles(page)).to_have_count(3)
        expect(cell(page, CAR, TRUCK)).to_have_attribute("aria-pressed", "true")
        tiles(page).first.click()
        expect(page.locator(".st-key-errors-charts .viewer")).to_be_visible()
        expect(page.locator(".pictures .title")).to_have_text("01.png")
        page.locator(".pictures .back").click()
        expect(tiles(page)).to_have_count(3)

        page.reload()
        expect(page.get_by_text("Labelled car, found as truck · 3 cases")).to_be_visible()
        expect(tiles(page)).to_have_count(3)
        settled(page)

        cell(page, CAR, TRUCK).focus()
        page.keyboard.press("ArrowDown")
        expect(cell(page, TRUCK, TRUCK)).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_text("truck found as truck · 2 cases")).to_be_visible()
        cell(page, len(NAMES), BUS).click()  # background, and a name with the sign that parts words
        expect(page.get_by_text("bus: 20% found where nothing is labelled · 1 case")).to_be_visible()
        expect(page).to_have_url(re.compile("errors=cell%3Abackground"))
        page.reload()
        expect(page.get_by_text("bus: 20% found where nothing is labelled · 1 case")).to_be_visible()
        page.get_by_role("button", name="Close").click()
        expect(page.get_by_text("found where nothing is labelled ·")).to_have_count(0)
        expect(page).not_to_have_url(re.compile("errors="))
        no_traceback(page)
        page.close()

    def test_every_chart_opens(self, app, browser, run):
        """A bar of TIDE by the mouse, a part and a bin by their buttons: headings tell what and how many."""
        page = errors_of(browser, app, run)
        bars = page.locator(".st-key-tide-chart-0 .barlayer .point")
        expect(bars).to_have_count(6)
        settled(page)
        bars.first.click(force=True)
        expect(parts(page, "tide", "Cls 3")).to_be_visible()
        expect(page.get_by_text("Cls: right place, wrong class, at any confidence · 3 cases")).to_be_visible()
        expect(tiles(page)).to_have_count(3)

        parts(page, "part", "medium").click()
        expect(page.get_by_text(re.compile("Size .COCO's.: medium · \\d+ cases"))).to_be_visible()
        expect(page.get_by_text("Cls: right place, wrong class, at any")).to_have_count(0)
        page.locator(".st-key-errors-kind").get_by_text("Found 6").click()
        expect(page.get_by_text(re.compile("medium · 6 cases"))).to_be_visible()
        expect(tiles(page)).to_have_count(6)
        assert asked(page, "errors") == "part:size:medium:found"

        parts(page, "bin", "0.7 to 0.8").click()
        expect(page.get_by_text(re.compile("Confidence 0.7 to 0.8: precision 0.000 · 2 cases"))).to_be_visible()
        expect(tiles(page)).to_have_count(2)
        no_traceback(page)
        page.close()

    def test_classes_and_sizes_that_are_chosen(self, app, browser, run):
        """Another IoU, one class: charts count just these and say so; a link to what is not there opens nothing."""
        page = errors_of(browser, app, run, "&threshold=0.5&iou=0.75&classes=0&size=medium&errors=cell:plane:car")
        expect(page.get_by_text("Only what concerns the chosen classes is counted").first).to_be_visible()
        expect(page.get_by_text("TIDE at IoU 0.75")).to_be_visible()
        expect(page.get_by_text("Objects of every size count").first).to_be_visible()
        expect(page.locator(".crops")).to_have_count(0)
        expect(cell(page, CAR, TRUCK)).to_have_text("3")
        expect(page.locator(".confusion .cell", has_text="2")).to_have_count(0)  # trucks among each other
        no_traceback(page)
        page.close()


class TestReview:
    @pytest.fixture
    def fresh(self, home, run) -> None:
        """Nothing is decided yet, also where the test is tried again."""
        with Store(Path(str(home["SMVIZ_WORKSPACE"]))) as store:
            store.decide(run.id, dict.fromkeys(store.decisions(run.id)))

    def test_decisions_are_kept_and_change_the_numbers_and_the_file(self, app, browser, run, home, fresh):
        """Two labels are reviewed by keys, kept over a reload and for whoever comes next; the numbers tell before and
        after; the file is what pycocotools reads; undo takes back."""
        page = errors_of(browser, app, run)
        queue = page.locator(".queue")
        expect(queue.locator(".progress")).to_have_text("0 of 5 reviewed")
        expect(page.get_by_text("No correction is accepted yet")).to_be_visible()
        rows = queue.locator(".row")
        expect(rows).to_have_count(5)
        expect(rows.first).to_contain_text("bus: 20% at confidence 0.93 where nothing is labelled")
        rows.first.click()
        expect(queue.locator(".acts .reject span")).to_have_text("Label as bus: 20%")
        page.keyboard.press("r")
        page.keyboard.press("k")  # at once: nothing is lost
        expect(queue.locator(".progress")).to_have_text("2 of 5 reviewed")
        expect(page.get_by_text("With 1 corrected label")).to_be_visible()
        row = page.locator("tr", has_text="Precision")  # 6 of 12 detections are right, then 7
        expect(row.locator("td")).to_have_text(["Precision", "0.500", "0.583", "+0.083"])
        expect(page.get_by_text("flatter the detector")).to_be_visible()
        expect(page.locator(".st-key-doubt-viewer .viewer, .viewer").last).to_be_visible()
        doubt = asked(page, "doubt")

        settled(page)
        page.reload()
        expect(queue.locator(".progress")).to_have_text("2 of 5 reviewed")
        expect(queue.locator('.row[aria-selected="true"]')).to_have_count(1)
        assert asked(page, "doubt") == doubt
        with page.expect_download() as download:
            page.get_by_role("button", name="Corrected labels (COCO)").click()
        file = json.loads(Path(download.value.path()).read_text())
        before = json.loads(truth_json(SCENES, NAMES))
        assert file["annotations"][: len(before["annotations"])] == before["annotations"]
        (added,) = file["annotations"][len(before["annotations"]) :]
        assert (added["image_id"], added["category_id"], added["iscrowd"]) == (11, 1 + BUS, 0)
        np.testing.assert_allclose(added["bbox"], RIGHT, atol=0.01)
        with contextlib.redirect_stdout(io.StringIO()):
            known = COCO(download.value.path())
        assert len(known.anns) == len(before["annotations"]) + 1

        page.get_by_role("radio", name="To review").click()
        expect(rows).to_have_count(3)
        page.get_by_role("radio", name="All", exact=True).click()
        expect(rows).to_have_count(5)
        rows.nth(2).click()
        page.keyboard.press("r")
        expect(queue.locator(".progress")).to_have_text("3 of 5 reviewed")
        page.keyboard.press("u")
        expect(queue.locator(".progress")).to_have_text("2 of 5 reviewed")
        settled(page)
        with Store(Path(str(home["SMVIZ_WORKSPACE"]))) as store:
            assert until(page, lambda: sorted(store.decisions(run.id).values()) == ["keep", "reject"])
        no_traceback(page)
        page.close()


MANY = tuple(f"kind {k}" for k in range(200))
EMPTY = {
    "no error": ([([(0, LEFT)], [(0, 0.9, LEFT)])], NAMES),
    "one class": ([([(0, LEFT)], [(0, 0.9, RIGHT)])], ("car",)),
    "no detections": ([([(0, LEFT)], [])], NAMES),
    "no objects": ([([], [(0, 0.9, LEFT)])], NAMES),
    "nothing": ([([], [])], NAMES),
    "200 classes": (
        [([(i, LEFT), (i + 100, RIGHT)], [((7 * i + 3) % 200, 0.9, LEFT)]) for i in range(100)],
        MANY,
    ),
}


class TestEmptyStates:
    @pytest.mark.parametrize("case", EMPTY)
    def test_says_what_there_is(self, app, browser, home, case):
        """With nearly nothing, or very many classes, there is a section, and nothing fails."""
        scenes, names = EMPTY[case]
        run = kept_run(home, case, scenes, names)
        page = errors_of(browser, app, run)
        expect(page.get_by_role("radio", name="Errors", exact=True)).to_be_checked()
        if case == "nothing":
            expect(page.get_by_text("neither a detection nor an object")).to_be_visible()
        elif case == "200 classes":
            expect(page.locator(".confusion .name.top")).to_have_count(13)
            page.get_by_role("combobox", name="Classes in the matrix").fill("kind 199")
            page.get_by_role("option", name="kind 199").click()
            expect(page.locator(".confusion .name.top")).to_have_count(2)
        else:
            expect(page.locator(".confusion[data-ready]")).to_be_visible()
            expect(page.get_by_role("heading", name="Labels to look at again")).to_be_visible()
        settled(page)
        no_traceback(page)
        page.close()
