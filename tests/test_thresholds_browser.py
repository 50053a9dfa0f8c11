"""Choosing thresholds in a real Chromium: what they change, keeping them, and Detect, which begins with them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import ROOT, start_app
from playwright.sync_api import Locator, Page, expect

from smviz.annotations import parse_ground_truth
from smviz.choosing import at_once
from smviz.evaluation import judge, read_by
from smviz.images import prepare
from smviz.local import DEMO_CLASSES, DEMO_ENDPOINT, SAMPLES
from smviz.matching import Matches
from smviz.operating import Objective, changes, kept
from smviz.records import ImageRef, Outcome, Reply
from smviz.settings import DEFAULT_REGION, Connection, Preset, Request
from smviz.store import Store
from smviz.thresholds import Threshold, Thresholds, dumps, loads, values_of

pytestmark = pytest.mark.browser

APP = ROOT / "streamlit_app.py"
IMAGE = SAMPLES.images[0].name
ENDPOINT = "embedded/highway-demo, variant A"


@pytest.fixture(scope="module")
def workspace(home) -> Iterator[Store]:
    """The workspace that the app has open, too."""
    with Store(Path(str(home["SMVIZ_WORKSPACE"]))) as store:
        yield store


@pytest.fixture(scope="module")
def app(home) -> Iterator[str]:
    with start_app(APP, home) as url:
        yield url


@pytest.fixture(scope="module")
def run(app, workspace) -> str:
    """A finished run over the sample set, with replies by fixed seeds; the link to its thresholds."""
    truth, random = parse_ground_truth(SAMPLES.annotations.read_bytes()), np.random.default_rng(7)
    where, preset = Connection(DEFAULT_REGION, "http://127.0.0.1:1"), Preset("builtin-ssd", DEMO_CLASSES)
    images = [ImageRef(path.name, path=path) for path in SAMPLES.images]
    labels = SAMPLES.annotations.read_bytes()
    made = workspace.create_run("night [1]", where, Request(DEMO_ENDPOINT, "A"), preset, images, labels)
    for image, ref in enumerate(images):
        payload = prepare(ref.path.read_bytes(), ref.name)
        frame = np.array([payload.width, payload.height] * 2)
        place = truth.image_names.index(ref.name)
        rows = []
        for box, kind in zip(truth.ltwh[truth.image == place], truth.class_id[truth.image == place], strict=True):
            class_id = DEMO_CLASSES.index(truth.class_names[kind])
            edges = np.concatenate([box[:2], box[:2] + box[2:]]) / frame
            if random.random() < 0.93:
                rows.append([class_id, random.beta(4 - class_id / 2, 2), *edges])
            if random.random() < 0.7:
                rows.append([class_id, random.beta(2, 4), *(edges * 0.8)])
        reply = Reply(json.dumps({"prediction": rows}).encode(), "application/json", 0.05 + image / 1000, "A")
        workspace.append(made.id, Outcome(ref.name, payload.sha256, payload.width, payload.height, 1, reply))
    workspace.flush()
    return f"{app}/Evaluate?run={made.id}&section=Thresholds"


def run_id(url: str) -> str:
    found = re.search(r"run=(\w+)", url)
    assert found
    return found[1]


@pytest.fixture
def thresholds(run, browser, workspace) -> Iterator[Callable[[str], Page]]:
    """Opens the section with further parameters, and waits until everything is there; nothing is saved at first."""
    workspace.forget_thresholds(ENDPOINT)
    opened: list[Page] = []

    def show(more: str = "") -> Page:
        page = browser(run + more)
        opened.append(page)
        ready(page)
        return page

    yield show
    for page in opened:
        no_traceback(page)
        page.close()


def ready(page: Page) -> None:
    """Intervals and bands are there, and nothing is being drawn."""
    expect(page.get_by_role("button", name="Save for Detect")).to_be_enabled()
    expect(page.get_by_text("Drag the line to set")).to_be_visible()
    settled(page)


def settled(page: Page) -> None:
    page.wait_for_load_state("networkidle")
    expect(page.locator('[data-stale="true"]')).to_have_count(0)


def no_traceback(page: Page) -> None:
    expect(page.get_by_text("Traceback")).to_have_count(0)
    expect(page.locator('[data-testid="stException"]')).to_have_count(0)


def metric(page: Page, label: str) -> Locator:
    """The value of a card of this section."""
    card = page.locator('[data-testid="stMetric"]').filter(has=page.get_by_text(label, exact=True))
    return card.locator('[data-testid="stMetricValue"]')


def choose(page: Page, radio: str) -> None:
    page.get_by_role("radio", name=radio, exact=True).click()
    expect(page.get_by_role("radio", name=radio, exact=True)).to_be_checked()
    settled(page)


def type_number(page: Page, label: str, value: str) -> None:
    box = page.get_by_role("spinbutton", name=label, exact=True)
    box.fill(value)
    box.press("Enter")
    settled(page)


def judged(workspace: Store, run: str) -> Matches:
    """The matches of the run, as the library makes them."""
    stored = workspace.run(run_id(run))
    truth = parse_ground_truth(SAMPLES.annotations.read_bytes())
    return judge(truth, workspace.outcomes(stored.id), read_by(stored.preset)).matches


def boxes_kept(matches: Matches, values: object) -> int:
    """How many boxes of the first image reach the thresholds."""
    image = matches.ground_truth.image_names.index(IMAGE)
    return int((kept(matches, values) & (matches.image == image)).sum())


class TestChoosing:
    def test_from_the_objective_to_detect(self, run, thresholds, workspace, browser):
        """Recall of 0.8 is asked for; what changes stands there in counts and pictures, as the library tells it; the
        thresholds are saved; and Detect has them in force, for a call and for an image of the run, until they are
        switched off or removed."""
        matches = judged(workspace, run)
        pooled, each = at_once(matches, Objective("recall", (0.8,)))

        page = thresholds()
        page.get_by_role("combobox", name="Choose the threshold for").click()
        page.get_by_role("option", name="Recall at least").click()
        settled(page)
        type_number(page, "Recall", "0.8")
        expect(page).to_have_url(re.compile(r"objective=recall%3E%3D0\.8"))
        ready(page)
        expect(metric(page, "Threshold")).to_have_text(f"{pooled.confidence:.3f}")
        expect(page.get_by_role("button", name="Recall ≥ 0.8")).to_be_visible()  # the bar knows it, too
        counts_are(page, changes(matches, 0.5, pooled.confidence))

        choose(page, "One per class")
        counts_are(page, changed := changes(matches, 0.5, each))
        highest = f"{matches.confidence[changed.found[0]]:.3f}"
        expect(page.get_by_text(highest, exact=True).first).to_be_visible()
        choose(page, "Now false")
        expect(page.get_by_text("FP", exact=True).first).to_be_visible()

        page.get_by_role("button", name="Save for Detect").click()
        expect(page.get_by_role("button", name="Saved for Detect")).to_be_disabled()
        expect(page.get_by_text("Nothing changes")).to_be_visible()  # what is saved is what is in use now
        saved = workspace.thresholds(ENDPOINT)
        assert saved
        assert saved.thresholds.objective == "recall>=0.8"
        assert [saved.thresholds.classes[name].value for name in matches.ground_truth.class_names] == each.tolist()

        page.get_by_role("link", name="Use on Detect").click()
        expect(page.get_by_text("run night [1], Recall ≥ 0.8, saved")).to_be_visible()
        for value in each:
            expect(page.get_by_text(f"≥ {value:.3f}", exact=True).first).to_be_visible()
        page.get_by_text("Saved thresholds").click()
        expect(page.get_by_text(f"≥ {each[0]:.3f}", exact=True).first).to_be_hidden()
        expect(page).to_have_url(re.compile("saved=false"))
        no_traceback(page)

        in_force, off = boxes_kept(matches, each), boxes_kept(matches, 0.3)
        assert off != in_force
        stored = run.replace("/Evaluate", "/Detect").replace("&section=Thresholds", f"&image={IMAGE}")
        page.goto(stored)
        expect(page.get_by_text(re.compile(rf"^{in_force} of \d+ boxes"))).to_be_visible()
        page.get_by_role("link", name="The run", exact=True).click()
        expect(page.get_by_text("Saved for highway-demo · A: ")).to_be_visible()
        page.get_by_role("button", name="Remove").click()
        expect(page.get_by_role("button", name="Remove")).to_have_count(0)
        assert workspace.thresholds(ENDPOINT) is None
        page.goto(stored)
        expect(page.get_by_text(re.compile(rf"^{off} of \d+ boxes"))).to_be_visible()
        expect(page.get_by_text("Saved thresholds")).to_have_count(0)

    def test_where_the_line_stands(self, run, thresholds, workspace):
        """The line is dragged and shipped; it is kept as set by hand, and the link restores all that was chosen."""
        matches = judged(workspace, run)
        page = thresholds("&ship=Where+the+line+stands&present=0.7&objective=f2")
        line = page.get_by_role("slider", name="Threshold on the curve")
        expect(line).to_have_attribute("aria-valuenow", "0.301")  # what was proposed is drawn, and listens to keys
        settled(page)
        line.press("ArrowRight")
        expect(line).to_have_attribute("aria-valuenow", "0.311")
        settled(page)
        value = 0.311
        expect(metric(page, "Threshold")).to_have_text(f"{value:.3f}")
        counts_are(page, changes(matches, 0.7, value))
        page.reload()
        ready(page)
        expect(metric(page, "Threshold")).to_have_text(f"{value:.3f}")
        expect(page.get_by_role("spinbutton", name="Beta")).to_have_value("2")
        counts_are(page, changes(matches, 0.7, value))
        page.get_by_role("button", name="Save for Detect").click()
        expect(page.get_by_text("set by hand, saved")).to_be_visible()
        saved = workspace.thresholds(ENDPOINT)
        assert saved
        assert saved.thresholds.overall == Threshold(value, objects=int(matches.positives().sum()))
        assert (saved.thresholds.objective, saved.thresholds.classes) == ("", {})

    def test_an_objective_that_cannot_be_met(self, run, browser):
        """It is told how far one gets; another number mends it, and costs have a field each."""
        page = browser(f"{run}&objective=recall%3E%3D0.999&ship=One+per+class")
        expect(page.get_by_text("No threshold has a recall above")).to_be_visible()
        type_number(page, "Recall", "0.5")
        ready(page)
        page.get_by_role("combobox", name="Choose the threshold for").click()
        page.get_by_role("option", name="Least cost").click()
        settled(page)
        type_number(page, "A miss costs", "20")
        expect(page).to_have_url(re.compile(re.escape("cost%28fp%3D1%2Cfn%3D20%29")))
        expect(page.get_by_role("button", name=re.compile("Least cost"))).to_be_visible()
        ready(page)
        no_traceback(page)
        page.close()


def counts_are(page: Page, changed: object) -> None:
    """The four counts of what changes."""
    labels = {
        "found": "Now found",
        "false": "Now false",
        "lost": "No longer found",
        "cleared": "No longer false",
    }
    for name, label in labels.items():
        expect(metric(page, label)).to_have_text(f"{len(getattr(changed, name)):,}")


class TestFiles:
    CHOSEN = Thresholds(Threshold(0.45), {"car": Threshold(0.61), "van": Threshold(0.2)}, endpoint="another-endpoint")

    @pytest.fixture
    def popover(self, thresholds) -> Page:
        """The section with the popover for files open."""
        page = thresholds()
        page.get_by_role("button", name="Load a file").click()
        expect(page.get_by_text("A thresholds.json")).to_be_visible()
        return page

    def test_broken_ones(self, popover):
        """Each says what is wrong with it and what to do, and none is saved."""
        wrong = {
            b"\xff\xfe{}": "no text in UTF-8",
            b"threshold: 0.4": "not JSON",
            b"{}": "no “smviz_thresholds”",
            dumps(Thresholds(Threshold(1.5))).encode(): "is 1.5, and Detect has 0 to 1",
            dumps(self.CHOSEN).replace("0.61", '"high"').encode(): "threshold of “car” cannot be",
            dumps(self.CHOSEN).replace('thresholds": 1', 'thresholds": 7').encode(): "version 7",
        }
        for data, message in wrong.items():
            file = {"name": "thresholds.json", "mimeType": "application/json", "buffer": data}
            popover.locator('input[type="file"]').last.set_input_files([file])
            expect(popover.locator('[data-testid="stAlert"]').filter(has_text=message)).to_be_visible()
            expect(popover.get_by_role("button", name="Save these for Detect")).to_have_count(0)

    def test_a_good_one(self, run, popover, workspace):
        """It is shown, with a word where it was chosen for another endpoint, and saved when the person says so."""
        file = {"name": "night [v2].json", "mimeType": "application/json", "buffer": dumps(self.CHOSEN).encode()}
        popover.locator('input[type="file"]').last.set_input_files([file])
        expect(popover.get_by_text("0.200 – 0.610 for 2 classes")).to_be_visible()
        expect(popover.get_by_text("chosen for another-endpoint")).to_be_visible()
        popover.get_by_role("button", name="Save these for Detect").click()
        expect(popover.get_by_text("the file night [v2].json")).to_be_visible()
        saved = workspace.thresholds(ENDPOINT)
        assert saved
        assert (saved.thresholds, saved.file) == (self.CHOSEN, "night [v2].json")
        matches = judged(workspace, run)
        values = list(values_of(self.CHOSEN, matches.ground_truth.class_names).values())
        counts_are(popover, changes(matches, values, at_once(matches)[0].confidence))

    def test_what_is_downloaded_can_be_loaded(self, popover, workspace, tmp_path):
        """The file that the section gives is the one that it takes."""
        with popover.expect_download() as download:
            popover.get_by_role("button", name="thresholds.json").click()
        target = tmp_path / "thresholds.json"
        download.value.save_as(target)
        popover.get_by_role("button", name="Load a file").click()
        popover.locator('input[type="file"]').last.set_input_files([target])
        popover.get_by_role("button", name="Save these for Detect").click()
        expect(popover.get_by_role("button", name="Saved for Detect")).to_be_disabled()
        saved = workspace.thresholds(ENDPOINT)
        assert saved
        assert saved.thresholds == loads(target.read_text())
        assert np.isfinite(saved.thresholds.overall.value)
