"""The gate: what it may be asked, when a number holds and when it fell behind, and what it writes for a pipeline."""

import json
import math
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from coco_sets import NUMBERS, coco_json, random_set, results_json

from smviz.annotations import parse_ground_truth, parse_results
from smviz.errors import BadSetting
from smviz.evaluation import evaluate
from smviz.gate import (
    Check,
    MaxDrop,
    Numbers,
    StoredNumbers,
    Verdict,
    call_numbers,
    judge_check,
    judge_drops,
    junit_xml,
    markdown,
    on_common_images,
    parse_check,
    parse_max_drop,
)
from smviz.intervals import Bootstrap, difference
from smviz.intervals.resampling import class_numbers
from smviz.records import Failure, ImageRef, Outcome, Reply
from smviz.reporting.numbers import At, numbers_document
from smviz.settings import Connection, Preset, Request
from smviz.store import Store

IMAGES = 60


def scenes(found, seed=0, images=IMAGES):
    """An evaluation of two classes, "class 0" and "class 1", of which so large a share is found; none is large."""
    rng = np.random.default_rng(seed)
    objects, results = [], []
    for image in range(images):
        for k in range(2):
            for i in range(2):
                box = np.array([120.0 * i, 120.0 * k, 60.0, 60.0])
                objects.append((image, k, box, 3600.0, 0))
                luck = rng.random()
                noise = rng.normal(0, 2, 4)
                if luck < found:
                    results.append((image, k, box + noise, round(0.5 + luck / 2, 6)))
            if rng.random() < 0.4:
                results.append((image, k, (300, 300, 50, 50), round(rng.random(), 6)))
    truth = parse_ground_truth(json.dumps(coco_json(range(images), 2, objects)).encode())
    return evaluate(truth, parse_results(json.dumps(results_json(results)).encode(), truth))


@pytest.fixture(scope="module")
def good():
    """Most objects are found."""
    return scenes(0.9)


@pytest.fixture(scope="module")
def bad():
    """On the same images many fewer are found."""
    return scenes(0.5)


def stored(evaluation, **more):
    """The document that `smviz evaluate --json` prints."""
    return json.loads(json.dumps(numbers_document(evaluation, (), **more)))


class TestParsing:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("AP50>=0.6", ("AP50", ">=", 0.6)),
            ("  latency_p95 < .5 ", ("latency_p95", "<", 0.5)),
            ("traffic light.AP50>=0.5", ("traffic light.AP50", ">=", 0.5)),
            ("a>b.AP<=1.", ("a>b.AP", "<=", 1.0)),
            ("v1.5 truck.recall>0", ("v1.5 truck.recall", ">", 0.0)),
            ("автомобиль.AP>=0.1", ("автомобиль.AP", ">=", 0.1)),
        ],
    )
    def test_a_check(self, text, expected):
        """The last comparison counts, so a class may be called anything."""
        check = parse_check(text)
        assert (check.name, check.comparison, check.bound) == expected

    @pytest.mark.parametrize(
        "text", ["", " ", "AP", ">=0.5", "AP50=0.5", "AP>=x", "AP>=-1", "AP>=1e-3", "AP>=٣", "AP>=nan"]
    )
    def test_no_check(self, text):
        """It is named, with what to write."""
        with pytest.raises(BadSetting, match="is no check") as error:
            parse_check(text)
        assert "AP50>=0.6" in error.value.advice

    @pytest.mark.parametrize(
        ("text", "expected"),
        [("0.01", ("", 0.01)), ("AP50=0.02", ("AP50", 0.02)), (" a=b.AP = 0", ("a=b.AP", 0.0)), ("1", ("", 1.0))],
    )
    def test_a_drop(self, text, expected):
        """Of every number, or of one."""
        assert parse_max_drop(text) == MaxDrop(*expected)

    @pytest.mark.parametrize("text", ["", "x", "-0.1", "=0.1", "AP50=", "AP50=-1", "nan", "AP50<0.1"])
    def test_no_drop(self, text):
        """It is named, with what to write."""
        with pytest.raises(BadSetting, match="is no drop"):
            parse_max_drop(text)


