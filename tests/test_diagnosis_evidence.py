"""Behind every number of the diagnosis stand exactly so many detections and objects, and the right ones."""

import numpy as np
import pytest
from coco_sets import random_columns, small_set

from smviz.diagnosis import (
    ERRORS,
    FALSE,
    FOUND,
    MISSED,
    by_area,
    by_aspect,
    by_crowding,
    by_neighbour,
    by_size,
    confusion_matrix,
    laece0,
    localisation_targets,
    precision_targets,
    reliability,
    tide,
)
from smviz.diagnosis.calibration import class_errors
from smviz.errors import BadSetting
from smviz.matching import match
from smviz.metrics import average_precision, counts

BOX = (100, 100, 40, 40)
SMALL = (100, 100, 20, 20)
FAR = (300, 300, 40, 40)
SEEDS = range(12)
OVER_ALL = (by_area, by_aspect, by_crowding, by_neighbour)


def consistent(matches, evidence):
    """What was missed has an object and no detection; all else has a detection; nothing stands there twice."""
    missing = evidence.kind == MISSED
    assert (evidence.detection[missing] == -1).all()
    assert (evidence.truth[missing] >= 0).all()
    assert (evidence.detection[~missing] >= 0).all()
    assert (evidence.truth[evidence.kind == FOUND] >= 0).all()
    for column in (evidence.detection[~missing], evidence.truth[evidence.kind != FALSE]):
        assert len(np.unique(column)) == len(column)
    both = (evidence.detection >= 0) & (evidence.truth >= 0)
    images = matches.ground_truth.image[evidence.truth[both]]
    np.testing.assert_array_equal(matches.image[evidence.detection[both]], images)


class TestTide:
    @pytest.mark.parametrize("seed", SEEDS)
    def test_each_bar_is_of_so_many_errors(self, seed):
        """The five kinds are false detections, a miss is an object; together they are all false positives."""
        matches = match(*random_columns(seed))
        found = tide(matches)
        for error in found.errors:
            evidence = error.evidence()
            assert len(evidence) == len(error)
            assert set(evidence.kind.tolist()) <= {MISSED if error.name == "Miss" else FALSE}
            consistent(matches, evidence)
        of_all = np.concatenate([error.evidence().detection for error in found.errors[:-1]])
        np.testing.assert_array_equal(np.sort(of_all), np.flatnonzero(matches.false_positive(0.5)))

    @pytest.mark.parametrize("seed", SEEDS)
    def test_of_some_classes(self, seed):
        """The errors share out among the classes; AP and the costs are means over the chosen ones; all are all."""
        matches = match(*random_columns(seed))
        whole, classes = tide(matches), range(len(matches.ground_truth.class_names))
        parts = [whole.only([k]) for k in classes]
        for name in ERRORS:
            assert sum(len(part[name]) for part in parts) == len(whole[name])
            for k, part in zip(classes, parts, strict=True):
                ids = np.where(name == "Miss", matches.ground_truth.class_id[part[name].truth], -1)
                ids = ids if name == "Miss" else matches.class_id[part[name].detection]
                assert set(ids.tolist()) <= {k}
        np.testing.assert_allclose([part.ap for part in parts], average_precision(matches)[0], atol=1e-12)
        for error in whole.errors:
            gain = np.maximum(error.class_ap - whole.class_ap[0], 0)
            np.testing.assert_allclose([part[error.name].delta_ap for part in parts], gain, atol=1e-12)
        again = whole.only(classes)
        np.testing.assert_array_equal([e.delta_ap for e in again.errors], [e.delta_ap for e in whole.errors])
        assert whole.only(None) is whole

    def test_the_cost_for_one_class_is_that_of_a_set_with_nothing_else(self):
        """A class that is perfect costs nothing, though the other is badly placed."""
        objects = [(0, 0, BOX), (0, 1, FAR)]
        found = tide(match(*small_set(objects, [(0, 0, BOX, 0.9), (0, 1, (300, 300, 40, 18), 0.9)])))
        assert (found.only([0]).ap, found.only([0])["Loc"].delta_ap) == (1.0, 0.0)
        assert (found.only([1]).ap, found.only([1])["Loc"].delta_ap) == (0.0, 1.0)
        assert found["Loc"].delta_ap == 0.5


