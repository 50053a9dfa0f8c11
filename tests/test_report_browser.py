"""The report in a real Chromium: made on the page, downloaded, and read without a network and without a script."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import CHROMIUM, CHROMIUM_ARGUMENTS, ROOT, open_browser, start_app
from coco_sets import coco_json
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from smviz.records import ImageRef, Outcome, Reply
from smviz.settings import Preset
from smviz.store import Run, Store

pytestmark = pytest.mark.browser

CLASSES = ("car", "<b>van</b> & co")
IMAGES = 20


@pytest.fixture(scope="module")
def run(home) -> Run:
    """A run of grey images with two objects each, some found, some not, some false."""
    rng = np.random.default_rng(1)
    objects = [(i, k, (40 + 90 * k, 40, 60, 60), 3600, 0) for i in range(IMAGES) for k in range(2)]
    truth = coco_json(range(IMAGES), 2, objects)
    rows = []
    for i, entry in enumerate(truth["images"]):
        entry |= {"width": 320, "height": 240}
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (240, 320, 3), np.uint8)).save(buffer, "JPEG")
        found = [[k, 0.95 - i / 40, (40 + 90 * k) / 320, 40 / 240, (100 + 90 * k) / 320, 100 / 240] for k in range(2)]
        found = [*found[: 1 + i % 2], [0, 0.3 + i / 80, 0.7, 0.6, 0.9, 0.9]]
        reply = Reply(json.dumps({"prediction": found}).encode(), "application/json", 0.1 + i / 50, "A")
        name = entry["file_name"]
        rows.append((ImageRef(name, data=buffer.getvalue()), Outcome(name, f"{i:064x}", 320, 240, 1, reply)))
    for category, name in zip(truth["categories"], CLASSES, strict=True):
        category["name"] = name
    with Store(Path(str(home["SMVIZ_WORKSPACE"]))) as store:
        return store.keep_run("nightly", Preset("builtin-ssd", CLASSES), rows, "a test", json.dumps(truth).encode())


@pytest.fixture(scope="module")
def files(home, run, playwright, tmp_path_factory) -> dict[str, Path]:
    """The report as a person makes and downloads it: HTML and JSON."""
    folder = tmp_path_factory.mktemp("downloads")
    with start_app(ROOT / "streamlit_app.py", home) as url, open_browser(playwright) as open_page:
        page = open_page(f"{url}/Evaluate?run={run.id}&threshold=0.5")
        page.get_by_role("button", name="Report").click()
        make = page.get_by_role("button", name="Make the report")
        expect(make).to_be_visible()
        page.get_by_role("textbox", name="Title").fill("Nightly, blurred")
        page.get_by_role("radio", name="Blurred").click()
        expect(page.get_by_text("which nobody can undo").first).to_be_visible()
        make.click()
        kept = {}
        for kind, label in (("html", re.compile("^HTML")), ("json", re.compile("^JSON"))):
            button = page.get_by_test_id("stPopoverBody").get_by_role("button", name=label)
            expect(button).to_be_visible()
            with page.expect_download() as download:
                button.click()
            assert download.value.suggested_filename == f"report-{run.id}.{kind}"
            kept[kind] = folder / f"report.{kind}"
            download.value.save_as(kept[kind])
        page.get_by_role("radio", name="Crops").click()
        expect(page.get_by_text("made before, with other choices")).to_be_visible()
        expect(page.locator('[data-testid="stException"]')).to_have_count(0)
    return kept


@pytest.fixture(scope="module")
def chromium(playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_ARGUMENTS))
    yield browser
    browser.close()


def opened(chromium: Browser, file: Path, scheme: str, width: int, scripts: bool = True) -> tuple[Page, list[str]]:
    """The file in a browser without a network, with everything that it asked for or complained of."""
    context = chromium.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=scripts, offline=True
    )
    page, told = context.new_page(), []
    page.on("request", lambda request: told.append(request.url))
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.goto(file.as_uri())
    return page, [one for one in told if not one.startswith("data:image/jpeg")]


class TestFromThePage:
    def test_its_numbers_are_the_commands(self, files, home, run):
        """What was downloaded holds what `smviz evaluate --json` tells of the run at the slider's threshold."""
        surroundings = {name: value for name, value in home.items() if value is not None}
        told = json.loads(files["json"].read_text())
        arguments = ["evaluate", "--run", run.id, "--json", "--intervals", "--confidence", "0.5"]
        command = [sys.executable, "-m", "smviz", *arguments]
        printed = subprocess.run(command, env=surroundings, cwd=ROOT, capture_output=True, text=True, check=True)
        expected = json.loads(printed.stdout)
        assert {name: told[name] for name in expected} == expected
        assert told["report"]["title"] == "Nightly, blurred"
        assert told["report"]["images"] == "blurred"

    def test_the_json_is_in_the_page(self, files, chromium):
        """The element that no browser runs is the same document; a script of the reader's can parse it."""
        page, _ = opened(chromium, files["html"], "light", 1280)
        inside = page.evaluate("JSON.parse(document.getElementById('report').textContent)")
        assert inside == json.loads(files["json"].read_text())
        page.context.close()


class TestReading:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("width", [390, 1280, 1920])
    def test_offline(self, files, chromium, scheme, width):
        """It asks for nothing but itself, complains of nothing, follows the screen's light or dark, and fits it."""
        page, told = opened(chromium, files["html"], scheme, width)
        assert told == [files["html"].as_uri()]
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(14, 17, 22)"}[scheme]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        expect(page.get_by_role("heading", name="Nightly, blurred")).to_be_visible()
        page.context.close()

    def test_without_scripts(self, files, chromium):
        """Everything is there for a browser that runs none, also the charts, with their names; a class is text."""
        page, _ = opened(chromium, files["html"], "light", 1280, scripts=False)
        for name in ("Precision, recall and F1 against confidence", "Scores", "Calibration", "What errors cost"):
            expect(page.get_by_role("img", name=re.compile(name)).first).to_be_visible()
        expect(page.get_by_role("cell", name="<b>van</b> & co")).to_be_visible()
        expect(page.get_by_role("heading", name="COCO's twelve numbers")).to_be_visible()
        told = json.loads(files["json"].read_text())
        expect(page.locator('data[data-of="/AP50"]').first).to_have_text(f"{told['AP50']:.3f}")
        page.context.close()

    def test_links_lead_to_their_sections(self, files, chromium):
        """The menu scrolls within the page."""
        page, _ = opened(chromium, files["html"], "light", 1280)
        page.get_by_role("link", name="Provenance").click()
        expect(page.get_by_role("heading", name="Provenance")).to_be_in_viewport()
        page.context.close()

    def test_on_paper(self, files, chromium):
        """It is light on paper, also for a dark screen, and a few pages long."""
        page, _ = opened(chromium, files["html"], "dark", 1280)
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(24, 32, 42)"
        body = page.pdf(format="A4")
        pages = len(re.findall(rb"/Type\s*/Page\b", body))
        assert 3 <= pages <= 12
        page.context.close()

    def test_what_is_read_aloud(self, files, chromium):
        """No rule of WCAG 2 A and AA is broken, as axe tells: names, contrast, tables, headings."""
        from axe_playwright_python.sync_playwright import Axe

        for scheme in ("light", "dark"):
            page, _ = opened(chromium, files["html"], scheme, 1280)
            found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa"]}).response["violations"]
            assert [(one["id"], one["nodes"][0]["html"][:120]) for one in found] == []
            page.context.close()