class TestNumbers:
    def test_the_twelve(self, good):
        """They are COCO's."""
        numbers = Numbers(good)
        told = {name: numbers.value(numbers.find(name)) for name in NUMBERS}
        assert told == pytest.approx(good.numbers, abs=0, nan_ok=True)

    def test_rates_at_the_threshold(self, good):
        """Precision, recall and F1 are those of all classes together, or of a class, at the confidence and IoU 0.5."""
        numbers = Numbers(good, 0.7)
        counts = good.sweep(None, 0.5).at(0.7)
        row = good.class_table(0.7)[1]
        for rate in ("precision", "recall", "f1"):
            assert numbers.value(numbers.find(rate)) == getattr(counts, rate)
            assert numbers.value(numbers.find(f"class 1.{rate}")) == getattr(row, rate)

    @pytest.mark.parametrize("seed", range(12))
    def test_the_twelve_of_a_class(self, seed):
        """They are those that the intervals of classes have as points, and AP and AP50 those of the class table."""
        truth, found = (json.dumps(part).encode() for part in random_set(seed))
        ground_truth = parse_ground_truth(truth)
        evaluation = evaluate(ground_truth, parse_results(found, ground_truth))
        numbers = Numbers(evaluation)
        everything = np.ones((1, len(ground_truth.image_names)), np.uint8)
        expected = class_numbers(evaluation.matches, everything)[:, 0]
        for k, name in enumerate(ground_truth.class_names):
            told = [numbers.value(numbers.find(f"{name}.{number}")) for number in NUMBERS]
            assert told == pytest.approx(expected[:, k], abs=1e-12, nan_ok=True)
            row = evaluation.class_table(0.0)[k]
            assert [told[0], told[1]] == pytest.approx([row.ap, row.ap50], abs=0, nan_ok=True)

    def test_intervals(self, good):
        """They are the bootstrap's, pooled and of a class."""
        numbers, bootstrap = Numbers(good, 0.7), Bootstrap(good.matches)
        pooled, classes = bootstrap.rates(0.7)
        assert numbers.interval(numbers.find("AP50")) == bootstrap.numbers()["AP50"]
        assert numbers.interval(numbers.find("class 1.AR10")) == bootstrap.classes("AR10")[1]
        assert numbers.interval(numbers.find("recall")) == pooled.recall
        assert numbers.interval(numbers.find("class 0.precision")) == classes[0].precision

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("AP99", "no number “AP99”"),
            ("ap50", "no number “ap50”"),
            ("class 0.AP99", "no number"),
            ("class 0.failures", "no number"),
            (".AP", "no class “”"),
            ("bus.AP50", "no class “bus”"),
            ("recall", "needs a confidence"),
            ("class 0.f1", "needs a confidence"),
            ("latency_p95", "does not tell"),
            ("failures", "does not tell"),
        ],
    )
    def test_what_is_not_there(self, good, name, words):
        """The message says what is missing: the number, the class, the threshold or the run."""
        with pytest.raises(BadSetting, match=words):
            Numbers(good).find(name)

    def test_calls(self, tmp_path):
        """Failures and images without a reply are counted; latency is that of calls, not of replies known before."""

        def outcome(name, latency=None, reused=False):
            reply = None if latency is None else Reply(b"{}", "application/json", latency, "A")
            failure = None if reply else Failure("ModelError", "It broke.", "Look.")
            return Outcome(name, "0" * 64, 64, 48, 1, reply, failure, reused)

        outcomes = [outcome("a", 0.1), outcome("b", 0.3), outcome("c", 9.0, reused=True), outcome("d")]
        with Store(tmp_path) as store:
            images = [ImageRef(name, data=b"-") for name in "abcde"]
            run = store.create_run("r", Connection("us-east-1"), Request("e"), Preset("builtin-ssd"), images)
            for one in outcomes:
                store.append(run.id, one)
            store.flush()
            told = call_numbers(store.run(run.id), outcomes)
        assert told == {
            "failures": 1,
            "unanswered": 2,
            "latency_p50": pytest.approx(0.2),
            "latency_p95": pytest.approx(0.29),
            "latency_p99": pytest.approx(0.298),
        }


