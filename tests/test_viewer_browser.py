"""The viewer in a real Chromium: what is painted, what answers at once, and what Python hears."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import open_browser, start_app
from PIL import Image, ImageColor
from playwright.sync_api import Page, Playwright, expect, sync_playwright

from smviz.colours import MARKS, class_colours
from smviz.errors import BadSetting
from smviz.records import Detections
from smviz.viewer import ImageMatches, ImageTruth, viewer

pytestmark = pytest.mark.browser

APP = Path(__file__).parent / "browser_apps" / "viewer_app.py"
OPEN = Callable[[str], Page]

CAR, PERSON = (ImageColor.getrgb(colour) for colour in class_colours(("car", "person")).values())
RIGHT, WRONG, MISSED = (ImageColor.getrgb(MARKS[mark]) for mark in ("tp", "fp", "fn"))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with start_app(APP) as address:
        yield address


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture
def scene(url: str, playwright: Playwright) -> Iterator[OPEN]:
    """Opens a scene of the test page and waits until it is painted; the page must stay free of console errors."""
    with open_browser(playwright) as open_page:
        yield lambda query: ready(open_page(f"{url}/?{query}"))


def ready(page: Page) -> Page:
    page.locator("[data-ready]").wait_for(timeout=30_000)
    return page


def host(page: Page, name: str) -> str:
    return page.locator("[data-ready]").get_attribute(f"data-{name}") or ""


def view(page: Page) -> tuple[float, float, float]:
    return float(host(page, "scale")), float(host(page, "x")), float(host(page, "y"))


def told(page: Page) -> dict[str, object]:
    return json.loads(page.locator("code").inner_text())


def expect_told(page: Page, **facts: object) -> None:
    for name, value in facts.items():
        expect(page.locator("code")).to_contain_text(f'"{name}": {json.dumps(value)}', timeout=10_000)


def expect_shown(page: Page, count: int) -> None:
    expect(page.locator("[data-ready]")).to_have_attribute("data-shown", str(count))


def focus_stage(page: Page) -> None:
    page.locator(".stage").focus()


def settle(page: Page) -> None:
    """Wait until what was asked for is painted."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def pixels(page: Page) -> np.ndarray:
    """The stage as it is on screen, uint8 [H, W, 3], without pointing at anything."""
    page.mouse.move(1, 1)
    settle(page)
    return np.asarray(Image.open(io.BytesIO(page.locator(".stage").screenshot())).convert("RGB"))


def has_colour(patch: np.ndarray, colour: tuple[int, int, int], tolerance: int = 12) -> bool:
    return bool((np.abs(patch.astype(int) - colour).max(axis=-1) <= tolerance).any())


def edges(page: Page, xyxy: tuple[float, float, float, float], inset: float = 0.75) -> list[np.ndarray]:
    """Patches of 7 x 7 pixels on the left, right and bottom edge of an image box; the label is on top."""
    k, x, y = view(page)
    left, top, right, bottom = xyxy
    low = top + (bottom - top) * inset
    points = [(left, low), (right, low), (left + (right - left) * inset, bottom)]
    shot = pixels(page)
    spots = [(round(px * k + x), round(py * k + y)) for px, py in points]
    assert all(4 <= u < shot.shape[1] - 4 and 4 <= v < shot.shape[0] - 4 for u, v in spots), "the edge is off stage"
    return [shot[v - 3 : v + 4, u - 3 : u + 4] for u, v in spots]


def centre_of(page: Page, xyxy: tuple[float, float, float, float]) -> tuple[float, float]:
    """Page coordinates of the middle of an image box."""
    k, x, y = view(page)
    stage = page.locator(".stage").bounding_box()
    assert stage is not None
    return stage["x"] + x + k * (xyxy[0] + xyxy[2]) / 2, stage["y"] + y + k * (xyxy[1] + xyxy[3]) / 2


def drag_slider(page: Page, start: float, end: float) -> None:
    """Press the thumb at one value and move to another, without letting go."""
    box = page.locator(".slider").bounding_box()
    assert box is not None
    at = lambda value: box["x"] + 8 + value * (box["width"] - 16)  # noqa: E731
    y = box["y"] + box["height"] - 11
    page.mouse.move(at(start), y)
    page.mouse.down()
    page.mouse.move(at((start + end) / 2), y)
    page.mouse.move(at(end), y)
    settle(page)


