"""Deploying as a person does it, in a real Chromium on a fresh server, on the embedded endpoint."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from browser import ROOT, start_app
from playwright.sync_api import Locator, Page, expect

from smviz.local import EmbeddedServer
from smviz.ui.progress import may_deploy

pytestmark = pytest.mark.browser


@pytest.fixture
def app() -> Path:
    return ROOT / "streamlit_app.py"


@pytest.fixture
def environment(tmp_path) -> dict[str, str | None]:
    """A machine without an AWS account, where nothing is said about deploying."""
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_REGION", "SMVIZ_ALLOW_DEPLOY")
    home = {"HOME": str(tmp_path), "SMVIZ_WORKSPACE": str(tmp_path / "ws"), "AWS_EC2_METADATA_DISABLED": "true"}
    return {**dict.fromkeys(names), **home}


def view(page: Page, name: str) -> None:
    page.get_by_role("radio", name=name, exact=True).click()


def choose_artefact(page: Page, name: str) -> None:
    box = page.get_by_role("combobox", name="Model artefact")
    box.click()
    box.fill(name)
    box.press("Enter")
    expect(box).to_have_value(name)


def badge(page: Page, text: str) -> Locator:
    return page.locator(".stMarkdownBadge").filter(has_text=text)


def alert(page: Page, text: str | re.Pattern[str]) -> Locator:
    return page.locator('[data-testid="stAlert"]').filter(has_text=text)


def ends_well(page: Page) -> None:
    """No traceback; and the page is closed before its server ends, which it would complain about."""
    expect(page.locator('[data-testid="stException"]')).to_have_count(0)
    page.close()


class TestTheWholeStory:
    def test_deploy_fail_mend_update_delete(self, app, environment, browser):
        """A wrong artefact fails with its reason and is removed; the right one comes into service, which another tab
        sees and a reload survives, is updated to the other detector, and is deleted only by typing its name."""
        with start_app(app, environment) as url:
            page = browser(f"{url}/Endpoint?view=Deploy")
            expect(alert(page, "The endpoint's name is empty")).to_be_visible()
            expect(page.get_by_role("button", name="Deploy", exact=True)).to_be_disabled()
            name = page.get_by_role("textbox", name="Endpoint's name")
            name.fill("my cars")
            name.press("Enter")
            expect(alert(page, "The endpoint's name holds ' '")).to_be_visible()
            name.fill("cars")
            name.press("Enter")
            choose_artefact(page, "embedded://wrong.onnx")
            expect(page.get_by_text("and embedded://wrong.onnx; it costs nothing")).to_be_visible()
            expect(page.get_by_text("5.52 USD")).to_be_visible()
            expect(page.get_by_text("The embedded endpoint costs nothing.")).to_be_visible()
            page.get_by_text("The same as AWS CLI commands").click()
            expect(page.get_by_text("aws sagemaker create-endpoint-config")).to_be_visible()

            page.get_by_role("button", name="Deploy cars").click()
            expect(badge(page, "Creating")).to_be_visible()
            failure = alert(page, "Endpoint cars is Failed")
            expect(failure).to_contain_text("embedded://wrong.onnx")
            expect(failure).to_contain_text("Likely causes: There is no object under the model's S3 address")
            expect(
                page.get_by_text("What exists now: model cars, endpoint config cars, endpoint cars.")
            ).to_be_visible()
            page.get_by_role("button", name="Remove what exists").click()
            expect(alert(page, "Deleted: endpoint cars, endpoint config cars, model cars.")).to_be_visible()

            choose_artefact(page, "embedded://highway-a.onnx")
            other = browser(f"{url}/Endpoint?view=Connect")
            expect(other.get_by_role("heading", name="highway-demo")).to_be_visible()
            page.get_by_role("button", name="Deploy cars").click()
            view(other, "Deploy")
            expect(other.get_by_text(re.compile(r"0:0\d elapsed"))).to_be_visible()
            other.close()
            expect(page).to_have_url(re.compile("endpoint=cars"))
            page.reload()
            expect(page.get_by_role("heading", name="The plan")).to_be_visible()
            expect(page.get_by_text("elapsed")).to_have_count(0)
            view(page, "Connect")
            expect(page.get_by_role("heading", name="cars")).to_be_visible()

            page.get_by_text("Update to another config").click()
            expect(page.get_by_role("combobox", name="Model artefact")).to_have_value("embedded://highway-a.onnx")
            choose_artefact(page, "embedded://highway-b.onnx")
            expect(page.get_by_text("Move endpoint cars to endpoint config cars-2")).to_be_visible()
            page.get_by_role("button", name="Update cars").click()
            expect(alert(page, "cars is updated and in service")).to_be_visible()
            expect(page.get_by_text("No longer used by it: endpoint config cars, model cars.")).to_be_visible()
            page.get_by_role("button", name="Remove these").click()
            expect(alert(page, "Deleted: endpoint config cars, model cars.")).to_be_visible()

            page.get_by_text("Delete this endpoint").click()
            typed = page.get_by_role("textbox", name="Type the endpoint's name")
            typed.fill("car")
            page.get_by_role("button", name="Delete cars").click()
            expect(alert(page, "Nothing was deleted")).to_be_visible()
            typed.fill("cars")
            page.get_by_role("button", name="Delete cars").click()
            expect(alert(page, "Deleted: endpoint cars, endpoint config cars-2, model cars-2.")).to_be_visible()
            expect(page).not_to_have_url(re.compile("endpoint=cars"))
            expect(page.get_by_role("heading", name="highway-demo")).to_be_visible()
            ends_well(page)


class TestOnAws:
    """An embedded server in the place of AWS: what the app does not know to be free, it takes for billed."""

    @pytest.fixture
    def account(self, environment):
        """The environment of a machine with an account, for a server that is `delay` seconds slow."""
        servers = []

        def start(delay: float) -> dict[str, str | None]:
            servers.append(EmbeddedServer(delay=delay).start())
            keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
            return {**environment, **keys, "AWS_ENDPOINT_URL": servers[0].url}

        yield start
        for server in servers:
            server.stop()

    def test_progress_survives_a_reload(self, app, account, browser):
        """Elapsed time and cost are told before and after it, at a price of one's own and at the observed one."""
        with start_app(app, account(60)) as url:
            page = browser(f"{url}/Endpoint?view=Deploy&region=us-east-1")
            for label, text in (("Endpoint's name", "cars"), ("Model artefact in S3", "s3://bucket/model.tar.gz")):
                box = page.get_by_role("textbox", name=label)
                box.fill(text)
                box.press("Enter")
            price = page.get_by_role("spinbutton", name="USD per hour")
            price.fill("0.5")
            price.press("Enter")
            expect(page.get_by_text("12.00 USD")).to_be_visible()
            page.get_by_role("button", name="Deploy cars").click()
            expect(page.get_by_text("Billed while it exists: about 12.00 USD a day")).to_be_visible()
            expect(page).to_have_url(re.compile("endpoint=cars"))
            page.reload()
            expect(badge(page, "Creating")).to_be_visible()
            expect(page.get_by_text(re.compile(r"0:[0-5]\d elapsed"))).to_be_visible()
            expect(page.get_by_text("Billed while it exists: about 5.52 USD a day")).to_be_visible()
            ends_well(page)

    def test_what_is_deleted_is_no_longer_billed(self, app, account, browser):
        """That is said, and what stays; and the address names the endpoint no more."""
        with start_app(app, account(0.3)) as url:
            page = browser(f"{url}/Endpoint?view=Connect&region=us-east-1&endpoint=highway-demo")
            page.get_by_text("Delete this endpoint").click()
            expect(page.get_by_text("Billed while it exists: every hour, busy or idle.")).to_be_visible()
            expect(page.get_by_text("The model artefact in S3 stays")).to_be_visible()
            page.get_by_role("textbox", name="Type the endpoint's name").fill("highway-demo")
            page.get_by_role("button", name="Delete highway-demo").click()
            expect(page.get_by_text("The endpoint is no longer billed.")).to_be_visible()
            expect(page).not_to_have_url(re.compile("endpoint="))
            ends_well(page)