class TestChecks:
    def test_a_bound_that_is_just_met(self, good):
        """>= and > tell apart a number from itself."""
        value = good.numbers["AP"]
        assert judge_check(Check("", "AP", ">=", value), Numbers(good)).passed
        assert not judge_check(Check("", "AP", ">", value), Numbers(good)).passed

    @pytest.mark.parametrize("check", ["APl>=0", "APl<=1", "class 0.ARl>=0"])
    @pytest.mark.parametrize("use_interval", [False, True])
    def test_an_undefined_number(self, good, check, use_interval):
        """It keeps no bound, and the sentence says so."""
        verdict = judge_check(parse_check(check), Numbers(good), use_interval)
        assert not verdict.passed
        assert "undefined" in verdict.why
        assert math.isnan(verdict.value)

    def test_the_unfavourable_end(self, good):
        """With intervals a bound between the number and its unfavourable end is not kept; without, it is."""
        interval = Bootstrap(good.matches).numbers()["AP50"]
        below, above = (interval.low + interval.point) / 2, (interval.high + interval.point) / 2
        for comparison, bound, beyond in ((">=", below, interval.low), ("<=", above, interval.high)):
            check = Check("", "AP50", comparison, bound)
            assert judge_check(check, Numbers(good)).passed
            assert not judge_check(check, Numbers(good), use_interval=True).passed
            assert judge_check(replace(check, bound=beyond), Numbers(good), use_interval=True).passed

    def test_one_image_has_no_interval(self):
        """Then nothing is certain, and a check that asks for certainty fails and says why."""
        numbers = Numbers(scenes(1.0, images=1))
        assert judge_check(parse_check("AP50>=0"), numbers).passed
        verdict = judge_check(parse_check("AP50>=0"), numbers, use_interval=True)
        assert not verdict.passed
        assert "too few images" in verdict.why

    def test_calls_have_no_interval(self, good):
        """Failures and latency are judged by themselves, also where intervals are asked for."""
        numbers = Numbers(good, calls={"failures": 0.0, "latency_p95": math.nan})
        assert judge_check(parse_check("failures<=0"), numbers, use_interval=True).passed
        assert judge_check(parse_check("failures<=0"), numbers).why == "failures is 0."
        assert not judge_check(parse_check("latency_p95<=1"), numbers).passed


