"""The app as a person meets it, in a real Chromium on a fresh server, against the embedded endpoint."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from browser import ROOT, open_browser, start_app
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from smviz.local import SAMPLES, EmbeddedServer

pytestmark = pytest.mark.browser

APP = ROOT / "streamlit_app.py"


def fresh_machine(folder: Path) -> dict[str, str | None]:
    """The environment of a machine without an AWS account and without a workspace."""
    nothing = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_REGION"))
    return {**nothing, "HOME": str(folder), "SMVIZ_WORKSPACE": str(folder / "ws"), "AWS_EC2_METADATA_DISABLED": "true"}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def app(workspace) -> Iterator[str]:
    """One server for the tests of this file that do not ask for a fresh one."""
    with start_app(APP, fresh_machine(workspace)) as url:
        yield url


@pytest.fixture
def rotated(tmp_path) -> Path:
    """A photo as a phone stores it: the pixels lie on their side, and the EXIF tag tells how to turn them."""
    image = Image.open(SAMPLES.images[2]).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "phone photo.jpg"
    image.save(path, quality=95, exif=exif)
    assert Image.open(path).size == (720, 960)
    return path


def shown(page: Page) -> int:
    """How many boxes the viewer shows, once the picture is painted."""
    viewer = page.locator('[data-ready="1"]')
    expect(viewer).to_have_count(1)
    return int(viewer.get_attribute("data-shown") or -1)


def badge(page: Page, text: str | re.Pattern[str]) -> Locator:
    return page.locator(".stMarkdownBadge").filter(has_text=text)


def no_traceback(page: Page) -> None:
    expect(page.get_by_text("Traceback")).to_have_count(0)
    expect(page.locator('[data-testid="stException"]')).to_have_count(0)


def metric(page: Page, label: str) -> str:
    """The value of one of the numbers on the Evaluate page."""
    return metric_value(page, label).inner_text().strip()


def metric_value(page: Page, label: str) -> Locator:
    box = page.locator('[data-testid="stMetric"]').filter(has=page.get_by_text(label, exact=True))
    return box.first.locator('[data-testid="stMetricValue"]')


def run_picked(page: Page) -> Locator:
    """The select box that names the run shown."""
    return page.get_by_role("combobox", name="Run")


def section(page: Page, name: str) -> None:
    """Open a section of the Evaluate page."""
    page.get_by_role("radio", name=name, exact=True).click()
    expect(page.get_by_role("radio", name=name, exact=True)).to_be_checked()
    expect(page.locator('[data-stale="true"]')).to_have_count(0)


def run_sample_set(page: Page) -> None:
    page.get_by_role("button", name="Run 80 images").click()
    expect(page.get_by_text("Precision and recall", exact=True)).to_be_visible()


class TestTheWholeStory:
    def test_from_a_fresh_server_to_a_tuned_threshold(self, playwright, browser, rotated, tmp_path):
        """A new user picks the endpoint, sees detections on a photo of theirs, moves the slider, runs the samples,
        and reads off AP and the best threshold, which are those of the command line on the same run."""
        home = fresh_machine(tmp_path)
        with start_app(APP, home) as url:
            page = browser(url)
            expect(page.get_by_text("just answered in")).to_be_visible()
            page.wait_for_load_state("networkidle")  # a picture asked for after its page was left is gone
            page.get_by_role("link", name="Choose an endpoint").click()

            page.get_by_role("button", name="Send the test image").click()
            expect(page.get_by_text("Variant that answered")).to_be_visible()
            expect(page.get_by_text("Do the boxes sit on the objects?")).to_be_visible()

            page.get_by_role("link", name="Detect", exact=True).click()
            shown(page)
            page.get_by_role("radio", name="Upload").click()
            page.locator('input[type="file"]').set_input_files(rotated)
            expect(page.get_by_text("turned upright")).to_be_visible()
            expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
            expect(badge(page, "960 × 720 px")).to_have_count(1)  # that of the image before may go a little later
            many = shown(page)
            assert many > 0
            latency = badge(page, re.compile(r"\d ms")).first.inner_text()
            page.locator(".slider").focus()
            for _ in range(40):
                page.keyboard.press("ArrowRight")
            expect(page.locator(".value")).to_have_text("0.70")
            assert shown(page) < many
            assert badge(page, re.compile(r"\d ms")).first.inner_text() == latency

            page.get_by_role("link", name="Evaluate", exact=True).click()
            run_sample_set(page)
            on_screen = {name: metric(page, name) for name in ("AP", "AP50", "AR100")}
            best = page.get_by_role("button", name="Best F1").inner_text().split()[-1]
            run = re.search(r"run=(\w+)", page.url)
            assert run
            no_traceback(page)
            page.close()  # before its server goes

        command = [sys.executable, "-m", "smviz", "evaluate", "--json", "--run", run[1]]
        command += ["--annotations", str(SAMPLES.annotations)]
        surroundings = {name: value for name, value in home.items() if value is not None}
        told = subprocess.run(command, env=surroundings, cwd=ROOT, capture_output=True, text=True, check=True)
        numbers = json.loads(told.stdout)
        assert on_screen == {name: f"{numbers[name]:.3f}" for name in on_screen}
        assert 0 < float(best) < 1


class TestDeepLinks:
    @pytest.mark.parametrize(
        ("path", "proof"),
        [
            ("Compare", "Two runs are needed"),
            ("Detect?region=embedded&endpoint=highway-demo&variant=B&sample=highway_0007.jpg", "answered by B"),
        ],
    )
    def test_a_page_opens_on_a_fresh_server(self, browser, tmp_path, path, proof):
        """A link to a page works on a server that nobody has visited yet, with the whole menu."""
        with start_app(APP, fresh_machine(tmp_path)) as url:
            page = browser(f"{url}/{path}")
            expect(page.get_by_text(proof).first).to_be_visible()
            for name in ("Home", "Endpoint", "Detect", "Evaluate", "Compare"):
                expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()
            no_traceback(page)
            page.close()  # before its server goes

    def test_the_choice_survives_a_reload_and_a_change_of_page(self, app, browser):
        """Variant B stays chosen after a reload and on the next page."""
        page = browser(f"{app}/Detect")
        page.get_by_role("radio", name="B", exact=True).click()
        expect(page.get_by_text("answered by B")).to_be_visible()
        page.reload()
        expect(page.get_by_text("answered by B")).to_be_visible()
        page.get_by_role("link", name="Evaluate", exact=True).click()
        expect(page).to_have_url(re.compile("variant=B"))

    @pytest.mark.parametrize(
        ("path", "said"),
        [
            ("Detect?region=mars-north-1", "a region that does not exist"),
            ("Detect?endpoint=nobody", "List the endpoints of this region"),
            ("Detect?variant=Z", "answered by A"),
            ("Detect?sample=../../secret", "highway_0001.jpg"),
        ],
    )
    def test_a_wrong_link_is_told(self, app, browser, path, said):
        """A link with a wrong region, endpoint, variant or image is told or mended, never a traceback."""
        page = browser(f"{app}/{path}")
        expect(page.get_by_text(said).first).to_be_visible()
        no_traceback(page)


class Counting(Random):
    """Draws nothing wrong, and counts: the server draws once for each invocation."""

    calls = 0

    def random(self) -> float:
        self.calls += 1
        return super().random()


class TestAnAwsRegion:
    def test_labels_formats_and_calls_go_the_same_way_as_in_aws(self, playwright, browser, tmp_path):
        """In a region, boto3 is pointed elsewhere by its own variables; one image is one call, whatever is moved."""
        counting = Counting(0)
        with EmbeddedServer(random=counting) as server:
            environment = fresh_machine(tmp_path) | server.environment
            environment |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
            with start_app(APP, environment) as url:
                page = browser(f"{url}/Detect?region=eu-west-1&endpoint=highway-demo")
                shown(page)
                assert counting.calls == 1
                expect(page.locator(".chips")).to_contain_text("class 0")
                page.locator(".slider").focus()
                for _ in range(10):
                    page.keyboard.press("ArrowRight")
                page.locator(".chips button").first.click()
                page.reload()
                shown(page)
                assert counting.calls == 2  # a reload is a new session, which remembers nothing
                no_traceback(page)
                page.close()  # before its server goes


class TestNoCredentials:
    def test_the_usual_ways_are_listed(self, app, browser):
        """A region without credentials shows which usual way is not set up, and no traceback."""
        page = browser(f"{app}/Endpoint?region=us-east-1")
        expect(page.get_by_text("Unable to locate credentials")).to_be_visible()
        expect(page.get_by_text("not set up").first).to_be_visible()
        expect(page.get_by_text("AWS_ACCESS_KEY_ID").first).to_be_visible()
        no_traceback(page)


@pytest.fixture(scope="module")
def run(app, playwright) -> str:
    """A finished run over the sample set; its link."""
    with open_browser(playwright) as open_page:
        page = open_page(f"{app}/Evaluate")
        run_sample_set(page)
        return page.url


def fill(page, images, labels):
    """Upload images and labels in the form of a new run."""
    form = page.locator('[data-testid="stExpander"]').filter(has_text="New run").first
    upload = form.get_by_role("radio", name="Upload").first
    expect(form).to_be_visible()
    page.wait_for_load_state("networkidle")
    if not upload.is_visible():
        page.get_by_text("New run").click()
    upload.click()
    inputs = form.locator('input[type="file"]')
    expect(inputs).to_have_count(2)
    inputs.nth(0).set_input_files(images)
    expect(form.get_by_role("button", name=f"Run {len(images)} images")).to_be_visible()
    expect(page.locator('[data-stale="true"]')).to_have_count(0)
    inputs.nth(1).set_input_files(labels)


class TestEvaluate:
    def test_the_best_threshold_is_that_of_the_iou(self, run, browser):
        """At a stricter IoU the best F1 stands elsewhere, and one click goes there."""
        page = browser(run)
        best = page.get_by_role("button", name="Best F1")
        loose = best.inner_text().split()[-1]
        expect(page.locator(".live.bar .number.recall dd")).not_to_have_text("…")
        page.get_by_role("combobox", name="IoU").select_option("0.85")
        expect(best).not_to_contain_text(loose)
        best.click()
        expect(page).to_have_url(re.compile(f"threshold={best.inner_text().split()[-1][:4]}"))
        no_traceback(page)

    def test_uploaded_images_are_judged(self, app, browser):
        """Three images and a COCO file of one's own give a run of three images."""
        page = browser(f"{app}/Evaluate")
        fill(page, SAMPLES.images[:3], SAMPLES.annotations)
        page.get_by_role("button", name="Run 3 images").click()
        expect(run_picked(page)).to_have_value(re.compile("3 of 3 images"))
        expect(page.get_by_text("Precision and recall", exact=True)).to_be_visible()
        no_traceback(page)

    @pytest.mark.parametrize("text", ["not json", '{"images": [], "annotations": []}'])
    def test_bad_ground_truth_is_told(self, app, browser, tmp_path, text):
        """A file that is no ground truth is named, and nothing can be run with it."""
        path = tmp_path / "labels.json"
        path.write_text(text)
        page = browser(f"{app}/Evaluate")
        fill(page, SAMPLES.images[:1], path)
        expect(page.locator('[data-testid="stAlert"]').filter(has_text="labels.json").first).to_be_visible()
        expect(page.get_by_role("button", name="Run 1 images")).to_be_disabled()
        no_traceback(page)

    def test_an_unknown_run_is_told(self, run, browser):
        """A link to a run of another workspace says so and shows the newest run."""
        page = browser(re.sub(r"run=\w+", "run=00000000", run))
        expect(page.get_by_text("not in this workspace")).to_be_visible()
        no_traceback(page)


def test_chromium_is_there():
    """The browser tests never skip: a missing Chromium is a failure that names the package."""
    from browser import CHROMIUM

    assert shutil.which(CHROMIUM), "install Debian's package chromium"
