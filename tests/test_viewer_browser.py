"""The viewer in a real Chromium: what is painted, what answers at once, and what Python hears."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import open_browser, start_app
from coco_sets import columns, dense_set, random_columns
from PIL import Image, ImageColor
from playwright.sync_api import Page, Playwright, expect

from smviz.colours import MARKS, class_colours
from smviz.errors import BadSetting
from smviz.evaluation import JudgedImage, evaluate, judged_image
from smviz.records import Detections, Predictions
from smviz.settings import MatchSettings
from smviz.viewer import ImageMatches, ImageTruth, ViewerState, viewer
from smviz.viewer.state import as_sent, shown_xyxy

pytestmark = pytest.mark.browser

APP = Path(__file__).parent / "browser_apps" / "viewer_app.py"
VIEWER = Path(__file__).parent.parent / "smviz" / "viewer"
OPEN = Callable[[str], Page]

CAR, PERSON = (ImageColor.getrgb(colour) for colour in class_colours(("car", "person")).values())
RIGHT, WRONG, MISSED = (ImageColor.getrgb(MARKS[mark]) for mark in ("tp", "fp", "fn"))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with start_app(APP) as address:
        yield address


@pytest.fixture
def scene(url: str, playwright: Playwright) -> Iterator[OPEN]:
    """Opens a scene of the test page and waits until it is painted; the page must stay free of console errors."""
    with open_browser(playwright) as open_page:
        yield lambda query: ready(open_page(f"{url}/?{query}"))


def ready(page: Page) -> Page:
    page.locator("[data-ready]").first.wait_for(timeout=30_000)
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


ONE = ImageTruth([[0, 0, 9, 9]], [0], [False])  # one labelled object

# ViewerState.keeps, as the browser does it.
KEEP = """([sent, state]) => {
  SCRIPTS
  const model = {
    box: Float64Array.from(sent.box), score: Float64Array.from(sent.score, (score) => score ?? NaN),
    classId: sent.classId, frame: { width: 300, height: 200 },
    classes: new Map(sent.names.map((name, id) => [id, { name }])),
  };
  const choice = new Choice(state), kept = new Uint8Array(sent.score.length);
  keep(model, choice, kept, 0, kept.length);
  return [...kept].map((yes, item) => Boolean(yes) && !choice.hidden.has(model.classId[item]));
}"""


def random_case(random: np.random.Generator) -> tuple[Detections, ViewerState]:
    """Crowded boxes, some beyond the frame, some without a score, and a random choice of filters."""
    count = int(random.integers(0, 120))
    corner = random.uniform(-20, 280, (count, 2)) * [1, 0.6]
    scores = np.where(random.random(count) < 0.1, np.nan, random.integers(0, 101, count) / 100)
    xyxy = np.hstack([corner, corner + random.uniform(0, 60, (count, 2))])
    detections = Detections(xyxy, scores, random.integers(0, 3, count), ("car", "person", "bus"))
    maybe = lambda value: value if random.random() < 0.6 else None  # noqa: E731
    return detections, ViewerState(
        threshold=float(random.integers(0, 60)) / 100,
        hidden=frozenset({0}) if random.random() < 0.3 else frozenset(),
        class_thresholds=maybe({"person": 0.37}),
        min_side=maybe(7.0) or 0.0,
        nms_iou=maybe(float(random.choice([0.0, 0.1, 0.45, 1.0]))),
        nms_across_classes=bool(random.random() < 0.5),
        top_k=maybe(int(random.integers(1, 40))),
    )


# What becomes of each detection (null where it is not kept) and of each object.
OUTCOMES = """([data, state]) => {
  SCRIPTS
  const model = new Model(data);
  model.filter(new Choice(state));
  return Array.from({ length: model.size }, (_, item) => (model.kept[item] ? model.kind(item) : null));
}"""


def random_filters(random: np.random.Generator) -> ViewerState:
    """Filters that leave out more than the last ones, each in one case of two."""
    maybe = lambda value, otherwise: value if random.random() < 0.5 else otherwise  # noqa: E731
    return ViewerState(
        threshold=maybe(float(random.integers(0, 50)) / 100, 0.0),
        class_thresholds=maybe({"class 0": 0.37}, None),
        min_side=maybe(float(random.integers(10, 90)), 0.0),
        nms_iou=maybe(float(random.choice([0.2, 0.5, 0.8])), None),
        nms_across_classes=bool(random.random() < 0.5),
        top_k=maybe(int(random.integers(1, 150)), None),
    )


def sent(judged: JudgedImage) -> dict[str, object]:
    """An image as the browser gets it."""
    found = judged.detections
    return {
        "image": {"width": 640, "height": 480},
        "detections": {
            "xyxy": shown_xyxy(found).ravel().tolist(),
            "score": found.confidence.tolist(),
            "class_id": found.class_id.tolist(),
        },
        "truth": {
            "xyxy": judged.truth_xyxy.ravel().tolist(),
            "class_id": judged.truth_class_id.tolist(),
            "ignored": judged.truth_ignored.tolist(),
        },
        "matches": {
            "choices": judged.choices.ravel().tolist(),
            "crowd": judged.truth_crowd.tolist(),
            "uncounted": judged.uncounted.tolist(),
            "most": judged.most,
        },
        "other": None,
        "pair": None,
        "classes": [{"id": i, "name": name} for i, name in enumerate(found.class_names)],
    }


def only_kept(predictions: Predictions, image: int, keep: np.ndarray) -> Predictions:
    """The predictions without those of one image that are not kept."""
    rows = np.flatnonzero(predictions.image == image)
    rows = rows[np.argsort(-predictions.confidence[rows], kind="stable")]
    left = np.delete(np.arange(len(predictions)), rows[~keep])
    return Predictions(
        predictions.image[left], predictions.class_id[left], predictions.ltwh[left], predictions.confidence[left]
    )


def outcomes(judged: JudgedImage, keep: np.ndarray) -> list[str | None]:
    """What became of the detections, None for those not kept, and of the objects, in the viewer's words."""
    told = np.where(judged.ignored, "ignored", np.where(judged.taken >= 0, "tp", "fp")).tolist()
    found = np.isin(np.arange(len(judged.truth_class_id)), judged.taken)
    objects = np.where(judged.truth_ignored, "ignored", np.where(found, "truth", "fn")).tolist()
    rest = iter(told)
    return [next(rest) if kept else None for kept in keep] + objects


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
            {"matches": ImageMatches([], [], [False, False])},
            {"ground_truth": ONE, "matches": ImageMatches([[0, 0]], [False], [False])},
            {"ground_truth": ONE, "matches": ImageMatches([[0, 0]], [False, False], [False, False])},
            {"ground_truth": ONE, "matches": ImageMatches([[0, 0], [1, 1]], [False], [False, False])},
            {"ground_truth": ONE, "matches": ImageMatches([[0, 0], [2, 0]], [False], [False, False])},
            {"ground_truth": ONE, "matches": ImageMatches([[-1, 0]], [False], [False, False])},
            {"detections": Detections([[0, 0, np.inf, 9]], [0.5], [0], ("car",))},
            {"other": Detections([[0, 0, 9, 9]], [0.5], [0], ("person",))},
            {"other": Detections([[0, 0, np.inf, 9]], [0.5], [0], ("car",))},
            {
                "other": some(2),
                "ground_truth": ONE,
                "matches": ImageMatches([[1, 0]], [False], [False, False]),
            },
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
        """Ground truth is columns that belong together; who chooses first is not left open."""
        with pytest.raises(BadSetting):
            ImageTruth([[0, 0, 9, 9]], [0, 0], [False])
        with pytest.raises(BadSetting, match="order"):
            ImageMatches([[1, 0], [0, 0]], [False], [False, False])
        with pytest.raises(BadSetting, match="At most 0"):
            ImageMatches([], [], [], 0)


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

    def test_a_picture_that_exif_turns(self, scene: OPEN) -> None:
        """On a JPEG stored on its side, of odd size, boxes lie where the upright picture has them, at three zooms."""
        page = scene("scene=turned")
        assert page.locator(".stage img.shown").evaluate("(i) => [i.naturalWidth, i.naturalHeight]") == [301, 203]
        for _ in range(3):
            assert all(has_colour(patch, CAR) for patch in edges(page, (20.5, 30, 90, 180)))
            page.mouse.move(*centre_of(page, (20, 90, 90, 180)))
            page.mouse.wheel(0, -60)
            settle(page)

    def test_all_pixels_come_with_the_zoom(self, scene: OPEN) -> None:
        """A smaller picture is shown first; zoomed beyond its pixels the full one takes its place, boxes unmoved."""
        page = scene("scene=huge")
        assert page.locator(".stage img.full").get_attribute("src") is None
        assert not has_colour(pixels(page), (60, 120, 60), 3)
        focus_stage(page)
        page.keyboard.press("z")
        expect(page.locator(".stage img.full")).to_be_visible()
        assert has_colour(pixels(page), (60, 120, 60), 3)
        assert all(has_colour(patch, CAR) for patch in edges(page, (1000, 1000, 1200, 1100)))
        page.keyboard.press("f")
        expect(page.locator(".stage img.full")).to_be_hidden()

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

    def test_zoom_is_kept_when_the_window_changes(self, scene: OPEN) -> None:
        """A narrower page keeps the scale, and a picture that was fitted stays fitted."""
        page = scene("scene=sample")
        focus_stage(page)
        for _ in range(3):
            page.keyboard.press("+")
        settle(page)
        before = view(page)[0]
        page.set_viewport_size({"width": 1000, "height": 700})
        settle(page)
        assert view(page)[0] == before
        page.keyboard.press("f")
        page.set_viewport_size({"width": 600, "height": 700})
        settle(page)
        stage = page.locator(".stage").bounding_box()
        assert stage is not None
        assert view(page)[0] == pytest.approx(min(stage["width"], stage["height"]) / 400)

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
        assert (
            page.locator(".stage img.shown").evaluate("(image) => getComputedStyle(image).imageRendering")
            == "pixelated"
        )


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

    def test_only_this_class_by_key(self, scene: OPEN) -> None:
        """`S` leaves the class of the chip in focus or of the pinned box, and again brings all back, as `A` does."""
        page = scene("scene=sample")
        page.locator(".chip", has_text="person").focus()
        page.keyboard.press("s")
        expect_told(page, hidden=[0, 2])
        page.keyboard.press("s")
        expect_told(page, hidden=[])
        page.locator(".row", has_text="0.95").click()
        focus_stage(page)
        page.keyboard.press("s")
        expect_told(page, hidden=[1, 2])
        page.keyboard.press("a")
        expect_told(page, hidden=[])

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
        expect(page.locator(".marks .chip")).to_have_text(
            ["TP21", "FP12", "FN13", "Ignored1", "Found2G", "DifferencesD"]
        )

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

    def test_only_differences(self, scene: OPEN) -> None:
        """`D` leaves wrong detections and missed objects, and gives the rest back."""
        page = scene("scene=marked")
        focus_stage(page)
        page.keyboard.press("d")
        expect_shown(page, 1)
        expect(page.locator(".row .mark:visible")).to_have_text(["FP", "FN"])
        page.keyboard.press("d")
        expect_shown(page, 4)

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

    def test_a_box_that_is_no_more_is_not_selected(self, scene: OPEN) -> None:
        """When Python shows fewer boxes on the same image, the selection of one that is gone ends."""
        page = scene("scene=sample")
        page.mouse.click(*centre_of(page, (250, 50, 350, 150)))
        expect_told(page, selected=1)
        page.get_by_role("button", name="Only one").click()
        expect_shown(page, 1)
        expect_told(page, selected=None)
        expect(page.get_by_role("region", name="Pinned box")).to_be_hidden()

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
        active = rows.locator(".row.hover")
        expect(active).to_contain_text("person")
        expect(rows).to_have_attribute("aria-activedescendant", str(active.get_attribute("id")))
        page.keyboard.press("Enter")
        expect_told(page, selected=1)
        page.keyboard.press("Escape")
        expect_told(page, selected=None)