class TestDrops:
    def test_of_every_number(self, good, bad):
        """The twelve numbers are compared, and the rates where there is a threshold; what neither has is left out."""
        names = [verdict.name for verdict in judge_drops([MaxDrop("", 0)], Numbers(bad), Numbers(good))]
        assert names == [name for name in NUMBERS if name[-1] not in "ls"]
        names = [verdict.name for verdict in judge_drops([MaxDrop("", 0)], Numbers(bad, 0.5), Numbers(good, 0.5))]
        assert names[-3:] == ["precision", "recall", "f1"]

    def test_more_than_it_may(self, good, bad):
        """A number fails exactly when it lost more than the most, and never for gaining."""
        lost = good.numbers["AP50"] - bad.numbers["AP50"]
        assert lost > 0.1
        for most, passed in ((0.0, False), (lost * 0.99, False), (lost, True), (1.0, True)):
            [verdict] = judge_drops([MaxDrop("AP50", most)], Numbers(bad), Numbers(good))
            assert verdict.passed == passed
            assert verdict.change == pytest.approx(-lost)
        assert all(verdict.passed for verdict in judge_drops([MaxDrop("", 0)], Numbers(good), Numbers(bad)))

    def test_itself(self, good):
        """A run is never behind itself."""
        assert all(verdict.passed for verdict in judge_drops([MaxDrop("", 0)], Numbers(good, 0.5), Numbers(good, 0.5)))

    def test_one_number_may_drop_more(self, good, bad):
        """A drop of a name stands above that of every number, in whichever order they are given."""
        for drops in ([MaxDrop("", 0), MaxDrop("AP50", 1)], [MaxDrop("AP50", 1), MaxDrop("", 0)]):
            verdicts = {one.name: one.passed for one in judge_drops(drops, Numbers(bad), Numbers(good))}
            assert verdicts["AP50"]
            assert not verdicts["AP"]

    def test_by_the_paired_interval(self, good, bad):
        """With intervals a loss fails where the upper end of the paired difference is below 0, as told by intervals."""
        expected = difference(Bootstrap(good.matches), Bootstrap(bad.matches)).numbers()["AP50"].interval
        [verdict] = judge_drops([MaxDrop("AP50", 0.01)], Numbers(bad), Numbers(good), use_interval=True)
        assert (verdict.low, verdict.high) == (expected.low, expected.high)
        assert expected.high < 0
        assert not verdict.passed
        assert "not by chance" in verdict.why

    def test_a_loss_that_may_be_chance(self, good):
        """One object less of 240 is no certain loss: it fails without intervals and passes with them."""
        matches = good.matches
        worst = matches.prediction[np.flatnonzero(matches.true_positive(0.5))[0]]
        keep = np.arange(len(matches.predictions)) != worst
        columns = {
            name: getattr(matches.predictions, name)[keep] for name in ("image", "class_id", "ltwh", "confidence")
        }
        less = evaluate(matches.ground_truth, replace(matches.predictions, **columns))
        drops = [MaxDrop("AP50", 0.0)]
        assert not judge_drops(drops, Numbers(less), Numbers(good))[0].passed
        [verdict] = judge_drops(drops, Numbers(less), Numbers(good), use_interval=True)
        assert verdict.passed
        assert "may be chance" in verdict.why

    def test_a_certain_loss_within_what_is_allowed(self, good, bad):
        """It passes: both must be so, certain and more than allowed."""
        [verdict] = judge_drops([MaxDrop("AP50", 0.9)], Numbers(bad), Numbers(good), use_interval=True)
        assert verdict.high < 0
        assert verdict.passed

    def test_of_a_class_and_of_rates(self, good, bad):
        """They are compared by name, with the intervals of their differences."""
        drops = [MaxDrop("class 1.AP", 0.01), MaxDrop("class 0.recall", 0.01), MaxDrop("f1", 0.01)]
        verdicts = judge_drops(drops, Numbers(bad, 0.5), Numbers(good, 0.5), use_interval=True)
        paired = difference(Bootstrap(good.matches), Bootstrap(bad.matches))
        pooled, classes = paired.rates(0.5, 0.5)
        expected = [paired.classes("AP")[1], classes[0].recall, pooled.f1]
        assert [verdict.high for verdict in verdicts] == [one.interval.high for one in expected]
        assert not any(verdict.passed for verdict in verdicts)

    def test_undefined_in_both(self, good, bad):
        """It fails where it was asked for by name."""
        [verdict] = judge_drops([MaxDrop("APl", 0.5)], Numbers(bad), Numbers(good))
        assert not verdict.passed
        assert "undefined" in verdict.why

    def test_one_image(self):
        """A loss that nothing can be told of is not waved through as chance."""
        here, before = Numbers(scenes(0.0, images=1)), Numbers(scenes(1.0, images=1))
        [verdict] = judge_drops([MaxDrop("AP50", 0.1)], here, before, use_interval=True)
        assert not verdict.passed
        assert "too few images" in verdict.why

    @pytest.mark.parametrize("name", ["latency_p95", "failures"])
    def test_what_cannot_drop(self, good, name):
        """Numbers that are better when lower are for checks, and the message says so."""
        with pytest.raises(BadSetting, match="better when it is lower") as error:
            judge_drops([MaxDrop(name, 0)], Numbers(good), Numbers(good))
        assert "--check" in error.value.advice

    def test_another_ground_truth(self, good):
        """Numbers by other labels are not compared."""
        truth = good.matches.ground_truth
        moved = evaluate(replace(truth, ltwh=truth.ltwh + 1), good.matches.predictions)
        with pytest.raises(BadSetting, match="another ground truth"):
            judge_drops([MaxDrop("", 0)], Numbers(good), Numbers(moved))


