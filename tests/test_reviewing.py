"""Decisions about labels in doubt: what they change in the ground truth, in the numbers and in the file of labels."""

import contextlib
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from coco_sets import coco_json, columns, random_columns, random_set, results_json, small_set
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from smviz.annotations import (
    Corrections,
    canonical_json,
    corrected,
    corrected_json,
    ground_truth_json,
    ground_truth_of,
    origin,
    parse_ground_truth,
)
from smviz.diagnosis import REASONS, ReviewSettings, probably_missing, probably_wrong
from smviz.errors import BadAnnotations, StoreError, UnknownRun
from smviz.evaluation import evaluate
from smviz.matching import match
from smviz.records import ImageRef
from smviz.reviewing import corrections_of, doubt_keys, judged_again, numbers
from smviz.settings import Connection, Preset, Request
from smviz.sources import from_bytes
from smviz.store import Store

BOX = (100, 100, 40, 40)
NEAR = (100, 100, 40, 36)  # IoU 0.9 with BOX
HALF = (100, 100, 40, 16)  # IoU 0.4 with BOX
FAR = (300, 300, 40, 40)
LOOSE = ReviewSettings(confidence=0.3, faint=0.1)


def queues(matches, settings=LOOSE):
    return probably_missing(matches, settings), probably_wrong(matches, settings)


def all_rows(reviews):
    return [(review, range(len(review))) for review in reviews]


def objects(truth):
    """The objects as a sorted list of (image, class, ltwh, area, crowd)."""
    rows = zip(truth.image, truth.class_id, truth.ltwh.tolist(), truth.area, truth.crowd, strict=True)
    return sorted((int(i), int(k), tuple(box), float(area), bool(crowd)) for i, k, box, area, crowd in rows)


def pycocotools_reads(data):
    """The file as pycocotools has it, after a whole evaluation of it against its own boxes."""
    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO()
        known.dataset = json.loads(data)
        known.createIndex()
        own = [
            {"image_id": a["image_id"], "category_id": a["category_id"], "bbox": a["bbox"], "score": 0.9}
            for a in known.dataset["annotations"]
            if not a["iscrowd"]
        ]
        if own:
            evaluation = COCOeval(known, known.loadRes(own), "bbox")
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
            assert evaluation.stats[0] > 0
    return known


class TestCorrections:
    """What accepting the correction of a doubt means."""

    @pytest.mark.parametrize(
        ("labels", "detection", "reason", "after"),
        [
            ([], (0, 1, BOX, 0.9), "missing", [(0, 1, BOX, 1600.0, False)]),
            ([(0, 0, BOX, 900)], (0, 1, BOX, 0.9), "class", [(0, 1, BOX, 900.0, False)]),
            ([(0, 0, BOX, 900)], (0, 0, HALF, 0.9), "box", [(0, 0, HALF, 640.0, False)]),
            ([(0, 0, BOX), (0, 0, NEAR)], (0, 0, BOX, 0.9), "double", [(0, 0, BOX, 1600.0, False)]),
            ([(0, 0, BOX), (1, 0, FAR)], (0, 0, BOX, 0.9), "unseen", [(0, 0, BOX, 1600.0, False)]),
        ],
    )
    def test_each_reason(self, labels, detection, reason, after):
        """missing: an object more. class: its class. box: its box, and the area of it. double, unseen: it is gone."""
        matches = match(*small_set(labels, [detection]))
        reviews = queues(matches, ReviewSettings())
        assert [REASONS[reason] for review in reviews for reason in review.reason] == [reason]
        changed = corrections_of(all_rows(reviews))
        assert len(changed) == 1
        assert objects(corrected(matches.ground_truth, changed)) == after

    def test_what_is_kept_changes_nothing(self):
        """Without an accepted correction the ground truth is what it was."""
        matches = match(*random_columns(3))
        nothing = corrections_of([(review, ()) for review in queues(matches)])
        assert len(nothing) == 0
        assert objects(corrected(matches.ground_truth, nothing)) == objects(matches.ground_truth)

    def test_a_label_that_goes_is_not_changed_besides(self):
        """Doubted for its class and as a double: it goes, and counts once."""
        labels = [(0, 0, BOX), (0, 0, NEAR)]
        matches = match(*small_set(labels, [(0, 1, NEAR, 0.9)]))
        reviews = queues(matches, ReviewSettings())
        changed = corrections_of(all_rows(reviews))
        left = corrected(matches.ground_truth, changed)
        assert 1 in changed.removed
        assert len(left) == 1
        assert len(changed) == 2  # one is gone, the other has another class

    @pytest.mark.parametrize("seed", range(12))
    def test_nothing_else_changes(self, seed):
        """Crowds, images, classes and every object that is not in doubt stay, and the counts add up."""
        matches = match(*random_columns(seed))
        truth, reviews = matches.ground_truth, queues(matches)
        changed = corrections_of(all_rows(reviews))
        after = corrected(truth, changed)
        assert (after.image_names, after.class_names) == (truth.image_names, truth.class_names)
        assert len(after) == len(truth) - len(changed.removed) + len(changed.added_image)
        assert after.crowd.sum() == truth.crowd.sum()
        doubted = set(np.concatenate([review.truth for review in reviews]).tolist())
        sure = [row for g, row in enumerate(zip(truth.image, truth.ltwh.tolist(), strict=True)) if g not in doubted]
        kept = [(i, box) for i, box in zip(after.image, after.ltwh.tolist(), strict=True)]
        assert all(row in kept for row in sure)


