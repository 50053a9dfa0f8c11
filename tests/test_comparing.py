"""Two runs on the same images: how images come together, where the runs agree, what flipped, and what is chance."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from coco_sets import coco_json

from smviz.annotations import parse_ground_truth
from smviz.boxes import pairwise_iou
from smviz.comparing import (
    class_changes,
    class_map_for,
    compare,
    holm,
    join,
    latencies,
    latency_changes,
    p_value,
    read_run,
    signed,
    verdict,
)
from smviz.errors import BadResponse, BadSetting
from smviz.intervals import Bootstrap, difference
from smviz.intervals.interval import Change, corrected_interval
from smviz.records import Detections, Failure, Outcome, Reply

NAMES = ("class 0", "class 1")


def outcome(name, sha256="", latency=0.1, reused=False):
    return Outcome(name, sha256, 640, 480, 1, Reply(b"{}", "application/json", latency, "A"), reused=reused)


def failed(name):
    return Outcome(name, "", 0, 0, 3, failure=Failure("Throttled", "m", "a"))


def boxes(*rows, names=NAMES):
    """Detections from (left, top, side, confidence, class)."""
    table = np.array(rows, np.float64).reshape(-1, 5)
    corner = table[:, :2]
    return Detections(np.hstack([corner, corner + table[:, 2:3]]), table[:, 3], table[:, 4].astype(int), names)


def reading(found, **attributes):
    """A run that found this in each image, by name."""
    return read_run((outcome(name, **attributes) for name in found), lambda one: found[one.image])


def truth_of(objects, images):
    """Ground truth of images 0.jpg, 1.jpg, ..., from (image, class, left, top, side)."""
    rows = [(image, k, [x, y, side, side], side * side, 0) for image, k, x, y, side in objects]
    return parse_ground_truth(json.dumps(coco_json(range(images), 2, rows)).encode())


def pairs_of(a, b):
    return [(one.image, other.image) for one, other in join(a, b).pairs]


class TestReadRun:
    def test_gives_back_what_was_read(self):
        """Box by box, of every image, in terms of one list of class names."""
        found = {"a": boxes((1, 2, 3, 0.5, 1)), "b": boxes(), "c": boxes((4, 5, 6, 0.9, 0), names=("other",))}
        run = reading(found)
        assert run.class_names == ("class 0", "class 1", "other")
        for name, expected in found.items():
            given = run.detections(name)
            assert given.names() == expected.names()
            assert given.xyxy.tolist() == expected.xyxy.tolist()
            assert given.confidence.tolist() == expected.confidence.tolist()

    def test_leaves_out_what_has_no_reply_and_forgets_bodies(self):
        """Failures are no images of the run that can be compared, and a hundred thousand bodies need no room."""
        run = read_run([outcome("a"), failed("b")], lambda one: boxes())
        assert [one.image for one in run.outcomes] == ["a"]
        assert run.outcomes[0].reply.body == b""

    def test_a_reply_that_cannot_be_read(self):
        """It stays an image of the run, and asking for its detections is refused as reading it was."""

        def parse(one):
            raise BadResponse("no", "none")

        run = read_run([outcome("a")], parse)
        with pytest.raises(BadResponse, match="a could not be read"):
            run.detections("a")


class TestJoin:
    def test_by_content_whatever_the_names(self):
        """The same bytes are the same image, also where the names say otherwise."""
        a, b = [outcome("1.jpg", "p"), outcome("2.jpg", "q")], [outcome("1.jpg", "q"), outcome("x.jpg", "p")]
        joined = join(a, b)
        assert pairs_of(a, b) == [("1.jpg", "x.jpg"), ("2.jpg", "1.jpg")]
        assert (joined.renamed, joined.changed) == (2, 0)

    def test_by_name_where_other_bytes_were_sent(self):
        """As when one run sent smaller images; how many is told."""
        joined = join([outcome("1.jpg", "p")], [outcome("1.jpg", "q")])
        assert (len(joined.pairs), joined.renamed, joined.changed) == (1, 0, 1)

    def test_by_base_name_where_only_one_has_it(self):
        """Folders do not matter, unless two images would be the same."""
        assert pairs_of([outcome("x/1.jpg")], [outcome("y\\1.jpg")]) == [("x/1.jpg", "y\\1.jpg")]
        assert pairs_of([outcome("x/1.jpg"), outcome("z/1.jpg")], [outcome("1.jpg")]) == []

    def test_copies_of_an_image_go_by_their_names(self):
        """Bytes that several images have tell nothing by themselves."""
        a, b = ([outcome("1.jpg", "p"), outcome("2.jpg", "p")] for _ in range(2))
        assert pairs_of(a, b) == [("1.jpg", "1.jpg"), ("2.jpg", "2.jpg")]
        assert pairs_of(a, [outcome("3.jpg", "p")]) == []

    def test_tells_who_is_left_out(self):
        """Images without a partner, by name; those that failed have none to give."""
        joined = join([outcome("1"), outcome("2"), failed("3")], [outcome("2"), outcome("3"), outcome("4")])
        assert (joined.only_a, joined.only_b) == (("1",), ("3", "4"))

    def test_keeps_the_order_of_a(self):
        """Whatever rule joined them."""
        a = [outcome("c"), outcome("f/a", ""), outcome("b", "x")]
        assert [name for name, _ in pairs_of(a, [outcome("z", "x"), outcome("a"), outcome("c")])] == ["c", "f/a", "b"]


class TestCompare:
    def test_judges_only_what_both_have(self):
        """An object in an image that only one run has is missed by neither."""
        truth = truth_of([(0, 0, 10, 10, 50), (1, 0, 10, 10, 50)], 2)
        hit = boxes((10, 10, 50, 0.9, 0))
        found = compare(reading({"0.jpg": hit, "1.jpg": hit}), reading({"0.jpg": hit}), truth)
        assert found.a.matches.ground_truth.image_names == ("0.jpg",)
        assert (found.a.numbers["AP"], found.b.numbers["AP"]) == (1.0, 1.0)
        assert found.a.notes == found.b.notes == ()

    def test_the_evaluations_can_be_paired(self):
        """Both have the same ground truth and images, so that their difference is defined."""
        truth = truth_of([(0, 0, 10, 10, 50), (1, 1, 10, 10, 50)], 2)
        hit = boxes((10, 10, 50, 0.9, 0))
        found = compare(reading({"0.jpg": hit, "1.jpg": hit}), reading({"1.jpg": hit, "0.jpg": boxes()}), truth)
        change = difference(Bootstrap(found.a.matches), Bootstrap(found.b.matches)).numbers()["AP50"]
        assert change.interval.point == found.b.numbers["AP50"] - found.a.numbers["AP50"] == -0.5

    def test_images_with_other_names_in_b(self):
        """What was joined by content is judged as the same image."""
        truth = truth_of([(0, 0, 10, 10, 50)], 1)
        hit = boxes((10, 10, 50, 0.9, 0))
        found = compare(reading({"0.jpg": hit}, sha256="p"), reading({"else.png": hit}, sha256="p"), truth)
        assert found.b.numbers["AP"] == 1.0
        assert [(one.image, other.image) for one, other in found.images] == [("0.jpg", "else.png")]

    def test_images_that_the_ground_truth_does_not_have(self):
        """They are counted and left out; an image in a folder is found by its base name."""
        truth = truth_of([(0, 0, 10, 10, 50)], 1)
        run = reading({"x/0.jpg": boxes(), "9.jpg": boxes()})
        found = compare(run, run, truth)
        assert (len(found.images), found.unlabelled) == (1, 1)

    def test_without_ground_truth(self):
        """Nothing is judged, and where the two agree is told all the same; "Car" and "car " are one class."""
        a = reading({"0.jpg": boxes((10, 10, 50, 0.9, 0), names=("Car",))})
        b = reading({"0.jpg": boxes((12, 10, 50, 0.8, 1), (300, 10, 50, 0.8, 0), names=("van", "car "))})
        found = compare(a, b, None)
        agreement = found.agreement(0.5, 0.5)
        assert not found.labelled
        assert math.isnan(found.a.numbers["AP"])
        assert [int(n.sum()) for n in (agreement.both, agreement.only_a, agreement.only_b)] == [1, 0, 1]

    def test_ground_truth_without_an_object_is_ground_truth(self):
        """Every detection of its classes is then a mistake; one of another class is left out."""
        run = reading({"0.jpg": boxes((10, 10, 50, 0.9, 0), (99, 10, 50, 0.9, 2), names=(*NAMES, "other"))})
        found = compare(run, run, truth_of([], 1))
        assert found.labelled
        assert found.flips(0.5, 1.0).wrong_a.tolist() == [1]

    def test_another_frame(self):
        """Boxes of a run that sent smaller images are scaled to the ground truth's."""
        truth = truth_of([(0, 0, 100, 100, 50)], 1)
        half = read_run([replace(outcome("0.jpg"), width=320, height=240)], lambda one: boxes((50, 50, 25, 0.9, 0)))
        found = compare(reading({"0.jpg": boxes((100, 100, 50, 0.9, 0))}), half, truth)
        assert found.agreement(0.5, 0.5).both.tolist() == [1]

    def test_no_common_image(self):
        """It is empty, and says who was left out."""
        found = compare(reading({"1": boxes()}), reading({"2": boxes()}), None)
        assert found.images == ()
        assert (found.joined.only_a, found.joined.only_b) == (("1",), ("2",))

    def test_class_maps(self):
        """Each run's classes mean what its own map says, as far as the ground truth has them."""
        truth = truth_of([(0, 0, 10, 10, 50)], 1)
        auto = reading({"0.jpg": boxes((10, 10, 50, 0.9, 0), names=("auto",))})
        given = class_map_for((("auto", "Class 0 "), ("bus", "coach"), ("sign", None)), truth)
        assert given == {"auto": "Class 0 ", "sign": None}
        found = compare(auto, auto, truth, given, None)
        assert found.a.numbers["AP"] == 1.0
        assert found.b.numbers["AP"] == 0.0


