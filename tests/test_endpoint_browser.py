"""The Endpoint page in a real Chromium: every kind of endpoint, whose credentials, formats, presets, sizes."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import boto3
import numpy as np
import pytest
from browser import ROOT, open_browser, start_app
from PIL import Image
from playwright.sync_api import Page, expect

from smviz.local import EmbeddedServer

pytestmark = pytest.mark.browser

ROLE = "arn:aws:iam::000000000000:role/service-role/AmazonSageMaker-ExecutionRole-embedded"
IMAGE = "811284229777.dkr.ecr.us-east-1.amazonaws.com/object-detection:1"
INSTANCES = {"InitialInstanceCount": 1, "InstanceType": "ml.m5.xlarge"}


def deploy(sagemaker, name: str, model: dict, variant: dict, **config: object) -> None:
    """A model, a config and an endpoint of one name."""
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, **model)
    production = [{"VariantName": "only", "ModelName": name, **variant}]
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=production, **config)
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)


@pytest.fixture(scope="module")
def account() -> Iterator[EmbeddedServer]:
    """An account with an endpoint of every kind that the embedded server plays."""
    one = {"PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": "embedded://highway-a.onnx"}}
    many = {"PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": "s3://bucket/models/", "Mode": "MultiModel"}}
    containers = [
        {"ContainerHostname": host, "Image": IMAGE, "ModelDataUrl": f"embedded://highway-{host}.onnx"} for host in "ab"
    ]
    direct = {"Containers": containers, "InferenceExecutionConfig": {"Mode": "Direct"}}
    serverless = {"ServerlessConfig": {"MemorySizeInMB": 4096, "MaxConcurrency": 5}}
    shadow = [{"VariantName": "dark", "ModelName": "plain", **INSTANCES}]
    output = {"OutputConfig": {"S3OutputPath": "s3://bucket/out"}}
    with EmbeddedServer(delay=0, cold_start=0) as server:
        sagemaker = boto3.client(
            "sagemaker", "us-east-1", endpoint_url=server.url, aws_access_key_id="x", aws_secret_access_key="x"
        )
        deploy(sagemaker, "plain", one, INSTANCES)
        deploy(sagemaker, "serverless", one, serverless)
        deploy(sagemaker, "asynchronous", one, INSTANCES, AsyncInferenceConfig=output)
        deploy(sagemaker, "shadowed", one, INSTANCES, ShadowProductionVariants=shadow)
        deploy(sagemaker, "many-models", many, INSTANCES)
        deploy(sagemaker, "containers", direct, INSTANCES)
        yield server


@pytest.fixture(scope="module")
def app(account, tmp_path_factory) -> Iterator[str]:
    """The app on a machine where boto3's own variables point every region to that account."""
    home = tmp_path_factory.mktemp("home")
    (home / "config").write_text("[profile colleague]\naws_access_key_id=them\naws_secret_access_key=them\n")
    environment = {
        **account.environment,
        "AWS_ENDPOINT_URL_STS": account.url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_PROFILE": None,
        "AWS_CONFIG_FILE": str(home / "config"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "HOME": str(home),
        "SMVIZ_WORKSPACE": str(home / "ws"),
    }
    with start_app(ROOT / "streamlit_app.py", environment) as url:
        yield url


@pytest.fixture
def page(app, playwright) -> Iterator[Page]:
    with open_browser(playwright, viewport=(1400, 1400)) as open_page:
        opened = open_page("about:blank")
        yield opened


def open_endpoint(page: Page, app: str, name: str) -> None:
    page.goto(f"{app}/Endpoint?region=us-east-1&endpoint={name}")
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()


def send(page: Page) -> None:
    page.get_by_role("button", name="Send the test image").click()


def give_preset(page: Page, path: Path) -> None:
    """Open the expander and hand in a file, once the page stands still."""
    expect(page.get_by_role("button", name="Send the test image")).to_be_visible()
    page.wait_for_load_state("networkidle")
    page.get_by_text("Share this as a file").click()
    uploader = page.locator('[data-testid="stFileUploader"]').filter(has_text="Take a preset")
    expect(uploader).to_be_visible()
    uploader.locator('input[type="file"]').set_input_files(path)


class TestKinds:
    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("plain", "real-time"),
            ("highway-demo", "real-time, A/B variants"),
            ("serverless", "serverless"),
            ("asynchronous", "asynchronous"),
            ("shadowed", "real-time, shadow"),
            ("many-models", "real-time, multi-model"),
            ("containers", "real-time, multi-container"),
        ],
    )
    def test_are_told_apart(self, app, page, name, kind):
        """The chosen endpoint's badge names its kind."""
        open_endpoint(page, app, name)
        expect(page.locator(".stMarkdownBadge").filter(has_text=re.compile(f"category {kind}$"))).to_be_visible()

    @pytest.mark.parametrize("name", ["plain", "serverless", "shadowed"])
    def test_that_need_nothing_more_answer(self, app, page, name):
        """A test call shows latency and the variant that answered."""
        open_endpoint(page, app, name)
        send(page)
        expect(page.get_by_text("Variant that answered")).to_be_visible()
        expect(page.get_by_text("Do the boxes sit on the objects?")).to_be_visible()

    def test_a_multi_model_endpoint_is_told_the_model(self, app, page):
        """Without the model's name the page says so; with it the call is answered, and the name is kept."""
        open_endpoint(page, app, "many-models")
        expect(page.get_by_text("name the model that shall be loaded")).to_be_visible()
        page.get_by_label("Model to load").fill("highway-b.onnx")
        page.keyboard.press("Enter")
        expect(page.get_by_text("name the model that shall be loaded")).to_have_count(0)
        send(page)
        expect(page.get_by_text("Do the boxes sit on the objects?")).to_be_visible()
        open_endpoint(page, app, "many-models")
        expect(page.get_by_text("name the model that shall be loaded")).to_have_count(0)

    def test_a_multi_container_endpoint_is_told_the_container(self, app, page):
        """Without the container's name the page says so; it is chosen from a list."""
        open_endpoint(page, app, "containers")
        expect(page.get_by_text("choose the container that shall answer")).to_be_visible()
        page.get_by_role("combobox", name="Container", exact=True).click()
        page.get_by_role("option", name="b", exact=True).click()
        expect(page.get_by_text("choose the container that shall answer")).to_have_count(0)
        send(page)
        expect(page.get_by_text("Do the boxes sit on the objects?")).to_be_visible()

    def test_a_refused_call_says_why(self, app, page):
        """An asynchronous endpoint without a place in S3 takes 128 kB inline; what it cannot do is said in words."""
        open_endpoint(page, app, "asynchronous")
        send(page)
        expect(page.locator('[data-testid="stAlert"]').first).to_be_visible()
        expect(page.locator('[data-testid="stException"]')).to_have_count(0)


