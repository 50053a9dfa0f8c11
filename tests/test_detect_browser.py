"""The Detect page in a real Chromium: many images, tiles, stored runs, exports, and what goes wrong on the way."""

from __future__ import annotations

import base64
import io
import json
import re
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from threading import Thread
from urllib.parse import quote, unquote, urlsplit

import pytest
from browser import ROOT, open_browser, start_app
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from smviz.images import prepare
from smviz.local import DEMO_CLASSES, SAMPLES, EmbeddedServer, Faults
from smviz.records import Failure, ImageRef, Outcome
from smviz.sagemaker import SageMaker
from smviz.settings import Connection, Preset, Request
from smviz.store import Run, Store

pytestmark = pytest.mark.browser

MODEL_FAILS, HALF_A_REPLY, FINE = 0.1, 0.5, 0.9  # what the server's draw of a fault comes to
S3_KEY = "/bucket/photos/a scene.jpg"


class Script(Random):
    """Draws the faults of the next invocations as they are written down, then none; and counts the invocations."""

    def __init__(self):
        super().__init__(0)
        self.calls = 0
        self.next: list[float] = []

    def random(self) -> float:
        self.calls += 1
        return self.next.pop(0) if self.next else FINE


@pytest.fixture(scope="module")
def drawing() -> Script:
    return Script()


@pytest.fixture(scope="module")
def server(drawing) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(random=drawing, faults=Faults.parse("model=0.4,bad=0.4")) as running:
        yield running


@pytest.fixture
def script(drawing) -> Script:
    """The server's script: empty, with the count at 0."""
    drawing.calls, drawing.next = 0, []
    return drawing


class Bucket(BaseHTTPRequestHandler):
    """S3 with one object in it."""

    def do_GET(self):
        found = unquote(urlsplit(self.path).path) == S3_KEY
        body = SAMPLES.images[5].read_bytes() if found else b"<Error><Code>NoSuchKey</Code></Error>"
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home") / "ws"


@pytest.fixture(scope="module")
def run(workspace, server) -> Run:
    """A run of three images: two have a reply, one has failed; with ground truth."""
    connection, request = Connection("us-east-1", server.url), Request("highway-demo", "A")
    files = [ImageRef(path.name, path=path) for path in SAMPLES.images[:3]]
    door = SageMaker(connection)
    with Store(workspace) as store:
        made = store.create_run(
            "night shift",
            connection,
            request,
            Preset("builtin-ssd", DEMO_CLASSES),
            files,
            SAMPLES.annotations.read_bytes(),
        )
        for file in files[:2]:
            payload = prepare(file.path.read_bytes())
            frame = (payload.sha256, payload.width, payload.height)
            store.append(made.id, Outcome(file.name, *frame, 1, door.invoke(request, payload))).result()
        failure = Failure("ModelError", "The container was out of memory.", "Send a smaller image.")
        store.append(made.id, Outcome(files[2].name, "", 0, 0, 2, failure=failure)).result()
    return made


@pytest.fixture(scope="module")
def app(server, bucket, workspace, run) -> Iterator[str]:
    """The app where boto3's own variables point a region to the embedded server, and S3 to the bucket."""
    environment = {
        **server.environment,
        "AWS_ENDPOINT_URL_S3": bucket,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_PROFILE": None,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
        "HOME": str(workspace.parent),
        "SMVIZ_WORKSPACE": str(workspace),
    }
    with start_app(ROOT / "streamlit_app.py", environment) as url:
        yield url


def in_region(app: str, **more: str) -> str:
    """The page with the endpoint in a region, where the server's script holds."""
    query = {"region": "us-east-1", "endpoint": "highway-demo", "variant": "A", **more}
    return f"{app}/Detect?" + "&".join(f"{name}={quote(value)}" for name, value in query.items())


def shown(page: Page) -> int:
    """How many boxes the viewer shows, once the picture is painted."""
    viewer = page.locator('[data-ready="1"]')
    expect(viewer).to_have_count(1)
    return int(viewer.get_attribute("data-shown") or -1)


def no_traceback(page: Page) -> None:
    expect(page.get_by_text("Traceback")).to_have_count(0)
    expect(page.locator('[data-testid="stException"]')).to_have_count(0)


def title(page: Page, name: str) -> None:
    """Wait until the image of this name is the one shown."""
    expect(page.get_by_role("heading", name=name)).to_be_visible()


def strip(page: Page) -> Locator:
    return page.locator(".strip button")


def mark(page: Page, name: str) -> Locator:
    return page.locator(".strip button", has_text=name).locator(".mark")


