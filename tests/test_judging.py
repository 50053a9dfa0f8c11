"""A run is judged on the images that were answered, and one image shows what became of each box."""

import json

import numpy as np
import pytest
from coco_sets import columns, dense_set, random_columns, random_set, small_set

from smviz.annotations import ground_truth_json, parse_ground_truth
from smviz.boxes import ltwh_to_xyxy, xyxy_to_ltwh
from smviz.errors import BadResponse, BadSetting
from smviz.evaluation import evaluate, judge, judged_image
from smviz.matching import coco_iou
from smviz.metrics import per_image
from smviz.records import Detections, Failure, GroundTruth, Outcome, Reply
from smviz.settings import MatchSettings

BOX = (0, 0, 40, 40)
XYXY = (0, 0, 40, 40)
FAR = (300, 300, 40, 40)
LEFT_OUT = "images of the ground truth have no reply and are left out of the numbers"


def outcome(image, rows=(("class 0", 0.9, XYXY),), width=640, height=480):
    """An image that was answered with rows of (class name, score, xyxy); rows of None is an unreadable answer."""
    return Outcome(image, "00", width, height, 1, reply=Reply(json.dumps(rows).encode(), "application/json", 0.1, None))


def failed(image):
    """An image that was not answered."""
    return Outcome(image, "00", 0, 0, 3, failure=Failure("Throttled", "Too fast.", "Wait."))


def parse(done):
    """Detections from the rows of `outcome`."""
    rows = json.loads(done.reply.body)
    if rows is None:
        raise BadResponse("There is nothing in the reply.", "Choose another format.")
    names = tuple(dict.fromkeys(name for name, _, _ in rows))
    boxes, scores = [xyxy for _, _, xyxy in rows], [score for _, score, _ in rows]
    return Detections(boxes, scores, [names.index(name) for name, _, _ in rows], names)


def truth(*objects, images=2, names=None, sizes=(640, 480)):
    """Ground truth of (image, class, ltwh)."""
    ground_truth, _ = small_set(objects, images=images, sizes=sizes)
    return renamed(ground_truth, names) if names else ground_truth


def renamed(ground_truth, image_names=None, class_names=None):
    """The same ground truth with other names."""
    values = vars(ground_truth) | {"image_names": tuple(image_names or ground_truth.image_names)}
    return GroundTruth(**values | {"class_names": tuple(class_names or ground_truth.class_names)})


def numbers_of(evaluation):
    """The twelve numbers, to compare with NaN in them."""
    return list(evaluation.numbers.values())


