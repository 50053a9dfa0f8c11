"""Thresholds are exact: every distinct score is tried."""

from dataclasses import replace

import numpy as np
import pytest
from coco_sets import random_columns, small_set
from hypothesis import given, settings
from hypothesis import strategies as st

from smviz.errors import BadSetting
from smviz.matching import match
from smviz.metrics import counts, per_class
from smviz.operating import (
    EXAMPLES,
    F1,
    Objective,
    Sweep,
    ThresholdTable,
    best_f1,
    fingerprint,
    flat_region,
    operating_point,
    operating_points,
    parse_objective,
    sweep,
    sweeps,
)

BOX = (0, 0, 40, 40)
FAR = (300, 300, 40, 40)

OUTCOMES = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.5, 0.75, 0.9, 1.0]), st.sampled_from(["tp", "fp", "ignored"])),
    max_size=14,
)
OBJECTIVES = st.sampled_from(
    [
        "f1",
        "f0.5",
        "f2",
        "recall>=0.5",
        "recall>=1",
        "recall>=0",
        "precision>=0.5",
        "precision>=0.75",
        "precision>=1",
        "precision>=0",
        "fp<=0",
        "fp<=0.5",
        "fp<=1.5",
        "cost(fp=1,fn=1)",
        "cost(fp=1,fn=5)",
        "cost(fp=3,fn=0.5)",
    ]
)
IMAGES = 2


def swept(outcomes, missed):
    """A sweep of (score, outcome) by counting at each distinct score."""
    scores = sorted({score for score, _ in outcomes}, reverse=True)
    found = sum(outcome == "tp" for _, outcome in outcomes)
    tp, fp = (
        np.array([sum(s >= score and o == kind for s, o in outcomes) for score in scores], np.int64)
        for kind in ("tp", "fp")
    )
    return Sweep(tp, fp, found + missed - tp, confidence=np.array(scores), positives=found + missed)


def by_brute_force(outcomes, missed, objective):
    """The threshold and its measure from the definition, by trying all; None where there is none."""
    found = sum(outcome == "tp" for _, outcome in outcomes)
    objects = found + missed
    tried = []
    for threshold in {score for score, _ in outcomes}:
        kept = [outcome for score, outcome in outcomes if score >= threshold]
        tp, fp = kept.count("tp"), kept.count("fp")
        tried.append((threshold, tp, fp, objects - tp))
    kind, values = objective.kind, objective.values
    if kind in ("f", "recall", "precision") and not objects:
        return None
    if kind == "f":
        b2 = values[0] ** 2
        score = {t: (1 + b2) * tp / ((1 + b2) * tp + b2 * fn + fp) for t, tp, fp, fn in tried}
        return max(((v, t) for t, v in score.items()), default=None)
    if kind == "cost":
        score = {t: values[0] * fp + values[1] * fn for t, _, fp, fn in tried}
        best = min(((v, -t) for t, v in score.items()), default=(np.inf, 0))
        return (best[0], -best[1]) if best[0] <= values[1] * objects and tried else None
    if kind == "recall":
        good = [(t, tp / objects) for t, tp, _, _ in tried if tp / objects >= values[0]]
        return max(good)[::-1] if good else None
    if kind == "precision":
        good = [(t, tp / (tp + fp)) for t, tp, fp, _ in tried if tp + fp and tp / (tp + fp) >= values[0]]
        return min(good)[::-1] if good else None
    good = [(t, fp / IMAGES) for t, _, fp, _ in tried if fp / IMAGES <= values[0]]
    return min(good)[::-1] if good else None


class TestSweep:
    """The counts at every threshold."""

    @pytest.mark.parametrize("seed", range(20))
    @pytest.mark.parametrize("class_id", [None, 0])
    def test_equals_counting_at_every_candidate(self, seed, class_id):
        """Each row, and the look-up at, just above and just below each score, equals counting from the matches."""
        matches = match(*random_columns(seed))
        swept = sweep(matches, class_id, 0.75)
        classes = None if class_id is None else [class_id]
        scores = matches.confidence[matches.ranked(class_id)]
        np.testing.assert_array_equal(swept.confidence, np.unique(scores)[::-1])
        for row, score in enumerate(swept.confidence):
            expected = counts(matches, score, 0.75, classes)
            assert (swept.tp[row], swept.fp[row], swept.fn[row]) == (expected.tp, expected.fp, expected.fn)
            for near in (score, np.nextafter(score, 2), np.nextafter(score, -1)):
                found, expected = swept.at(near), counts(matches, near, 0.75, classes)
                assert (found.tp, found.fp, found.fn) == (expected.tp, expected.fp, expected.fn)

    def test_above_the_highest_score_nothing_is_left(self):
        """A threshold that no detection reaches misses every object."""
        swept = sweep(match(*small_set([(0, 0, BOX)], [(0, 0, BOX, 0.9)])))
        nothing = swept.at(0.95)
        assert (nothing.tp, nothing.fp, nothing.fn, nothing.recall) == (0, 0, 1, 0.0)
        assert np.isnan(nothing.precision)

    def test_without_detections_it_is_empty_and_still_answers(self):
        """No detections: no candidates, and every threshold misses everything."""
        swept = sweep(match(*small_set([(0, 0, BOX)])))
        assert len(swept) == 0
        assert swept.at(0.5).fn == 1

    def test_a_class_that_is_not_there(self):
        """An unknown class is refused."""
        with pytest.raises(BadSetting, match="class 7"):
            sweep(match(*small_set()), 7)


