"""What is set from outside: the environment, and nothing else."""

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from smviz.errors import BadSetting
from smviz.settings import Connection, MatchSettings, Preset, Request, Settings

RUNTIME, CONTROL = "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", "AWS_ENDPOINT_URL_SAGEMAKER"


class TestFromEnvironment:
    def test_nothing_is_set(self):
        """The workspace is a folder of the home folder, the rest is left open."""
        assert Settings.from_environment({}) == Settings(Path.home() / ".smviz", None, None)

    def test_the_workspace(self, tmp_path):
        """SMVIZ_WORKSPACE names the folder."""
        assert Settings.from_environment({"SMVIZ_WORKSPACE": str(tmp_path)}).workspace == tmp_path

    @pytest.mark.parametrize(
        ("environment", "url"),
        [
            ({RUNTIME: "http://a:1"}, "http://a:1"),
            ({CONTROL: "http://b:2"}, "http://b:2"),
            ({CONTROL: "http://b:2", RUNTIME: "http://a:1"}, "http://a:1"),
            ({CONTROL: "http://b:2", RUNTIME: ""}, "http://b:2"),
        ],
    )
    def test_the_url(self, environment, url):
        """Either variable of boto3 names where SageMaker is; the runtime's comes first."""
        assert Settings.from_environment(environment).sagemaker_url == url

    @pytest.mark.parametrize(
        ("environment", "region"),
        [
            ({"AWS_REGION": "eu-west-1"}, "eu-west-1"),
            ({"AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-2"),
            ({"AWS_DEFAULT_REGION": "eu-west-2", "AWS_REGION": "eu-west-1"}, "eu-west-1"),
            ({"AWS_DEFAULT_REGION": "eu-west-2", "AWS_REGION": ""}, "eu-west-2"),
        ],
    )
    def test_the_region(self, environment, region):
        """AWS_REGION comes before AWS_DEFAULT_REGION, and an empty variable counts as none."""
        assert Settings.from_environment(environment).region == region

    @pytest.mark.parametrize(
        ("word", "allowed"),
        [("1", True), ("true", True), (" Yes ", True), ("0", False), ("FALSE", False), ("no", False), ("", None)],
    )
    def test_whether_to_deploy(self, word, allowed):
        """SMVIZ_ALLOW_DEPLOY says yes or no; empty or unset, it is not said."""
        assert Settings.from_environment({"SMVIZ_ALLOW_DEPLOY": word}).allow_deploy is allowed

    def test_the_runs_to_replay(self, tmp_path):
        """SMVIZ_REPLAY names a folder of shared runs; empty or unset, the workspace is used."""
        assert Settings.from_environment({"SMVIZ_REPLAY": str(tmp_path)}).replay == tmp_path
        assert Settings.from_environment({"SMVIZ_REPLAY": "~/shared"}).replay == Path.home() / "shared"
        assert Settings.from_environment({"SMVIZ_REPLAY": " "}).replay is None

    def test_neither_yes_nor_no(self):
        """A word that is neither is refused by name, never taken for one of them."""
        with pytest.raises(BadSetting, match="SMVIZ_ALLOW_DEPLOY is 'maybe'"):
            Settings.from_environment({"SMVIZ_ALLOW_DEPLOY": "maybe"})

    def test_variables_that_are_empty(self):
        """Empty counts as not set, for all of them."""
        empty = dict.fromkeys(["SMVIZ_WORKSPACE", RUNTIME, CONTROL, "AWS_REGION", "AWS_DEFAULT_REGION"], "")
        settings = Settings.from_environment(empty)
        assert settings.workspace == Path.home() / ".smviz"
        assert not settings.sagemaker_url
        assert not settings.region

    def test_reads_this_process_by_default(self, monkeypatch, tmp_path):
        """Without an argument it is the environment of now, not that of the import."""
        monkeypatch.setenv("SMVIZ_WORKSPACE", str(tmp_path / "elsewhere"))
        assert Settings.from_environment().workspace == tmp_path / "elsewhere"


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        (Connection("x"), "region"),
        (Request("e"), "endpoint"),
        (Preset("p"), "format"),
        (MatchSettings(), "ious"),
        (Settings(Path()), "workspace"),
    ],
)
def test_settings_are_values(settings, field):
    """They cannot be changed, and can be the key of a cache."""
    with pytest.raises(FrozenInstanceError):
        setattr(settings, field, None)
    assert len({settings, settings}) == 1


def test_matching_is_cocos_by_default():
    """Ten IoUs from 0.5 to 0.95, areas split at 32 and 96 pixels squared, 1, 10 and 100 detections."""
    settings = MatchSettings()
    assert settings.ious == tuple(round(0.5 + 0.05 * i, 2) for i in range(10))
    assert settings.areas == (("all", 0, 1e10), ("small", 0, 1024), ("medium", 1024, 9216), ("large", 9216, 1e10))
    assert settings.max_detections == (1, 10, 100)