class TestStoredNumbers:
    def test_are_compared(self, good, bad):
        """What evaluate printed once stands for its run, in full precision, with classes and rates."""
        kept = StoredNumbers.read(json.dumps(stored(good, at=At(0.5))), "old.json")
        drops = [MaxDrop("", 0), MaxDrop("class 1.AP50", 0), MaxDrop("class 1.f1", 0)]
        told = judge_drops(drops, Numbers(bad, 0.5), kept)
        expected = judge_drops(drops, Numbers(bad, 0.5), Numbers(good, 0.5))
        assert told == expected

    def test_rates_at_another_threshold(self, good):
        """They are not compared: the baseline has none at this one."""
        kept = StoredNumbers.read(json.dumps(stored(good, at=At(0.4))), "old.json")
        [verdict] = judge_drops([MaxDrop("recall", 0)], Numbers(good, 0.5), kept)
        assert "no recall to compare" in verdict.why

    def test_no_intervals(self, good):
        """They have no resamples, and that is told with what to give instead."""
        kept = StoredNumbers.read(json.dumps(stored(good)), "old.json")
        with pytest.raises(BadSetting, match="without resamples"):
            judge_drops([MaxDrop("", 0)], Numbers(good), kept, use_interval=True)

    def test_of_other_images(self, good):
        """The counts of images and objects tell, and are named."""
        kept = StoredNumbers.read(json.dumps(stored(scenes(0.9, images=50))), "old.json")
        with pytest.raises(BadSetting, match="50 images with 200 objects"):
            judge_drops([MaxDrop("", 0)], Numbers(good), kept)

    def test_of_other_labels(self, good):
        """A report tells the fingerprint of its ground truth, so that the same counts are not enough."""
        document = stored(good) | {"provenance": {"ground_truth": "0" * 64}}
        kept = StoredNumbers.read(json.dumps(document), "report.json")
        with pytest.raises(BadSetting, match="which differ"):
            judge_drops([MaxDrop("", 0)], Numbers(good), kept)
        document["provenance"]["ground_truth"] = Numbers(good).fingerprint
        judge_drops([MaxDrop("", 0)], Numbers(good), StoredNumbers.read(json.dumps(document), "report.json"))

    @pytest.mark.parametrize(
        "text", ["", "{", "1", "null", "{}", '{"AP": 0.5}', '{"per_class": {}, "settings": []}', "[" * 100_000]
    )
    def test_a_file_that_holds_none(self, text):
        """It is told by its name."""
        with pytest.raises(BadSetting, match=r"old\.json"):
            StoredNumbers.read(text, "old.json")

    @pytest.mark.parametrize(
        "change",
        [{"AP": "high"}, {"AP": True}, {"per_class": [1, None, {}]}, {"per_class": []}, {"at_confidence": 7}],
    )
    def test_odd_values(self, good, change):
        """They count as numbers that the baseline does not have."""
        kept = StoredNumbers.read(json.dumps(stored(good) | change), "old.json")
        drops = [MaxDrop("AP", 0), MaxDrop("class 0.AP", 0), MaxDrop("f1", 0)]
        verdicts = judge_drops(drops, Numbers(good, 0.5), kept)
        assert any("no " in verdict.why for verdict in verdicts)


class TestCommonImages:
    def test_the_same_images(self, good, bad):
        """Nothing is matched again."""
        assert on_common_images(good, bad) == (good, bad, 0)

    def test_some_are_missing(self, good):
        """Both are judged on what both have, as if the others had never been there."""
        part = _on_images(good, range(50))
        here, there, left_out = on_common_images(part, _on_images(good, range(10, 60)))
        expected = _on_images(good, range(10, 50))
        assert left_out == 20
        for one in (here, there):
            assert one.numbers == pytest.approx(expected.numbers, abs=0, nan_ok=True)
            assert Numbers(one).fingerprint == Numbers(expected).fingerprint

    def test_none_in_common(self, good):
        """It is told."""
        with pytest.raises(BadSetting, match="none of the images"):
            on_common_images(_on_images(good, range(10)), _on_images(good, range(10, 20)))