def bring(page: Page, *files: Path) -> None:
    page.get_by_role("radio", name="Upload").click()
    page.locator('input[type="file"]').set_input_files(list(files))


def alert(page: Page, text: str) -> Locator:
    return page.locator('[data-testid="stAlert"]').filter(has_text=text)


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def set_threshold(page: Page, value: str) -> None:
    """Move the slider with the arrow keys, which steps by 0.01."""
    slider = page.locator(".slider")
    slider.focus()
    while float(page.locator(".value").inner_text()) < float(value):
        page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile(f"threshold={value}"))


HALF = SAMPLES.images[0].read_bytes()[:9000]


class TestSeveralImages:
    def test_each_is_called_once_however_it_is_reached(self, app, browser, script):
        """What the page Endpoint has called for is known. Several files dropped at once join the strip; only the opened
        one is called, the others when they are opened or asked for together, the number said first; and none a second
        time."""
        page = browser(in_region(app).replace("/Detect", "/Endpoint"))
        press(page, "Send the test image")
        expect(page.get_by_text("Do the boxes sit on the objects?")).to_be_visible()
        page.get_by_role("link", name="Detect", exact=True).click()
        shown(page)
        assert script.calls == 1
        bring(page, *SAMPLES.images[10:13])
        title(page, "highway_0011.jpg")
        expect(strip(page)).to_have_count(4)
        expect(mark(page, "highway_0012.jpg")).to_have_text("new")
        expect(mark(page, "highway_0011.jpg")).to_have_text(str(shown(page)))
        assert script.calls == 2
        page.get_by_role("button", name="Call all 2 now").click()
        expect(mark(page, "highway_0013.jpg")).to_have_text(re.compile(r"\d+"))
        expect(page.get_by_text("not called yet")).to_have_count(0)
        assert script.calls == 4
        for name in ("highway_0012.jpg", "highway_0013.jpg", "highway_0001.jpg"):
            strip(page).filter(has_text=name).click()
            title(page, name)
            shown(page)
        bring(page, SAMPLES.images[11])
        title(page, "highway_0012.jpg")
        assert script.calls == 4
        press(page, "Call again")
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(1000)
        assert script.calls == 5
        no_traceback(page)

    def test_previous_and_next_stay_among_their_own(self, app, browser):
        """Next goes through the samples, or through what was brought, from the last back to the first; with the
        buttons and with the viewer's keys."""
        page = browser(in_region(app))
        shown(page)
        press(page, "Next")
        title(page, "highway_0002.jpg")
        expect(page).to_have_url(re.compile("sample=highway_0002.jpg"))
        shown(page)
        page.locator(".stage").focus()
        page.keyboard.press(",")
        title(page, "highway_0001.jpg")
        bring(page, *SAMPLES.images[10:12])
        title(page, "highway_0011.jpg")
        press(page, "Next")
        title(page, "highway_0012.jpg")
        press(page, "Next")
        title(page, "highway_0011.jpg")
        no_traceback(page)

    def test_the_counts_follow_the_threshold(self, app, browser):
        """The number on a thumbnail is that of the boxes that the viewer would show, at the threshold now set."""
        page = browser(in_region(app))
        before = shown(page)
        press(page, "Next")
        title(page, "highway_0002.jpg")
        shown(page)
        expect(mark(page, "highway_0001.jpg")).to_have_text(str(before))
        set_threshold(page, "0.8")
        expect(mark(page, "highway_0001.jpg")).not_to_have_text(str(before))
        expect(mark(page, "highway_0002.jpg")).to_have_text(str(shown(page)))

    def test_paste(self, app, browser):
        """An image pasted anywhere on the page is opened; text that is pasted changes nothing."""
        page = browser(in_region(app))
        shown(page)
        paste = """([type, data]) => {
            const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0)), transfer = new DataTransfer();
            if (type.startsWith("image/")) transfer.items.add(new File([bytes], "image.png", { type }));
            else transfer.setData(type, atob(data));
            document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true }));
        }"""
        page.evaluate(paste, ["text/plain", base64.b64encode(b"hello").decode()])
        buffer = io.BytesIO()
        Image.open(SAMPLES.images[7]).resize((480, 360)).save(buffer, "PNG")
        page.evaluate(paste, ["image/png", base64.b64encode(buffer.getvalue()).decode()])
        expect(page.get_by_text("480 × 360 px")).to_be_visible()
        expect(page.get_by_role("heading", name="pasted")).to_be_visible()
        expect(strip(page)).to_have_count(2)
        no_traceback(page)

    def test_camera(self, app, playwright, tmp_path):
        """A picture taken with the camera, before which a scene is held here, is opened with the boxes of its cars."""
        (tmp_path / "scene.mjpeg").write_bytes(SAMPLES.images[0].read_bytes())
        camera = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
        with open_browser(
            playwright, arguments=(*camera, f"--use-file-for-fake-video-capture={tmp_path / 'scene.mjpeg'}")
        ) as open_page:
            page = open_page(in_region(app, source="Camera"))
            press(page, "Take Photo")
            title(page, "camera")
            assert shown(page) > 3
            expect(page.get_by_text("960 × 720 px")).to_be_visible()
            press(page, "Take another picture")
            expect(page.get_by_role("button", name="Take Photo")).to_be_enabled()
            no_traceback(page)

    def test_s3(self, app, browser):
        """In a region an S3 URI opens the object; one that is none, or names nothing, is told."""
        page = browser(in_region(app, source="S3"))
        field = page.get_by_role("textbox", name="S3 URI")
        for uri, said in (("bucket/key", "is no place in S3"), ("s3://bucket/nothing.jpg", "nothing.jpg")):
            field.fill(uri)
            field.press("Enter")
            press(page, "Open")
            expect(alert(page, said)).to_be_visible()
        field.fill(f"s3:/{S3_KEY}")
        field.press("Enter")
        press(page, "Open")
        title(page, "a scene.jpg")
        shown(page)
        no_traceback(page)

    def test_without_aws_there_is_no_s3(self, app, browser):
        """With the embedded endpoint nothing of S3 is offered."""
        page = browser(f"{app}/Detect?region=embedded&endpoint=highway-demo")
        shown(page)
        expect(page.get_by_role("radio", name="S3")).to_have_count(0)


