"""Batch runs on the page, in a real Chromium, against an endpoint that is slow, busy and broken on purpose."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from browser import ROOT, start_app
from playwright.sync_api import Locator, Page, TimeoutError, expect

from smviz.local import SAMPLES, EmbeddedServer, Faults
from smviz.records import Failure, Outcome
from smviz.store import Store
from smviz.ui.outcomes import causes

pytestmark = pytest.mark.browser

APP = ROOT / "streamlit_app.py"
LINK = "Evaluate?region=eu-west-1&endpoint=highway-demo"
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


def machine(folder: Path, server: EmbeddedServer) -> dict[str, str | None]:
    """The environment of a machine whose AWS is the server, as boto3's own variables tell it."""
    nothing = dict.fromkeys(("AWS_PROFILE", "AWS_REGION"))
    here = {"HOME": str(folder), "SMVIZ_WORKSPACE": str(folder / "ws"), "AWS_EC2_METADATA_DISABLED": "true"}
    return {**nothing, **here, **server.environment, **KEYS}


class Counting(Random):
    """Draws as it always does, and counts: the server draws once for each invocation."""

    calls = 0

    def random(self) -> float:
        self.calls += 1
        return super().random()


@pytest.fixture
def folder(tmp_path) -> Path:
    """Twelve images in a folder of this machine."""
    images = tmp_path / "images"
    images.mkdir()
    for path in SAMPLES.images[:12]:
        shutil.copy(path, images)
    return images


def button(page: Page, name: str | re.Pattern[str]) -> Locator:
    return page.get_by_role("button", name=name)


def choose_folder(page: Page, folder: Path, opened: bool = True) -> None:
    """Have the new run take its images from a folder of this server; its form is open while there are no runs."""
    if not opened:
        page.get_by_text("New run on").click()
    page.get_by_role("radio", name="On this server").first.click()
    page.get_by_role("textbox", name="Folder, zip or manifest").fill(str(folder))
    page.get_by_role("textbox", name="Folder, zip or manifest").press("Enter")
    expect(page.get_by_text(re.compile(r"^\d+ images$")).first).to_be_visible()
    page.get_by_text("Run without ground truth").click()


def picked(page: Page) -> Locator:
    return page.get_by_role("combobox", name="Run")


def no_traceback(page: Page) -> None:
    expect(page.get_by_text("Traceback")).to_have_count(0)
    expect(page.locator('[data-testid="stException"]')).to_have_count(0)


