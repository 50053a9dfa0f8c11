"""Whose thresholds are saved, what may be saved, and how it is told."""

from dataclasses import replace

import pytest

from smviz.errors import BadSetting
from smviz.settings import Connection, Preset, Request
from smviz.store import Run, SavedThresholds
from smviz.thresholds import Threshold, Thresholds, dumps
from smviz.ui.saved import answering_of, checked, origin_in_words, read_file, values_in_words

RUN = Run("4f2a9c1b", "nightly", "2026-01-01", Connection("eu-west-1"), Request("traffic"), Preset("x"), 1, 1, 0)
CHOSEN = Thresholds(
    Threshold(0.4), {"car": Threshold(0.612), "van": Threshold(0.25)}, objective="recall>=0.8", run_name="night_1"
)


def key(**request):
    """What thresholds for a run with such a request are kept under."""
    return answering_of(replace(RUN, request=Request("traffic", **request))).key


class TestAnsweringOf:
    def test_what_answers_has_its_own(self):
        """An endpoint, each of its variants, components and artefacts: no two share thresholds."""
        keys = [key(), key(variant="A"), key(variant="B"), key(component="c"), key(target_model="m.tar.gz")]
        assert len(set(keys)) == len(keys)
        assert key(variant="A", accept="text/csv") == key(variant="A")

    def test_the_region_counts(self):
        """Endpoints of one name in two regions are two; one on this machine is the same at whichever port."""
        elsewhere = replace(RUN, connection=Connection("us-east-1"))
        ports = [replace(RUN, connection=Connection("us-east-1", f"http://127.0.0.1:{port}")) for port in (1, 2)]
        embedded = {answering_of(run).key for run in ports}
        assert embedded == {"embedded/traffic"}
        assert len({answering_of(RUN).key, answering_of(elsewhere).key, *embedded}) == 3

    def test_can_be_opened_on_detect(self):
        """Region, endpoint, variant and whose credentials are kept."""
        where = Connection("eu-west-1", profile="work", role="arn:aws:iam::123456789012:role/r")
        chosen = answering_of(replace(RUN, connection=where, request=Request("traffic", "A"))).chosen
        assert (chosen.region, chosen.endpoint, chosen.variant) == ("eu-west-1", "traffic", "A")
        assert (chosen.profile, chosen.role) == (where.profile, where.role)


class TestReadFile:
    def test_what_was_written(self):
        """With or without a mark of the byte order."""
        for mark in (b"", b"\xef\xbb\xbf"):
            assert read_file(mark + dumps(CHOSEN).encode()) == CHOSEN

    @pytest.mark.parametrize(
        ("data", "message"), [(b"\xff\xfe", "no text in UTF-8"), (b"", "not JSON"), (b"[]", "no file of thresholds")]
    )
    def test_what_is_none(self, data, message):
        """It is told, with what to do."""
        with pytest.raises(BadSetting, match=message) as caught:
            read_file(data)
        assert caught.value.advice

    @pytest.mark.parametrize("value", [-0.1, 1.0001, 7])
    def test_what_a_slider_does_not_have(self, value):
        """A threshold beyond 0 and 1 is named."""
        with pytest.raises(BadSetting, match="of all classes"):
            checked(Thresholds(Threshold(value)))
        with pytest.raises(BadSetting, match="of “car”"):
            checked(Thresholds(Threshold(0.5), {"car": Threshold(value)}))
        assert checked(Thresholds(Threshold(0), {"car": Threshold(1)}))


class TestWords:
    def test_values(self):
        """One, or from which to which for how many classes."""
        assert values_in_words(CHOSEN) == "0.250 – 0.612 for 2 classes"
        assert values_in_words(replace(CHOSEN, classes={"car": Threshold(0.5)})) == "0.500 for 1 class"
        assert values_in_words(replace(CHOSEN, classes={})) == "0.400 for all classes"

    @pytest.mark.parametrize(
        ("changes", "file", "words"),
        [
            ({}, "", r"from run **night\_1**, Recall ≥ 0.8"),
            ({}, "a*.json", r"from run **night\_1** by way of the file a\*.json, Recall ≥ 0.8"),
            ({"run_name": "", "objective": ""}, "", "set by hand"),
            ({"run_name": "", "objective": "luck"}, "", "for luck"),
        ],
    )
    def test_origin(self, changes, file, words):
        """Run, file and objective as far as they are known; text from a file is no Markdown."""
        kept = SavedThresholds(replace(CHOSEN, **changes), "2026-01-02T03:04:05+00:00", file)
        assert origin_in_words(kept) == f"{words}, saved 2026-01-02 03:04 UTC"