class TestBestF1:
    """The operating point."""

    @pytest.mark.parametrize("seed", range(20))
    @pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
    def test_no_threshold_is_better(self, seed, beta):
        """By brute force from precision and recall: the best F-beta, at the highest threshold that reaches it."""
        matches = match(*random_columns(seed))
        point = best_f1(sweep(matches), beta)
        scores = np.unique(matches.confidence)
        tried = {}
        for score in scores:
            at = counts(matches, score)
            weighted = beta**2 * at.precision + at.recall
            tried[score] = (1 + beta**2) * at.precision * at.recall / weighted if at.tp else 0.0
        if not tried or not matches.positives().sum():
            assert np.isnan(point.confidence)
            return
        best = max(tried.values())
        assert point.value == pytest.approx(best, abs=1e-12)
        assert point.confidence == max(score for score, value in tried.items() if value > best - 1e-12)

    def test_by_hand(self):
        """Found, found, wrong, missed: the point is the second score, with what it gives."""
        objects = [(0, 0, BOX), (0, 0, FAR), (1, 0, BOX)]
        detections = [(0, 0, BOX, 0.9), (0, 0, FAR, 0.8), (1, 0, FAR, 0.7)]
        point = best_f1(sweep(match(*small_set(objects, detections)), 0))
        assert (point.confidence, point.tp, point.fp, point.fn) == (0.8, 2, 0, 1)
        assert (point.precision, point.recall, point.f1, point.value) == (1.0, 2 / 3, 0.8, 0.8)

    def test_of_equal_thresholds_the_highest(self):
        """One right then one wrong for two objects is F1 2/3, and so is a third that is right: the first one wins."""
        objects = [(0, 0, BOX), (1, 0, BOX)]
        detections = [(0, 0, BOX, 0.9), (0, 0, FAR, 0.8), (0, 0, FAR, 0.7), (1, 0, BOX, 0.6)]
        swept = sweep(match(*small_set(objects, detections)), 0)
        assert swept.f1.tolist() == [2 / 3, 0.5, 0.4, 2 / 3]
        assert best_f1(swept).confidence == 0.9

    @pytest.mark.parametrize(
        ("objects", "detections", "missed"), [([], [(0, 0, BOX, 0.9)], 0), ([(0, 0, BOX)], [], 1), ([], [], 0)]
    )
    def test_without_objects_or_detections_there_is_no_best(self, objects, detections, missed):
        """The point is NaN but for its counts."""
        point = best_f1(sweep(match(*small_set(objects, detections))))
        assert np.isnan([point.confidence, point.precision, point.recall, point.f1, point.value]).all()
        assert (point.tp, point.fp, point.fn) == (0, 0, missed)

    def test_beta_moves_the_point(self):
        """A high beta buys recall with false alarms, a low one does not."""
        objects = [(0, 0, BOX), (1, 0, BOX)]
        detections = [(0, 0, BOX, 0.9), (0, 0, FAR, 0.8), (0, 0, FAR, 0.7), (1, 0, BOX, 0.6)]
        swept = sweep(match(*small_set(objects, detections)), 0)
        assert best_f1(swept, beta=2.0).confidence == 0.6
        assert best_f1(swept, beta=0.5).confidence == 0.9

    @pytest.mark.parametrize("beta", [0.0, -1.0, float("nan"), float("inf")])
    def test_beta_must_be_a_positive_number(self, beta):
        """Anything else is refused."""
        with pytest.raises(BadSetting, match="Beta"):
            best_f1(sweep(match(*small_set())), beta)


