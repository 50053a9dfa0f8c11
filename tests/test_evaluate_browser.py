"""The Evaluate page in a real Chromium: ground truth in any format, intervals, thresholds, errors, empty states."""

from __future__ import annotations

import io
import json
import re
import secrets
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from browser import ROOT, open_browser, start_app
from playwright.sync_api import Locator, Page, expect

from smviz import thresholds
from smviz.annotations import parse_ground_truth
from smviz.local import DEMO_CLASSES, SAMPLES
from smviz.records import ImageRef, Outcome, Reply
from smviz.settings import Preset
from smviz.store import Run, Store

pytestmark = pytest.mark.browser

APP = ROOT / "streamlit_app.py"
BETWEEN = re.compile(r"\d\.\d{3} – \d\.\d{3}")
SECTIONS = ("Overview", "Thresholds", "Images", "Errors", "Data set")
MEANT = {"car": "automobile", "van": "Vans", "ute": "pickup", "truck": "truck"}  # the same objects in other words


@pytest.fixture(scope="module")
def app(home) -> Iterator[str]:
    with start_app(APP, home) as url:
        yield url


@pytest.fixture(scope="module")
def run(app, playwright) -> str:
    """A finished run over the sample set; its link."""
    with open_browser(playwright) as open_page:
        page = open_page(f"{app}/Evaluate")
        start = page.get_by_role("button", name="Run 80 images")
        unfold(page, start)
        start.click()
        # Another run of this file may be shown until the new one is there.
        expect(page.get_by_role("combobox", name="Run")).to_have_value(re.compile("80 of 80 images"))
        expect(page.get_by_text("Precision and recall", exact=True)).to_be_visible()
        page.wait_for_load_state("networkidle")
        return page.url


def section(page: Page, name: str) -> None:
    page.get_by_role("radio", name=name, exact=True).click()
    expect(page.get_by_role("radio", name=name, exact=True)).to_be_checked()
    expect(page.locator('[data-stale="true"]')).to_have_count(0)


def metric(page: Page, label: str) -> Locator:
    return page.locator('[data-testid="stMetric"]').filter(has=page.get_by_text(label, exact=True)).first


def rate(page: Page, name: str) -> Locator:
    """Precision, recall or F1 in the bar, with its interval."""
    return page.locator(f".live.bar .number.{name}")


def no_traceback(page: Page) -> None:
    expect(page.get_by_text("Traceback")).to_have_count(0)
    expect(page.locator('[data-testid="stException"]')).to_have_count(0)


def voc_zip(images: int) -> bytes:
    """The labels of the first images as Pascal VOC, in other words, one box of them broken."""
    truth = parse_ground_truth(SAMPLES.annotations.read_bytes())
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for image, name in enumerate(truth.image_names[:images]):
            objects = "<object><name>pickup</name><bndbox><xmin>9</xmin></bndbox></object>" * (image == 0)
            for row in np.flatnonzero((truth.image == image) & ~truth.crowd):
                left, top, width, height = truth.ltwh[row]
                sides = {"xmin": left + 1, "ymin": top + 1, "xmax": left + width, "ymax": top + height}
                box = "".join(f"<{side}>{value:.0f}</{side}>" for side, value in sides.items())
                label = MEANT[truth.class_names[truth.class_id[row]]]
                objects += f"<object><name>{label}</name><bndbox>{box}</bndbox></object>"
            wide, high = truth.image_sizes[image]
            size = f"<size><width>{wide}</width><height>{high}</height><depth>3</depth></size>"
            xml = f"<annotation><filename>{name}</filename>{size}{objects}</annotation>"
            archive.writestr(f"{Path(name).stem}.xml", xml)
    return buffer.getvalue()


def open_form(page: Page) -> None:
    """The form of a new run, which is closed where there are runs, at its uploads."""
    upload = page.get_by_role("radio", name="Upload").first
    unfold(page, upload)
    upload.click()


def unfold(page: Page, inside: Locator) -> None:
    """Open the form of a new run, which is open where there are no runs."""
    form = page.locator("details", has_text="New run").first
    expect(form).to_be_visible()
    settled(page)
    if form.get_attribute("open") is None:
        form.locator("summary").click()
    expect(inside).to_be_visible()