class TestClassThresholds:
    """Each class has its own threshold when a person or Python asks for it; the others follow the global one."""

    def test_given_ones_cut_from_the_start(self, scene: OPEN) -> None:
        """Cars reach 0.60 and persons 0.82 on their own: one of each is left, and what has no own one follows 0.40."""
        page = scene("scene=sample&own=1")
        expect_shown(page, 2)
        expect(page.locator(".cut")).to_have_text(["≥ 0.60", "≥ 0.82", "≥ 0.40"])
        expect_told(page, class_thresholds={"car": 0.6, "person": 0.82}, kept=2)

    def test_one_for_all_takes_them_back(self, scene: OPEN) -> None:
        """`P` switches between one threshold for all and those given, which keep their ticks on the slider."""
        page = scene("scene=sample&own=1")
        focus_stage(page)
        page.keyboard.press("p")
        expect_shown(page, 4)
        expect(page.locator(".cut:visible")).to_have_count(0)
        expect(page.locator(".ticks i:visible")).to_have_count(2)
        expect_told(page, class_thresholds=None, kept=4)
        page.keyboard.press("p")
        expect_told(page, class_thresholds={"car": 0.6, "person": 0.82}, kept=2)

    def test_the_slider_moves_the_class_that_was_picked(self, scene: OPEN) -> None:
        """A click on a class's threshold puts the slider on it, and its movement leaves the other classes alone."""
        page = scene("scene=sample&own=1")
        page.get_by_role("button", name="Threshold of person: 0.82").click()
        expect(page.locator(".prompt")).to_have_text("person ≥")
        expect(page.locator(".value")).to_have_text("0.82")
        drag_slider(page, 0.82, 0.5)
        page.mouse.up()
        reached = float(page.locator(".value").inner_text())
        expect_told(page, threshold=0.4, class_thresholds={"car": 0.6, "person": reached}, kept=3)

    def test_the_next_class_by_key(self, scene: OPEN) -> None:
        """`C` puts the slider on the next class, and `]` moves that one."""
        page = scene("scene=sample&own=1")
        focus_stage(page)
        page.keyboard.press("c")
        page.keyboard.press("]")
        expect_told(page, class_thresholds={"car": 0.6, "person": 0.83})

    def test_a_person_asks_for_them(self, scene: OPEN) -> None:
        """Without any from Python they start at the global threshold, by the switch among the filters."""
        page = scene("scene=sample")
        page.locator(".filters-toggle").click()
        page.get_by_role("button", name="per class").click()
        expect_told(page, class_thresholds={}, kept=4)
        drag_slider(page, 0.4, 0.9)
        page.mouse.up()
        expect_shown(page, 3)
        expect(page.locator(".filters-toggle")).to_have_text("Filters: per class")

    def test_python_sets_them(self, scene: OPEN) -> None:
        """Other thresholds from Python are taken over, also after the person has moved one."""
        page = scene("scene=sample&own=1")
        focus_stage(page)
        page.keyboard.press("]")
        expect_told(page, class_thresholds={"car": 0.61, "person": 0.82})
        page.get_by_role("button", name="Python sets classes").click()
        expect_told(page, class_thresholds={"car": 0.9})
        expect(page.locator(".cut")).to_have_text(["≥ 0.90", "≥ 0.40", "≥ 0.40"])