class TestParseObjective:
    """An objective as a person writes it."""

    @pytest.mark.parametrize(
        "text", [*EXAMPLES, "f0.123456789", "fp<=0", "recall>=1", "fp<=1e-05", "cost(fp=0.5,fn=12)"]
    )
    def test_reads_what_it_writes(self, text):
        """The text of an objective is the text that it was read from."""
        assert str(parse_objective(text)) == text

    @pytest.mark.parametrize(
        ("text", "same"),
        [
            (" F1 ", "f1"),
            ("f1.0", "f1"),
            ("Recall >= 0.90", "recall>=0.9"),
            ("PRECISION>=.95", "precision>=0.95"),
            ("fp\t<= 1", "fp<=1"),
            ("Cost( FP = 1 , FN = 5 )", "cost(fp=1,fn=5)"),
        ],
    )
    def test_forgives_case_and_blanks(self, text, same):
        """What a person may write for the same."""
        assert str(parse_objective(text)) == same

    @pytest.mark.parametrize(
        "text",
        [
            "f",
            "f-1",
            "g1",
            "recall",
            "recall>0.9",
            "recall<=0.9",
            "recall>=90%",
            "fp>=1",
            "cost(1,5)",
            "f1f2",
            "cost(fp=1)",
            "cost(fp=1,fn=5",
            "precision>=nan",
            "precision>=inf",
            "f١",
            "f1\x00",
            "f1;recall>=1",
            "",
        ],
    )
    def test_refuses_anything_else_and_lists_what_there_is(self, text):
        """The advice names every form."""
        with pytest.raises(BadSetting, match="no objective") as refused:
            parse_objective(text)
        assert all(example in refused.value.advice for example in EXAMPLES)

    @pytest.mark.parametrize(
        ("text", "what"),
        [
            ("f0", "Beta"),
            ("f1e999", "Beta"),
            ("recall>=1.01", "recall to reach cannot be 1.01"),
            ("precision>=95", "precision to reach cannot be 95"),
            ("fp<=1e9", "false positives"),
            ("cost(fp=0,fn=5)", "cost"),
            ("cost(fp=1,fn=0)", "cost"),
        ],
    )
    def test_refuses_a_number_out_of_range(self, text, what):
        """The message names the number, the advice the range."""
        with pytest.raises(BadSetting, match=what) as refused:
            parse_objective(text)
        assert "from" in refused.value.advice

    @pytest.mark.parametrize(("kind", "values"), [("recal", (0.5,)), ("f", ()), ("cost", (1.0,)), ("f", (1.0, 2.0))])
    def test_an_objective_made_by_hand_is_checked_too(self, kind, values):
        """Unknown kinds and the wrong number of values are refused."""
        with pytest.raises(BadSetting, match="no objective"):
            Objective(kind, values)


class TestOperatingPoint:
    """The threshold that serves an objective best."""

    @settings(max_examples=400, deadline=None)
    @given(OUTCOMES, st.integers(0, 3), OBJECTIVES)
    def test_equals_trying_every_threshold(self, outcomes, missed, text):
        """With ties, plateaus and ignored detections: the threshold and its measure are those of brute force."""
        objective = parse_objective(text)
        point = operating_point(swept(outcomes, missed), objective, IMAGES)
        expected = by_brute_force(outcomes, missed, objective)
        if expected is None:
            assert np.isnan([point.confidence, point.value, point.precision, point.recall, point.f1]).all()
            assert point.reason.endswith(".")
        else:
            assert point.reason == ""
            assert point.value == pytest.approx(expected[0], abs=1e-12)
            assert point.confidence == expected[1]

    def test_precision_is_not_monotone(self):
        """A threshold below one that falls short is found: 1, 1/2, 2/3, 3/4 reaches 0.75 at the lowest score."""
        outcomes = [(0.9, "tp"), (0.8, "fp"), (0.7, "tp"), (0.6, "tp"), (0.5, "fp")]
        point = operating_point(swept(outcomes, 0), parse_objective("precision>=0.75"), IMAGES)
        assert (point.confidence, point.tp, point.fp, point.fn, point.value) == (0.6, 3, 1, 0, 0.75)

    @pytest.mark.parametrize(
        ("outcomes", "missed", "objective", "reason"),
        [
            ([], 1, "f1", "no detection"),
            ([(0.5, "fp")], 0, "f1", "no object"),
            ([(0.5, "fp")], 0, "recall>=0.5", "no object"),
            ([(0.5, "tp")], 1, "recall>=0.9", "recall above 0.5"),
            ([(0.5, "fp")], 1, "precision>=0.9", "precision above 0"),
            ([(0.5, "ignored")], 1, "precision>=0.9", "precision above 0"),
            ([(0.5, "fp"), (0.5, "fp")], 1, "fp<=0.5", "1 false positives per image"),
            ([(0.5, "fp")], 0, "cost(fp=1,fn=1)", "nothing at all"),
        ],
    )
    def test_says_why_there_is_none(self, outcomes, missed, objective, reason):
        """The threshold is NaN, every object counts as missed, and a sentence tells why."""
        point = operating_point(swept(outcomes, missed), parse_objective(objective), IMAGES)
        assert reason in point.reason
        assert np.isnan(point.confidence)
        assert (point.tp, point.fp, point.fn) == (0, 0, missed + sum(o == "tp" for _, o in outcomes))

    def test_false_positives_of_no_images(self):
        """There is no rate per image without an image."""
        assert operating_point(swept([(0.5, "tp")], 0), parse_objective("fp<=1"), 0).reason == "There is no image."

    def test_f_is_best_f1(self):
        """The named case and the general one are the same."""
        of = sweep(match(*random_columns(3)))
        assert operating_point(of, Objective("f", (2.0,)), 9) == best_f1(of, 2.0)