class TestARunAtWork:
    def test_paused_resumed_stopped_and_gone_on_with(self, browser, tmp_path, folder):
        """Nothing is called while it is paused, a reload finds it, stop keeps what was answered, and in the end every
        image was called for exactly once. A run of the command line is shown while it is at work, without a button."""
        counting = Counting(0)
        with (
            EmbeddedServer(latency=0.7, random=counting) as server,
            start_app(APP, machine(tmp_path, server)) as url,
        ):
            page = browser(f"{url}/{LINK}")
            choose_folder(page, folder)
            button(page, "Run 12 images").click()
            button(page, "Pause").click()
            expect(button(page, "Resume")).to_be_visible()
            called = counting.calls
            page.reload()
            expect(button(page, "Resume")).to_be_visible()
            expect(picked(page)).to_have_value(re.compile("at work now"))
            assert counting.calls == called < 12
            button(page, "Resume").click()
            button(page, "Stop").click()
            go_on = button(page, "Call for the other")
            expect(go_on).to_be_visible()
            go_on.click()
            expect(picked(page)).to_have_value(re.compile("12 of 12 images"))
            expect(page.get_by_text("This run has no ground truth")).to_be_visible()
            assert counting.calls == 12

            with command(machine(tmp_path, server), folder) as other:
                with Store(tmp_path / "ws") as store:
                    while not store.claims():
                        assert other.poll() is None
                        page.wait_for_timeout(100)
                    run = store.claims()[0].run
                page.goto(f"{url}/{LINK}&run={run}")
                expect(page.get_by_text("at work elsewhere")).to_be_visible()
                expect(page.get_by_text(f"by process {other.pid} on")).to_be_visible()
                expect(page.get_by_text(re.compile(r"^[1-9] of 12 images"))).to_be_visible()
                expect(button(page, re.compile("Pause|Stop|Call for"))).to_have_count(0)
                expect(picked(page)).to_have_value(re.compile("of the command · 12 of 12 images"))
                assert other.wait(20) == 0
            assert counting.calls == 24
            no_traceback(page)
            page.close()  # before its server goes

    def test_goes_on_without_a_page_and_beside_another(self, browser, tmp_path, folder):
        """Two runs are at work side by side; both end though no page looks, and a later page finds them."""
        with EmbeddedServer(latency=1.0) as server, start_app(APP, machine(tmp_path, server)) as url:
            page = browser(f"{url}/{LINK}&variant=A")
            choose_folder(page, folder)
            button(page, "Run 12 images").click()
            button(page, "Pause").click()
            expect(button(page, "Resume")).to_have_count(1)
            other = browser(f"{url}/{LINK}&variant=B")
            choose_folder(other, folder, opened=False)
            button(other, "Run 12 images").click()
            button(other, "Pause").click()
            expect(other.get_by_text("cost so far")).to_have_count(2)
            while button(other, "Resume").count():  # the cards are drawn anew twice a second
                with contextlib.suppress(TimeoutError):
                    button(other, "Resume").first.click(timeout=3000)
                other.wait_for_timeout(1500)
            page.close()
            other.close()
            again = browser(f"{url}/{LINK}")
            expect(button(again, "Pause")).to_have_count(0)
            expect(picked(again)).to_have_value(re.compile("12 of 12 images"))
            no_traceback(again)
            again.close()
            with Store(tmp_path / "ws") as store:
                assert [run.answered for run in store.runs()] == [12, 12]

    def test_expired_credentials_pause_it(self, browser, tmp_path, folder):
        """The page says what is wrong with them; with new ones the run goes on and loses nothing."""
        expired = tmp_path / "expired"
        with EmbeddedServer(latency=0.7) as server:
            environment = machine(tmp_path, server) | dict.fromkeys(KEYS)
            credentials_of_a_process(tmp_path, expired)
            with start_app(APP, environment) as url:
                page = browser(f"{url}/{LINK}")
                choose_folder(page, folder)
                button(page, "Run 12 images").click()
                expect(button(page, "Pause")).to_be_visible()
                expired.touch()
                expect(page.get_by_text("the session is over").first).to_be_visible()
                late = browser(page.url)  # a new session finds it, though it can describe no endpoint
                expect(button(late, "Resume")).to_be_visible()
                late.close()
                expired.unlink()
                button(page, "Resume").click()
                expect(picked(page)).to_have_value(re.compile("12 of 12 images"))
                no_traceback(page)
                page.close()


