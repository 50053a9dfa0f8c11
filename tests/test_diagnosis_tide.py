"""TIDE's errors are those of its authors' own package, and what each costs is COCO's AP."""

from dataclasses import replace

import numpy as np
import pytest
import tidecv
from coco_sets import random_columns, small_set

from smviz.diagnosis import near_pairs, tide
from smviz.errors import BadSetting
from smviz.matching import match
from smviz.metrics import average_precision
from smviz.settings import MatchSettings

BOX = (100, 100, 40, 40)
HALF = (100, 100, 40, 16)  # IoU 0.4 with BOX
FAR = (300, 300, 40, 40)
NAMES = ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss")


def plain_set(seed):
    """A random set without crowds and without equal scores, about both of which the package has its own opinion."""
    ground_truth, predictions = random_columns(seed)
    ranks = np.argsort(np.argsort(-predictions.confidence, kind="stable"))
    return (
        replace(ground_truth, crowd=np.zeros(len(ground_truth))),
        replace(predictions, confidence=1 - (ranks + 1) / (len(predictions) + 1)),
    )


def run_tidecv(matches, positive, background):
    """The package's own run; objects are given last first, as it prefers the first of equals and COCO the last."""
    truth, found = tidecv.Data("truth", max_dets=10**6), tidecv.Data("found")
    for i in range(len(matches.ground_truth.image_names)):
        truth.add_image(i, str(i))
        found.add_image(i, str(i))
    for g in reversed(range(len(matches.ground_truth))):
        columns = matches.ground_truth
        truth.add_ground_truth(int(columns.image[g]), int(columns.class_id[g]), box=columns.ltwh[g].tolist())
    for row, p in enumerate(matches.prediction):
        box = matches.predictions.ltwh[p].tolist()
        found.add_detection(
            int(matches.image[row]), int(matches.class_id[row]), float(matches.confidence[row]), box=box
        )
    return tidecv.TIDE(positive, background).evaluate(truth, found)


def coco_mean(objects):
    """COCO's mean over the classes that have an object, from the package's points of each class; plainly written."""
    values = []
    for points in objects.objs.values():
        if points.num_gt_positives <= 0:
            continue
        ranked = sorted(points.data_points.values(), key=lambda point: -point[0])
        true = np.cumsum([bool(correct) for _, correct, _ in ranked])
        precision, recall = true / np.arange(1, len(true) + 1), true / points.num_gt_positives
        values.append(np.mean([max(precision[recall >= r], default=0.0) for r in np.linspace(0, 1, 101)]))
    return np.mean(values) if values else np.nan


def counts(found):
    return {error.name: len(error) for error in found.errors}


class TestAgainstTheAuthorsPackage:
    """Counts, and AP before and after each fix, on random sets."""

    @pytest.mark.parametrize("seed", range(40))
    @pytest.mark.parametrize(("positive", "background"), [(0.5, 0.1), (0.75, 0.3)])
    def test_the_same_errors(self, seed, positive, background):
        """Every false positive is of the same kind, and the same objects are missed."""
        matches = match(*plain_set(seed))
        run, found = run_tidecv(matches, positive, background), tide(matches, positive, background)
        kinds = {kind.short_name: errors for kind, errors in run.error_dict.items()}
        for error in found.errors:
            expected = [e.get_id() for e in kinds[error.name]]
            if error.name == "Miss":
                assert error.truth.tolist() == sorted(len(matches.ground_truth) - 1 - i for i in expected)
            else:
                assert sorted(error.detection.tolist()) == sorted(expected)

    @pytest.mark.parametrize("seed", range(40))
    def test_the_same_costs(self, seed):
        """The AP that each fix gives is what the package's fixed detections give, averaged as COCO does."""
        matches = match(*plain_set(seed))
        run, found = run_tidecv(matches, 0.5, 0.1), tide(matches)
        before = coco_mean(run.ap_data)
        np.testing.assert_allclose(found.ap, before, atol=1e-12)
        for kind in run.error_dict:
            after = coco_mean(run.fix_errors(lambda error, kind=kind: type(error) is kind))
            np.testing.assert_allclose(found[kind.short_name].delta_ap, np.maximum(after - before, 0), atol=1e-12)
        no_false = coco_mean(run.fix_errors(transform=lambda score, true, info: (score if true else -1, true, info)))
        no_missed = coco_mean(run.fix_errors(false_neg_dict=run.false_negatives))
        np.testing.assert_allclose(found.false_positives, no_false - before, atol=1e-12)
        np.testing.assert_allclose(found.false_negatives, no_missed - before, atol=1e-12)

    def test_the_package_itself_reports_these_numbers(self):
        """On a set whose classes all keep objects, the package's own percentages, but for rounding of its recalls."""
        objects = [(0, 0, BOX), (1, 0, BOX), (0, 1, FAR), (1, 1, FAR)]
        detections = [(0, 0, BOX, 0.9), (1, 0, HALF, 0.8), (0, 0, FAR, 0.7), (1, 1, FAR, 0.6), (1, 1, FAR, 0.95)]
        matches = match(*small_set(objects, detections))
        run, found = run_tidecv(matches, 0.5, 0.1), tide(matches)
        for kind, percent in run.fix_main_errors().items():
            assert 100 * found[kind.short_name].delta_ap == pytest.approx(percent, abs=1e-9)


