"""What the live part of Evaluate packs, counts and takes from the browser, without one."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from coco_sets import random_columns, small_set

from smviz.errors import BadSetting
from smviz.evaluation import evaluate
from smviz.intervals import Bootstrap
from smviz.matching import Matches, match
from smviz.metrics import average_precision, per_class
from smviz.operating import sweep
from smviz.settings import MatchSettings
from smviz.workbench import Packed, Part, pack
from smviz.workbench.bar import BarState, reported
from smviz.workbench.classes import HEADINGS, AveragePrecisions, Shown, class_columns, shown_by
from smviz.workbench.curves import MOST_LINES, coloured_classes

TYPES = {"u8": "<u1", "u16": "<u2", "u32": "<u4", "f64": "<f8"}


def column(packed: Packed, name: str) -> np.ndarray:
    """A column as a reader that knows the layout alone finds it."""
    place = packed.layout["columns"][name]
    return np.frombuffer(packed.data, TYPES[place["type"]], place["length"], place["offset"])


def matches_of(seed: int) -> Matches:
    return match(*random_columns(seed))


class TestPack:
    @pytest.mark.parametrize("seed", range(4))
    def test_a_reader_finds_every_outcome(self, seed):
        """At every IoU and area range the bits say what the matches say, and scores are the same to the last bit."""
        matches = matches_of(seed)
        packed = pack(matches)
        assert column(packed, "confidence").tobytes() == matches.confidence.tobytes()
        assert (column(packed, "image") == matches.image).all()
        assert (column(packed, "class_id") == matches.class_id).all()
        for a, area in enumerate(packed.layout["areas"]):
            for t, iou in enumerate(packed.layout["ious"]):
                assert (column(packed, f"tp/{a}") >> t & 1 == matches.true_positive(iou, area)).all()
                assert (column(packed, f"fp/{a}") >> t & 1 == matches.false_positive(iou, area)).all()
            there = column(packed, "truth_areas") >> a & 1
            assert (there == ~matches.ground_truth_ignored(area)).all()
        assert (column(packed, "truth_class") == matches.ground_truth.class_id).all()
        assert (column(packed, "truth_image") == matches.ground_truth.image).all()

    def test_columns_start_where_a_typed_array_can(self):
        """Each starts at a multiple of 8 bytes, and the total is told."""
        packed = pack(matches_of(1))
        assert {place["offset"] % 8 for place in packed.layout["columns"].values()} == {0}
        assert packed.layout["bytes"] == len(packed.data)

    def test_nothing_is_packed_too(self):
        """Without images, objects and detections every column is there and empty."""
        packed = pack(match(*small_set(images=0, classes=0)))
        assert {place["length"] for place in packed.layout["columns"].values()} == {0}
        assert packed.layout["images"] == 0

    def test_more_ious_than_bits_are_refused(self):
        """Seventeen IoUs do not fit into 16 bits: it is told, with how many do."""
        settings = MatchSettings(ious=tuple(np.linspace(0.1, 0.9, 17).tolist()))
        with pytest.raises(BadSetting) as caught:
            pack(match(*random_columns(1), settings))
        assert "17 IoUs" in caught.value.message
        assert "16" in caught.value.advice


class TestPart:
    @pytest.mark.parametrize("seed", range(4))
    def test_of_everything_is_the_librarys(self, seed):
        """All sizes and classes give what operating.sweep and metrics.per_class give."""
        matches, part = matches_of(seed), Part(0.75)
        for ours, theirs in (
            (part.sweep(matches), sweep(matches, None, 0.75)),
            (part.sweeps(matches)[0], sweep(matches, 0, 0.75)),
            (part.per_class(matches, 0.4), per_class(matches, 0.4, 0.75)),
        ):
            assert vars(ours).keys() == vars(theirs).keys()
            for name, values in vars(theirs).items():
                np.testing.assert_array_equal(getattr(ours, name), values, name)

    def test_of_some_classes_counts_only_these(self):
        """Two classes together have the counts of both at every score that one of them has."""
        matches = matches_of(5)
        both = Part(0.5, "all", (0, 2)).sweep(matches)
        for row, confidence in enumerate(both.confidence.tolist()):
            table = per_class(matches, confidence)
            assert both.tp[row] == table.tp[[0, 2]].sum()
            assert both.fp[row] == table.fp[[0, 2]].sum()
        assert both.positives == matches.positives()[[0, 2]].sum()

    def test_of_no_class_is_empty(self):
        """No class has no score and no object."""
        none = Part(classes=()).sweep(matches_of(1))
        assert (len(none), none.positives) == (0, 0)

    @pytest.mark.parametrize("part", [Part(0.52), Part(0.5, "huge")])
    def test_what_was_not_matched_is_refused(self, part):
        """An IoU or a size range that the matching does not have is told."""
        with pytest.raises(BadSetting):
            part.as_sent(MatchSettings())
        with pytest.raises(BadSetting):
            part.sweep(matches_of(1))


class TestRates:
    @pytest.mark.parametrize("seed", range(3))
    def test_of_all_classes_are_those_of_rates(self, seed):
        """Pooled over everything they are the pooled ones of `Bootstrap.rates`, resample by resample."""
        bootstrap = Bootstrap(matches_of(seed), resamples=50)
        assert bootstrap.pooled_rates(0.4, 0.6) == bootstrap.rates(0.4, 0.6)[0]

    @pytest.mark.parametrize("area", ["small", "large"])
    def test_of_a_part_have_its_point(self, area):
        """The point of some classes in a size range is that of their sweep; one class has that of its own."""
        matches, part = matches_of(5), Part(0.5, area, (0, 2))
        rates = Bootstrap(matches, resamples=50).pooled_rates(0.3, 0.5, area, (0, 2))
        counts = part.sweep(matches).at(0.3)
        for name in ("precision", "recall", "f1"):
            np.testing.assert_equal(getattr(rates, name).point, getattr(counts, name))
        alone = Bootstrap(matches, resamples=50)
        assert alone.pooled_rates(0.3, class_ids=(1,)) == alone.rates(0.3)[1][1]

    def test_of_no_class_have_no_interval(self):
        """Nothing is there to tell it from."""
        rates = Bootstrap(matches_of(1), resamples=50).pooled_rates(0.3, class_ids=())
        assert math.isnan(rates.f1.point)
        assert math.isnan(rates.f1.low)


class TestReported:
    told = {"revision": 3, "threshold": 0.25, "iou": 5, "area": 1, "classes": [2, 0, 2]}

    def test_is_what_the_browser_chose(self):
        """Places become names, classes are sorted and each is there once."""
        state = reported(self.told, 3, matches_of(5))
        assert state == BarState(0.25, Part(0.75, "small", (0, 2)))

    @pytest.mark.parametrize(
        "change", [{"revision": 2}, {"iou": 10}, {"area": "small"}, {"classes": [999]}, {"classes": ["a"]}]
    )
    def test_what_is_older_or_of_another_evaluation_is_dropped(self, change):
        """An old revision, or an IoU, area or class that there is not, changes nothing."""
        assert reported(self.told | change, 3, matches_of(5)) is None

    def test_nothing_told_is_nothing(self):
        """Before the first move there is no report."""
        assert reported(None, 0, matches_of(1)) is None

    def test_a_threshold_stays_within_its_range(self):
        """What lies beyond 0 and 1 is cut to them."""
        state = reported(self.told | {"threshold": 7}, 3, matches_of(5))
        assert state is not None
        assert state.threshold == 1


class TestClassTable:
    def table(self, shown: Shown, area: str = "all") -> dict[str, list]:
        evaluation = evaluate(*random_columns(5))
        every = average_precision(evaluation.matches, area)
        precisions = AveragePrecisions(every.mean(axis=0), every[0], None)
        return class_columns(evaluation.matches, 0.3, Part(0.5, area), precisions, shown)

    def test_has_the_numbers_of_the_library(self):
        """Unsorted it is `Evaluation.class_table`, column by column."""
        evaluation, table = evaluate(*random_columns(5)), self.table(Shown())
        rows = evaluation.class_table(0.3)
        fields = {"name": "name", "best": "best_threshold"}
        for name, heading in HEADINGS.items():
            np.testing.assert_array_equal(table[heading], [getattr(row, fields.get(name, name)) for row in rows])

    @pytest.mark.parametrize("falling", [True, False])
    def test_is_sorted_with_what_is_undefined_at_the_end(self, falling):
        """Either way a class without a number comes last."""
        values = np.array(self.table(Shown("precision", falling))["Precision"], float)
        defined = values[~np.isnan(values)]
        assert np.isnan(values[len(defined) :]).all()
        assert (np.diff(defined) <= 0).all() if falling else (np.diff(defined) >= 0).all()

    def test_counts_in_its_size_range(self):
        """Small objects only: their number is that of the matching."""
        small = self.table(Shown(), "small")
        assert small["Objects"] == evaluate(*random_columns(5)).matches.positives("small").tolist()

    def test_has_the_rows_and_columns_that_are_shown(self):
        """A filter's classes in its order, and the columns that were chosen; the class's own is always there."""
        told = {"column": "tp", "falling": False, "columns": ["fp", "ap"], "rows": [2, 0]}
        table, whole = self.table(shown_by(told)), self.table(Shown())
        assert list(table) == ["Class", "AP", "AP low", "AP high", "FP", "Weak"]
        assert table["Class"] == [whole["Class"][2], whole["Class"][0]]
        assert table["FP"] == [whole["FP"][2], whole["FP"][0]]

    def test_what_the_browser_made_up_is_left_out(self):
        """Numbers that are no class, names that are no column, and what is no list."""
        assert len(self.table(shown_by({"rows": [10**9, -1, "x", 1], "columns": ["os.system", "f1"]}))["F1"]) == 1
        assert shown_by({"rows": "01", "columns": 7}) == Shown()

    @pytest.mark.parametrize("told", [None, {}, {"column": None, "falling": True}, {"column": "x", "falling": True}])
    def test_a_sort_that_is_none_is_none(self, told):
        """What the browser did not tell, or told of no column, leaves the order of the classes."""
        assert shown_by(told) == Shown()


class TestColouredClasses:
    def test_are_the_most_frequent_of_the_chosen(self):
        """Of many classes those with most objects, in the order of the classes; none without an object."""
        objects = [(0, k, (10.0 * n, 10, 8, 8)) for k in range(20) for n in range(k % 7)]
        matches = match(*small_set(objects=objects, classes=20))
        counts = matches.positives()
        named = coloured_classes(matches, Part())
        assert len(named) == MOST_LINES
        assert named == sorted(named)
        left_out = set(range(20)) - set(named)
        assert min(counts[named]) >= max(counts[k] for k in left_out)
        assert coloured_classes(matches, Part(classes=(0, 3, 7, 8))) == [3, 8]


def test_a_part_is_sent_by_places():
    """The browser knows IoUs and area ranges by their numbers."""
    part = Part(0.75, "medium", (1, 4))
    assert part.as_sent(MatchSettings()) == {"iou": 5, "area": 2, "classes": [1, 4]}
    assert replace(part, classes=None).as_sent(MatchSettings())["classes"] is None