class TestWhatGoesWrong:
    @pytest.mark.parametrize(
        ("name", "data", "said"),
        [
            ("notes.jpg", b"this is no image", "notes.jpg"),
            ("half.jpg", HALF, "half.jpg"),
            ("empty.png", b"", "empty"),
        ],
    )
    def test_a_bad_image_is_told(self, app, browser, name, data, said):
        """A file that is no image, half of one, or empty is told by name, with what to do."""
        page = browser(f"{app}/Detect?source=Upload")
        page.locator('input[type="file"]').set_input_files({"name": name, "mimeType": "image/jpeg", "buffer": data})
        expect(alert(page, said)).to_be_visible()
        no_traceback(page)

    def test_a_bad_image_takes_nothing_along(self, app, browser, script, tmp_path):
        """One bad file among several is marked and told; the others are called and shown."""
        page = browser(in_region(app))
        shown(page)
        (tmp_path / "half.jpg").write_bytes(HALF)
        bring(page, SAMPLES.images[10], tmp_path / "half.jpg", SAMPLES.images[11])
        title(page, "highway_0011.jpg")
        page.get_by_role("button", name="Call all 2 now").click()
        expect(page.get_by_text("1 of 2 answered, 1 failed")).to_be_visible()
        expect(mark(page, "half.jpg")).to_have_text("!")
        page.get_by_text("1 of 2 answered, 1 failed").click()
        expect(page.get_by_text("Copy the file again").first).to_be_visible()
        strip(page).filter(has_text="half.jpg").click()
        expect(alert(page, "half.jpg")).to_be_visible()
        press(page, "Next")
        title(page, "highway_0012.jpg")
        shown(page)
        assert script.calls == 3
        no_traceback(page)

    def test_an_endpoint_that_fails_for_one_of_several(self, app, browser, script):
        """The failure is told and marked, and is not called again until somebody asks; the others stay."""
        page = browser(in_region(app))
        before = shown(page)
        script.next = [MODEL_FAILS]
        press(page, "Next")
        expect(alert(page, "model")).to_be_visible()
        expect(page.get_by_text("Called once.")).to_be_visible()
        expect(mark(page, "highway_0002.jpg")).to_have_text("!")
        strip(page).filter(has_text="highway_0001.jpg").click()
        title(page, "highway_0001.jpg")
        assert shown(page) == before
        strip(page).filter(has_text="highway_0002.jpg").click()
        expect(alert(page, "model")).to_be_visible()
        assert script.calls == 2
        press(page, "Try again")
        shown(page)
        assert script.calls == 3
        no_traceback(page)

    def test_a_reply_that_cannot_be_read(self, app, browser, script):
        """Half of a reply is told, with its text to look at; the next image is shown as ever."""
        page = browser(in_region(app))
        shown(page)
        script.next = [HALF_A_REPLY]
        press(page, "Next")
        expect(page.locator('[data-testid="stAlert"]').first).to_be_visible()
        expect(page.get_by_role("button", name="Download the raw reply")).to_be_visible()
        expect(mark(page, "highway_0002.jpg")).to_have_text("?")
        press(page, "Next")
        title(page, "highway_0003.jpg")
        shown(page)
        no_traceback(page)


