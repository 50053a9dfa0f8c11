"""Shared runs in a real Chromium: a colleague without an AWS account opens the folder and looks at everything."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from browser import ROOT, open_browser, start_app
from PIL import Image, ImageDraw
from playwright.sync_api import Page, expect

from smviz.images import prepare
from smviz.records import ImageRef, Outcome, Reply
from smviz.settings import Connection, Preset, Request
from smviz.sharing import share_run
from smviz.store import Run, Store

pytestmark = pytest.mark.browser

SLOW = 30_000  # milliseconds
WIDTH, HEIGHT = 3000, 2000
WHITE = (600, 400, 1500, 1200)  # the one object, in pixels of what was sent
IMAGES = 12


def photo(number: int) -> bytes:
    """A grey picture with one white box, far larger than what is shared of it."""
    image = Image.new("RGB", (WIDTH, HEIGHT), (80 + number, 90, 100))
    ImageDraw.Draw(image).rectangle(WHITE, fill="white")
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def labels() -> bytes:
    """Ground truth with the box, and in every third image one object more that nobody sees."""
    left, top, right, bottom = WHITE
    objects = [(i, [left, top, right - left, bottom - top]) for i in range(IMAGES)]
    objects += [(i, [2200, 1500, 300, 300]) for i in range(0, IMAGES, 3)]
    return json.dumps(
        {
            "images": [{"id": i, "file_name": f"{i:02d}.jpg", "width": WIDTH, "height": HEIGHT} for i in range(IMAGES)],
            "categories": [{"id": 0, "name": "car"}, {"id": 1, "name": "van"}],
            "annotations": [
                {"id": n, "image_id": i, "category_id": 0, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
                for n, (i, box) in enumerate(objects)
            ],
        }
    ).encode()


def run_of(store: Store, name: str, shift: float) -> Run:
    """A run whose endpoint finds the box, and in the fourth image takes it for a van."""
    run = store.create_run(
        name,
        Connection("eu-west-1", profile="prod-admin"),
        Request("detector", "blue"),
        Preset("builtin-ssd", ("car", "van")),
        [ImageRef(f"{i:02d}.jpg", data=photo(i)) for i in range(IMAGES)],
        labels(),
    )
    box = np.array(WHITE) / (WIDTH, HEIGHT, WIDTH, HEIGHT) + shift
    for i in range(IMAGES):
        found = [[float(i == 4), 0.95, *box.tolist()], [0, 0.2 + i / 100, 0.8, 0.1, 0.9, 0.2]]
        reply = Reply(json.dumps({"prediction": found}).encode(), "application/json", 0.05, "blue")
        sha = prepare(photo(i)).sha256
        store.append(run.id, Outcome(f"{i:02d}.jpg", sha, WIDTH, HEIGHT, 1, reply)).result()
    return run


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Path:
    """A folder of two runs with small pictures."""
    folder = tmp_path_factory.mktemp("given") / "shared runs"
    with Store(tmp_path_factory.mktemp("ws")) as store, Store(folder, alone=True) as target:
        for name, shift in (("last week", 0.02), ("nightly", 0.0)):
            share_run(store, run_of(store, name, shift).id, target)
    return folder


@pytest.fixture(scope="module")
def page(home, shared, playwright) -> Iterator[Page]:
    expect.set_options(timeout=SLOW)
    with (
        start_app(ROOT / "streamlit_app.py", {**home, "SMVIZ_REPLAY": str(shared)}) as url,
        open_browser(playwright, viewport=(1280, 1900)) as open_page,  # nothing that sticks lies over a picture
    ):
        page = open_page(url)
        page.set_default_timeout(SLOW)
        yield page


def test_a_colleague_looks_at_everything(page: Page, shared: Path):
    """From Home through every mistake to the raw reply: nothing to press that calls or changes; the folder stays."""
    before = {path.name: path.read_bytes() for path in shared.iterdir()}
    expect(page.get_by_text("Shared runs, to be looked at")).to_be_visible()
    expect(page.get_by_role("link", name="Endpoint")).to_have_count(0)
    page.get_by_role("link", name="nightly").click()

    expect(page.get_by_text("Precision and recall")).to_be_visible()
    expect(page.get_by_text("small pictures")).to_be_visible()
    for name in ("Manage", "Share", "New run", "Import a run"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)

    page.get_by_role("radio", name="Images").or_(page.get_by_role("button", name="Images", exact=True)).first.click()
    page.get_by_text("03.jpg").first.click()
    assert_white_within(page)

    page.get_by_role("radio", name="Errors").or_(page.get_by_role("button", name="Errors", exact=True)).first.click()
    queue = page.locator(".queue")
    expect(queue.locator(".row").first).to_be_visible()
    queue.locator(".list").press("r")
    expect(queue.locator(".progress")).to_have_text(re.compile("^0 of [1-9]"))
    for name in ("keep", "reject", "undo"):
        expect(queue.locator(f".acts .{name}")).to_be_hidden()

    page.get_by_role("link", name="Open in Detect").first.click()
    expect(page.get_by_text("Shared as a small picture")).to_be_visible()
    expect(page.get_by_role("button", name="Call again")).to_have_count(0)
    assert_white_within(page)
    here = int(parse_qs(urlsplit(page.url).query)["image"][0].removesuffix(".jpg"))
    page.get_by_role("button", name="Next").first.click()
    expect(page.get_by_role("heading", name=f"{(here + 1) % IMAGES:02d}.jpg")).to_be_visible()

    page.get_by_role("link", name="Compare").first.click()
    expect(page.get_by_text("Compared on 12 images that both runs have.")).to_be_visible()
    assert {path.name: path.read_bytes() for path in shared.iterdir()} == before


def assert_white_within(page: Page) -> None:
    """The picture is white within the box that was sent, and grey outside of it."""
    viewer = page.locator('[data-ready="1"]').first
    expect(viewer).to_be_visible()
    stage = viewer.locator(".stage").first
    stage.scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    scale, x, y = (float(viewer.get_attribute(f"data-{name}") or "nan") for name in ("scale", "x", "y"))
    pixels = np.asarray(Image.open(io.BytesIO(stage.screenshot())).convert("L")).astype(float)
    left, top, right, bottom = np.array(WHITE) * scale + (x, y, x, y)
    reach = 8  # beyond the line that is drawn around it
    rows, columns = slice(int(top) + reach, int(bottom) - reach), slice(int(left) + reach, int(right) - reach)
    assert np.median(pixels[rows, columns]) > 220
    assert np.median(pixels[rows, int(right) + reach : int(right) + 2 * reach]) < 150
    assert np.median(pixels[rows, int(left) - 2 * reach : int(left) - reach]) < 150
    assert np.median(pixels[int(bottom) + reach : int(bottom) + 2 * reach, columns]) < 150