def fill(page: Page, images: list[Path], labels: list[dict[str, object]]) -> None:
    """Upload images and labels in the form of a new run."""
    open_form(page)
    inputs = page.locator('[data-testid="stExpander"]').first.locator('input[type="file"]')
    expect(inputs).to_have_count(2)
    inputs.nth(0).set_input_files(images)
    expect(page.get_by_role("button", name=f"Run {len(images)} images")).to_be_visible()
    expect(page.locator('[data-stale="true"]')).to_have_count(0)
    inputs.nth(1).set_input_files(labels)


def settled(page: Page) -> None:
    """Nothing is being drawn any more."""
    page.wait_for_load_state("networkidle")
    expect(page.locator('[data-stale="true"]')).to_have_count(0)


def choose_cell(page: Page, row: int, option: str) -> None:
    """Choose an option in the second column of the table of classes."""
    table = page.locator('[data-testid="stDataFrame"]:visible').last
    settled(page)
    table.scroll_into_view_if_needed()
    page.wait_for_timeout(500)  # the grid is a canvas, and tells nobody when it is drawn
    box = table.bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + 35 + 17)
    page.wait_for_timeout(300)
    for _ in range(row):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.locator("#portal").get_by_role("option", name=option).click()


class TestGroundTruth:
    def test_labels_of_another_format_and_other_names(self, app, browser, home):
        """A zip of Pascal VOC is recognised, its broken record named, its classes matched by hand; the run keeps it
        all, and its class map can be changed later without a call."""
        page = browser(f"{app}/Evaluate")
        fill(page, SAMPLES.images[:6], [{"name": "voc.zip", "mimeType": "application/zip", "buffer": voc_zip(5)}])
        expect(page.get_by_text("Recognised by its content")).to_be_visible()
        expect(page.get_by_role("combobox", name="Format")).to_have_value(re.compile("^voc"))
        expect(page.get_by_text("1 record could not be used")).to_be_visible()
        expect(page.get_by_text("Images that the ground truth does not list: 1")).to_be_visible()
        expect(page.get_by_text("Classes: 2 of 4")).to_be_visible()  # truck, and van by its plural
        expect(page.get_by_text("Can only be missed: automobile, pickup")).to_be_visible()
        choose_cell(page, 0, "automobile")
        expect(page.get_by_text("Can only be missed: pickup")).to_be_visible()
        page.get_by_role("button", name="Run 6 images").click()
        expect(page.get_by_text("Precision and recall", exact=True)).to_be_visible()
        found = re.search(r"run=(\w+)", page.url)
        assert found
        with Store(Path(str(home["SMVIZ_WORKSPACE"]))) as store:
            assert dict(store.run(found[1]).class_map) == {"car": "automobile", "van": "Vans", "ute": None}
        expect(rate(page, "recall")).to_contain_text(BETWEEN)
        before = rate(page, "recall").inner_text()

        section(page, "Data set")
        expect(page.get_by_text("Read from voc.zip")).to_be_visible()
        expect(page.get_by_text("1 record could not be used").last).to_be_visible()
        expect(page.get_by_text("Classes: 3 of 4")).to_be_visible()
        choose_cell(page, 2, "pickup")
        page.get_by_role("button", name="Apply to the numbers").click()
        expect(page.get_by_text("Classes: 4 of 4")).to_be_visible()
        section(page, "Overview")
        expect(rate(page, "recall")).to_contain_text(BETWEEN)
        assert rate(page, "recall").inner_text() != before
        no_traceback(page)

    def test_nothing_that_fits(self, app, browser):
        """Labels of other images are told, with both names, and the run cannot be started."""
        page = browser(f"{app}/Evaluate")
        labels = {
            "images": [{"id": 1, "file_name": "moon.jpg"}],
            "annotations": [],
            "categories": [{"id": 1, "name": "car"}],
        }
        labels["annotations"] = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5]}]
        file = {"name": "moon.json", "mimeType": "application/json", "buffer": json.dumps(labels).encode()}
        fill(page, SAMPLES.images[:2], [file])
        expect(page.get_by_text("The ground truth has none of the 2 images")).to_be_visible()
        expect(page.get_by_role("button", name="Run 2 images")).to_be_disabled()

    def test_a_folder_on_this_server(self, app, browser, tmp_path):
        """On a server that only this machine reaches, a path is read; one that is not there is told."""
        page = browser(f"{app}/Evaluate")
        open_form(page)
        inputs = page.locator('[data-testid="stExpander"]').first.locator('input[type="file"]')
        expect(inputs).to_have_count(2)
        inputs.first.set_input_files(SAMPLES.images[:2])
        expect(page.get_by_role("button", name="Run 2 images")).to_be_visible()
        settled(page)
        page.get_by_role("radio", name="On this server").last.click()
        path = page.get_by_role("textbox", name="File, folder or zip")
        path.fill(str(tmp_path / "nothing"))
        path.press("Enter")
        expect(page.locator('[data-testid="stAlert"]').filter(has_text="nothing")).to_be_visible()
        settled(page)
        path.fill(str(SAMPLES.annotations))
        path.press("Enter")
        expect(page.get_by_role("button", name="Run 2 images")).to_be_enabled()
        no_traceback(page)