class TestJudge:
    def test_images_that_were_not_called_yet_are_not_missed(self):
        """Half of a run that finds everything so far scores 1, and the rest is told by name."""
        ground_truth = truth((0, 0, BOX), (1, 0, BOX), (2, 0, BOX), images=3)
        evaluation = judge(ground_truth, [outcome("1.jpg")], parse)
        assert evaluation.numbers["AP"] == 1
        assert evaluation.numbers["AR100"] == 1
        assert evaluation.matches.ground_truth.image_names == ("1.jpg",)
        assert evaluation.notes == (f"2 {LEFT_OUT}: 0.jpg, 2.jpg.",)

    def test_images_that_failed_are_not_missed(self):
        """A failure is no reply: its objects count neither way."""
        evaluation = judge(truth((0, 0, BOX), (1, 0, BOX)), [failed("0.jpg"), outcome("1.jpg")], parse)
        assert evaluation.numbers["AP"] == 1
        assert evaluation.notes == (f"1 {LEFT_OUT}: 0.jpg.",)

    def test_a_complete_run_has_nothing_to_note(self):
        """Every image answered, nothing left out: no notes, and the ground truth is as it was."""
        ground_truth = truth((0, 0, BOX), (1, 1, FAR))
        evaluation = judge(ground_truth, [outcome("1.jpg", []), outcome("0.jpg")], parse)
        assert evaluation.notes == ()
        judged = evaluation.matches.ground_truth
        assert ground_truth_json(judged) == ground_truth_json(ground_truth)
        assert evaluation.numbers["AP50"] == pytest.approx(0.5)

    def test_an_answer_without_detections_is_an_answer(self):
        """Its objects are missed."""
        evaluation = judge(truth((0, 0, BOX)), [outcome("0.jpg", []), outcome("1.jpg", [])], parse)
        assert evaluation.numbers["AP"] == 0
        assert evaluation.notes == ()

    def test_an_answer_that_cannot_be_read_is_an_answer(self):
        """The endpoint did answer: its objects are missed, and a note says why."""
        evaluation = judge(truth((0, 0, BOX), (1, 0, BOX)), [outcome("0.jpg", None), outcome("1.jpg")], parse)
        assert evaluation.numbers["AR100"] == 0.5
        assert evaluation.notes == ("1 replies could not be read and give no detections: 0.jpg.",)

    def test_images_outside_the_ground_truth(self):
        """They are left out and told when they were answered; of those that failed nothing is left out."""
        evaluation = judge(truth((0, 0, BOX), images=1), [outcome("0.jpg"), outcome("x.jpg"), failed("y.jpg")], parse)
        assert evaluation.numbers["AP"] == 1
        assert evaluation.notes == ("1 images of the run are not in the ground truth and were left out: x.jpg.",)

    def test_a_base_name_is_looked_up_among_all_images(self):
        """A name that two images share is not guessed because only one of them was answered."""
        ground_truth = truth((0, 0, BOX), (1, 0, BOX), names=["x/a.jpg", "y/a.jpg"])
        evaluation = judge(ground_truth, [outcome("y/a.jpg"), outcome("a.jpg", [])], parse)
        assert evaluation.matches.ground_truth.image_names == ("y/a.jpg",)
        assert evaluation.numbers["AP"] == 1
        assert evaluation.notes == (
            "1 images of the run are not in the ground truth and were left out: a.jpg.",
            f"1 {LEFT_OUT}: x/a.jpg.",
        )

    def test_a_class_name_means_the_same_as_a_run_goes_on(self):
        """Of two categories with one name it is the one that is more frequent in the whole ground truth."""
        ground_truth = renamed(truth((0, 0, BOX), (1, 1, BOX), (1, 1, FAR)), class_names=["fish", "fish"])
        evaluation = judge(ground_truth, [outcome("0.jpg", [("fish", 0.9, XYXY)])], parse)
        assert evaluation.matches.class_id.tolist() == [1]

    def test_a_class_map_is_used(self):
        """What the endpoint calls otherwise is judged; without the map it would all be missed."""
        ground_truth, run = truth((0, 0, BOX), images=1), [outcome("0.jpg", [("Ding", 0.9, XYXY)])]
        assert judge(ground_truth, run, parse).numbers["AP"] == 0
        assert judge(ground_truth, run, parse, class_map={"Ding": "class 0"}).numbers["AP"] == 1
        with pytest.raises(BadSetting, match="does not have: class 9"):
            judge(ground_truth, run, parse, class_map={"Ding": "class 9"})

    def test_notes_of_the_ground_truth_stay(self):
        """What was mended while reading is told before what was left out while joining."""
        data = json.loads(ground_truth_json(truth((0, 0, BOX))))
        data["annotations"][0]["area"] = None
        evaluation = judge(parse_ground_truth(json.dumps(data).encode()), [outcome("0.jpg")], parse)
        assert [note.split(" ", 1)[1][:30] for note in evaluation.notes] == [
            "annotations have no usable are",
            "images of the ground truth hav",
        ]

    @pytest.mark.parametrize("seed", range(12))
    def test_equals_an_evaluation_of_these_images_alone(self, seed):
        """Leaving images out gives the numbers of a ground truth that never had them."""
        instances, results = random_set(seed)
        answered = {entry["id"] for entry in instances["images"][::2]}
        part = instances | {
            "images": [entry for entry in instances["images"] if entry["id"] in answered],
            "annotations": [entry for entry in instances["annotations"] if entry["image_id"] in answered],
        }
        found = [entry for entry in results if entry["image_id"] in answered]
        outcomes = [outcome(f"{i}.jpg", rows_of(found, i)) for i in sorted(answered, reverse=True)]
        evaluation = judge(columns(instances, [])[0], outcomes, parse)
        np.testing.assert_allclose(
            numbers_of(evaluation), numbers_of(evaluate(*columns(part, found))), rtol=0, atol=1e-12, equal_nan=True
        )

    @pytest.mark.parametrize("outcomes", [[], [failed("0.jpg")], [outcome("elsewhere.jpg")]])
    def test_nothing_to_judge(self, outcomes):
        """Without an answer there are no images, and every number is undefined."""
        evaluation = judge(truth((0, 0, BOX)), outcomes, parse)
        assert evaluation.matches.ground_truth.image_names == ()
        assert evaluation.image_table(0.5) == ()
        assert len(evaluation.class_table(0.5)) == 2
        assert np.isnan([*numbers_of(evaluation), evaluation.best_threshold.confidence]).all()
        assert evaluation.notes[-1] == f"2 {LEFT_OUT}: 0.jpg, 1.jpg."

    def test_settings_are_used(self):
        """Another IoU is matched when it is asked for."""
        settings = MatchSettings(ious=(0.3,))
        loose = judge(
            truth((0, 0, BOX), images=1), [outcome("0.jpg", [("class 0", 0.9, (0, 0, 40, 16))])], parse, settings
        )
        assert loose.matches.true_positive(0.3).tolist() == [True]

    def test_other_errors_of_a_parser_are_not_hidden(self):
        """A bug in a parser crashes visibly."""

        def broken(_):
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            judge(truth(), [outcome("0.jpg")], broken)