class TestOperatingPoints:
    """All classes at once."""

    @pytest.mark.parametrize("text", ["f1", "fp<=0.5", "recall>=0.3"])
    @pytest.mark.parametrize("seed", range(6))
    def test_are_those_of_each_sweep(self, seed, text):
        """The pooled point and each class's are what the sweeps give one by one."""
        matches = match(*random_columns(seed))
        objective, images = parse_objective(text), len(matches.ground_truth.image_names)
        points = operating_points(matches, objective, 0.75)
        assert len(points.classes) == len(matches.ground_truth.class_names)
        for class_id, point in [(None, points.pooled), *enumerate(points.classes)]:
            np.testing.assert_equal(
                vars(point), vars(operating_point(sweep(matches, class_id, 0.75), objective, images))
            )

    def test_sweeps_are_those_of_sweep(self):
        """Several sweeps at once equal each on its own."""
        matches = match(*random_columns(5))
        for class_id, together in zip((None, 0), sweeps(matches, (None, 0), 0.5), strict=True):
            for name, column in vars(sweep(matches, class_id, 0.5)).items():
                np.testing.assert_array_equal(getattr(together, name), column)


class TestFlatRegion:
    """How far the threshold can move for nothing."""

    @settings(max_examples=200, deadline=None)
    @given(OUTCOMES, st.integers(0, 3), OBJECTIVES, st.sampled_from([0.0, 0.01, 0.2]))
    def test_is_the_longest_run_round_the_point_within_the_tolerance(self, outcomes, missed, text, tolerance):
        """Every score in it measures within the tolerance, and its neighbours outside do not."""
        objective = parse_objective(text)
        of = swept(outcomes, missed)
        point = operating_point(of, objective, IMAGES)
        low, high = flat_region(of, objective, IMAGES, tolerance)
        if point.reason:
            assert np.isnan([low, high]).all()
            return
        rows = np.flatnonzero((of.confidence >= low) & (of.confidence <= high))
        measure = {
            "f": lambda i: (
                (1 + objective.values[0] ** 2)
                * of.tp[i]
                / ((1 + objective.values[0] ** 2) * of.tp[i] + objective.values[0] ** 2 * of.fn[i] + of.fp[i])
            ),
            "recall": lambda i: of.recall[i],
            "precision": lambda i: of.precision[i],
            "fp": lambda i: of.fp[i] / IMAGES,
            "cost": lambda i: objective.values[0] * of.fp[i] + objective.values[-1] * of.fn[i],
        }[objective.kind]
        margin = tolerance * (point.value if objective.kind == "cost" else 1)
        assert low <= point.confidence <= high
        assert all(abs(measure(i) - point.value) <= margin for i in rows)
        for outside in {rows[0] - 1, rows[-1] + 1} & set(range(len(of))):
            assert not abs(measure(outside) - point.value) <= margin

    def test_by_hand(self):
        """F1 1/2, 4/5, 4/5, 2/3 with an ignored one between: only the two in the middle are alike."""
        of = swept([(0.9, "tp"), (0.8, "tp"), (0.7, "ignored"), (0.6, "fp")], 1)
        assert flat_region(of, F1, IMAGES) == (0.7, 0.8)
        assert flat_region(of, F1, IMAGES, 0.2) == (0.6, 0.8)