class TestFilters:
    """What-ifs on the boxes in hand: each answers at once, and Python hears of it."""

    def test_they_are_folded_away(self, scene: OPEN) -> None:
        """The row opens with `T`, and folded it still tells what is in force."""
        page = scene("scene=crowd")
        expect(page.locator(".what-if")).to_be_hidden()
        focus_stage(page)
        page.keyboard.press("t")
        page.get_by_role("spinbutton", name="Top").fill("2")
        expect_shown(page, 2)
        page.locator(".filters-toggle").click()
        expect(page.locator(".what-if")).to_be_hidden()
        expect(page.locator(".filters-toggle")).to_have_text("Filters: top 2")
        expect_told(page, top_k=2, kept=2)

    def test_the_shorter_side(self, scene: OPEN) -> None:
        """A box of 12 pixels is shown at 12 and cut at 13; keys typed into the field are no commands."""
        page = scene("scene=crowd")
        page.locator(".filters-toggle").click()
        page.get_by_label("Shorter side").fill("12")
        expect_shown(page, 5)
        page.get_by_label("Shorter side").fill("13")
        expect_shown(page, 4)
        expect_told(page, min_side=13, kept=4)
        page.get_by_label("Shorter side").press("-")
        assert view(page)[0] == pytest.approx(float(host(page, "scale")))

    def test_nms_within_and_across_classes(self, scene: OPEN) -> None:
        """NMS keeps the most confident of overlapping boxes; across classes it takes the person on the car too."""
        page = scene("scene=crowd")
        focus_stage(page)
        page.keyboard.press("n")
        expect_shown(page, 3)
        expect_told(page, nms_iou=0.5, nms_across_classes=False, kept=3)
        page.keyboard.press("t")
        expect(page.locator(".nms-note")).to_contain_text("endpoint may already do NMS")
        page.get_by_label("NMS compares boxes").select_option("across")
        expect_shown(page, 2)
        expect_told(page, nms_across_classes=True, kept=2)

    def test_the_overlap_of_nms(self, scene: OPEN) -> None:
        """Only an IoU above the slider's suppresses: shifted by 20 of 100 pixels it is 2/3."""
        page = scene("scene=crowd")
        page.locator(".filters-toggle").click()
        page.get_by_label("NMS", exact=True).check()
        page.get_by_role("slider", name="IoU").fill("0.7")
        expect_shown(page, 4)
        expect_told(page, nms_iou=0.7, kept=4)

    def test_reset(self, scene: OPEN) -> None:
        """One button takes all of them back."""
        page = scene("scene=crowd")
        focus_stage(page)
        for key in "tnp":
            page.keyboard.press(key)
        expect_shown(page, 3)
        page.get_by_role("button", name="Reset").click()
        expect_shown(page, 5)
        expect_told(page, nms_iou=None, class_thresholds=None, kept=5)

    def test_they_stay_from_image_to_image(self, scene: OPEN) -> None:
        """Another image is filtered as the one before."""
        page = scene("scene=crowd")
        focus_stage(page)
        page.keyboard.press("n")
        expect_told(page, kept=3)
        page.get_by_role("button", name="Next image").click()
        expect_told(page, image=1, nms_iou=0.5, kept=3)
        expect_shown(page, 3)

    def test_browser_and_python_keep_the_same_boxes(self, scene: OPEN) -> None:
        """With 2,000 boxes and every filter on, as many boxes are painted as ViewerState.keeps gives."""
        page = scene("scene=grid&n=2000")
        page.locator(".filters-toggle").click()
        page.get_by_label("NMS", exact=True).check()
        page.get_by_role("slider", name="IoU").fill("0.2")
        page.get_by_label("NMS compares boxes").select_option("across")
        page.get_by_label("Shorter side").fill("20")
        page.get_by_role("spinbutton", name="Top").fill("333")
        page.locator(".chip", has_text="bus").click()
        expect_told(page, nms_iou=0.2, min_side=20, top_k=333, hidden=[3])
        assert int(host(page, "shown")) == told(page)["kept"] > 100

    def test_what_a_filter_leaves_is_matched_by_itself(self, scene: OPEN) -> None:
        """A dropped detection gives its object to the next one that reaches it, or makes it a missed one; chips, list,
        card and what Python hears agree."""
        page = scene("scene=rivals")
        marks, card = page.locator(".row:visible .mark"), page.get_by_role("region", name="Pinned box")
        chips = page.locator(".marks .chip")
        expect(chips).to_have_text(["TP11", "FP22", "FN03", "Found1G", "DifferencesD"])
        expect(marks).to_have_text(["TP", "FP", "FP"])
        page.locator(".row", has_text="0.80").click()
        expect(card).to_contain_text("false positive")
        page.locator(".filters-toggle").click()
        page.get_by_label("Shorter side").fill("10")
        expect(chips).to_have_text(["TP11", "FP12", "FN03", "Found1G", "DifferencesD"])
        expect(marks).to_have_text(["TP", "FP"])
        expect(card).to_contain_text("true positive")
        assert any(has_colour(patch, RIGHT) for patch in edges(page, (100, 100, 112, 200)))
        expect_told(page, min_side=10, kept=2, selected=1)
        page.get_by_label("Shorter side").fill("20")
        expect(chips).to_have_text(["TP01", "FP12", "FN13", "Found0G", "DifferencesD"])
        expect(marks).to_have_text(["FP", "FN"])
        assert any(has_colour(patch, MISSED) for patch in edges(page, (100, 100, 110, 200)))
        expect_told(page, min_side=20, kept=1)

    def test_each_box_is_kept_by_both_or_neither(self, playwright: Playwright) -> None:
        """The scripts alone, in a bare page, keep what ViewerState.keeps does, over many random sets and filters."""
        scripts = "\n".join((VIEWER / name).read_text(encoding="utf-8") for name in ("geometry.js", "filters.js"))
        with open_browser(playwright) as open_page:
            page = open_page("about:blank")
            for seed in range(60):
                detections, state = random_case(np.random.default_rng(seed))
                model = {
                    "box": shown_xyxy(detections).ravel().tolist(),
                    "score": [None if score != score else score for score in detections.confidence.tolist()],
                    "classId": detections.class_id.tolist(),
                    "names": detections.class_names,
                }
                kept = page.evaluate(KEEP.replace("SCRIPTS", scripts), [model, as_sent(state)])
                assert kept == state.keeps(detections).tolist(), f"seed {seed}"

    def test_outcomes_are_those_of_matching_what_is_kept(self, playwright: Playwright) -> None:
        """Under random filters every detection and object has the outcome that COCO's matching of just the kept
        detections gives it: with crowds, ties, ignored objects, and more detections than are matched."""
        scripts = "\n".join(
            (VIEWER / f"{name}.js").read_text(encoding="utf-8") for name in ("geometry", "filters", "model")
        )
        random, changed = np.random.default_rng(5), 0
        with open_browser(playwright) as open_page:
            page = open_page("about:blank")
            for seed in range(24):
                data = columns(*dense_set(seed)) if seed < 4 else random_columns(seed)
                truth, predictions = data
                settings = MatchSettings(ious=(float(random.choice([0.5, 0.75])),))
                for image in range(len(truth.image_names)):
                    judged = judged_image(evaluate(truth, predictions, settings), image, settings.ious[0])
                    state = random_filters(random)
                    keep = state.keeps(judged.detections)
                    alone = evaluate(truth, only_kept(predictions, image, keep), settings)
                    expected = outcomes(judged_image(alone, image, settings.ious[0]), keep)
                    found = page.evaluate(OUTCOMES.replace("SCRIPTS", scripts), [sent(judged), as_sent(state)])
                    assert found == expected, f"seed {seed}, image {image}, {state}"
                    among_all = outcomes(judged, keep | True)
                    changed += any(
                        now and now != was for now, was in zip(expected[: len(keep)], among_all, strict=False)
                    )
            assert changed > 10, "the filters changed the outcome of next to nothing that they left"