def some(count: int) -> Detections:
    """Detections of one class."""
    return Detections(np.tile([0.0, 0, 9, 9], (count, 1)), np.full(count, 0.5), np.zeros(count, int), ("car",))


class TestArguments:
    """What a page can get wrong is refused before anything is shown."""

    @pytest.mark.parametrize(
        "wrong",
        [
            {"threshold": 1.5},
            {"threshold": float("nan")},
            {"best_threshold": -0.1},
            {"width": 0},
            {"selected": 2},
            {"class_thresholds": {"car": 1.5}},
            {"ground_truth": ImageTruth([[0, 0, 9, 9]], [1], [False])},
            {"matches": ImageMatches([-1, -1], [False, False])},
            {"ground_truth": ImageTruth([[0, 0, 9, 9]], [0], [False]), "matches": ImageMatches([0], [False])},
            {"ground_truth": ImageTruth([[0, 0, 9, 9]], [0], [False]), "matches": ImageMatches([0, 1], [False, False])},
            {"detections": Detections([[0, 0, np.inf, 9]], [0.5], [0], ("car",))},
        ],
        ids=lambda wrong: "-".join(wrong),
    )
    def test_wrong_arguments_are_refused(self, wrong: dict[str, object]) -> None:
        """The error is a BadSetting that says what to give instead."""
        good = {"detections": some(2), "width": 20, "height": 20, "key": "viewer", "image_key": "image"}
        with pytest.raises(BadSetting) as refused:
            viewer("data:,", **{**good, **wrong})
        assert refused.value.advice

    def test_columns_of_unequal_length_are_refused(self) -> None:
        """Ground truth and matches are columns that belong together."""
        with pytest.raises(BadSetting):
            ImageTruth([[0, 0, 9, 9]], [0, 0], [False])
        with pytest.raises(BadSetting):
            ImageMatches([0], [False, True])


class TestPicture:
    def test_boxes_lie_on_their_pixels_at_three_zooms(self, scene: OPEN) -> None:
        """A box's edges are painted in its class colour where its coordinates say, however far one zooms."""
        page = scene("scene=sample")
        for _ in range(3):
            assert all(has_colour(patch, CAR) for patch in edges(page, (50, 50, 150, 150)))
            page.mouse.move(*centre_of(page, (50, 50, 150, 150)))
            page.mouse.wheel(0, -150)
            settle(page)

    def test_odd_image_size_and_fractional_coordinates(self, scene: OPEN) -> None:
        """An image of 401 x 301 pixels and a box between pixels are placed without drift."""
        page = scene("scene=odd")
        assert all(has_colour(patch, CAR) for patch in edges(page, (37.25, 41.5, 137.75, 163.25)))

    def test_each_class_has_its_own_colour(self, scene: OPEN) -> None:
        """Boxes of two classes never share a colour: one colour for all was the fault of the old application."""
        page = scene("scene=sample")
        person = edges(page, (250, 50, 350, 150))
        assert all(has_colour(patch, PERSON) and not has_colour(patch, CAR) for patch in person)

    def test_cut_boxes_are_not_painted(self, scene: OPEN) -> None:
        """Nothing is painted where a box below the threshold lies."""
        page = scene("scene=sample")
        assert not any(patch.std() > 1 for patch in edges(page, (250, 250, 350, 350)))

    def test_class_names_are_text(self, scene: OPEN) -> None:
        """A class name with markup in it is shown letter by letter and never becomes markup."""
        page = scene("scene=sample")
        name = "<b>bus</b><img src=x onerror=alert(1)>"
        page.locator(".slider").focus()
        page.keyboard.press("Home")
        expect_shown(page, 5)
        page.mouse.move(*centre_of(page, (250, 250, 350, 350)))
        expect(page.locator(".chip .name").last).to_have_text(name)
        expect(page.locator(".row .name").last).to_have_text(name)
        expect(page.locator(".tip b")).to_contain_text(name)
        expect_told(page, threshold=0.0)

    def test_an_image_that_cannot_load_says_so(self, scene: OPEN) -> None:
        """A broken image shows a sentence on the stage, and the list still holds the detections."""
        page = scene("scene=broken")
        expect(page.locator(".error")).to_contain_text("could not be loaded")
        assert host(page, "ready") == "error"
        expect(page.locator(".row:not([hidden])")).to_have_count(4)

    def test_without_detections(self, scene: OPEN) -> None:
        """An image in which nothing was detected says so."""
        page = scene("scene=empty")
        expect(page.locator(".empty")).to_have_text("Nothing was detected.")
        expect(page.locator(".count")).to_have_text("0 of 0 boxes")

    def test_detections_without_scores_are_shown(self, scene: OPEN) -> None:
        """What has no score cannot be cut: it is shown, and the slider is out of use."""
        page = scene("scene=scoreless")
        expect_shown(page, 5)
        expect(page.locator(".slider")).to_be_disabled()