class TestWhoCalls:
    def test_account_and_role_are_shown(self, app, page):
        """GetCallerIdentity's account and name stand below the region."""
        open_endpoint(page, app, "plain")
        expect(page.get_by_text("Account 000000000000")).to_be_visible()

    def test_a_profile_is_chosen_and_kept(self, app, page):
        """A profile of the machine is picked from a list and stands in the link."""
        open_endpoint(page, app, "plain")
        page.get_by_role("combobox", name="Credentials").click()
        page.get_by_role("option", name="colleague").click()
        expect(page).to_have_url(re.compile("profile=colleague"))
        expect(page.get_by_role("heading", name="plain", exact=True)).to_be_visible()

    def test_a_wrong_role_is_told(self, app, page):
        """Text that is no ARN of a role is refused with what one looks like."""
        open_endpoint(page, app, "plain")
        page.get_by_label("Role to assume").fill("admin")
        page.keyboard.press("Enter")
        expect(page.get_by_text("is no ARN of a role")).to_be_visible()
        expect(page.locator('[data-testid="stException"]')).to_have_count(0)


class TestListing:
    def test_a_status_nobody_has_leaves_nothing(self, app, page):
        """The status filter is SageMaker's own: no endpoint of this account has failed."""
        open_endpoint(page, app, "plain")
        expect(page.get_by_text("7 endpoints, newest first")).to_be_visible()
        page.get_by_role("combobox", name="Status").click()
        page.get_by_role("option", name="Failed", exact=True).click()
        expect(page.get_by_text("There is no such endpoint")).to_be_visible()