class TestTwoSets:
    """Boxes of two sets: what both found is grey, what one found alone has that set's colour."""

    def test_counts(self, scene: OPEN) -> None:
        """One car is found by both; a car on a person is no agreement."""
        page = scene("scene=compare")
        expect(page.locator(".marks .chip")).to_have_text(["Both11", "Only prod32", "Only candidate23", "DifferencesD"])
        expect(page.locator(".count")).to_have_text("7 of 8 boxes")

    def test_colours(self, scene: OPEN) -> None:
        """Grey, blue and orange; the second set's own boxes are dashed as well."""
        page = scene("scene=compare")
        assert all(has_colour(patch, (180, 186, 194)) for patch in edges(page, (50, 50, 150, 150)))
        assert all(has_colour(patch, MISSED) for patch in edges(page, (50, 250, 150, 350)))
        assert any(has_colour(patch, CAR) for patch in edges(page, (180, 350, 240, 390)))

    def test_agreement_follows_the_threshold(self, scene: OPEN) -> None:
        """When the second set's box is cut, the first set has found it alone."""
        page = scene("scene=compare")
        drag_slider(page, 0.4, 0.65)
        expect(page.locator(".marks .chip").first).to_have_text("Both01")
        page.mouse.up()

    def test_only_differences(self, scene: OPEN) -> None:
        """`D` leaves what one set found alone."""
        page = scene("scene=compare")
        focus_stage(page)
        page.keyboard.press("d")
        expect_shown(page, 5)

    def test_a_box_of_the_second_set_is_pinned(self, scene: OPEN) -> None:
        """Python hears its index in the second set."""
        page = scene("scene=compare")
        page.mouse.click(*centre_of(page, (180, 350, 240, 390)))
        expect_told(page, selected_other=1, selected=None)