class TestDoubtKeys:
    """What identifies a doubt."""

    @pytest.mark.parametrize("seed", range(8))
    def test_are_those_of_the_doubts_and_not_of_their_places(self, seed):
        """They differ from each other, and stay when other images are judged besides."""
        truth, found = random_columns(seed)
        reviews = queues(match(truth, found))
        keys = [key for review in reviews for key in doubt_keys(review)]
        alike = len(keys) - len(set(keys))
        twins = len(objects(truth)) - len(set(objects(truth)))
        assert alike <= twins  # the very same label twice is one doubt
        first = found.image == found.image[0] if len(found) else np.zeros(0, np.bool_)
        image = int(found.image[0]) if len(found) else 0
        names = ("image", "class_id", "ltwh", "confidence")
        alone = replace(found, **{name: getattr(found, name)[first] for name in names})
        here = truth.image == image
        columns = ("image", "class_id", "ltwh", "area", "crowd", "ignore")
        part = replace(truth, **{name: getattr(truth, name)[here] for name in columns})
        missing, _ = queues(match(part, alone))
        assert set(doubt_keys(missing)) <= set(keys)

    def test_two_labels_of_one_image_are_two_doubts(self):
        """Nothing is found on either; what is decided about one says nothing of the other."""
        review = probably_wrong(match(*small_set([(0, 0, BOX), (0, 0, FAR)])))
        assert len(review) == len(set(doubt_keys(review))) == 2

    def test_another_box_is_another_doubt(self):
        """The decision was about the box that was there."""
        one, other = (probably_missing(match(*small_set([], [(0, 0, box, 0.9)]))) for box in (BOX, NEAR))
        assert doubt_keys(one) != doubt_keys(other)
        assert doubt_keys(one) == doubt_keys(probably_missing(match(*small_set([], [(0, 0, BOX, 0.95)]))))


class TestNumbers:
    """Before and after."""

    def test_are_those_of_a_fresh_evaluation_of_the_corrected_file(self):
        """The detections matched to what the file says, on random sets."""
        for seed in range(8):
            truth, results = random_set(seed)
            ground_truth, found = columns(truth, results)
            before = evaluate(ground_truth, found)
            changed = corrections_of(all_rows(queues(before.matches)))
            after = numbers(judged_again(before, changed), 0.4)
            data = corrected_json(json.dumps(truth).encode(), ground_truth, changed)
            again, detections = columns(json.loads(data), results)
            fresh = numbers(evaluate(again, detections), 0.4)
            told = zip(vars(after).items(), vars(fresh).values(), strict=True)
            for (name, value), other in told:
                assert value == pytest.approx(other, nan_ok=True, abs=1e-12), name

    def test_corrections_flatter_the_detector(self):
        """A confident detection on nothing that becomes an object: precision rises from 1/2 to 1."""
        before = evaluate(*small_set([(0, 0, BOX)], [(0, 0, BOX, 0.95), (1, 0, FAR, 0.9)]))
        changed = corrections_of(all_rows(queues(before.matches)))
        after = judged_again(before, changed)
        assert numbers(before, 0.5).precision == 0.5
        assert numbers(after, 0.5).precision == 1.0

    def test_nothing_to_tell_is_nan(self):
        """Without objects and detections no number is defined."""
        told = numbers(evaluate(*small_set()), 0.5)
        assert all(np.isnan(value) for value in vars(told).values())