class TestFormats:
    def test_a_wrong_format_is_mended_by_the_proposal(self, app, page):
        """Read as Hugging Face's the reply is refused in words; one click takes the format it looks like."""
        open_endpoint(page, app, "plain")
        page.get_by_role("combobox", name="Response format").click()
        page.get_by_role("option", name=re.compile("^Hugging Face")).first.click()
        send(page)
        expect(page.get_by_text("What the reply looks like")).to_be_visible()
        page.get_by_role("button", name="Read it so").first.click()
        expect(page.get_by_text("Do the boxes sit on the objects?")).to_be_visible()
        expect(page.get_by_role("combobox", name="Response format")).to_have_value(
            "SageMaker built-in object detection"
        )

    def test_an_option_is_kept(self, app, page):
        """An option that differs from the format's default is still set, and in sight, after a reload."""
        open_endpoint(page, app, "serverless")
        page.get_by_text("Options of this format").click()
        base = page.get_by_role("combobox", name="class-base")
        base.click()
        page.get_by_role("option", name="1", exact=True).click()
        expect(base).to_have_value("1")
        page.wait_for_timeout(1000)
        page.reload()
        expect(base).to_have_value("1")

    def test_a_preset_goes_to_a_colleague(self, app, page, tmp_path):
        """A preset saved as a file is taken by another endpoint, labels and all."""
        preset = {"format": "hugging-face", "class_names": ["cat", "dog"], "options": {}}
        path = tmp_path / "presets.json"
        path.write_text(json.dumps({"smviz_presets": 1, "presets": {"pets": preset}}))
        open_endpoint(page, app, "shadowed")
        give_preset(page, path)
        page.get_by_role("button", name="Use this preset").click()
        expect(page.get_by_role("combobox", name="Response format")).to_have_value(re.compile("Hugging Face"))
        with page.expect_download() as download:
            page.get_by_role("button", name="Save the preset").click()
        saved = json.loads(Path(download.value.path()).read_text())
        assert list(saved["presets"].values()) == [preset]

    def test_a_file_that_is_no_preset_is_told(self, app, page, tmp_path):
        """Another JSON file is refused in words."""
        path = tmp_path / "other.json"
        path.write_text("{}")
        open_endpoint(page, app, "shadowed")
        give_preset(page, path)
        expect(page.get_by_text("no file of presets")).to_be_visible()


class TestSize:
    def test_what_is_too_large_is_offered_smaller(self, app, page):
        """A serverless endpoint takes 4 MB: a larger image is not sent until a smaller one is agreed to."""
        noise = np.random.default_rng(0).integers(0, 255, (1500, 2000, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(noise).save(buffer, "PNG")
        page.goto(f"{app}/Detect?region=us-east-1&endpoint=serverless&source=Upload")
        page.locator('input[type="file"]').set_input_files(
            {"name": "noise.png", "mimeType": "image/png", "buffer": buffer.getvalue()}
        )
        expect(page.get_by_text("a serverless endpoint takes 4 MB")).to_be_visible()
        expect(page.locator("[data-ready]")).to_have_count(0)
        page.get_by_label("Longest side, pixels").fill("1000")
        page.keyboard.press("Enter")
        page.get_by_text("Send it as 1000 × 750 pixels").click()
        expect(page.locator('[data-ready="1"]')).to_have_count(1)
        expect(page.get_by_text("scaled to 1000 x 750 pixels")).to_be_visible()