class TestSync:
    def test_zoom_threshold_and_classes_are_shared(self, url: str, scene: OPEN) -> None:
        """What is done at the first of two viewers is done at the second, and Python hears it of both."""
        page = scene("scene=sample&sync=1")
        first, second = page.locator("[data-ready]").first, page.locator("[data-ready]").nth(1)
        second.wait_for()
        page.locator(".stage").first.focus()
        page.keyboard.press("+")
        page.keyboard.press("]")
        page.locator(".chip", has_text="person").first.click()
        settle(page)
        scale = float(second.get_attribute("data-scale") or 0)
        assert scale == pytest.approx(float(first.get_attribute("data-scale") or 0))
        assert scale > 2
        expect(second).to_have_attribute("data-shown", "2")
        expect(page.get_by_text('{"threshold": 0.41, "hidden": [1]}')).to_be_visible()
        expect_told(page, threshold=0.41, hidden=[1])


class TestPinned:
    """The card of the pinned box."""

    def test_it_tells_pixels_shares_area_and_overlaps(self, scene: OPEN) -> None:
        """Coordinates in pixels and as shares of the frame, area, and the IoU with what overlaps."""
        page = scene("scene=sample")
        page.locator(".row", has_text="0.80").click()
        card = page.get_by_role("region", name="Pinned box")
        expect(card).to_contain_text("x 80 – 120, y 80 – 120")
        expect(card).to_contain_text("x 0.2000 – 0.3000, y 0.2000 – 0.3000")
        expect(card).to_contain_text("40 × 40 px, area 1,600 px² (1.0 %)")
        expect(card).to_contain_text("car 0.950 IoU 0.16")
        card.get_by_role("button", name="car 0.950").click()
        expect_told(page, selected=0)
        card.get_by_role("button", name="Unpin").click()
        expect_told(page, selected=None)
        expect(card).to_be_hidden()

    def test_it_tells_the_overlap_with_the_ground_truth(self, scene: OPEN) -> None:
        """The labelled object of the highest IoU is named, whether it is drawn or not."""
        page = scene("scene=marked")
        page.locator(".row", has_text="0.50").click()
        expect(page.get_by_role("region", name="Pinned box")).to_contain_text("car IoU 0.92")

    def test_a_matched_pair_is_joined(self, scene: OPEN) -> None:
        """The pinned detection's labelled object is drawn too, with a dashed line between the two."""
        page = scene("scene=marked")
        before = pixels(page)
        page.locator(".row", has_text="0.50").click()
        after = pixels(page)
        k, x, y = view(page)
        u, v = round(152 * k + x), round(300 * k + y)
        assert (after[v, u - 2 : u + 3] != before[v, u - 2 : u + 3]).any()

    def test_clicking_again_takes_the_next_box_there(self, scene: OPEN) -> None:
        """The smallest comes first, then the larger ones under the pointer, then the first again; `O` does so too."""
        page = scene("scene=sample")
        point = centre_of(page, (80, 80, 120, 120))
        for expected in (2, 0, 2):
            page.mouse.click(*point)
            expect_told(page, selected=expected)
        focus_stage(page)
        page.keyboard.press("o")
        expect_told(page, selected=0)


