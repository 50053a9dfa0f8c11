"""The Compare page in a real Chromium: from no run at all to the image that tells, and everything that can be amiss."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest
from browser import ROOT, open_browser, start_app
from playwright.sync_api import Locator, Page, expect

from smviz.local import SAMPLES
from smviz.records import Failure, ImageRef, Outcome, Reply
from smviz.settings import Connection, Preset, Request
from smviz.store import Store

pytestmark = pytest.mark.browser

APP = ROOT / "streamlit_app.py"
SLOW = 180_000  # milliseconds that intervals of two runs may take on a busy machine
NOWHERE = "http://127.0.0.1:9"  # on this machine, so that no price is asked for


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The workspace, empty at first."""
    return tmp_path_factory.mktemp("home") / "ws"


@pytest.fixture(scope="module")
def app(folder) -> Iterator[str]:
    nothing = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_REGION"))
    here = {"HOME": str(folder.parent), "SMVIZ_WORKSPACE": str(folder), "AWS_EC2_METADATA_DISABLED": "true"}
    with start_app(APP, {**nothing, **here}) as url:
        yield url


@pytest.fixture(scope="module")
def link(app, playwright) -> str:
    """Both demo detectors over the sample set, made from the empty page by its own button; the comparison's link."""
    with open_browser(playwright) as open_page:
        page = open_page(f"{app}/Compare")
        needed = page.get_by_role("heading", name="Two runs are needed")
        expect(needed.or_(page.get_by_role("combobox", name="Run A"))).to_be_visible()
        if needed.is_visible():  # unless this is tried again
            page.get_by_role("button", name="Run both demo detectors on the 80 sample images").click()
        expect(page.get_by_text("Compared on 80 images")).to_be_visible(timeout=SLOW)
        winner(page)
        no_traceback(page)
        settled(page)
        return page.url


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def winner(page: Page, words: str = "A is better than B") -> None:
    """Wait for the headline: a second of computing, beside everything else that a busy machine does."""
    expect(page.get_by_role("heading", name=words)).to_be_visible(timeout=SLOW)


def no_traceback(page: Page) -> None:
    expect(page.get_by_text("Traceback")).to_have_count(0)
    expect(page.locator('[data-testid="stException"]')).to_have_count(0)


def settled(page: Page) -> None:
    page.wait_for_load_state("networkidle")
    expect(page.locator('[data-stale="true"]')).to_have_count(0)


def metric(page: Page, label: str) -> Locator:
    found = page.locator('[data-testid="stMetric"]').filter(has=page.get_by_text(label, exact=True)).first
    return found.locator('[data-testid="stMetricValue"]')


def radio(page: Page, name: str | re.Pattern[str]) -> Locator:
    return page.get_by_role("radio", name=name)


def viewer(page: Page) -> Locator:
    found = page.locator('[data-ready="1"]')
    expect(found).to_be_visible()
    return found


def open_first_image(page: Page) -> str:
    """Select the first row of the table; returns the image's name."""
    settled(page)
    grid = page.locator('[data-testid="stDataFrame"]').first
    box = grid.bounding_box()
    assert box
    page.mouse.click(box["x"] + 16, box["y"] + 36 + 22)  # the box that selects a row
    page.wait_for_url(re.compile("image="))
    viewer(page)
    return query(page)["image"][0]