class TestNumbers:
    def test_every_number_has_its_interval(self, run, browser, home):
        """On screen stands what the command line tells of the same run."""
        page = browser(run)
        expect(metric(page, "AP")).to_contain_text("–")
        told = json.loads(command(home, "evaluate", "--run", run_id(run), "--json", "--intervals"))
        for name in ("AP", "AP50", "AR100", "APs"):
            interval = told["intervals"][name]
            expect(metric(page, name)).to_contain_text(f"{told[name]:.3f}")
            expect(metric(page, name)).to_contain_text(f"{interval['low']:.3f} – {interval['high']:.3f}")
        for name in ("precision", "recall", "f1"):
            expect(rate(page, name)).to_contain_text(BETWEEN)

    def test_why_other_tools_differ(self, run, browser):
        """Computed when it is opened: COCO's own, VOC's and others', each with its difference."""
        page = browser(run)
        page.get_by_text("Why other tools tell another number").click()
        expect(page.locator('[data-testid="stDataFrame"]')).to_have_count(1)
        no_traceback(page)


class TestThresholds:
    def test_the_file_is_the_commands(self, run, browser, home, tmp_path):
        """thresholds.json from the page holds what the command writes for the same run and objective."""
        objective = "recall>=0.5"
        page = browser(f"{run}&objective={objective.replace('>=', '%3E%3D')}")
        section(page, "Thresholds")
        expect(page.get_by_role("button", name="Recall ≥ 0.5").first).to_be_visible()
        kept = []
        for name, options in (("One per class", ["--per-class"]), ("One for all classes", [])):
            page.get_by_role("radio", name=name).click()
            expect(page.get_by_role("radio", name=name)).to_be_checked()
            settled(page)
            with page.expect_download() as download:
                page.get_by_role("button", name="thresholds.json").click()
            on_page = thresholds.loads(Path(download.value.path()).read_text())
            target = tmp_path / f"{name}.json"
            command(home, "thresholds", "--run", run_id(run), "--objective", objective, *options, "-o", str(target))
            by_command = thresholds.loads(target.read_text())
            assert replace(on_page, created="") == replace(by_command, created="")
            kept.append(on_page)
        assert set(kept[0].classes) == set(DEMO_CLASSES)
        assert kept[1].classes == {}

    def test_an_objective_that_is_typed(self, run, browser):
        """It is taken up, stays in the address bar and after a reload; the button goes to its threshold."""
        page = browser(run)
        box = page.get_by_role("combobox", name="Objective")
        box.fill("precision>=0.9")
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("objective=precision"))
        button = page.get_by_role("button", name="Precision ≥ 0.9")
        button.click()
        expect(rate(page, "precision")).to_contain_text(re.compile(r"0\.9|1\.000"))
        page.reload()
        expect(button).to_be_visible()
        no_traceback(page)

    def test_an_objective_that_is_none(self, run, browser):
        """It is told, with what to write, and F1 stands in."""
        page = browser(run)
        page.get_by_role("combobox", name="Objective").fill("the best")
        page.keyboard.press("Enter")
        expect(page.locator('[data-testid="stAlert"]').filter(has_text="no objective")).to_be_visible()
        expect(page.get_by_role("button", name="Best F1").first).to_be_visible()