class TestTiles:
    def test_are_counted_called_merged_and_compared(self, app, browser, script):
        """The number of calls is said before they are made; then views and IoU change without a call, and a grid that
        was called before costs nothing again."""
        page = browser(in_region(app))
        whole = shown(page)
        page.get_by_text("Tiles, for small objects").click()
        expect(page.get_by_text("6 calls,")).to_be_visible()
        assert script.calls == 1
        press(page, "Make 6 calls")
        expect(page.get_by_text("all answered")).to_be_visible()
        assert script.calls == 7
        page.wait_for_load_state("networkidle")
        tiles = shown(page)
        assert tiles != whole
        page.get_by_role("radio", name="Whole image").click()
        expect(page.locator(f'[data-ready="1"][data-shown="{whole}"]')).to_have_count(1)
        page.get_by_role("radio", name="Tiles", exact=True).click()
        expect(page.locator(f'[data-ready="1"][data-shown="{tiles}"]')).to_have_count(1)
        iou = page.get_by_role("slider", name="NMS: overlap")
        iou.focus()
        for _ in range(10):
            page.keyboard.press("ArrowRight")
        expect(page.locator(f'[data-ready="1"][data-shown="{tiles}"]')).to_have_count(0)
        page.get_by_role("radio", name="Compare").click()
        expect(page.get_by_role("button", name=re.compile("Whole image")).first).to_be_visible()
        columns = page.get_by_role("spinbutton", name="Columns")
        columns.fill("2")
        columns.press("Enter")
        expect(page.get_by_text("4 calls,")).to_be_visible()
        columns.fill("3")
        columns.press("Enter")
        expect(page.get_by_text("all answered")).to_be_visible()
        assert script.calls == 7
        no_traceback(page)

    def test_can_be_stopped(self, app, browser, script):
        """Stop keeps what was answered, says what is missing, and the rest can be called for later."""
        page = browser(in_region(app))
        shown(page)
        page.get_by_text("Tiles, for small objects").click()
        for name in ("Rows", "Columns"):
            field = page.get_by_role("spinbutton", name=name)
            field.fill("12")
            field.press("Enter")
        expect(page.get_by_text("144 calls,")).to_be_visible()
        press(page, "Make 144 calls")
        press(page, "Stop")
        expect(page.get_by_text("answered already")).to_be_visible()
        made = script.calls - 1
        assert 0 < made < 144
        expect(page.get_by_role("button", name=f"Make {144 - made} calls")).to_be_visible()
        no_traceback(page)

    def test_too_many_are_refused(self, app, browser, script):
        """More tiles than anyone means are told before anything is cut or called."""
        page = browser(in_region(app))
        shown(page)
        page.get_by_text("Tiles, for small objects").click()
        page.get_by_role("radio", name="Size").click()
        side = page.get_by_role("spinbutton", name="Side, pixels")
        side.fill("32")
        side.press("Enter")
        expect(alert(page, "each of them a call")).to_be_visible()
        assert script.calls == 1
        no_traceback(page)


class TestExport:
    def test_every_file_holds_just_what_is_shown(self, app, browser):
        """Above the threshold and without the class that is off: the same detections in every format."""
        page = browser(f"{app}/Detect?region=embedded&endpoint=highway-demo&threshold=0.5")
        shown(page)
        page.locator(".chips button", has_text="ute").click()
        expect(page.locator('.chips button[aria-pressed="false"]', has_text="ute")).to_have_count(1)
        page.wait_for_load_state("networkidle")
        count = shown(page)
        press(page, "Export")
        expect(page.get_by_text(f"{count} of 60 detections")).to_be_visible()
        files = {}
        for kind in ("PNG", "SVG", "JSON", "CSV", "COCO", "YOLO"):
            with page.expect_download() as download:
                press(page, kind)
            files[kind] = Path(download.value.path()).read_bytes()
        assert Image.open(io.BytesIO(files["PNG"])).size == (960, 720)
        assert files["SVG"].count(b"<title>") == count
        document = json.loads(files["JSON"])
        assert len(document["detections"]) == count
        assert min(row["confidence"] for row in document["detections"]) >= document["threshold"] == 0.5
        assert document["filters"] == {"hidden_classes": ["ute"]}
        assert len(files["CSV"].decode().splitlines()) == count + 1
        assert len(json.loads(files["COCO"])["annotations"]) == count
        with zipfile.ZipFile(io.BytesIO(files["YOLO"])) as archive:
            assert len(archive.read("highway_0001.txt").splitlines()) == count
        no_traceback(page)

    def test_the_call_elsewhere(self, app, browser, server, script):
        """The lines name the endpoint, the variant and the file, which can be had as it was sent."""
        page = browser(in_region(app, variant="B"))
        shown(page)
        press(page, "Export")
        code = page.locator('[data-testid="stCode"]')
        for tool, words in (("AWS CLI", "--target-variant B"), ("boto3", "TargetVariant='B'"), ("curl", "--aws-sigv4")):
            page.get_by_role("radio", name=tool).click()
            expect(code).to_contain_text(words)
        with page.expect_download() as download:
            press(page, "The image as it was sent")
        assert download.value.suggested_filename == "highway_0001.jpg"
        assert Path(download.value.path()).read_bytes() == SAMPLES.images[0].read_bytes()


