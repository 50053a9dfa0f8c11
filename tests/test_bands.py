"""The bands round the curves are the intervals that stand beside the numbers."""

from functools import cache

import numpy as np
import pytest
from coco_sets import random_columns, small_set

from smviz.errors import BadSetting
from smviz.intervals import Bootstrap, bands
from smviz.intervals.bands import POINTS, grid
from smviz.matching import match
from smviz.operating import sweep

BOX = (0, 0, 40, 40)
RATES = ("precision", "recall", "f1")


@cache
def random_matches(seed):
    return match(*random_columns(seed))


class TestGrid:
    def test_all_scores_where_they_are_few(self):
        """Nothing is left out that a chart has room for."""
        scores = np.linspace(1, 0, POINTS)
        assert (grid(scores) == scores).all()
        assert len(grid(np.zeros(0))) == 0

    @pytest.mark.parametrize("shape", [(2.0, 2.0), (0.2, 8.0), (8.0, 0.2)])
    def test_follows_the_scores(self, shape):
        """Of many, each is a score that occurs; dense parts and bare parts of the axis both have some of them."""
        scores = np.unique(np.random.default_rng(1).beta(*shape, 50_000))[::-1]
        points = grid(scores)
        assert len(points) <= POINTS
        assert np.isin(points, scores).all()
        assert (np.diff(points) < 0).all()
        assert (points[0], points[-1]) == (scores[0], scores[-1])
        assert np.diff(-points).max() <= np.diff(-scores).max() + (scores[0] - scores[-1]) / (POINTS // 2 - 1)
        ranks = np.flatnonzero(np.isin(scores, points))
        assert np.diff(ranks).max() <= len(scores) / (POINTS // 2 - 1) + 1


class TestBands:
    @pytest.mark.parametrize("seed", range(8))
    def test_are_the_intervals_of_the_rates(self, seed):
        """At every threshold of the grid, pooled and of a class, point and ends are what `Bootstrap.rates` tells."""
        bootstrap = Bootstrap(random_matches(seed), resamples=100)
        for class_id in (None, 0):
            drawn = bands(bootstrap, class_ids=None if class_id is None else [class_id])
            assert (drawn.confidence == grid(sweep(bootstrap.matches, class_id).confidence)).all()
            for at in range(0, len(drawn.confidence), 7):
                pooled, classes = bootstrap.rates(drawn.confidence[at])
                expected = pooled if class_id is None else classes[class_id]
                for name in RATES:
                    band, interval = getattr(drawn, name), getattr(expected, name)
                    told = [band.point[at], band.low[at], band.high[at]]
                    assert told == pytest.approx([interval.point, interval.low, interval.high], nan_ok=True)

    def test_other_ious(self):
        """The points are those of the sweep at that IoU."""
        matches = random_matches(1)
        drawn, swept = bands(Bootstrap(matches, resamples=10), 0.75), sweep(matches, None, 0.75)
        assert drawn.f1.point.tolist() == [swept.at(confidence).f1 for confidence in drawn.confidence]

    def test_some_classes_and_sizes(self):
        """What is counted is what `Bootstrap.pooled_rates` counts of them."""
        bootstrap = Bootstrap(random_matches(5), resamples=50)
        for area, class_ids in (("small", None), ("all", (0, 1)), ("medium", (1,)), ("all", ())):
            drawn = bands(bootstrap, 0.5, area, class_ids)
            for at in range(0, len(drawn.confidence), 5):
                expected = bootstrap.pooled_rates(drawn.confidence[at], 0.5, area, class_ids)
                for name in RATES:
                    band, interval = getattr(drawn, name), getattr(expected, name)
                    told = [band.point[at], band.low[at], band.high[at]]
                    assert told == pytest.approx([interval.point, interval.low, interval.high], nan_ok=True)
            assert len(drawn.confidence) or class_ids == ()

    def test_more_images_than_are_counted_at_once(self):
        """The table of counts is made in parts, and the parts are put together."""
        images = 2500
        objects = [(i, 0, BOX) for i in range(images)]
        found = [(i, 0, BOX, 1 - i / images) for i in range(0, images, 2)]
        bootstrap = Bootstrap(match(*small_set(objects, found, images=images)), resamples=20)
        drawn = bands(bootstrap)
        rates, _ = bootstrap.rates(drawn.confidence[-1])
        assert drawn.recall.point[-1] == 0.5
        assert (drawn.recall.low[-1], drawn.recall.high[-1]) == (rates.recall.low, rates.recall.high)

    def test_get_narrower_with_images(self):
        """Sixteen times the images, a quarter of the width."""

        def width(images):
            rng = np.random.default_rng(0)
            objects = [(i, 0, BOX) for i in range(images)]
            found = [(i, 0, BOX, 0.9) for i in range(images) if rng.random() < 0.6]
            recall = bands(Bootstrap(match(*small_set(objects, found, images=images)))).recall
            return float(recall.high[0] - recall.low[0])

        assert width(100) / width(1600) == pytest.approx(4, rel=0.3)

    @pytest.mark.parametrize(
        ("objects", "found"),
        [([], []), ([(0, 0, BOX)], []), ([], [(0, 0, BOX, 0.5)])],
        ids=["nothing", "no detections", "no objects"],
    )
    def test_with_nearly_nothing(self, objects, found):
        """There is a point for each score, and what is undefined is NaN."""
        drawn = bands(Bootstrap(match(*small_set(objects, found)), resamples=10))
        assert len(drawn.confidence) == len(drawn.recall.point) == len(found)
        assert np.isnan(drawn.recall.point).all()

    def test_one_image(self):
        """The curve is there, its intervals are not: one image always draws itself."""
        drawn = bands(Bootstrap(match(*small_set([(0, 0, BOX)], [(0, 0, BOX, 0.5)], images=1)), resamples=10))
        assert drawn.recall.point == [1.0]
        assert np.isnan(drawn.recall.low).all()

    def test_progress(self):
        """It rises to 1; what it raises ends the work."""
        bootstrap = Bootstrap(random_matches(1), resamples=10)
        told = []
        bands(bootstrap, progress=told.append)
        assert told == sorted(told)
        assert told[-1] == 1

        def stop(share):
            raise InterruptedError

        with pytest.raises(InterruptedError):
            bands(bootstrap, progress=stop)

    def test_what_was_not_matched(self):
        """An IoU or a range of sizes that there is not is told as everywhere."""
        bootstrap = Bootstrap(random_matches(1), resamples=10)
        with pytest.raises(BadSetting, match=r"IoU 0\.33"):
            bands(bootstrap, 0.33)
        with pytest.raises(BadSetting, match="huge"):
            bands(bootstrap, 0.5, "huge")

    def test_says_how(self):
        """Level and method are there to be told."""
        drawn = bands(Bootstrap(random_matches(1), resamples=10, level=0.9))
        assert drawn.level == 0.9
        assert drawn.method == "bias-corrected bootstrap, 10 resamples of the images"
