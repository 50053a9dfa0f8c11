"""Names and messages that others chose are text on every page: nothing of them runs, is fetched or becomes a link."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import quote

import pytest
from browser import ROOT, open_browser, start_app
from PIL import Image
from playwright.sync_api import Page, Request, expect

from smviz.cli import main
from smviz.records import Failure, ImageRef, Outcome, Reply
from smviz.settings import Connection, Preset
from smviz.settings import Request as Asked
from smviz.store import Run, Store

pytestmark = pytest.mark.browser

SLOW = 30_000
TAG = '<img src=x onerror="window.pwned=1">'
HOSTILE = (
    f"\u202e{TAG}<script>window.pwned=1</script>[a](javascript:window.pwned=1)![i](https://evil.example/i.png)"
    "<a href='https://evil.example'>b</a> **c** $x^2$ :smile: :material/home: :red[d] www.evil.example"
)
LONG = "W" * 300
CLASSES = tuple(f"{name} {HOSTILE} {LONG}" for name in ("car", "van", "bus"))
SECTIONS = ("Overview", "Thresholds", "Images", "Errors", "Data set")
ENDPOINT = "hostile-endpoint"
FOREIGN = "links => links.map((a) => a.protocol + a.hostname).filter((to) => /javascript|evil/.test(to))"

Look = Callable[[str], Page]


class Account(BaseHTTPRequestHandler):
    """An AWS account whose every word is hostile; its model always fails."""

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        operation = self.headers.get("X-Amz-Target", "").removeprefix("SageMaker.")
        described = {
            "EndpointName": f"{ENDPOINT} {HOSTILE}",
            "EndpointArn": f"arn:aws:sagemaker:us-east-1:000000000000:endpoint/{HOSTILE}",
            "EndpointStatus": "InService",
            "EndpointConfigName": f"config {HOSTILE}",
            "FailureReason": HOSTILE,
            "CreationTime": 1.7e9,
            "LastModifiedTime": 1.7e9,
            "ProductionVariants": [{"VariantName": f"{each} {HOSTILE}", "CurrentWeight": 1} for each in "AB"],
        }
        answers = {
            "ListEndpoints": {"Endpoints": [described]},
            "DescribeEndpoint": described,
            "DescribeEndpointConfig": {
                "EndpointConfigName": "config",
                "EndpointConfigArn": HOSTILE,
                "CreationTime": 1.7e9,
                "ProductionVariants": [
                    {"VariantName": f"{each} {HOSTILE}", "ModelName": HOSTILE, "InstanceType": "ml.m5.xlarge"}
                    for each in "AB"
                ],
            },
        }
        status, answer = (200, answers[operation]) if operation in answers else (400, {"Message": HOSTILE})
        headers = {"x-amzn-ErrorType": "ValidationException"} if status == 400 else {}
        if self.path.startswith("/endpoints/"):
            status, headers = 424, {"x-amzn-ErrorType": "ModelError"}
            answer = {"Message": HOSTILE, "OriginalMessage": HOSTILE, "OriginalStatusCode": 500}
        self.send_response(status)
        body = json.dumps(answer).encode()
        for name, value in {**headers, "Content-Type": "application/x-amz-json-1.1"}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.do_POST()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def account() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Account)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def a_run(store: Store, number: int) -> Run:
    """A run whose names, notes, classes and failures are hostile; it is wrong here and there."""
    picture = io.BytesIO()
    Image.new("RGB", (320, 240), (90, 110, 90)).save(picture, "JPEG")
    names = [f"{at} {HOSTILE}.jpg" for at in range(12)]
    rows, labels = [], []
    for at, name in enumerate(names):
        found = []
        for box in range(3):
            left, top, kind = 10 + 100 * box, 20 + 10 * at, (at + box) % 3
            place = {"image_id": at, "category_id": kind, "bbox": [left, top, 60, 50]}
            labels.append({"id": len(labels), **place, "area": 3000, "iscrowd": 0})
            wrong = (at + box + number) % 4
            if wrong != 1:
                edges = (left / 320, top / 240, (left + 60 - 20 * (wrong == 2)) / 320, (top + 50) / 240)
                found.append([(kind + (wrong == 3)) % 3, 0.9 - 0.05 * at, *edges])
        reply = Reply(json.dumps({"prediction": found}).encode(), "application/json", 0.1, HOSTILE)
        failure = Failure("ModelError", f"It broke: {HOSTILE} {LONG}", f"Look: {HOSTILE}")
        answer = {"failure": failure} if at == 11 else {"reply": reply}
        rows.append((ImageRef(name, data=picture.getvalue()), Outcome(name, "", 320, 240, 1, **answer)))
    truth = {
        "images": [{"id": at, "file_name": name, "width": 320, "height": 240} for at, name in enumerate(names)],
        "categories": [{"id": kind, "name": name, "supercategory": HOSTILE} for kind, name in enumerate(CLASSES)],
        "annotations": labels,
    }
    name, preset = f"run {number} {HOSTILE} {LONG}"[:200], Preset("builtin-ssd", CLASSES)
    made = store.keep_run(name, preset, rows, HOSTILE, json.dumps(truth).encode())
    return store.set_note(made.id, f"note {HOSTILE}\n\n# {HOSTILE}\n\n- {HOSTILE}")


@pytest.fixture(scope="module")
def runs(home) -> tuple[Run, Run]:
    with Store(Path(str(home["SMVIZ_WORKSPACE"]))) as store:
        store.save_preset("embedded/highway-demo", Preset("builtin-ssd", CLASSES))
        made = a_run(store, 1), a_run(store, 2)
        asked = store.create_run(
            f"called {HOSTILE}",
            Connection("us-east-1"),
            Asked(HOSTILE, HOSTILE),
            Preset("builtin-ssd", CLASSES),
            [ImageRef(HOSTILE)],
            source=f"{HOSTILE} {LONG}",
        )
        store.append(asked.id, Outcome(HOSTILE, "", 0, 0, 1, failure=Failure("ModelError", HOSTILE, HOSTILE))).result()
        return made


@pytest.fixture(scope="module")
def app(home, account, runs) -> Iterator[str]:
    environment = {
        **home,
        **dict.fromkeys(("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_STS"), account),
        "AWS_ENDPOINT_URL_SAGEMAKER": account,
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": account,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "NO_PROXY": "127.0.0.1",
    }
    with start_app(ROOT / "streamlit_app.py", environment) as url:
        yield url


@pytest.fixture
def look(app, playwright) -> Iterator[Look]:
    """Opens a page below the app; everything that it asks for elsewhere, and every dialog, is remembered."""
    expect.set_options(timeout=SLOW)
    foreign: list[str] = []

    def note(request: Request) -> None:
        if not request.url.startswith((app, app.replace("http", "ws", 1), "data:", "blob:", "file:")):
            foreign.append(request.url)

    with open_browser(playwright) as open_page:
        pages: list[Page] = []

        def opened(path: str) -> Page:
            if not pages:
                pages.append(open_page(f"{app}/_stcore/health"))
                pages[0].set_default_timeout(SLOW)
                pages[0].on("request", note)
                pages[0].on("dialog", lambda dialog: foreign.append(f"a dialog: {dialog.message}"))
            pages[0].goto(app + path)
            return pages[0]

        yield opened
    assert foreign == []


def harmless(page: Page, said: str = TAG) -> None:
    """The hostile text is there, as text; nothing of it has run, is a link or is drawn; nothing sticks out."""
    expect(page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')).to_be_visible()
    expect(page.get_by_text(said).first).to_be_attached()
    assert page.evaluate("window.pwned") is None
    expect(page.locator('img[src="x"], .katex')).to_have_count(0)
    assert page.locator("a[href]").evaluate_all(FOREIGN) == []
    expect(page.locator('[data-testid="stException"]')).to_have_count(0)
    expect(page.get_by_text("Traceback")).to_have_count(0)
    wide = page.evaluate(
        """() => [...document.querySelectorAll('[data-testid="stMain"], [data-testid="stMainBlockContainer"]')]
          .map((part) => part.scrollWidth - part.clientWidth)"""
    )
    assert max(wide) <= 1
    if folder := os.environ.get("SMVIZ_PICTURES"):
        name = re.sub(r"\W+", "_", page.url.split("/", 3)[3])[:60]
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


class TestHostileNames:
    def test_what_a_run_holds(self, look, runs):
        """A run whose images, classes, notes and failures are hostile: Home, each section of Evaluate, its pictures."""
        first, second = runs
        harmless(look("/"))
        for section in SECTIONS:
            page = look(f"/Evaluate?run={first.id}&section={quote(section)}")
            expect(page.get_by_role("radio", name=section, exact=True)).to_be_checked()
            harmless(page)
        name = quote(f"4 {HOSTILE}.jpg")
        harmless(look(f"/Evaluate?run={first.id}&section=Images&image={name}"))
        harmless(look(f"/Detect?run={first.id}&image={name}"))
        harmless(look(f"/Detect?run={first.id}&image={quote(f'11 {HOSTILE}.jpg')}"), "It broke")
        for section in ("Numbers", "Images"):
            harmless(look(f"/Compare?run_a={first.id}&run_b={second.id}&section={section}"))

    def test_what_a_server_says(self, look):
        """An account whose endpoints, variants, configs and errors are hostile; and a reply with hostile classes."""
        harmless(look("/Detect?sample=highway_0001.jpg"))
        harmless(look("/Endpoint?region=us-east-1"))
        there = f"region=us-east-1&endpoint={quote(ENDPOINT)}"
        harmless(look(f"/Endpoint?{there}"))
        harmless(look(f"/Detect?{there}&sample=highway_0001.jpg"))
        harmless(look(f"/Evaluate?{there}"))

    def test_links(self, look, runs):
        """A link whose every parameter is hostile shows the page, or says in words what is wrong with the link."""
        names = (
            *("region", "endpoint", "variant", "profile", "role", "run", "image", "section", "threshold", "objective"),
            *("iou", "size", "classes", "sample", "source", "view", "run_a", "run_b", "space", "crops", "crops_class"),
            *("errors", "doubt", "doubt_reason", "doubt_status", "sort", "columns", "only"),
        )
        for page, word in (
            *((page, HOSTILE) for page in ("", "Endpoint", "Detect", "Evaluate", "Compare")),
            ("", "\0"),
        ):
            harmless(look(f"/{page}?" + "&".join(f"{name}={quote(word)}" for name in names)), "Evaluate")
        wrong = look(f"/Detect?run={runs[0].id}&image={quote(HOSTILE)}")
        expect(wrong.get_by_text("The run has no image")).to_be_visible()
        harmless(wrong)


class TestHostileReport:
    def test_a_report(self, look, runs, home, tmp_path, monkeypatch):
        """The report of such a run is one file that runs nothing, fetches nothing and links nowhere."""
        monkeypatch.setenv("SMVIZ_WORKSPACE", str(home["SMVIZ_WORKSPACE"]))
        path = tmp_path / "report.html"
        assert main(["report", "--run", runs[0].id, "-o", str(path)]) == 0
        page = look("/_stcore/health")
        page.goto(path.as_uri())
        expect(page.get_by_text(TAG).first).to_be_attached()
        assert page.evaluate("window.pwned") is None
        expect(page.locator('img[src="x"]')).to_have_count(0)
        assert page.locator("a[href]").evaluate_all(FOREIGN) == []