def rows_of(results, image_id):
    """COCO results of one image as rows of `outcome`."""
    return [
        (
            f"class {r['category_id']}",
            r["score"],
            (*r["bbox"][:2], r["bbox"][0] + r["bbox"][2], r["bbox"][1] + r["bbox"][3]),
        )
        for r in results
        if r["image_id"] == image_id
    ]


def brute_force(ground_truth, predictions, image, iou, most=100):
    """What each detection of an image takes and whether it is ignored, by the words of COCO's algorithm, one by one.

    In the order of the predictions' confidence, ties as they were read.
    """
    rows = [row for row in range(len(predictions)) if predictions.image[row] == image]
    rows.sort(key=lambda row: -predictions.confidence[row])
    objects = [row for row in range(len(ground_truth)) if ground_truth.image[row] == image]
    used, ranks, taken, ignored = set(), {}, [], []
    for row in rows:
        class_id = int(predictions.class_id[row])
        ranks[class_id] = ranks.get(class_id, 0) + 1
        if ranks[class_id] > most:
            taken.append(-1)
            ignored.append(True)
            continue
        best, best_iou, best_is_crowd = -1, min(iou, 1 - 1e-10), True
        for place, thing in enumerate(objects):
            crowd = bool(ground_truth.crowd[thing])
            if ground_truth.class_id[thing] != class_id or (thing in used and not crowd):
                continue
            if crowd and best >= 0 and not best_is_crowd:
                continue  # a crowd never wins against an object
            overlap = overlap_of(predictions.ltwh[row], ground_truth.ltwh[thing], crowd)
            first_object = best_is_crowd and not crowd
            if overlap >= (min(iou, 1 - 1e-10) if first_object else best_iou):
                best, best_iou, best_is_crowd = place, overlap, crowd
        if best >= 0:
            used.add(objects[best])
        taken.append(best)
        ignored.append(best >= 0 and best_is_crowd)
    return taken, ignored