class TestByHand:
    """One error at a time."""

    @pytest.mark.parametrize(
        ("detections", "kind"),
        [
            ([(0, 1, BOX, 0.9)], "Cls"),
            ([(0, 0, HALF, 0.9)], "Loc"),
            ([(0, 1, HALF, 0.9)], "Both"),
            ([(0, 0, BOX, 0.95), (0, 0, BOX, 0.9)], "Dupe"),
            ([(0, 0, FAR, 0.9)], "Bkg"),
            ([(1, 0, BOX, 0.9)], "Bkg"),
        ],
    )
    def test_each_false_positive_has_its_kind(self, detections, kind):
        """Wrong class, badly placed, both, twice, on nothing, and on an image without objects."""
        found = tide(match(*small_set([(0, 0, BOX)], detections)))
        assert counts(found) | {"Miss": 0} == dict.fromkeys(NAMES, 0) | {kind: 1}

    def test_an_object_is_missed_only_where_no_fix_would_find_it(self):
        """Under a Both error it is missed; under a Loc or Cls error it is not."""
        missed = {
            name: len(tide(match(*small_set([(0, 0, BOX)], [detection])))["Miss"])
            for name, detection in {
                "Both": (0, 1, HALF, 0.9),
                "Loc": (0, 0, HALF, 0.9),
                "Cls": (0, 1, BOX, 0.9),
            }.items()
        }
        assert missed == {"Both": 1, "Loc": 0, "Cls": 0}

    def test_what_a_misplaced_box_costs(self):
        """One class, one object, one box at IoU 0.4: AP 0, and 1 when it is placed well."""
        found = tide(match(*small_set([(0, 0, BOX)], [(0, 0, HALF, 0.9)], classes=1)))
        assert (found.ap, found["Loc"].delta_ap, found["Bkg"].delta_ap) == (0.0, 1.0, 0.0)

    def test_a_renamed_detection_counts_for_the_class_of_the_object(self):
        """Two classes of one object each; the second object is called the first: AP 1/2 for the false alarm ranks
        above the hit; renamed, both classes are perfect."""
        objects, detections = [(0, 0, BOX), (0, 1, FAR)], [(0, 0, BOX, 0.8), (0, 0, FAR, 0.9)]
        found = tide(match(*small_set(objects, detections)))
        assert (found.ap, found["Cls"].delta_ap) == (0.25, 0.75)
        assert (found["Cls"].detection.tolist(), found["Cls"].truth.tolist()) == ([0], [1])

    def test_of_two_fixes_for_one_object_the_more_confident_one_counts(self):
        """The other is taken away: two badly placed boxes on one object become one hit."""
        found = tide(match(*small_set([(0, 0, BOX)], [(0, 0, HALF, 0.9), (0, 0, HALF, 0.8)])))
        assert (len(found["Loc"]), found["Loc"].delta_ap) == (2, 1.0)

    def test_the_most_confident_errors_come_first(self):
        """Positions are by descending confidence, across classes."""
        matches = match(*small_set([], [(0, 0, BOX, 0.2), (0, 1, BOX, 0.9), (1, 0, BOX, 0.5)]))
        assert matches.confidence[tide(matches)["Bkg"].detection].tolist() == [0.9, 0.5, 0.2]