class TestSteps:
    def test_keys_and_buttons_ask_for_another_image(self, scene: OPEN) -> None:
        """`.` and `,`, the arrows while all is in view, and two buttons call back with 1 and -1, once each."""
        page = scene("scene=sample&steps=1")
        focus_stage(page)
        for key, image in ((".", 1), ("ArrowRight", 2), (",", 1), ("ArrowLeft", 0)):
            page.keyboard.press(key)
            expect_told(page, image=image)
        page.get_by_role("button", name="Next image").last.click()
        expect_told(page, image=1, step=1)
        page.get_by_role("button", name="Run again").click()
        expect_told(page, runs=1, image=1, step=0)

    def test_arrows_move_a_zoomed_picture(self, scene: OPEN) -> None:
        """Zoomed in, an arrow key pans and asks for nothing."""
        page = scene("scene=sample&steps=1")
        focus_stage(page)
        page.keyboard.press("+")
        settle(page)
        before = view(page)
        page.keyboard.press("ArrowRight")
        settle(page)
        assert view(page)[1] < before[1]
        assert told(page)["image"] == 0

    def test_without_a_listener_there_is_nothing_to_press(self, scene: OPEN) -> None:
        """A page that shows one image has neither the buttons nor the keys."""
        page = scene("scene=sample")
        focus_stage(page)
        page.keyboard.press(".")
        expect(page.locator(".steps")).to_be_hidden()
        assert told(page)["step"] == 0