FILE = {
    "info": {"description": "ours", "year": 2020},
    "licenses": [{"id": 3, "name": "MIT"}],
    "images": [
        {"id": 7, "file_name": "a.jpg", "width": 640, "height": 480, "license": 3, "coco_url": "http://x"},
        {"id": 2, "file_name": "b.jpg", "width": 640, "height": 480},
        {"id": 9, "file_name": "not answered.jpg", "width": 640, "height": 480},
    ],
    "categories": [{"id": 5, "name": "dog", "supercategory": "animal"}, {"id": 1, "name": "cat", "keypoints": []}],
    "annotations": [
        {
            "id": 40,
            "image_id": 7,
            "category_id": 5,
            "bbox": list(BOX),
            "area": 900.5,
            "iscrowd": 0,
            "segmentation": [[1, 2, 3]],
            "note": "by Ann",
        },
        {"id": 41, "image_id": 9, "category_id": 1, "bbox": list(FAR), "area": 1600, "iscrowd": 0},
        {"id": 12, "image_id": 2, "category_id": 1, "bbox": list(FAR), "area": 7, "iscrowd": 1, "segmentation": {}},
        {"id": 13, "image_id": 99, "category_id": 1, "bbox": list(FAR), "area": 7, "iscrowd": 0},
        {"id": 44, "image_id": 2, "category_id": 5, "bbox": list(BOX), "area": 1600, "iscrowd": 0, "segmentation": []},
    ],
}
DATA = json.dumps(FILE).encode()


def by_id(data):
    return {row["id"]: row for row in json.loads(data)["annotations"]}