class TestThreshold:
    def test_dragging_answers_at_once_and_python_hears_on_release(self, scene: OPEN) -> None:
        """While the thumb is held only the browser follows; the value reaches Python when it is let go."""
        page = scene("scene=sample")
        expect_shown(page, 4)
        drag_slider(page, 0.4, 0.9)
        expect_shown(page, 1)
        expect(page.locator(".count")).to_have_text("1 of 5 boxes")
        assert told(page)["threshold"] == 0.4
        page.mouse.up()
        reached = float(page.locator(".value").inner_text())
        assert reached == pytest.approx(0.9, abs=0.011)
        expect_told(page, threshold=reached, reaching=1)

    def test_the_browser_cuts_where_python_cuts(self, scene: OPEN) -> None:
        """At 0.50 a detection of confidence 0.5 is still shown, at 0.51 no longer: `>=`, as in Python."""
        page = scene("scene=sample")
        focus_stage(page)
        for _ in range(10):
            page.keyboard.press("]")
        expect(page.locator(".value")).to_have_text("0.50")
        expect_shown(page, 4)
        expect_told(page, threshold=0.5, reaching=4)
        page.keyboard.press("]")
        expect_shown(page, 3)
        expect_told(page, threshold=0.51, reaching=3)

    def test_brackets_move_it_back_and_forth(self, scene: OPEN) -> None:
        """`]` and `[` move the threshold by 0.01."""
        page = scene("scene=sample")
        focus_stage(page)
        page.keyboard.press("]")
        page.keyboard.press("[")
        page.keyboard.press("[")
        expect(page.locator(".value")).to_have_text("0.39")
        expect_told(page, threshold=0.39)

    def test_arrow_keys_on_the_slider(self, scene: OPEN) -> None:
        """The slider is a native range: an arrow key moves it by one step, and Python hears of it."""
        page = scene("scene=sample")
        page.locator(".slider").focus()
        page.keyboard.press("ArrowRight")
        expect_told(page, threshold=0.41)

    def test_python_sets_it(self, scene: OPEN) -> None:
        """A new threshold from Python is taken over, also after the person has set another one."""
        page = scene("scene=sample")
        focus_stage(page)
        page.keyboard.press("]")
        expect_told(page, threshold=0.41)
        page.get_by_role("button", name="Python sets 0.90").click()
        expect(page.locator(".value")).to_have_text("0.90")
        expect_shown(page, 1)
        expect_told(page, threshold=0.9)

    def test_a_rerun_does_not_take_it_back(self, scene: OPEN) -> None:
        """As long as Python gives the same threshold as before, what the person set stays."""
        page = scene("scene=sample")
        focus_stage(page)
        page.keyboard.press("]")
        expect_told(page, threshold=0.41)
        page.get_by_role("button", name="Run again").click()
        expect_told(page, runs=1, threshold=0.41)
        expect(page.locator(".value")).to_have_text("0.41")

    def test_it_is_kept_from_image_to_image(self, scene: OPEN) -> None:
        """Another image starts at the threshold that the person has set."""
        page = scene("scene=sample")
        focus_stage(page)
        page.keyboard.press("]")
        expect_told(page, threshold=0.41)
        page.get_by_role("button", name="Next image").click()
        expect_told(page, image=1, threshold=0.41)

    def test_the_best_one_is_a_click_away(self, scene: OPEN) -> None:
        """The tick tells the best threshold and sets it exactly, off the slider's steps too."""
        page = scene("scene=marked")
        expect(page.locator(".best")).to_have_text("best 0.423")
        page.locator(".best").click()
        expect(page.locator(".value")).to_have_text("0.423")
        expect_told(page, threshold=0.423)

    def test_the_histogram_colours_what_is_kept(self, scene: OPEN) -> None:
        """Bars right of the threshold are coloured, bars left of it are grey."""
        page = scene("scene=grid")
        page.mouse.move(1, 1)
        shot = Image.open(io.BytesIO(page.locator(".histogram").screenshot())).convert("RGB")
        line = np.asarray(shot)[-6].astype(int)
        spread = line.max(axis=-1) - line.min(axis=-1)
        left, right = spread[: int(0.38 * len(spread))], spread[int(0.42 * len(spread)) :]
        assert left.max() < 30 < np.median(right)