class Fingers:
    """Touches by the browser's own protocol: each move is a real touch event."""

    def __init__(self, page: Page) -> None:
        self.page, self.session = page, page.context.new_cdp_session(page)

    def glide(self, *paths: tuple[tuple[float, float], tuple[float, float]]) -> None:
        """Put a finger down at the start of each path, move all of them to the ends, lift them."""
        starts, ends = (np.array(points) for points in zip(*paths, strict=True))
        self._send("touchStart", starts)
        for share in np.linspace(0.1, 1, 10):
            self._send("touchMove", starts + share * (ends - starts))
        self.session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        settle(self.page)

    def _send(self, kind: str, points: np.ndarray) -> None:
        touches = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(points.tolist())]
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})


class TestTouch:
    def test_pinch_drag_and_tap(self, url: str, playwright: Playwright) -> None:
        """Two fingers zoom where they are, one finger moves the zoomed picture, a tap pins a box."""
        with open_browser(playwright, touch=True) as open_page:
            page = ready(open_page(f"{url}/?scene=sample"))
            x, y = middle = centre_of(page, (190, 190, 210, 210))
            before, fingers = view(page), Fingers(page)
            fingers.glide(((x - 40, y), (x - 100, y)), ((x + 40, y), (x + 100, y)))
            assert view(page)[0] == pytest.approx(2.5 * before[0], rel=0.1)
            assert centre_of(page, (190, 190, 210, 210)) == pytest.approx(middle, abs=4)
            zoomed = view(page)
            fingers.glide(((x, y), (x + 60, y + 40)))
            assert view(page)[1:] == pytest.approx((zoomed[1] + 60, zoomed[2] + 40), abs=8)
            page.locator(".fit").click()
            settle(page)
            page.touchscreen.tap(*centre_of(page, (80, 80, 120, 120)))
            expect_told(page, selected=2)

    def test_the_slider_by_finger(self, url: str, playwright: Playwright) -> None:
        """A finger drags the thumb, and Python hears of it."""
        with open_browser(playwright, touch=True) as open_page:
            page = ready(open_page(f"{url}/?scene=sample"))
            box = page.locator(".slider").bounding_box()
            assert box is not None
            at = lambda value: (box["x"] + 8 + value * (box["width"] - 16), box["y"] + box["height"] - 11)  # noqa: E731
            Fingers(page).glide((at(0.4), at(0.9)))
            expect_shown(page, 1)
            expect_told(page, reaching=1)