class TestTheStory:
    def test_the_winner_is_told_with_its_interval(self, app, browser, link):
        """Detector B was trained for a shorter time: A wins in every number, each with an interval that leaves out 0,
        and the classes are corrected for being many."""
        page = browser(link)
        winner(page)
        expect(page.get_by_text(re.compile(r"B − A = −0\.\d+, 95 % interval −0\.\d+\sto\s−0\.\d+"))).to_be_visible()
        for name in ("AP", "AP50", "AP75", "Precision", "Recall", "F1"):
            row = page.get_by_role("row").filter(has=page.locator("strong", has_text=re.compile(f"^{name}$")))
            expect(row).to_contain_text("A better")
            expect(row).to_contain_text(re.compile(r"−0\.\d{3}\sto\s−0\.\d{3}"))
        expect(page.get_by_role("row").filter(has_text="Latency p99")).to_be_visible()
        expect(page.get_by_role("row").filter(has_text="Cost per 1,000 images")).to_contain_text("0")
        expect(page.get_by_text("4 classes tested together, 4 of them better in one run")).to_be_visible()
        no_traceback(page)
        page.close()

    def test_a_flipped_image_is_opened_swiped_and_found_again(self, app, browser, link):
        """From the tab of A to its first image, the handle moved, a threshold for B alone; the link restores all."""
        page = browser(link)
        radio(page, "Images").click()
        radio(page, re.compile("A better")).click()
        name = open_first_image(page)
        caption = page.locator(".twin .caption")
        expect(caption).to_contain_text("B · ")
        expect(caption).to_contain_text(" ms")

        radio(page, "Swipe").click()
        handle = page.locator(".swipe")
        expect(handle).to_have_attribute("aria-valuenow", "50")
        handle.scroll_into_view_if_needed()
        box = handle.bounding_box()
        assert box
        page.mouse.move(box["x"] + 14, box["y"] + 60)
        page.mouse.down()
        page.mouse.move(box["x"] - 120, box["y"] + 60, steps=4)
        page.mouse.up()
        moved = int(handle.get_attribute("aria-valuenow") or 50)
        assert 20 < moved < 45
        handle.press("ArrowRight")
        expect(handle).to_have_attribute("aria-valuenow", str(moved + 2))

        before = metric(page, "Only B").inner_text()
        page.locator(".whose .of-b").click()
        page.locator(".slider").focus()
        page.keyboard.press("End")
        page.wait_for_url(re.compile("threshold_b=1.0"))
        expect(metric(page, "Only B")).to_have_text("0")
        assert before != "0"
        settled(page)

        again = browser(page.url)
        page.close()
        viewer(again)
        expect(again.get_by_role("heading", name=name)).to_be_visible()
        expect(radio(again, "Swipe")).to_be_checked()
        expect(radio(again, "One each")).to_be_checked()
        expect(metric(again, "Only B")).to_have_text("0")
        expect(again.locator(".slider")).not_to_have_value("1")  # it moves A's
        no_traceback(again)
        again.close()

    def test_both_pictures_move_together(self, app, browser, link):
        """Zoom and place of one are those of the other; the keys go to the next image, with both runs' boxes."""
        page = browser(f"{link}&section=Images&image=highway_0007.jpg")
        viewer(page)
        place = "element => element.querySelector('img.shown').style.transform"
        first, second = page.locator(".stage"), page.locator(".twin")
        second.scroll_into_view_if_needed()
        fitted = first.evaluate(place)
        assert second.evaluate(place) == fitted
        second.dblclick(position={"x": 120, "y": 90})
        assert second.evaluate(place) != fitted
        assert first.evaluate(place) == second.evaluate(place)
        page.get_by_role("button", name="Fit").click()
        assert first.evaluate(place) == second.evaluate(place) == fitted
        first.focus()
        page.keyboard.press(".")
        page.wait_for_url(lambda url: "image=highway_0007.jpg" not in url)
        expect(page.get_by_role("heading", name=query(page)["image"][0])).to_be_visible()
        settled(page)
        page.get_by_role("button", name="Previous", exact=True).click()
        page.wait_for_url(re.compile("image=highway_0007.jpg"))
        no_traceback(page)
        page.close()

    def test_swapped_everything_is_turned_round(self, app, browser, link):
        """B is then the winner, and what only A found is what only B found."""
        page = browser(link)
        winner(page)
        only_a = metric(page, "Only A").inner_text()
        page.get_by_role("button", name="swap_horiz").click()
        winner(page, "B is better than A")
        expect(metric(page, "Only B")).to_have_text(only_a)
        before, after = parse_qs(urlsplit(link).query), query(page)
        assert (after["a"], after["b"]) == (before["b"], before["a"])
        no_traceback(page)
        page.close()

    def test_the_files_hold_the_screen(self, app, browser, link, tmp_path):
        """CSV and Parquet of the classes are the same table, the largest difference first."""
        page = browser(link)
        winner(page)
        expect(page.get_by_text("4 classes tested together")).to_be_visible()
        settled(page)
        data = {}
        for kind in ("CSV", "Parquet"):
            with page.expect_download() as download:
                page.get_by_role("button", name=kind, exact=True).click()
            data[kind] = Path(download.value.path()).read_bytes()
        rows = list(csv.DictReader(io.StringIO(data["CSV"].decode())))
        table = pd.read_parquet(io.BytesIO(data["Parquet"]))
        assert [row["Class"] for row in rows] == table["Class"].tolist()
        assert [float(row["B − A"]) for row in rows] == table["B − A"].tolist() == sorted(table["B − A"])
        assert set(table["Verdict"]) == {"A better"}
        page.close()