class TestZoom:
    def test_zoom_is_kept_over_reruns_and_threshold_changes(self, scene: OPEN) -> None:
        """Scale and position survive a rerun of the page and a new threshold, and end with the image."""
        page = scene("scene=sample")
        focus_stage(page)
        page.keyboard.press("+")
        page.keyboard.press("ArrowLeft")
        settle(page)
        before = view(page)
        page.keyboard.press("]")
        expect_told(page, threshold=0.41)
        page.get_by_role("button", name="Run again").click()
        expect_told(page, runs=1)
        assert view(page) == before
        page.get_by_role("button", name="Next image").click()
        expect_told(page, image=1)
        settle(page)
        assert view(page)[0] < before[0]

    def test_the_wheel_zooms_at_the_pointer(self, scene: OPEN) -> None:
        """The image point under the pointer stays under it."""
        page = scene("scene=sample")
        page.mouse.move(*centre_of(page, (190, 190, 210, 210)))
        before = centre_of(page, (190, 190, 210, 210))
        page.mouse.wheel(0, -200)
        page.mouse.wheel(0, -200)
        settle(page)
        assert view(page)[0] > 1.5 * 1.4
        assert centre_of(page, (190, 190, 210, 210)) == pytest.approx(before, abs=1.0)

    def test_the_page_can_be_scrolled_over_a_fitted_picture(self, scene: OPEN) -> None:
        """Scrolling down over a picture that is all in view moves the page, not the picture."""
        page = scene("scene=sample")
        page.set_viewport_size({"width": 1280, "height": 500})
        settle(page)
        before = page.locator(".stage").bounding_box()
        page.mouse.move(500, 450)
        page.mouse.wheel(0, 200)
        page.wait_for_timeout(300)
        after = page.locator(".stage").bounding_box()
        assert before is not None
        assert after is not None
        assert after["y"] < before["y"]

    def test_dragging_moves_a_zoomed_picture(self, scene: OPEN) -> None:
        """The picture follows the pointer."""
        page = scene("scene=sample")
        focus_stage(page)
        page.keyboard.press("+")
        page.keyboard.press("+")
        settle(page)
        _, x, y = view(page)
        start = centre_of(page, (190, 190, 210, 210))
        page.mouse.move(*start)
        page.mouse.down()
        page.mouse.move(start[0] + 20, start[1] + 10)
        page.mouse.move(start[0] + 40, start[1] + 30)
        page.mouse.up()
        settle(page)
        assert view(page)[1:] == pytest.approx((x + 40, y + 30))
        assert told(page)["selected"] is None, "a drag is no click"

    def test_fit_and_zoom_to_the_boxes(self, scene: OPEN) -> None:
        """`Z` brings the boxes close, `F` the whole image back."""
        page = scene("scene=odd")
        focus_stage(page)
        whole = view(page)
        page.keyboard.press("z")
        settle(page)
        assert view(page)[0] > 1.5 * whole[0]
        page.keyboard.press("f")
        settle(page)
        assert view(page) == pytest.approx(whole)

    def test_pixels_are_shown_as_squares_when_close(self, scene: OPEN) -> None:
        """Beyond 4 screen pixels per image pixel nothing is smoothed."""
        page = scene("scene=sample")
        focus_stage(page)
        for _ in range(5):
            page.keyboard.press("+")
        settle(page)
        assert view(page)[0] > 4
        assert page.locator(".stage img.shown").evaluate("(image) => getComputedStyle(image).imageRendering") == "pixelated"