@contextlib.contextmanager
def command(environment: dict[str, str | None], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A slow run of the command line, called "of the command"."""
    changed = {name: value for name, value in {**os.environ, **environment}.items() if value is not None}
    arguments = ("--name", "of the command", "--images", folder, "--fresh", "--workers", "1")
    endpoint = ("--endpoint", "highway-demo", "--variant", "A", "--region", "eu-west-1")
    line = [sys.executable, "-m", "smviz", "run", *endpoint, *map(str, arguments)]
    with subprocess.Popen(line, env=changed, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def credentials_of_a_process(home: Path, expired: Path) -> None:
    """AWS credentials that botocore must fetch anew for each call, and gets until the file `expired` is there."""
    soon = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=5)).isoformat()
    keys = {"AccessKeyId": "testing", "SecretAccessKey": "testing", "SessionToken": "token"}
    script = home / "credentials.sh"
    script.write_text(
        f"#!/bin/sh\nif [ -e '{expired}' ]; then echo the session is over >&2; exit 1; fi\n"
        f"cat <<'END'\n{json.dumps({'Version': 1, 'Expiration': soon, **keys})}\nEND\n"
    )
    script.chmod(0o755)
    (home / ".aws").mkdir()
    (home / ".aws" / "config").write_text(f"[default]\ncredential_process = {script}\n")


class TestCauses:
    def test_name_the_log_that_has_most_of_them(self):
        """Failures of one cause on several instances are one group; its log is the stream with most of them."""

        def failed(image: str, log: str | None) -> Outcome:
            return Outcome(image, "", 0, 0, 1, failure=Failure("ModelError", f"{image} is bad.", "Look.", log))

        logs = [None, "stream 1", "stream 2", "stream 2", None, None]
        (cause,) = causes(failed(f"{number}.jpg", log) for number, log in enumerate(logs))
        assert (cause.message, len(cause.images), cause.log) == ("… is bad.", 6, "stream 2")
        (unknown,) = causes([failed("a.jpg", None)])
        assert unknown.log is None


class TestFailures:
    def test_are_grouped_by_cause_and_tried_again(self, browser, tmp_path, folder):
        """Each cause is told once with its images and what to do; one group alone is tried again, and is gone when
        its cause is."""
        shutil.copy(folder / SAMPLES.images[0].name, tmp_path / "good.jpg")
        for name in ("broken_1.jpg", "broken_2.jpg"):
            (folder / name).write_bytes(b"this is no image")
        with EmbeddedServer(faults=Faults.parse("model=1")) as server, start_app(APP, machine(tmp_path, server)) as url:
            page = browser(f"{url}/{LINK}")
            choose_folder(page, folder)
            button(page, "Run 14 images").click()
            expect(page.get_by_text("14 images failed")).to_be_visible()
            expect(page.get_by_text("12 × ModelError")).to_be_visible()
            expect(page.get_by_text("2 × BadImage")).to_be_visible()
            expect(page.get_by_text("broken_1.jpg, broken_2.jpg")).to_be_visible()
            log = page.get_by_role("link", name="The container's log in CloudWatch")
            expect(log).to_have_attribute("href", re.compile(r"eu-west-1.*Endpoints\$252Fhighway-demo"))
            for name in ("broken_1.jpg", "broken_2.jpg"):
                shutil.copy(tmp_path / "good.jpg", folder / name)
            button(page, "Try these 2 again").click()
            expect(page.get_by_text("14 × ModelError")).to_be_visible()
            expect(page.get_by_text("No image of this run has a reply yet")).to_be_visible()
            no_traceback(page)
            page.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[tuple[str, Path, dict[str, str | None]]]:
    """An app with a workspace that the tests below share: its URL, its folder and its environment."""
    home = tmp_path_factory.mktemp("home")
    with EmbeddedServer() as server:
        environment = machine(home, server)
        with start_app(APP, environment) as url:
            yield url, home, environment


def smviz(environment: dict[str, str | None], *arguments: str | Path) -> str:
    """The standard output of a command in a process of its own, with that environment."""
    changed = {name: value for name, value in {**os.environ, **environment}.items() if value is not None}
    command = [sys.executable, "-m", "smviz", *map(str, arguments)]
    return subprocess.run(command, env=changed, cwd=ROOT, capture_output=True, text=True, check=True).stdout


class TestTheWorkspace:
    def test_a_run_of_the_command_line_is_there_at_once(self, served, browser, tmp_path):
        """What the command ran is on the page, and what the page renamed is in the command's list."""
        url, home, environment = served
        with Store(home / "ws") as store:  # what is left of a first try
            for left in store.runs():
                store.delete_run(left.id)
        annotations = ("--annotations", SAMPLES.annotations, "--classes", names(tmp_path), "--format", "builtin-ssd")
        told = smviz(
            environment,
            *("run", "--endpoint", "highway-demo", "--variant", "A", "--region", "eu-west-1", "--json"),
            *("--images", SAMPLES.folder / "images", "--name", "of the command", *annotations),
        )
        run = json.loads(told)["run"]
        page = browser(f"{url}/{LINK}&run={run}")
        expect(picked(page)).to_have_value("of the command · 80 of 80 images")
        page.get_by_text("Calls: latency").click()
        expect(page.get_by_text("Answered by variant: A 80")).to_be_visible()

        button(page, "Manage").click()
        page.get_by_role("textbox", name="Name", exact=True).fill("of the page")
        page.get_by_role("textbox", name="Note", exact=True).fill("looks *fine*")
        button(page, "Save").click()
        expect(picked(page)).to_have_value("of the page · 80 of 80 images")
        expect(page.get_by_text("looks *fine*").first).to_be_visible()
        assert [(row["name"], row["note"]) for row in json.loads(smviz(environment, "runs", "--json"))] == [
            ("of the page", "looks *fine*")
        ]
        no_traceback(page)

    def test_exports_and_imports(self, served, browser):
        """COCO results that the page exports are imported as a run that says so, and offers no calls."""
        url, home, _ = served
        page = browser(f"{url}/{LINK}")
        files = {}
        button(page, "Export").click()
        for title in ("COCO results", "CSV", "Parquet", "Raw replies"):
            with page.expect_download() as download:
                button(page, title).last.click()
            files[title] = home / download.value.suggested_filename
            download.value.save_as(files[title])
        assert len(json.loads(files["COCO results"].read_text())) > 1000
        assert files["CSV"].read_text().startswith("image,class_id")
        assert files["Parquet"].read_bytes()[:4] == b"PAR1"
        assert len(zipfile.ZipFile(files["Raw replies"]).namelist()) == 80

        page.reload()
        page.get_by_text("Import a run").click()
        uploaders = page.locator('[data-testid="stFileUploader"]')
        given = uploaders.filter(has_text="The file, the files or a zip of them")
        given.locator('input[type="file"]').set_input_files(files["COCO results"])
        expect(page.get_by_role("textbox", name="Name of the run")).to_have_value(re.compile("imported"))
        truth = uploaders.filter(has_text="Ground truth").last
        truth.locator('input[type="file"]').set_input_files(SAMPLES.annotations)
        expect(truth).to_contain_text("annotations.json")
        button(page, re.compile("Import$")).last.click()
        expect(picked(page)).to_have_value(re.compile(r"\(imported\) · 80 of 80 images"))
        expect(page.get_by_text("imported: COCO results")).to_be_visible()
        expect(page.get_by_text("Nothing was called here")).to_be_visible()
        no_traceback(page)

    def test_known_replies_are_reused(self, served, browser, tmp_path):
        """A second run of the same images makes no call, and the page says so before and after."""
        url, home, _ = served
        page = browser(f"{url}/{LINK}&variant=A")
        page.get_by_text("New run on").click()
        button(page, "Run 80 images").click()
        expect(picked(page)).to_have_value(re.compile("A on sample set.* 80 of 80 images"))
        expect(page.get_by_text("80 replies are known already")).to_be_visible()
        button(page, "Run 80 images").click()
        expect(page.get_by_text("Every reply was known from an earlier run")).to_be_visible()
        with Store(home / "ws") as store:
            assert all(outcome.reused for outcome in store.iter_outcomes(store.runs()[0].id))

    def test_deletes_only_what_is_named(self, served, browser):
        """A run goes when its id is typed, and not before; room is given back."""
        url, home, _ = served
        with Store(home / "ws") as store:
            before = store.runs()
        page = browser(f"{url}/{LINK}&run={before[0].id}")
        button(page, "Manage").click()
        delete = button(page, "Delete")
        expect(delete).to_be_disabled()
        word = page.get_by_role("textbox", name="To delete it, type its name or id")
        word.fill("something else")
        word.press("Enter")
        expect(delete).to_be_disabled()
        word.fill(before[0].id)
        word.press("Enter")
        expect(delete).to_be_enabled()
        delete.click()
        expect(picked(page)).not_to_have_value(re.compile(re.escape(before[0].name)))
        button(page, "Manage").click()
        button(page, "Give room back").click()
        expect(page.get_by_text("were given back to the disk")).to_be_visible()
        with Store(home / "ws") as store:
            assert [run.id for run in store.runs()] == [run.id for run in before[1:]]
        no_traceback(page)

    @pytest.mark.parametrize(
        ("place", "said"),
        [("/nowhere/at/all", "nowhere"), ("{home}/empty", "No images there"), ("{home}/torn.zip", "torn.zip")],
    )
    def test_a_place_without_images_is_told(self, served, browser, place, said):
        """A folder that is not there, an empty one and a damaged zip are told in the form; the runs stay below it."""
        url, home, _ = served
        (home / "empty").mkdir(exist_ok=True)
        (home / "torn.zip").write_bytes(b"PK\x03\x04 and no more")
        page = browser(f"{url}/{LINK}")
        page.get_by_text("New run on").click()
        page.get_by_role("radio", name="On this server").first.click()
        field = page.get_by_role("textbox", name="Folder, zip or manifest")
        field.fill(place.format(home=home))
        field.press("Enter")
        expect(page.get_by_text(said).first).to_be_visible()
        expect(picked(page)).to_be_visible()
        no_traceback(page)


def names(folder: Path) -> Path:
    """The class names of the demo detectors, as a file."""
    path = folder / "classes.txt"
    path.write_text("car\nvan\nute\ntruck\n")
    return path