class TestAFailureHalfWay:
    def test_a_name_that_is_taken(self, app, environment, browser):
        """Nothing is made, and it says so."""
        with start_app(app, environment) as url:
            page = browser(f"{url}/Endpoint?view=Deploy")
            name = page.get_by_role("textbox", name="Endpoint's name")
            name.fill("highway-demo")
            name.press("Enter")
            page.get_by_role("button", name="Deploy highway-demo").click()
            expect(alert(page, "Nothing was made. There is already")).to_be_visible()
            expect(page.get_by_text("Nothing of it exists, and nothing is billed.")).to_be_visible()
            expect(page.get_by_role("button", name="Remove")).to_have_count(0)
            ends_well(page)


class TestWhereItIsNotAllowed:
    @pytest.mark.parametrize(("said", "allowed"), [(None, False), ("0", False), ("1", True)])
    def test_by_default_elsewhere_than_on_loopback(self, monkeypatch, said, allowed):
        """Where Streamlit is not told to serve on a loopback address, only SMVIZ_ALLOW_DEPLOY allows it."""
        monkeypatch.delenv("SMVIZ_ALLOW_DEPLOY", raising=False)
        if said:
            monkeypatch.setenv("SMVIZ_ALLOW_DEPLOY", said)
        assert may_deploy() is allowed

    def test_there_are_no_buttons(self, app, environment, browser):
        """With SMVIZ_ALLOW_DEPLOY=0 the plan and the policies are there, the buttons are not, and it says why."""
        with start_app(app, {**environment, "SMVIZ_ALLOW_DEPLOY": "0"}) as url:
            page = browser(f"{url}/Endpoint?view=Deploy")
            expect(alert(page, "SMVIZ_ALLOW_DEPLOY forbids it")).to_be_visible()
            expect(page.get_by_role("heading", name="The plan")).to_be_visible()
            expect(page.get_by_role("button", name=re.compile("Deploy"))).to_have_count(0)
            view(page, "Connect")
            expect(page.get_by_role("heading", name="highway-demo")).to_be_visible()
            expect(alert(page, "SMVIZ_ALLOW_DEPLOY forbids it")).to_be_visible()
            for text in ("Delete", "Update"):
                expect(page.get_by_text(re.compile(text))).to_have_count(0)
            view(page, "Permissions")
            expect(page.get_by_text("sagemaker:InvokeEndpoint")).to_be_visible()
            ends_well(page)