class TestThresholdTable:
    """The counts of all classes at any confidence."""

    @pytest.mark.parametrize("seed", range(16))
    def test_equals_counting_anew(self, seed):
        """At every distinct score, just beside it, at 0 and 1 and beyond: every column of `metrics.per_class`."""
        matches = match(*random_columns(seed))
        table = ThresholdTable(matches, 0.75)
        scores = np.unique(matches.confidence)
        near = [*scores, *np.nextafter(scores, 2), *np.nextafter(scores, -1), -1, 0, 1, 1.5, np.inf, -np.inf, np.nan]
        for confidence in near:
            expected = vars(per_class(matches, confidence, 0.75))
            found = vars(table.per_class(float(confidence)))
            assert found.keys() == expected.keys()
            for name, column in expected.items():
                np.testing.assert_array_equal(found[name], column)
                assert found[name].dtype == column.dtype
            for column, name in zip(table.counts(float(confidence)), ("tp", "fp", "fn"), strict=True):
                np.testing.assert_array_equal(column, expected[name])

    def test_over_many_blocks(self):
        """A set of some thousand detections, at random confidences and where its blocks begin."""
        rng = np.random.default_rng(0)
        objects = [(int(i), int(k), BOX) for i, k in rng.integers(0, 2, (50, 2))]
        detections = [
            (int(i), int(k), BOX if near else FAR, float(score))
            for i, k, near, score in zip(
                *rng.integers(0, 2, (3, 2000)), rng.integers(0, 1000, 2000) / 1000, strict=True
            )
        ]
        matches = match(*small_set(objects, detections), replace(match(*small_set()).settings, max_detections=(5000,)))
        table = ThresholdTable(matches)
        for confidence in [
            *np.sort(matches.confidence)[::256],
            *np.sort(matches.confidence)[255::256],
            *rng.random(50),
        ]:
            expected = per_class(matches, confidence)
            for column, name in zip(table.counts(float(confidence)), ("tp", "fp", "fn"), strict=True):
                np.testing.assert_array_equal(column, getattr(expected, name))

    def test_an_answer_is_the_callers_own(self):
        """Writing into what was answered changes no later answer."""
        table = ThresholdTable(match(*small_set([(0, 0, BOX)], [(0, 0, BOX, 0.9)])))
        for column in table.counts(0.5):
            column += 7
        assert [column.tolist() for column in table.counts(0.5)] == [[1, 0], [0, 0], [0, 0]]

    def test_an_unknown_iou(self):
        """Only IoUs that were matched can be counted at."""
        with pytest.raises(BadSetting, match="IoU"):
            ThresholdTable(match(*small_set()), 0.33)


class TestFingerprint:
    """What identifies a data set."""

    def test_does_not_depend_on_the_order_of_the_file(self):
        """Images, classes and objects in another order, and other ids: the same fingerprint."""
        rng = np.random.default_rng(0)
        truth, _ = random_columns(7)
        images, classes, objects = (
            rng.permutation(n) for n in (len(truth.image_names), len(truth.class_names), len(truth))
        )
        other = replace(
            truth,
            image_names=tuple(truth.image_names[i] for i in images),
            image_sizes=truth.image_sizes[images],
            class_names=tuple(truth.class_names[k] for k in classes),
            image=np.argsort(images)[truth.image][objects],
            class_id=np.argsort(classes)[truth.class_id][objects],
            **{name: getattr(truth, name)[objects] for name in ("ltwh", "area", "crowd", "ignore")},
            image_ids=tuple(range(100, 100 + len(images))),
            category_ids=tuple(range(100, 100 + len(classes))),
            notes=("another note",),
        )
        assert fingerprint(other) == fingerprint(truth)
        assert len(fingerprint(truth)) == 64

    @pytest.mark.parametrize("name", ["ltwh", "area", "crowd", "ignore", "class_id", "image", "image_sizes"])
    def test_depends_on_every_column(self, name):
        """A change in one object changes it."""
        truth, _ = small_set([(0, 0, BOX), (1, 1, FAR)])
        column = np.array(getattr(truth, name))
        column.flat[0] = not column.flat[0] if column.dtype == bool else 1 - column.flat[0]
        assert fingerprint(replace(truth, **{name: column})) != fingerprint(truth)

    @pytest.mark.parametrize("name", ["image_names", "class_names"])
    def test_depends_on_names_also_where_no_object_is(self, name):
        """Another image or class name changes it, and so does one more."""
        truth, _ = small_set()
        names = getattr(truth, name)
        assert fingerprint(replace(truth, **{name: (names[0], "new")})) != fingerprint(truth)