def stored(store: Store, name: str, images: int, classes: int = 2, prefix: str = "", truth: bytes | None = None) -> str:
    """A run that finds one object of some class in each image, and failed where there is none; its id."""
    preset = Preset("builtin-ssd", tuple(f"class {k}" for k in range(classes)))
    picture = SAMPLES.images[0].read_bytes()
    refs = [ImageRef(f"{prefix}{i}.jpg", data=picture) for i in range(max(images, 1))]
    run = store.create_run(name, Connection("us-east-1", NOWHERE), Request("none"), preset, refs, truth)
    for i in range(images):
        body = json.dumps({"prediction": [[i % classes, 0.9, 0.1, 0.1, 0.3, 0.3]]}).encode()
        reply = Reply(body, "application/json", 0.1, "A")
        store.append(run.id, Outcome(f"{prefix}{i}.jpg", f"{prefix}{i}", 1000, 1000, 1, reply))
    if not images:
        failure = Failure("Throttled", "Too much.", "Wait.")
        store.append(run.id, Outcome(f"{prefix}0.jpg", "", 0, 0, 3, failure=failure))
    store.flush()
    return run.id


def labels(images: int, classes: int) -> bytes:
    """Ground truth in which each image has the object that a stored run finds."""
    return json.dumps(
        {
            "images": [{"id": i, "file_name": f"{i}.jpg", "width": 1000, "height": 1000} for i in range(images)],
            "annotations": [
                {"id": i, "image_id": i, "category_id": i % classes, "bbox": [100, 100, 200, 200], "area": 40000}
                for i in range(images)
            ],
            "categories": [{"id": k, "name": f"class {k}"} for k in range(classes)],
        }
    ).encode()


@pytest.fixture(scope="module")
def runs(link, folder) -> dict[str, str]:
    """Runs that make something odd of a comparison, by name."""
    with Store(folder) as store:
        return {
            "bare": stored(store, "bare *run*", 3),
            "elsewhere": stored(store, "elsewhere", 2, prefix="x"),
            "failed": stored(store, "failed", 0),
            "one": stored(store, "one image", 1, truth=labels(1, 2)),
            "many": stored(store, "200 classes", 400, 200, truth=labels(400, 200)),
            "many too": stored(store, "200 classes again", 399, 200, truth=labels(399, 200)),
        }


class TestWhatIsAmiss:
    @pytest.mark.parametrize(
        ("a", "b", "said"),
        [
            ("bare", "bare", "Neither run has ground truth"),
            ("bare", "bare", "A and B are the same run: every difference is 0."),
            ("bare", "elsewhere", "No image is in both runs."),
            ("bare", "failed", "No image of run B has a reply"),
            ("bare", "one", "Only run B has ground truth; both are judged by it."),
            ("one", "one", "nothing to tell it from"),
            ("many", "many too", "The runs have different ground truths."),
            ("many", "many too", "Compared on 399 images that both runs have. Left out: 1 of A, 0 of B."),
            ("many", "many", "200 classes tested together, 0 of them better"),
        ],
    )
    def test_is_said(self, app, browser, runs, a, b, said):
        """What cannot be compared, or only in part, is said in words, and nothing breaks."""
        page = browser(f"{app}/Compare?a={runs[a]}&b={runs[b]}")
        expect(page.get_by_text(said).first).to_be_visible(timeout=SLOW)
        settled(page)
        no_traceback(page)
        page.close()

    def test_without_ground_truth_there_are_images_all_the_same(self, app, browser, runs):
        """By how much the runs differ; one of them opens with both runs' boxes."""
        page = browser(f"{app}/Compare?a={runs['bare']}&b={runs['one']}&section=Images&image=0.jpg")
        viewer(page)
        expect(page.locator(".twin .caption")).to_contain_text("one image")
        expect(page.locator(".marks .chip").first).to_contain_text("Both")
        expect(metric(page, "Agree")).to_have_text("1")
        no_traceback(page)
        page.close()

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            ("&image=none.jpg&section=Images", "is not in both runs"),
            ("&threshold=high", "One for both"),
            ("&threshold_a=7&threshold_b=-1", "One each"),
            ("&view=Sideways&iou=3&section=Nowhere&flipped=x&truth=z", "is better than"),
        ],
    )
    def test_a_link_that_is_wrong(self, app, browser, link, more, said):
        """It shows what it can."""
        page = browser(link + more)
        expect(page.get_by_text(said).first).to_be_visible(timeout=SLOW)
        settled(page)
        no_traceback(page)
        page.close()

    def test_a_link_to_runs_that_are_gone(self, app, browser, link):
        """It is told, and other runs are shown."""
        page = browser(f"{app}/Compare?a=nobody&b=<b>none</b>")
        expect(page.get_by_text("The link names a run A that is not in this workspace")).to_be_visible()
        no_traceback(page)
        page.close()