class TestConfusion:
    @pytest.mark.parametrize("seed", SEEDS)
    @pytest.mark.parametrize(("confidence", "iou"), [(0.3, 0.5), (0.5, 0.75)])
    def test_each_cell_is_of_so_many_cases(self, seed, confidence, iou):
        """On the diagonal found, in background's column missed, elsewhere false; each with its classes."""
        matches = match(*random_columns(seed))
        matrix = confusion_matrix(matches, confidence, iou)
        last = len(matrix.counts) - 1
        for row, column in np.ndindex(*matrix.counts.shape):
            evidence = matrix.evidence(row, column)
            assert len(evidence) == matrix.counts[row, column]
            kind = MISSED if column == last else FOUND if row == column else FALSE
            assert set(evidence.kind.tolist()) <= {kind}
            consistent(matches, evidence)

    @pytest.mark.parametrize("seed", SEEDS)
    def test_of_an_area_range(self, seed):
        """Rows add up to the objects of the range, and nothing outside of it counts."""
        matches = match(*random_columns(seed))
        for name, low, high in matches.settings.areas:
            matrix = confusion_matrix(matches, 0.3, area=name)
            assert matrix.counts[:-1].sum(axis=1).tolist() == matches.positives(name).tolist()
            areas = matches.ground_truth.area[matrix.truth[matrix.truth >= 0]]
            assert ((areas >= low) & (areas <= high)).all()
            alarms = matches.box_area[matrix.evidence(len(matrix.counts) - 1, 0).detection]
            assert ((alarms >= low) & (alarms <= high)).all()

    def test_a_detection_on_an_object_of_another_size_is_no_false_alarm(self):
        """It found what does not count here, as COCO has it."""
        matches = match(*small_set([(0, 0, BOX), (1, 0, SMALL)], [(0, 0, BOX, 0.9), (1, 0, SMALL, 0.9)]))
        assert confusion_matrix(matches, 0.5, area="small").counts.tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]

    def test_the_most_confused_classes(self):
        """Those taken for each other come before those that are only missed; never more than were asked for."""
        objects = [(0, 3, BOX), (0, 0, FAR), (1, 0, FAR), (1, 0, BOX)]
        matrix = confusion_matrix(match(*small_set(objects, [(0, 1, BOX, 0.9)], classes=5)), 0.5)
        assert matrix.most_confused(2).tolist() == [1, 3]
        assert matrix.most_confused(3).tolist() == [0, 1, 3]
        assert matrix.most_confused(1).tolist() == [3]
        assert matrix.most_confused(0).tolist() == []
        assert matrix.most_confused(99).tolist() == [0, 1, 2, 3, 4]

    def test_the_most_frequent_pairs_stand_beside_each_other(self):
        """Of many classes that are each confused with another one, the matrix gets whole pairs."""
        objects = [(image, image, BOX) for image in range(8)]
        detections = [(image, 19 - image, BOX, 0.9) for image in range(8)]
        more = [(8, 5, BOX), (8, 5, FAR)], [(8, 14, BOX, 0.9), (8, 14, FAR, 0.9)]
        found = match(*small_set(objects + more[0], detections + more[1], images=9, classes=20))
        assert confusion_matrix(found, 0.5).most_confused(4).tolist() == [0, 5, 14, 19]

    @pytest.mark.parametrize("seed", SEEDS)
    def test_of_some_classes(self, seed):
        """Only cases with a side of these classes are left, each in its cell."""
        matches = match(*random_columns(seed))
        whole = confusion_matrix(matches, 0.3)
        part = whole.only([0])
        expected = whole.counts.copy()
        expected[1:, 1:] = 0
        np.testing.assert_array_equal(part.counts, expected)
        for row, column in np.ndindex(*part.counts.shape):
            assert len(part.evidence(row, column)) == part.counts[row, column]
        any_case = (expected + expected.T).sum(axis=1)[:-1]
        assert part.concerned().tolist() == np.flatnonzero(any_case).tolist()
        assert whole.only(None) is whole


