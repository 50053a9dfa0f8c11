"""S3 as a source of images on Evaluate: the page in this process, against moto's S3 and an embedded endpoint."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
import streamlit as st
from moto import mock_aws
from streamlit.testing.v1 import AppTest

from smviz.local import SAMPLES
from smviz.store import Store

APP = Path(__file__).parent.parent / "streamlit_app.py"
SECONDS = 60


@pytest.fixture
def workspace(monkeypatch, tmp_path) -> Iterator[Path]:
    """A machine with nothing but moto's AWS, which has a bucket of three scenes, and an empty workspace."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "SMVIZ_"))]:
        monkeypatch.delenv(name)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SMVIZ_WORKSPACE", str(tmp_path / "workspace"))
    st.cache_resource.clear()
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="scenes")
        for path in SAMPLES.images[:3]:
            s3.upload_file(str(path), "scenes", f"night 1/{path.name}")
        yield tmp_path / "workspace"
    st.cache_resource.clear()


def choose(page: AppTest, prefix: str) -> None:
    """Have the images of a new run taken from there."""
    page.segmented_control(key="run source").set_value("S3").run()
    page.text_input(key="run prefix").set_value(prefix).run()


def words(page: AppTest) -> str:
    """What stands on the page."""
    shown = (*page.markdown, *page.caption, *page.error, *page.warning)
    return "\n".join(element.value.replace("\\", "") for element in shown)


def run_all(page: AppTest, workspace: Path, number: int) -> tuple[int, int]:
    """Press the button; how many images have a reply at the end, and how many of those were known."""
    next(button for button in page.button if button.label.startswith("Run 3 images")).click().run()
    assert not page.exception
    with Store(workspace) as store:
        end = time.monotonic() + SECONDS
        while len(store.runs()) < number or store.claims():
            assert time.monotonic() < end, "the run did not end in time"
            time.sleep(0.05)
        run = store.runs()[0]
        assert run.source == "s3://scenes/night 1"
        return run.answered, sum(outcome.reused for outcome in store.iter_outcomes(run.id))


def test_images_in_s3(workspace):
    """They are listed, called for and kept; a second run calls for none, which is told once they are read; and a bucket
    that is not there is told in the form."""
    page = AppTest.from_file(str(APP), default_timeout=SECONDS).switch_page("pages/3_Evaluate.py").run()
    choose(page, "s3://nobody/here")
    assert "bucket does not exist" in words(page)
    choose(page, "s3://scenes/nothing")
    assert "No images there" in words(page)
    choose(page, "s3://scenes/night 1")
    assert "3 calls on this machine cost nothing" in words(page)
    assert "in S3" not in words(page), "where no reply is known at all, nothing is left open"
    page.checkbox[0].check().run()
    assert run_all(page, workspace, 1) == (3, 0)

    time.sleep(1)  # a run's name has the second that it was made in
    page.run()
    assert "s3://scenes/night 1" in words(page)
    assert "Of 3 images in S3 that is not known before they are read." in words(page)
    assert run_all(page, workspace, 2) == (3, 3)
    page.run()
    assert "Every reply was known from an earlier run" in words(page)
    assert not page.exception