class TestClasses:
    def test_a_chip_hides_its_class(self, scene: OPEN) -> None:
        """A click on a class hides its boxes and rows, and Python hears the class id."""
        page = scene("scene=sample")
        page.locator(".chip", has_text="person").click()
        expect_shown(page, 2)
        expect(page.locator(".row:not([hidden])")).to_have_count(2)
        expect_told(page, hidden=[1])

    def test_double_click_leaves_only_this_class(self, scene: OPEN) -> None:
        """A double click on a class hides all others."""
        page = scene("scene=sample")
        page.locator(".chip", has_text="person").dblclick()
        expect_shown(page, 2)
        expect_told(page, hidden=[0, 2])

    def test_none_and_all(self, scene: OPEN) -> None:
        """Two buttons hide and show every class."""
        page = scene("scene=sample")
        page.locator(".none").click()
        expect_shown(page, 0)
        expect_told(page, hidden=[0, 1, 2])
        page.locator(".all").click()
        expect_shown(page, 4)
        expect_told(page, hidden=[])

    def test_counts_follow_the_threshold(self, scene: OPEN) -> None:
        """A chip tells how many boxes of its class reach the threshold, and how many there are."""
        page = scene("scene=sample")
        drag_slider(page, 0.4, 0.7)
        expect(page.locator(".chip").first).to_have_text("car1/2")
        page.mouse.up()


class TestOutcomes:
    def test_marks_have_their_colours(self, scene: OPEN) -> None:
        """Right is green, wrong vermilion, missed blue."""
        page = scene("scene=marked")
        assert all(has_colour(patch, RIGHT) for patch in edges(page, (50, 50, 150, 150)))
        assert all(has_colour(patch, WRONG, 40) for patch in edges(page, (250, 50, 350, 150)))
        assert any(has_colour(patch, MISSED) for patch in edges(page, (250, 150, 350, 200)))

    def test_counts(self, scene: OPEN) -> None:
        """At 0.40 two are right, one is wrong, one object is missed; an ignored one counts neither way."""
        page = scene("scene=marked")
        expect(page.locator(".marks .chip")).to_have_text(["TP21", "FP12", "FN13", "Ignored1", "Found2G", "DifferencesD"])

    def test_a_cut_detection_makes_its_object_a_missed_one(self, scene: OPEN) -> None:
        """Above the score of the only detection that finds an object, the object is missed."""
        page = scene("scene=marked")
        drag_slider(page, 0.4, 0.6)
        expect(page.locator(".marks .chip", has_text="FN")).to_have_text("FN23")
        expect(page.locator(".row .mark.fn:visible")).to_have_count(2)
        page.mouse.up()
        settle(page)
        assert any(has_colour(patch, MISSED) for patch in edges(page, (52, 252, 152, 352)))

    def test_keys_switch_outcomes(self, scene: OPEN) -> None:
        """`1`, `2` and `3` switch right, wrong and missed."""
        page = scene("scene=marked")
        focus_stage(page)
        expect_shown(page, 4)
        page.keyboard.press("1")
        expect_shown(page, 2)
        page.keyboard.press("2")
        expect_shown(page, 1)
        page.keyboard.press("3")
        expect(page.locator(".row .mark.fn:visible")).to_have_count(0)

    def test_a_missed_object_can_be_selected(self, scene: OPEN) -> None:
        """Python hears which labelled object was clicked."""
        page = scene("scene=marked")
        page.mouse.click(*centre_of(page, (250, 170, 350, 200)))
        expect_told(page, selected_truth=2, selected=None)