class TestFile:
    """The corrected annotations as COCO."""

    def test_what_is_not_corrected_stays_as_it_is(self):
        """Ids, further fields, crowds, categories, images without a reply; only what no tool could use is left out."""
        data = corrected_json(DATA, parse_ground_truth(DATA), Corrections())
        told = json.loads(data)
        assert told["annotations"] == [row for row in FILE["annotations"] if row["id"] != 13]
        assert {name: told[name] for name in ("licenses", "images", "categories")} == {
            name: FILE[name] for name in ("licenses", "images", "categories")
        }
        assert told["info"]["description"] == "ours"

    def test_corrections(self):
        """An object more with an id of its own, a class, a box without its old outline, and one that is gone."""
        truth = parse_ground_truth(DATA)
        assert truth.class_names == ("cat", "dog")
        assert truth.image_names == ("b.jpg", "a.jpg", "not answered.jpg")
        changed = Corrections(
            removed=[3],
            renamed=[0],
            class_id=[0],
            moved=[0],
            ltwh=[NEAR],
            added_image=[1],
            added_class=[1],
            added_ltwh=[FAR],
        )
        rows = by_id(corrected_json(DATA, truth, changed))
        assert set(rows) == {40, 41, 12, 45}
        assert rows[40] == {
            "id": 40,
            "image_id": 7,
            "category_id": 1,
            "bbox": list(NEAR),
            "area": 1440.0,
            "iscrowd": 0,
            "note": "by Ann",
        }
        assert rows[45] == {
            "id": 45,
            "image_id": 7,
            "category_id": 5,
            "bbox": list(FAR),
            "area": 1600.0,
            "iscrowd": 0,
        }
        pycocotools_reads(corrected_json(DATA, truth, changed))

    def test_tells_what_was_done(self):
        """In the note that smviz reads again, beside the file's own words."""
        changed = Corrections(removed=[3], added_image=[1, 1], added_class=[1, 1], added_ltwh=[FAR, BOX])
        data = corrected_json(DATA, parse_ground_truth(DATA), changed)
        told = "Corrected after a review: 2 objects were added, 0 changed and 1 removed."
        assert origin(data).notes == (told,)
        assert told in parse_ground_truth(data).notes

    def test_of_a_part_of_the_images(self):
        """Positions in the judged part mean the same objects of the file; the rest of it stays."""
        truth = parse_ground_truth(DATA)
        judged = replace(
            truth,
            image_names=("a.jpg",),
            image_ids=(7,),
            image_sizes=truth.image_sizes[1:2],
            image=[0],
            **{name: getattr(truth, name)[:1] for name in ("class_id", "ltwh", "area", "crowd", "ignore")},
        )
        changed = Corrections(removed=[0], added_image=[0], added_class=[0], added_ltwh=[FAR])
        rows = by_id(corrected_json(DATA, judged, changed))
        assert set(rows) == {41, 12, 44, 45}
        assert rows[45]["image_id"] == 7

    @pytest.mark.parametrize("seed", range(8))
    def test_is_what_the_columns_say_and_pycocotools_reads_it(self, seed):
        """On random sets, with all doubts accepted."""
        truth, results = random_set(seed)
        ground_truth, found = columns(truth, results)
        changed = corrections_of(all_rows(queues(match(ground_truth, found))))
        data = corrected_json(json.dumps(truth).encode(), ground_truth, changed)
        assert objects(parse_ground_truth(data)) == objects(corrected(ground_truth, changed))
        known = pycocotools_reads(data)
        assert len(known.anns) == len(known.dataset["annotations"])

    @pytest.mark.parametrize(
        "spoilt",
        [
            {"id": None},
            {"id": "a"},
            {"id": 41},
            {"area": None},
            {"area": "much"},
            {"iscrowd": None},
            {"image_id": "7"},
            {"category_id": "5"},
        ],
    )
    def test_what_pycocotools_needs_is_filled_in(self, spoilt):
        """An id of its own, the area of the box, no crowd, ids as the lists have them; the other rows stay."""
        file = json.loads(DATA)
        file["annotations"][0] |= spoilt
        file["annotations"][0] = {name: value for name, value in file["annotations"][0].items() if value is not None}
        data = json.dumps(file).encode()
        truth = parse_ground_truth(data)
        known = pycocotools_reads(corrected_json(data, truth, Corrections()))
        assert len(known.anns) == len(truth)
        assert known.getAnnIds(imgIds=[2]) == [12, 44]

    def test_of_another_format(self):
        """Labels that are kept in no COCO file become one."""
        data = json.dumps({"images": FILE["images"], "annotations": [
            {"id": 1, "image_id": 7, "category_id": 1, "bbox": [300, 300, 340, 340]},
            {"id": 2, "image_id": 2, "category_id": 1, "bbox": [500, 400, 640, 480]},
        ]}).encode()  # fmt: skip
        truth = parse_ground_truth(data)
        assert truth.ltwh[0].tolist() == list(FAR)
        after = corrected_json(data, truth, Corrections(removed=[1]))
        assert parse_ground_truth(after).ltwh.tolist() == [list(FAR)]
        pycocotools_reads(after)

    def test_of_canonical_ground_truth(self):
        """What was noted before stays noted."""
        kept = ground_truth_json(parse_ground_truth(DATA), "voc", "labels.zip")
        after = corrected_json(kept, parse_ground_truth(kept), Corrections(removed=[0]))
        assert origin(after).source == "labels.zip"
        assert len(origin(after).notes) == 2

    def test_of_another_ground_truth(self):
        """It is refused, for positions would mean other objects."""
        other = parse_ground_truth(json.dumps(coco_json([1], 1, [(1, 0, BOX, 1600, 0)])).encode())
        with pytest.raises(BadAnnotations, match="another ground truth"):
            corrected_json(DATA, other, Corrections())

    @pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"images": 3}', b"\xff\xfe"])
    def test_that_cannot_be_read(self, data):
        """It is told."""
        with pytest.raises(BadAnnotations):
            corrected_json(data, parse_ground_truth(DATA), Corrections())

    def test_no_results(self):
        """A set without detections has nothing to add, and stays whole."""
        truth, found = columns(coco_json([1, 2], 1, [(1, 0, BOX, 1600, 0)]), results_json([]))
        assert len(corrections_of(all_rows(queues(match(truth, found))))) == 1  # nothing is found there


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path) as opened:
        yield opened


def new_run(store, name="a run"):
    images = [ImageRef("a.jpg", data=b"a")]
    return store.create_run(name, Connection("eu-west-1"), Request("endpoint"), Preset("builtin-ssd"), images)