class TestErrors:
    def test_a_link_leads_to_a_section(self, run, browser):
        """The address bar keeps which section is shown."""
        page = browser(run)
        section(page, "Errors")
        again = browser(page.url)
        expect(again.get_by_role("heading", name="What errors cost")).to_be_visible()


def coco(images: int, classes: int, objects: list[tuple[int, int]]) -> bytes:
    """Ground truth of images of 64 x 48 with one box for each (image, class)."""
    return json.dumps(
        {
            "images": [{"id": i, "file_name": f"{i}.jpg", "width": 64, "height": 48} for i in range(images)],
            "categories": [{"id": k, "name": f"kind {k}"} for k in range(classes)],
            "annotations": [
                {
                    "id": n,
                    "image_id": image,
                    "category_id": k,
                    "bbox": [4 + n % 9, 4, 20, 20],
                    "area": 400,
                    "iscrowd": 0,
                }
                for n, (image, k) in enumerate(objects)
            ],
        }
    ).encode()


def kept_run(home: dict[str, str | None], name: str, truth: bytes, found: list[list[list[float]]]) -> Run:
    """A run that was made elsewhere: rows of the built-in format for each image."""
    classes = len(json.loads(truth)["categories"])
    preset = Preset("builtin-ssd", tuple(f"kind {k}" for k in range(classes)))
    rows = []
    for image, boxes in enumerate(found):
        reply = Reply(json.dumps({"prediction": boxes}).encode(), "application/json", 0.1, None)
        rows.append((ImageRef(f"{image}.jpg"), Outcome(f"{image}.jpg", "", 64, 48, 1, reply)))
    with Store(Path(str(home["SMVIZ_WORKSPACE"]))) as store:
        return store.keep_run(name, preset, rows, "a test", truth)


BOX = [4 / 64, 4 / 48, 24 / 64, 24 / 48]
EMPTY = {
    "no detections": (coco(3, 2, [(0, 0), (1, 1)]), [[], [], []]),
    "no objects": (coco(2, 1, []), [[[0, 0.9, *BOX]], [[0, 0.4, *BOX]]]),
    "nothing at all": (coco(2, 1, []), [[], []]),
    "one image": (coco(1, 1, [(0, 0)]), [[[0, 0.9, *BOX]]]),
    "80 classes": (
        coco(40, 80, [(i % 40, i % 80) for i in range(400)]),
        [[[k, 0.3 + k / 200, *BOX] for k in range(i % 40, 80, 40)] for i in range(40)],
    ),
}


class TestEmptyStates:
    @pytest.mark.parametrize("case", EMPTY)
    def test_every_section_can_be_shown(self, app, browser, home, case):
        """With nearly nothing to judge each section says what there is, and never fails."""
        run = kept_run(home, f"{case} {secrets.token_hex(4)}", *EMPTY[case])  # a name of its own, also when tried again
        page = browser(f"{app}/Evaluate?run={run.id}")
        expect(page.get_by_role("radio", name="Overview", exact=True)).to_be_checked()
        for name in SECTIONS:
            section(page, name)
            no_traceback(page)


def run_id(url: str) -> str:
    found = re.search(r"run=(\w+)", url)
    assert found
    return found[1]


def command(home: dict[str, str | None], *arguments: str) -> str:
    """What a command prints, in the same workspace."""
    surroundings = {name: value for name, value in home.items() if value is not None}
    told = subprocess.run(
        [sys.executable, "-m", "smviz", *arguments],
        env=surroundings,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout


class TestOneImage:
    def test_opens_in_detect(self, run, browser):
        """An image of the run is one click from the Detect page: same image, same threshold, and nothing is called."""
        name = SAMPLES.images[4].name
        page = browser(f"{run}&section=Images&image={name}")
        link = page.get_by_role("link", name="Open in Detect")
        expect(link).to_be_visible()
        threshold = parse_qs(urlsplit(page.url).query)["threshold"]
        link.click()
        expect(page).to_have_url(re.compile(r"/Detect\?"))
        expect(page.get_by_text("Stored reply, nothing is called").first).to_be_visible()
        told = parse_qs(urlsplit(page.url).query)
        assert told["image"] == [name]
        assert told["threshold"] == threshold
        no_traceback(page)