def _on_images(evaluation, kept):
    """The same, of some images only, made from new files."""
    truth, found = evaluation.matches.ground_truth, evaluation.matches.predictions
    place = {image: position for position, image in enumerate(kept)}
    objects, detections = np.isin(truth.image, list(kept)), np.isin(found.image, list(kept))
    part = replace(
        truth,
        image_names=tuple(truth.image_names[i] for i in kept),
        image_ids=tuple(truth.image_ids[i] for i in kept),
        image_sizes=truth.image_sizes[list(kept)],
        image=[place[i] for i in truth.image[objects].tolist()],
        **{name: getattr(truth, name)[objects] for name in ("class_id", "ltwh", "area", "crowd", "ignore")},
    )
    columns = {name: getattr(found, name)[detections] for name in ("class_id", "ltwh", "confidence")}
    return evaluate(part, replace(found, image=[place[i] for i in found.image[detections].tolist()], **columns))


def verdict(asked="AP50>=0.6", passed=True, why="AP50 is 0.7.", kind="check", **more):
    numbers = {"value": 0.7, "low": math.nan, "high": math.nan, "baseline": math.nan}
    return Verdict(kind=kind, asked=asked, name="AP50", passed=passed, why=why, **numbers | more)


NASTY = "a<b>&\"quote'|`tick``x\x00\x1b[31m\ud800 @team [link](http://x) | end"


class TestJunit:
    def test_counts_and_cases(self):
        """A case for each verdict; failed ones say why; the counts agree."""
        told = junit_xml([verdict(), verdict("AP>=0.9", False, "AP is 0.5."), verdict("AP drops", kind="baseline")])
        root = ElementTree.fromstring(told)
        suite = root.find("testsuite")
        assert told.startswith(b"<?xml")
        assert {name: suite.get(name) for name in ("name", "tests", "failures")} == {
            "name": "smviz",
            "tests": "3",
            "failures": "1",
        }
        cases = [(case.get("classname"), case.get("name")) for case in suite]
        assert cases == [("smviz.check", "AP50>=0.6"), ("smviz.check", "AP>=0.9"), ("smviz.baseline", "AP drops")]
        failures = [case.find("failure") for case in suite]
        assert [one is not None for one in failures] == [False, True, False]
        assert failures[1].get("message") == "AP is 0.5."

    def test_names_are_text(self):
        """Whatever a class is called, the file is XML and has the name in it, but for what XML cannot say."""
        [suite] = ElementTree.fromstring(junit_xml([verdict(NASTY, False, NASTY)], NASTY))
        expected = NASTY.replace("\x00", "\ufffd").replace("\x1b", "\ufffd").replace("\ud800", "\ufffd")
        assert suite.get("name") == expected
        assert suite[0].get("name") == expected
        assert suite[0][0].get("message") == expected


class TestMarkdown:
    def test_a_table(self):
        """A headline with the count, a row for each verdict, and the notes."""
        drop = verdict("AP drops by at most 0", False, "It fell.", "baseline", baseline=0.8, low=-0.2, high=-0.05)
        lines = markdown([verdict(), drop], "Run x: 80 images", ["One note."]).splitlines()
        assert lines[0] == "### ❌ smviz: 1 of 2 checks failed"
        assert "| ✅ passed | `AP50>=0.6` | 0.700 |  |  |  | AP50 is 0.7. |" in lines
        cells = [cell.strip() for cell in lines[-3].strip("|").split("|")]
        assert cells[1:6] == ["`AP drops by at most 0`", "0.700", "0.800", "-0.100", "-0.200 to -0.050"]
        assert lines[-1] == "- One note."
        assert markdown([verdict()]).startswith("### ✅ smviz: 1 check passed")

    def test_names_are_text(self):
        """No class can break the table, become markup or call somebody."""
        told = markdown([verdict(NASTY, False, NASTY, value=math.nan)], NASTY, [NASTY])
        [row] = [line for line in told.splitlines() if line.startswith("| ❌")]
        unescaped = row.replace("\\|", "")
        assert unescaped.count("|") == 8
        assert "| ``` a<b>" in row  # a code span, in which nothing is markup, closed by as many ticks
        assert "—" in row
        why = row.split("```")[-1]
        assert "\\<b\\>" in why
        assert "\\[link\\]" in why
        assert "@team" not in why