class TestAccessibility:
    """No serious or critical finding of axe-core in the viewer, in both themes."""

    @pytest.mark.parametrize("colour_scheme", ["light", "dark"])
    @pytest.mark.parametrize("query", ["scene=marked", "scene=compare&steps=1", "scene=sample&own=1", "scene=empty"])
    def test_axe(self, url: str, playwright: Playwright, query: str, colour_scheme: str) -> None:
        """With filters open, a box pinned and the keys shown, wherever the scene has them."""
        with open_browser(playwright, colour_scheme=colour_scheme) as open_page:
            page = ready(open_page(f"{url}/?{query}"))
            focus_stage(page)
            for key in "tn":
                page.keyboard.press(key)
            if page.locator(".row:visible").count():
                page.locator(".row:visible").first.click()
            for opened in (False, True):
                if opened:
                    page.locator(".ask").click()
                found = Axe().run(page, {"include": [{"fromShadowDom": ["[data-ready]", ".viewer"]}]})
                grave = [each for each in found.response["violations"] if each["impact"] in ("serious", "critical")]
                assert found.response["passes"], "nothing was checked"
                assert not grave, json.dumps(
                    [(each["id"], [node["html"] for node in each["nodes"]]) for each in grave], indent=1
                )

    def test_the_list_and_the_picture_say_how_many(self, scene: OPEN) -> None:
        """The picture's name, the count and the list agree for who does not see them."""
        page = scene("scene=sample")
        expect(page.get_by_role("group", name="Image with 4 boxes; the list holds the same detections")).to_be_visible()
        expect(page.get_by_role("listbox", name="Detections").get_by_role("option")).to_have_count(4)

    def test_nothing_moves_for_who_wants_no_motion(self, url: str, playwright: Playwright) -> None:
        """With prefers-reduced-motion no element of the viewer has a transition or an animation."""
        with open_browser(playwright) as open_page:
            page = open_page("about:blank")
            page.emulate_media(reduced_motion="reduce")
            page.goto(f"{url}/?scene=marked")
            ready(page)
            moving = page.locator(".viewer *").evaluate_all(
                "(all) => all.filter((e) => parseFloat(getComputedStyle(e).transitionDuration) > 0 "
                "|| getComputedStyle(e).animationName !== 'none').length"
            )
            assert moving == 0


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