class TestBreakdowns:
    @pytest.mark.parametrize("seed", SEEDS)
    @pytest.mark.parametrize("breakdown", [by_size, *OVER_ALL])
    def test_each_part_is_of_so_many_cases(self, seed, breakdown):
        """What was found, false and missed in a part are its tp, fp and fn."""
        matches = match(*random_columns(seed))
        found = breakdown(matches, 0.3)
        for place, evidence in enumerate(found.evidence):
            told = [len(evidence.only(kind)) for kind in (FOUND, FALSE, MISSED)]
            assert told == [found.tp[place], found.fp[place], found.fn[place]]
            consistent(matches, evidence)
            sure = matches.confidence[evidence.only(FALSE).detection]
            assert (np.diff(sure) <= 0).all()
            assert (sure >= 0.3).all()

    @pytest.mark.parametrize("seed", SEEDS)
    @pytest.mark.parametrize("breakdown", [by_size, *OVER_ALL])
    def test_of_some_classes(self, seed, breakdown):
        """Only these are counted, and what is counted is of these."""
        matches = match(*random_columns(seed))
        found, whole = breakdown(matches, 0.3, classes=[0]), counts(matches, 0.3, class_ids=[0])
        if breakdown is not by_size:
            assert (found.tp.sum(), found.fp.sum(), found.fn.sum()) == (whole.tp, whole.fp, whole.fn)
        for evidence in found.evidence:
            assert set(matches.class_id[evidence.detection[evidence.detection >= 0]].tolist()) <= {0}
            assert set(matches.ground_truth.class_id[evidence.truth[evidence.truth >= 0]].tolist()) <= {0}

    @pytest.mark.parametrize("seed", SEEDS)
    @pytest.mark.parametrize("breakdown", OVER_ALL)
    @pytest.mark.parametrize("area", ["small", "medium", "large"])
    def test_of_an_area_range(self, seed, breakdown, area):
        """Parts add up to what COCO counts in the range."""
        matches = match(*random_columns(seed))
        found = breakdown(matches, 0.3, area=area)
        kept = matches.confidence >= 0.3
        assert found.objects.sum() == matches.positives(area).sum()
        assert found.tp.sum() == (matches.true_positive(0.5, area) & kept).sum()
        assert found.fp.sum() == (matches.false_positive(0.5, area) & kept).sum()


class TestReliability:
    @pytest.mark.parametrize("seed", SEEDS)
    @pytest.mark.parametrize("least", [0.0, 0.25])
    def test_each_bin_is_of_so_many_detections(self, seed, least):
        """All of the bin, the surest first; the share that found an object is the bin's precision."""
        matches = match(*random_columns(seed))
        targets = precision_targets(matches)
        diagram = reliability(targets, None, least)
        for place, count in enumerate(diagram.count):
            evidence = targets.evidence(diagram, place)
            assert len(evidence) == count
            consistent(matches, evidence)
            if count:
                assert np.mean(evidence.kind == FOUND) == pytest.approx(diagram.target[place])
            assert (np.diff(matches.confidence[evidence.detection]) <= 0).all()

    @pytest.mark.parametrize("seed", SEEDS)
    def test_of_some_classes_and_sizes(self, seed):
        """Targets of one class are those of its diagram; of an area range those that COCO counts there."""
        matches = match(*random_columns(seed))
        targets = precision_targets(matches)
        np.testing.assert_array_equal(reliability(targets.only([0])).count, reliability(targets, 0).count)
        assert targets.only(None).detection.tolist() == targets.detection.tolist()
        small = precision_targets(matches, 0.5, "small")
        assert small.target.sum() == matches.true_positive(0.5, "small").sum()
        assert len(small.target) - small.target.sum() == matches.false_positive(0.5, "small").sum()

    @pytest.mark.parametrize("seed", SEEDS)
    def test_localisation_errors_of_some_classes(self, seed):
        """The errors of all classes are those whose mean LaECE0 is."""
        matches = match(*random_columns(seed))
        errors = class_errors(localisation_targets(matches))
        defined = errors[~np.isnan(errors)]
        assert laece0(matches) == pytest.approx(defined.mean() if len(defined) else np.nan, nan_ok=True)
        np.testing.assert_array_equal(class_errors(localisation_targets(matches).only([0]))[0], errors[0])

    def test_a_bin_that_is_not_there(self):
        """It is refused."""
        targets = precision_targets(match(*small_set()))
        with pytest.raises(BadSetting, match="no bin 10"):
            targets.evidence(reliability(targets), 10)