class TestTide:
    """Whole results."""

    @pytest.mark.parametrize("seed", range(30))
    def test_ignored_detections_and_crowds_are_as_if_they_were_not_there(self, seed):
        """Without them every count and every cost is the same."""
        matches = match(*random_columns(seed))
        kept = matches.prediction[~matches.ignored(0.5)]
        truth, found = matches.ground_truth, matches.predictions
        objects = ~truth.crowd
        columns = ("image", "class_id", "ltwh", "area", "crowd", "ignore")
        fewer = replace(truth, **{name: getattr(truth, name)[objects] for name in columns})
        rest = replace(
            found, **{name: getattr(found, name)[np.sort(kept)] for name in ("image", "class_id", "ltwh", "confidence")}
        )
        with_all, without = tide(matches), tide(match(fewer, rest))
        assert counts(with_all) == counts(without)
        np.testing.assert_allclose([e.delta_ap for e in with_all.errors], [e.delta_ap for e in without.errors])

    @pytest.mark.parametrize("seed", range(10))
    def test_every_false_positive_is_one_error_and_ap_is_coco_s(self, seed):
        """The five kinds share out the false positives, and AP is that of the evaluation."""
        matches = match(*random_columns(seed))
        found = tide(matches)
        of_all = np.sort(np.concatenate([error.detection for error in found.errors[:5]]))
        np.testing.assert_array_equal(of_all, np.flatnonzero(matches.false_positive(0.5)))
        defined = average_precision(matches)[0]
        defined = defined[~np.isnan(defined)]
        np.testing.assert_allclose(found.ap, defined.mean() if len(defined) else np.nan, atol=1e-15)

    def test_near_pairs_at_hand_change_nothing(self):
        """With the pairs of a lower IoU the result is the same."""
        matches = match(*random_columns(5))
        assert counts(tide(matches)) == counts(tide(matches, near=near_pairs(matches, 0.05)))

    def test_without_objects_costs_are_undefined(self):
        """Detections on nothing are Bkg errors; no AP, so no cost."""
        found = tide(match(*small_set([], [(0, 0, BOX, 0.9)])))
        assert len(found["Bkg"]) == 1
        assert np.isnan([found.ap, found.false_positives, found.false_negatives, found["Bkg"].delta_ap]).all()

    @pytest.mark.parametrize("images", [0, 2])
    def test_without_anything_there_are_no_errors(self, images):
        """No detections and no objects, or not even images."""
        assert counts(tide(match(*small_set(images=images)))) == dict.fromkeys(NAMES, 0)

    def test_without_detections_all_is_missed(self):
        """AP is 0; what fixing would give is undefined, as no object is left to be found."""
        found = tide(match(*small_set([(0, 0, BOX), (1, 1, BOX)])))
        assert (found.ap, found["Miss"].truth.tolist(), found["Miss"].detection.tolist()) == (0.0, [0, 1], [-1, -1])
        assert np.isnan(found["Miss"].delta_ap)

    def test_what_cannot_be_asked(self):
        """An IoU that was not matched, background at or above a match, pairs that are too few or of others."""
        matches = match(*small_set([(0, 0, BOX)], [(0, 0, BOX, 0.9)]), MatchSettings(ious=(0.5,)))
        with pytest.raises(BadSetting, match=r"0\.75"):
            tide(matches, 0.75)
        for background in (0.5, 0.0, float("nan")):
            with pytest.raises(BadSetting, match="Background"):
                tide(matches, 0.5, background)
        with pytest.raises(BadSetting, match=r"0\.1"):
            tide(matches, near=near_pairs(matches, 0.3))
        with pytest.raises(BadSetting, match="another evaluation"):
            tide(matches, near=near_pairs(match(*small_set())))
        with pytest.raises(BadSetting, match="Cls, Loc"):
            tide(matches)["Class"]