def agreed(a, b, iou):
    """One image's agreeing pairs, one at a time: A's most confident first, each the free box with the highest IoU."""
    free, pairs = set(range(len(b))), 0
    overlaps = pairwise_iou(a.xyxy, b.xyxy)
    for i in range(len(a)):
        fitting = [j for j in free if a.class_id[i] == b.class_id[j] and overlaps[i, j] >= iou]
        if fitting:
            free.remove(max(fitting, key=lambda j: overlaps[i, j]))
            pairs += 1
    return pairs


def crowd(rng, count):
    return boxes(
        *np.column_stack(
            [
                rng.uniform(0, 120, (count, 2)),
                rng.uniform(20, 60, count),
                rng.uniform(0, 1, count),
                rng.integers(0, 2, count),
            ]
        )
    )


class TestAgreement:
    @pytest.mark.parametrize("iou", [0.3, 0.5, 0.75])
    def test_is_one_to_one_by_falling_confidence(self, iou):
        """As a loop over crowded images finds it, each run cut at its own threshold."""
        rng = np.random.default_rng(4)
        a, b = ({f"{i}.jpg": crowd(rng, int(rng.integers(0, 40))) for i in range(12)} for _ in range(2))
        found = compare(reading(a), reading(b), None).agreement(0.3, 0.6, iou)
        for image, name in enumerate(a):
            one, other = a[name].at_least(0.3), b[name].at_least(0.6)
            both = agreed(one, other, iou)
            told = [int(column[image]) for column in (found.both, found.only_a, found.only_b)]
            assert told == [both, len(one) - both, len(other) - both]

    def test_a_run_agrees_with_itself(self):
        """Every detection has a partner, also beyond a hundred in one image."""
        run = reading({"0.jpg": boxes(*[(30 * (i % 20), 30 * (i // 20), 20, 0.9, 0) for i in range(300)])})
        agreement = compare(run, run, None).agreement(0.5, 0.5)
        assert [column.tolist() for column in (agreement.both, agreement.only_a, agreement.only_b)] == [[300], [0], [0]]

    @pytest.mark.parametrize("iou", [0.0, 1.2, math.nan])
    def test_an_iou_that_cannot_be(self, iou):
        """It is refused."""
        run = reading({"0.jpg": boxes()})
        with pytest.raises(BadSetting, match="IoU"):
            compare(run, run, None).agreement(0.5, 0.5, iou)


class TestFlips:
    truth = truth_of([(0, 0, 10, 10, 50), (0, 0, 210, 10, 50), (1, 1, 10, 10, 50), (2, 0, 10, 10, 50)], 4)
    a = reading(
        {
            "0.jpg": boxes((10, 10, 50, 0.9, 0), (400, 10, 50, 0.8, 0)),  # finds the first; a mistake of both
            "1.jpg": boxes((10, 10, 50, 0.9, 1)),
            "2.jpg": boxes((10, 10, 50, 0.4, 0)),  # below the threshold
            "3.jpg": boxes((10, 10, 50, 0.9, 0)),  # its own mistake
        }
    )
    b = reading(
        {
            "0.jpg": boxes((210, 10, 50, 0.9, 0), (402, 10, 50, 0.7, 0), (10, 300, 50, 0.9, 1)),
            "1.jpg": boxes(),
            "2.jpg": boxes((10, 10, 50, 0.6, 0)),
            "3.jpg": boxes(),
        }
    )

    def test_counts_what_only_one_has_right(self):
        """Objects that only one found and mistakes that only one made; what both did alike is no flip."""
        flips = compare(self.a, self.b, self.truth).flips(0.5, 0.5)
        assert flips.found_a.tolist() == [1, 1, 0, 0]
        assert flips.found_b.tolist() == [1, 0, 1, 0]
        assert flips.wrong_a.tolist() == [0, 0, 0, 1]
        assert flips.wrong_b.tolist() == [1, 0, 0, 0]
        assert flips.gain.tolist() == [-1, -1, 1, 1]
        assert flips.flipped.tolist() == [3, 1, 1, 1]

    def test_each_run_at_its_own_threshold(self):
        """At 0.3 A finds what B finds."""
        assert compare(self.a, self.b, self.truth).flips(0.3, 0.5).found_b.tolist() == [1, 0, 0, 0]

    def test_turned_round(self):
        """Swapping the runs swaps the columns."""
        flips, turned = (compare(*runs, self.truth).flips(0.5, 0.5) for runs in ((self.a, self.b), (self.b, self.a)))
        assert turned.found_a.tolist() == flips.found_b.tolist()
        assert turned.wrong_b.tolist() == flips.wrong_a.tolist()
        assert turned.gain.tolist() == (-flips.gain).tolist()

    def test_add_up_to_the_counts(self):
        """The gain over all images is the difference in true positives less that in false positives."""
        rng = np.random.default_rng(0)
        truth = truth_of([(i, 0, *rng.uniform(0, 90, 2), 40) for i in range(9) for _ in range(4)], 9)
        a, b = (reading({f"{i}.jpg": crowd(rng, 20) for i in range(9)}) for _ in range(2))
        found = compare(a, b, truth)
        one, other = found.a.sweep(None, 0.5).at(0.4), found.b.sweep(None, 0.5).at(0.2)
        gain = other.tp - one.tp - (other.fp - one.fp)
        assert int(found.flips(0.4, 0.2).gain.sum()) == gain

    def test_an_iou_that_was_not_matched(self):
        """It is refused, with those that were."""
        with pytest.raises(BadSetting, match=r"0\.42"):
            compare(self.a, self.b, self.truth).flips(0.5, 0.5, 0.42)


def change(point, resampled):
    return Change(corrected_interval(point, np.array(resampled, np.float64), 0.95, (-1.0, 1.0)), 0.5)


NOISE = np.random.default_rng(1).normal(0, 0.02, 1000)


class TestVerdict:
    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            (change(0.1, 0.1 + NOISE), "better"),
            (change(-0.1, NOISE - 0.1), "worse"),
            (change(0.01, 0.01 + NOISE), "no difference"),
            (change(0.0, np.zeros(1000)), "no difference"),
            (change(math.nan, np.full(1000, math.nan)), "undefined"),
        ],
    )
    def test_is_whether_the_interval_leaves_out_zero(self, given, expected):
        """No winner inside the noise, none between a run and itself, and none where nothing is defined."""
        assert verdict(given) == expected

    def test_of_what_is_better_when_it_is_lower(self):
        """A latency that falls is better, one that rises worse."""
        assert verdict(change(-0.1, NOISE - 0.1), lower_is_better=True) == "better"
        assert verdict(change(0.1, 0.1 + NOISE), lower_is_better=True) == "worse"
        assert verdict(change(0.0, np.zeros(1000)), lower_is_better=True) == "no difference"


class TestPValue:
    def test_is_small_beyond_chance_and_large_within(self):
        """Five standard errors are no chance, a half is."""
        assert p_value(change(0.1, 0.1 + NOISE), 100) < 1e-5
        assert p_value(change(0.01, 0.01 + NOISE), 100) > 0.5
        assert p_value(change(0.0, np.zeros(1000)), 100) == 1.0

    def test_few_images_prove_nothing(self):
        """A class in one image always differs by the same in every resample that has it; that is no proof."""
        alike = change(0.4, np.full(1000, 0.4))
        assert [p_value(alike, images) for images in (1, 3, 6)] == [1.0, 0.25, 2.0**-5]

    def test_is_undefined_without_resamples(self):
        """NaN, and a correction for many leaves it out."""
        assert math.isnan(p_value(change(math.nan, np.full(10, math.nan)), 5))
        assert math.isnan(p_value(change(0.1, 0.1 + NOISE), 0))


class TestHolm:
    def test_of_the_textbook(self):
        """The smallest is multiplied by all, the next by one less, and none falls below the one before."""
        assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))

    def test_what_is_no_test_is_not_counted(self):
        """A NaN stays, and two tests are corrected as two."""
        first, second, third = holm([math.nan, 0.02, 0.9])
        assert math.isnan(first)
        assert (second, third) == (0.04, 0.9)

    def test_none(self):
        """No test, no p-value."""
        assert holm([]) == ()

    def test_false_alarms(self):
        """With 200 classes that do not differ, hardly any comparison believes even one difference."""
        rng = np.random.default_rng(3)
        believed = [min(holm(rng.uniform(size=200))) < 0.05 for _ in range(400)]
        assert np.mean(believed) < 0.09


class TestClassChanges:
    def test_a_row_for_each_class(self):
        """With the AP of both, in how many images it is, and a verdict; without an object there is none."""
        rng = np.random.default_rng(2)
        objects = [(i, 0, 10, 10, 50) for i in range(30) for _ in range(1)]
        truth = truth_of(objects, 30)
        good = {f"{i}.jpg": boxes((10, 10, 50, rng.uniform(0.5, 1), 0)) for i in range(30)}
        bad = {name: found if i % 3 else boxes() for i, (name, found) in enumerate(good.items())}
        found = compare(reading(good), reading(bad), truth)
        rows = class_changes(
            found, difference(Bootstrap(found.a.matches, 200), Bootstrap(found.b.matches, 200)).classes("AP")
        )
        assert [(row.name, row.objects, row.images) for row in rows] == [("class 0", 30, 30), ("class 1", 0, 0)]
        assert [row.verdict for row in rows] == ["worse", "undefined"]
        assert rows[0].a == 1.0
        assert rows[0].change.interval.point == rows[0].b - rows[0].a

    def test_one_image_has_no_winner(self):
        """However large the difference is."""
        truth = truth_of([(0, 0, 10, 10, 50)], 2)
        a = reading({"0.jpg": boxes((10, 10, 50, 0.9, 0)), "1.jpg": boxes()})
        b = reading({"0.jpg": boxes(), "1.jpg": boxes()})
        found = compare(a, b, truth)
        rows = class_changes(found, difference(Bootstrap(found.a.matches), Bootstrap(found.b.matches)).classes("AP"))
        assert (rows[0].a, rows[0].b, rows[0].verdict) == (1.0, 0.0, "no difference")


class TestLatency:
    def test_of_images_that_both_called_for(self):
        """Reused replies, and those whose time nobody knows, are left out of both."""
        a = [outcome("1", latency=0.1), outcome("2", latency=0.2), outcome("3", latency=math.nan), outcome("4")]
        b = [outcome("1", latency=0.3), outcome("2", reused=True), outcome("3"), outcome("4", latency=0.2)]
        assert latencies(list(zip(a, b, strict=True))).tolist() == [[0.1, 0.1], [0.3, 0.2]]

    def test_difference_of_the_quantiles(self):
        """The points are those of all images; a run that is slower by far is so beyond chance."""
        rng = np.random.default_rng(0)
        timed = np.stack([rng.gamma(9, 0.01, 300), rng.gamma(9, 0.01, 300) + 0.05])
        changes = latency_changes(timed)
        expected = np.quantile(timed[1], [0.5, 0.95, 0.99]) - np.quantile(timed[0], [0.5, 0.95, 0.99])
        assert [one.interval.point for one in changes] == expected.tolist()
        assert verdict(changes[0]) == "better"  # as a number: it is higher

    def test_a_run_and_itself(self):
        """The difference is 0, and so are the ends of its interval."""
        timed = np.tile(np.random.default_rng(0).gamma(9, 0.01, 50), (2, 1))
        assert [(c.interval.low, c.interval.high) for c in latency_changes(timed)] == [(0.0, 0.0)] * 3

    @pytest.mark.parametrize("images", [0, 1])
    def test_too_few_images(self, images):
        """Nothing is told."""
        assert all(verdict(one) == "undefined" for one in latency_changes(np.ones((2, images))))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (-0.0, "0"), (0.1234, "+0.123"), (-0.5, "-0.500"), (0.00004, "+4e-05"), (math.nan, "—")],
)
def test_signed(value, text):
    """Zero is 0, nothing else looks like zero, and every difference has its sign."""
    assert signed(value) == text