def overlap_of(detection, thing, crowd):
    """The IoU of two ltwh boxes, by the function that the matching uses, so that no rounding tells them apart."""
    return float(coco_iou(detection[None], thing[None], np.array([crowd]))[0])


class TestJudgedImage:
    @pytest.mark.parametrize("seed", range(24))
    def test_agrees_with_brute_force(self, seed):
        """At every IoU, each detection of each image takes what COCO's algorithm gives it, by index into the image."""
        ground_truth, predictions = random_columns(seed)
        evaluation = evaluate(ground_truth, predictions)
        for image in range(len(ground_truth.image_names)):
            for iou in np.linspace(0.5, 0.95, 10):
                judged = judged_image(evaluation, image, round(iou, 2))
                taken, ignored = brute_force(ground_truth, predictions, image, iou)
                assert judged.taken.tolist() == taken
                assert judged.ignored.tolist() == ignored

    @pytest.mark.parametrize("seed", range(8))
    def test_order_and_columns(self, seed):
        """Detections stand as `Detections` sorts them, with their boxes, scores and classes; objects as in the file."""
        ground_truth, predictions = random_columns(seed)
        evaluation = evaluate(ground_truth, predictions)
        for image in range(len(ground_truth.image_names)):
            judged = judged_image(evaluation, image)
            mine, objects = predictions.image == image, ground_truth.image == image
            expected = Detections(
                ltwh_to_xyxy(predictions.ltwh[mine]),
                predictions.confidence[mine],
                predictions.class_id[mine],
                ground_truth.class_names,
            )
            assert judged.detections.xyxy.tolist() == expected.xyxy.tolist()
            assert judged.detections.confidence.tolist() == expected.confidence.tolist()
            assert judged.detections.class_id.tolist() == expected.class_id.tolist()
            assert judged.detections.class_names == ground_truth.class_names
            np.testing.assert_allclose(xyxy_to_ltwh(judged.truth_xyxy), ground_truth.ltwh[objects], rtol=0, atol=1e-9)
            assert judged.truth_class_id.tolist() == ground_truth.class_id[objects].tolist()
            assert judged.truth_ignored.tolist() == ground_truth.crowd[objects].tolist()

    @pytest.mark.parametrize("seed", range(12))
    @pytest.mark.parametrize("make", [random_columns, lambda seed: columns(*dense_set(seed))])
    def test_the_choices_are_enough_to_match(self, make, seed):
        """Whoever goes through them and takes what is free gets what each detection took."""
        evaluation = evaluate(*make(seed))
        for image in range(len(evaluation.matches.ground_truth.image_names)):
            judged = judged_image(evaluation, image, 0.75)
            taken, gone, classes = np.full(len(judged.taken), -1), set(), judged.detections.class_id
            for detection, wanted in judged.choices.tolist():
                rank = int((classes[:detection] == classes[detection]).sum())
                if taken[detection] < 0 and wanted not in gone and rank < judged.most:
                    taken[detection] = wanted
                    gone |= set() if judged.truth_crowd[wanted] else {wanted}
            assert taken.tolist() == judged.taken.tolist()
            judged_ignored = np.where(taken < 0, judged.uncounted, np.append(judged.truth_ignored, False)[taken])
            assert (judged.ignored | judged_ignored).tolist() == judged.ignored.tolist()

    @pytest.mark.parametrize("threshold", [0.0, 0.3, 0.8])
    def test_holds_at_every_threshold(self, threshold):
        """Cut at a threshold, it gives the counts that the metrics give there."""
        for seed in range(8):
            evaluation = evaluate(*random_columns(seed))
            table = per_image(evaluation.matches, threshold)
            for image in range(len(evaluation.matches.ground_truth.image_names)):
                judged = judged_image(evaluation, image)
                kept = ~judged.ignored & (judged.detections.confidence >= threshold)
                found = kept & (judged.taken >= 0)
                assert int(found.sum()) == table.tp[image]
                assert int((kept & ~found).sum()) == table.fp[image]
                missed = ~judged.truth_ignored & ~np.isin(np.arange(len(judged.truth_ignored)), judged.taken[found])
                assert int(missed.sum()) == table.fn[image]

    def test_detections_beyond_the_most_are_ignored(self):
        """The 101st detection of an image and class counts neither way, though it would find the object."""
        worse = [(0, 0, FAR, 0.9 - i / 1000) for i in range(100)]
        data = small_set([(0, 0, BOX)], [(0, 0, BOX, 0.1), *worse, (0, 1, FAR, 0.05)])
        judged = judged_image(evaluate(*data), 0)
        assert judged.detections.confidence[[100, 101]].tolist() == [0.1, 0.05]
        assert judged.taken.tolist() == [-1] * 102
        assert np.flatnonzero(judged.ignored).tolist() == [100]

    def test_a_class_of_another_object_takes_nothing(self):
        """A perfect box of the wrong class is a false positive."""
        judged = judged_image(evaluate(*small_set([(0, 0, BOX)], [(0, 1, BOX, 0.9)])), 0)
        assert (judged.taken.tolist(), judged.ignored.tolist()) == ([-1], [False])

    def test_crowds(self):
        """A detection on a crowd takes it and is ignored, and so is a second one; the crowd need not be found."""
        objects = [(0, 0, FAR), (0, 0, (0, 0, 200, 200), 40_000, True)]
        judged = judged_image(evaluate(*small_set(objects, [(0, 0, BOX, 0.9), (0, 0, BOX, 0.8)])), 0)
        assert judged.taken.tolist() == [1, 1]
        assert judged.ignored.tolist() == [True, True]
        assert judged.truth_ignored.tolist() == [False, True]

    @pytest.mark.parametrize(("image", "found", "there"), [(0, 1, 0), (1, 0, 1), (2, 0, 0)])
    def test_images_with_nothing_on_a_side(self, image, found, there):
        """Only detections, only objects, or neither: the columns have their shapes all the same."""
        data = small_set([(1, 0, BOX)], [(0, 0, BOX, 0.9)], images=3)
        judged = judged_image(evaluate(*data), image)
        assert (len(judged.detections), len(judged.taken), len(judged.ignored)) == (found, found, found)
        assert judged.truth_xyxy.shape == (there, 4)
        assert (len(judged.truth_class_id), len(judged.truth_ignored)) == (there, there)
        assert judged.taken.tolist() == [-1] * found
        assert not judged.ignored.any()

    def test_is_read_only(self):
        """What a page was given, it cannot change."""
        judged = judged_image(evaluate(*small_set([(0, 0, BOX)], [(0, 0, BOX, 0.9)])), 0)
        arrays = [value for value in vars(judged).values() if isinstance(value, np.ndarray)]
        assert len(arrays) == 8
        assert not any(array.flags.writeable for array in arrays)

    @pytest.mark.parametrize("image", [-1, 2])
    def test_no_such_image(self, image):
        """An index outside the ground truth is refused, not counted from the end."""
        with pytest.raises(BadSetting, match=f"no image {image}"):
            judged_image(evaluate(*small_set()), image)

    def test_an_iou_that_was_not_matched(self):
        """The message names the ones that were."""
        with pytest.raises(BadSetting, match=r"0\.42") as caught:
            judged_image(evaluate(*small_set()), 0, 0.42)
        assert "0.5" in caught.value.advice

    def test_a_judged_run(self):
        """Indices are those of the evaluation's own ground truth, which images without a reply are left out of."""
        ground_truth = truth((0, 0, FAR), (1, 0, BOX))
        evaluation = judge(ground_truth, [outcome("1.jpg")], parse)
        judged = judged_image(evaluation, evaluation.matches.ground_truth.image_names.index("1.jpg"))
        assert judged.truth_xyxy.tolist() == [[0, 0, 40, 40]]
        assert judged.taken.tolist() == [0]