class TestSelection:
    def test_the_smallest_box_under_the_pointer_wins(self, scene: OPEN) -> None:
        """A box nested in another can be pointed at, and its tip tells class, score, size and place."""
        page = scene("scene=sample")
        page.mouse.move(*centre_of(page, (80, 80, 120, 120)))
        expect(page.locator(".tip")).to_contain_text("person")
        expect(page.locator(".tip")).to_contain_text("0.800")
        expect(page.locator(".tip")).to_contain_text("40 × 40 px")
        expect(page.locator(".tip")).to_contain_text("x 80–120, y 80–120")

    def test_a_click_selects_and_a_click_beside_clears(self, scene: OPEN) -> None:
        """Python hears the index of the detection, and None when nothing is selected any more."""
        page = scene("scene=sample")
        page.mouse.click(*centre_of(page, (250, 50, 350, 150)))
        expect_told(page, selected=1)
        expect(page.locator('.row[aria-selected="true"]')).to_contain_text("person")
        page.mouse.click(*centre_of(page, (190, 190, 210, 210)))
        expect_told(page, selected=None)

    def test_python_selects(self, scene: OPEN) -> None:
        """A detection that Python selects is highlighted in picture and list."""
        page = scene("scene=sample")
        page.get_by_role("button", name="Python selects 1").click()
        expect(page.locator('.row[aria-selected="true"]')).to_contain_text("0.85")
        expect_told(page, selected=1)

    def test_the_list_follows_the_pointer_and_the_picture_follows_the_list(self, scene: OPEN) -> None:
        """Pointing at a row lights up its box, pointing at a box its row."""
        page = scene("scene=sample")
        page.mouse.move(*centre_of(page, (80, 80, 120, 120)))
        expect(page.locator(".row.hover")).to_contain_text("0.80")
        dark = pixels(page)
        page.locator(".row", has_text="0.85").hover()
        settle(page)
        lit = np.asarray(Image.open(io.BytesIO(page.locator(".stage").screenshot())).convert("RGB"))
        changed = np.argwhere((lit != dark).any(axis=-1))
        k, x, y = view(page)
        left, top = (changed[:, 1].min() - x) / k, (changed[:, 0].max() - y) / k
        assert left == pytest.approx(250, abs=6)
        assert top == pytest.approx(150, abs=6)

    def test_the_list_by_keyboard(self, scene: OPEN) -> None:
        """The list is the picture for who cannot see or point: arrows walk, Enter selects, Escape clears."""
        page = scene("scene=sample")
        rows = page.get_by_role("listbox", name="Detections")
        rows.focus()
        page.keyboard.press("ArrowDown")
        active = rows.get_attribute("aria-activedescendant")
        expect(page.locator(f"#{active}")).to_contain_text("person")
        page.keyboard.press("Enter")
        expect_told(page, selected=1)
        page.keyboard.press("Escape")
        expect_told(page, selected=None)


class TestManyBoxes:
    def test_twenty_thousand(self, scene: OPEN) -> None:
        """20,000 boxes are counted and painted, and the list keeps only the rows in sight in the document."""
        page = scene("scene=grid&n=20000")
        drag_slider(page, 0.4, 0.5)
        page.mouse.up()
        expect_told(page, threshold=float(page.locator(".value").inner_text()))
        assert int(host(page, "shown")) == told(page)["reaching"]
        assert page.locator(".row").count() < 60
        page.locator(".list").evaluate("(list) => { list.scrollTop = list.scrollHeight; }")
        settle(page)
        last = page.locator(f'.row[aria-posinset="{host(page, "shown")}"]')
        expect(last).to_be_visible()


class TestSurroundings:
    @pytest.mark.parametrize("colour_scheme", ["light", "dark"])
    @pytest.mark.parametrize("width", [390, 1280])
    def test_narrow_wide_light_dark(self, url: str, playwright: Playwright, width: int, colour_scheme: str) -> None:
        """On a phone the list is below the picture, on a desk beside it; nothing overflows, in both themes."""
        with open_browser(playwright, viewport=(width, 900), colour_scheme=colour_scheme) as open_page:
            page = ready(open_page(f"{url}/?scene=marked"))
            stage, side = page.locator(".stage").bounding_box(), page.locator(".side").bounding_box()
            assert stage is not None
            assert side is not None
            beside = side["x"] >= stage["x"] + stage["width"]
            assert beside == (width >= 1280)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    def test_sharp_on_dense_screens(self, url: str, playwright: Playwright) -> None:
        """At two device pixels per CSS pixel the canvas has twice the pixels."""
        with open_browser(playwright, pixel_ratio=2) as open_page:
            page = ready(open_page(f"{url}/?scene=sample"))
            ratio = page.locator("canvas.boxes").evaluate("(canvas) => canvas.width / canvas.clientWidth")
            assert ratio == pytest.approx(2, abs=0.01)

    def test_help_lists_the_keys(self, scene: OPEN) -> None:
        """`?` opens the sheet of keys and Escape closes it."""
        page = scene("scene=sample")
        focus_stage(page)
        page.keyboard.press("?")
        expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