class TestARunsImage:
    def test_is_shown_without_a_call(self, app, browser, run, script):
        """A link brings run, image and threshold, with hits and misses, and calls nothing; Next goes through the run;
        Call again leaves it and calls the endpoint."""
        page = browser(in_region(app, run=run.id, image="highway_0001.jpg", threshold="0.42"))
        title(page, "highway_0001.jpg")
        shown(page)
        expect(page.locator(".value")).to_have_text("0.42")
        expect(page.get_by_text("Stored reply, nothing is called")).to_be_visible()
        expect(page.locator(".marks")).to_contain_text("TP")
        press(page, "Next")
        title(page, "highway_0002.jpg")
        expect(page).to_have_url(re.compile("image=highway_0002.jpg"))
        shown(page)
        expect(page.locator(".value")).to_have_text("0.42")
        assert script.calls == 0
        press(page, "Call again")
        expect(page.get_by_text("Stored reply")).to_have_count(0)
        title(page, "highway_0002.jpg")
        shown(page)
        assert script.calls == 1
        assert "run=" not in page.url
        no_traceback(page)

    def test_needs_no_endpoint(self, app, browser, run, script):
        """Whoever may call nothing sees the stored reply all the same."""
        page = browser(f"{app}/Detect?region=us-east-1&endpoint=not-there&run={run.id}&image=highway_0001.jpg")
        shown(page)
        assert script.calls == 0
        no_traceback(page)

    def test_a_failed_image_tells_why(self, app, browser, run):
        """An image that failed in the run shows the failure as it was."""
        page = browser(in_region(app, run=run.id, image="highway_0003.jpg"))
        expect(alert(page, "out of memory")).to_be_visible()
        press(page, "Previous")
        shown(page)
        no_traceback(page)

    @pytest.mark.parametrize(
        ("link", "said"),
        [
            ({"run": "00000000", "image": "highway_0001.jpg"}, "There is no run"),
            ({"image": "nobody.jpg"}, "The run has no image “nobody.jpg”"),
            ({"image": "highway_0001.jpg", "threshold": "7"}, "is no number from 0 to 1"),
            ({"image": "highway_0001.jpg", "threshold": "much"}, "is no number from 0 to 1"),
            ({}, "names no image"),
        ],
    )
    def test_a_wrong_link_is_told(self, app, browser, run, link, said):
        """A wrong run, image or threshold is told in words."""
        page = browser(in_region(app, **{"run": run.id, **link}))
        expect(page.get_by_text(said).first).to_be_visible()
        no_traceback(page)


class TestTheReply:
    def test_is_a_tree_beside_its_reading(self, app, browser):
        """The raw reply opens as a tree, with a row of the reading for each of its rows; Home's reply is not asked for
        again."""
        page = browser(f"{app}/?region=embedded&endpoint=highway-demo")
        took = re.search(r"just answered in (\d+ ms)", page.get_by_text("just answered in").inner_text())
        page.wait_for_load_state("networkidle")  # a picture asked for after its page was left is gone
        page.get_by_role("link", name="Detect", exact=True).click()
        shown(page)
        assert took
        expect(page.get_by_text(re.compile(rf"(?<!\d){took[1]}")).first).to_be_visible()
        page.get_by_text("Raw reply", exact=True).click()
        expect(page.get_by_text("As it is read")).to_be_visible()
        expect(page.locator('[data-testid="stJson"]')).to_contain_text("prediction")
        with page.expect_download() as download:
            page.get_by_role("button", name="Download the raw reply").click()
        assert len(json.loads(Path(download.value.path()).read_bytes())["prediction"]) == 60
        no_traceback(page)