class TestStore:
    """Decisions are kept with the run."""

    def test_survive_a_restart(self, tmp_path):
        """They are there when the workspace is opened again, in the order in which they were made."""
        with Store(tmp_path) as store:
            run = new_run(store)
            store.decide(run.id, {"b": "reject"})
            store.decide(run.id, {"a": "keep"})
        with Store(tmp_path) as again:
            assert list(again.decisions(run.id).items()) == [("b", "reject"), ("a", "keep")]

    def test_can_be_changed_and_taken_back(self, store):
        """The last word counts."""
        run = new_run(store)
        store.decide(run.id, {"a": "keep", "b": "keep"})
        store.decide(run.id, {"a": "reject"})
        assert store.decisions(run.id) == {"b": "keep", "a": "reject"}
        store.decide(run.id, {"a": None})
        assert store.decisions(run.id) == {"b": "keep"}

    def test_belong_to_one_run(self, store):
        """Another run has its own, and a deleted one leaves none."""
        one, other = new_run(store, "one"), new_run(store, "other")
        store.decide(one.id, {"a": "keep"})
        assert store.decisions(other.id) == {}
        store.delete_run(one.id)
        assert store.decisions(one.id) == {}
        with pytest.raises(UnknownRun):
            store.decide(one.id, {"a": "keep"})

    def test_a_closed_store(self, tmp_path):
        """It says so."""
        store = Store(tmp_path)
        run = new_run(store)
        store.close()
        with pytest.raises(StoreError):
            store.decisions(run.id)


def kept(data, name="labels.json", format="coco"):
    """What is kept of a file, and the ground truth in it."""
    with from_bytes([(name, data)]) as source:
        truth = ground_truth_of(source, format)
        return canonical_json(source, truth, format, "my labels"), truth


class TestKeeping:
    """What is kept with a run, for the corrected labels to be handed back as they came."""

    def test_a_coco_file_keeps_everything(self):
        """Every field of every entry; only "info" tells more."""
        data, _ = kept(DATA)
        told = json.loads(data)
        assert told.pop("info") == {**FILE["info"], "smviz": {"format": "coco", "source": "my labels"}}
        assert told == {name: value for name, value in FILE.items() if name != "info"}

    @pytest.mark.parametrize("seed", range(6))
    def test_it_is_read_as_before(self, seed):
        """The same columns, and the same notes."""
        data, truth = kept(json.dumps(random_set(seed)[0]).encode())
        again = parse_ground_truth(data)
        assert objects(again) == objects(truth)
        assert (again.image_ids, again.category_ids, again.notes) == (
            truth.image_ids,
            truth.category_ids,
            truth.notes,
        )

    def test_sizes_that_only_the_images_tell_are_added(self):
        """The file alone would not be enough later."""
        file = json.loads(DATA)
        del file["images"][0]["width"]
        with from_bytes([("labels.json", json.dumps(file).encode())]) as source:
            truth = ground_truth_of(source, "coco", lambda name: (800, 600) if name == "a.jpg" else None)
            data = canonical_json(source, truth, "coco")
        image = json.loads(data)["images"][0]
        assert (image["width"], image["height"], image["coco_url"]) == (800, 600, "http://x")
        assert parse_ground_truth(data).image_sizes.tolist() == truth.image_sizes.tolist()

    @pytest.mark.parametrize("info", [7, "ours", [], {"smviz": {"notes": ["before"]}}])
    def test_an_info_that_cannot_tell_more(self, info):
        """Then the labels are written anew, as those of other formats are; notes of before stay."""
        data, truth = kept(json.dumps({**FILE, "info": info}).encode())
        again = parse_ground_truth(data)
        assert objects(again) == objects(truth)
        assert origin(data).source == "my labels"
        assert again.notes == truth.notes
        assert "coco_url" not in data.decode() or info == []

    def test_of_another_format_it_becomes_coco(self):
        """Corners become left, top, width and height."""
        annotations = [{"id": 1, "image_id": 7, "category_id": 1, "bbox": [600, 400, 640, 480]}]
        file = {"images": FILE["images"], "annotations": annotations}
        data, truth = kept(json.dumps(file).encode(), format="jumpstart")
        assert parse_ground_truth(data).ltwh.tolist() == truth.ltwh.tolist() == [[600, 400, 40, 80]]
        assert origin(data).format == "jumpstart"
