"""Before a run is paid for: what does not fit together is found, named, and said in a sentence."""

import time

import numpy as np
import pytest

from smviz.boxes import ltwh_to_xyxy, pairwise_iou
from smviz.datasets import DataSetCheck, Finding, check, propose_class_map, unmatched
from smviz.errors import BadSource
from smviz.evaluation import predictions_from
from smviz.records import Detections, GroundTruth, Outcome, Reply, Skipped
from smviz.sources import from_bytes

BOX = (10, 10, 40, 40)
FAR = (300, 300, 40, 40)


def truth(objects=((0, 0, BOX),), names=("a.jpg", "b.jpg"), classes=("dog", "cat"), sizes=(640, 480), **columns):
    """Ground truth of (image, class, ltwh)."""
    return GroundTruth(
        image_names=tuple(names),
        image_ids=tuple(range(len(names))),
        image_sizes=np.array([sizes] * len(names)),
        class_names=tuple(classes),
        category_ids=tuple(range(len(classes))),
        image=[image for image, _, _ in objects],
        class_id=[class_id for _, class_id, _ in objects],
        ltwh=[ltwh for _, _, ltwh in objects],
        area=[1.0] * len(objects),
        **{"crowd": [False] * len(objects), **columns},
    )


def checked(ground_truth, images=None, **more):
    """The findings of a check by kind; the images are all that the ground truth lists, where none are given."""
    found = check(ground_truth.image_names if images is None else images, ground_truth, **more).findings
    assert len({finding.kind for finding in found}) == len(found)
    return {finding.kind: finding for finding in found}


def many(count, class_id=0):
    """So many sound objects of a class on the first image, none of them alike."""
    return [(0, class_id, (i, class_id * 20, 5, 5)) for i in range(count)]


class TestCheck:
    def test_a_sound_data_set_has_no_findings(self):
        """Images, annotations and classes that fit: nothing to say, and it is ok."""
        objects = [*many(30), *many(30, 1), (1, 0, BOX)]
        found = check(["a.jpg", "b.jpg"], truth(objects), ("dog", "cat"))
        assert found == DataSetCheck(())
        assert found.ok

    def test_the_most_serious_comes_first(self):
        """Errors, then warnings, then notes."""
        found = check(["a.jpg", "x.jpg"], truth([(0, 0, BOX), (1, 1, BOX)]), ("dog", "fox"), {"fox": "wolf"})
        assert [finding.severity for finding in found.findings] == [
            "error",
            "warning",
            "warning",
            "warning",
            "note",
            "note",
        ]
        assert not found.ok

    def test_warnings_and_notes_are_ok(self):
        """Only what leaves nothing to judge is an error."""
        found = check(["a.jpg", "x.jpg"], truth([(0, 0, BOX), (1, 1, BOX)]), ("dog", "fox"))
        assert {finding.severity for finding in found.findings} == {"warning", "note"}
        assert found.ok

    def test_long_lists_are_cut_in_the_sentence_only(self):
        """A sentence names five and counts the rest; all are in `names`."""
        images = [f"{i}.jpg" for i in range(8)]
        finding = checked(truth(), ["a.jpg", *images])["image without annotations"]
        assert finding.sentence == (
            "Images that the ground truth does not list: 8 (0.jpg, 1.jpg, 2.jpg, 3.jpg, 4.jpg, and 3 more). "
            "They are not judged."
        )
        assert finding.names == tuple(images)

    def test_of_36_000_objects_takes_well_under_a_second(self):
        """Vectorised: as many objects as COCO val2017 has, on 5,000 images with 80 classes."""
        rng = np.random.default_rng(1)
        count, images = 36_000, [f"{i:012}.jpg" for i in range(5_000)]
        ground_truth = GroundTruth(
            image_names=images,
            image_ids=tuple(range(5_000)),
            image_sizes=np.full((5_000, 2), 640),
            class_names=tuple(map(str, range(80))),
            category_ids=tuple(range(80)),
            image=rng.integers(0, 5_000, count),
            class_id=rng.integers(0, 80, count),
            ltwh=rng.uniform(0, 300, (count, 4)),
            area=np.ones(count),
            crowd=np.zeros(count),
        )
        start = time.process_time()
        check(images, ground_truth, tuple(map(str, range(80))))
        assert time.process_time() - start < 1


class TestImages:
    def test_without_annotations(self):
        """An image that the ground truth does not list is not judged."""
        finding = checked(truth(), ["a.jpg", "b.jpg", "x.jpg"])["image without annotations"]
        assert (finding.severity, finding.names) == ("warning", ("x.jpg",))

    def test_annotations_without_a_file(self):
        """An annotated image that is not there is named; one that is listed without objects is not missed."""
        found = checked(truth(names=("a.jpg", "b.jpg", "c.jpg"), objects=[(0, 0, BOX), (1, 0, BOX)]), ["a.jpg"])
        assert (found["annotations without image"].severity, found["annotations without image"].names) == (
            "warning",
            ("b.jpg",),
        )

    def test_without_objects(self):
        """A background image is listed and has no objects, which may well be meant so."""
        finding = checked(truth())["image without objects"]
        assert (finding.severity, finding.names) == ("note", ("b.jpg",))

    def test_none_at_all(self):
        """Nothing to send."""
        finding = checked(truth(), [])["no images"]
        assert (finding.severity, finding.sentence) == ("error", "There are no images to send.")

    def test_none_in_common(self):
        """Both sides are named, so that a person sees how the names differ."""
        finding = checked(truth(), ["1.png", "2.png"])["no common image"]
        assert finding.severity == "error"
        assert finding.sentence == "The ground truth has none of the 2 images, such as '1.png'; it has a.jpg, b.jpg."

    def test_are_joined_by_base_name_where_it_is_unique(self):
        """Folders may differ, as when a run is judged."""
        ground_truth = truth([(0, 0, BOX), (1, 0, BOX)], ["train/a.jpg", "train/b.jpg"])
        assert set(checked(ground_truth, ["/data/a.jpg", "C:\\data\\b.jpg"])) == {"few objects"}

    @pytest.mark.parametrize(
        ("names", "images"),
        [
            (["x/a.jpg", "y/a.jpg", "b.jpg"], ["x/a.jpg", "a.jpg", "z/b.jpg", "c.jpg"]),
            (["a.jpg", "b.jpg"], ["x/a.jpg", "b.jpg", "x\\b.jpg"]),
            (["x\\a.jpg"], ["a.jpg", "A.jpg"]),
        ],
    )
    def test_are_joined_as_a_run_is(self, names, images):
        """What the check says is not judged, is exactly what judging leaves out."""
        ground_truth = truth(names=names)
        finding = checked(ground_truth, images).get("image without annotations", Finding("", "note", "", ()))
        reply = Reply(b"", "", 0.1, None)
        nothing = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64), ())
        outcomes = [Outcome(name, "00", 640, 480, 1, reply) for name in images]
        notes = predictions_from(outcomes, lambda _: nothing, ground_truth).notes
        left_out = [note.rsplit(": ", 1)[1].rstrip(".") for note in notes if "not in the ground truth" in note]
        assert ", ".join(finding.names) == "".join(left_out)

    def test_of_one_base_name_in_different_folders(self):
        """A note where the ground truth has the folders too, a warning where it cannot tell them apart."""
        apart = checked(truth(names=("x/a.jpg", "y/a.jpg")))["same base name"]
        assert (apart.severity, apart.names) == ("note", ("x/a.jpg", "y/a.jpg"))
        mixed = checked(truth(), ["x/a.jpg", "y/a.jpg", "b.jpg"])["same base name"]
        assert (mixed.severity, mixed.names) == ("warning", ("x/a.jpg", "y/a.jpg"))
        assert "cannot tell them apart" in mixed.sentence


class TestCopies:
    IMAGES = (("a.jpg", b"1234"), ("b.jpg", b"1234"), ("c.jpg", b"4321"), ("d.jpg", b"123"), ("e.jpg", b"4321"))

    def test_are_found_by_their_bytes(self):
        """Files with the same bytes are named together; names alone, or another content of that size, are not."""
        found = checked(truth(), list(from_bytes(self.IMAGES)), read=lambda file: file.read())
        assert found["same image"].names == ("a.jpg", "b.jpg", "c.jpg", "e.jpg")
        assert found["same image"].severity == "warning"

    def test_only_files_of_equal_size_are_read(self):
        """What no other file can equal is not read."""
        read = []
        checked(truth(), list(from_bytes(self.IMAGES)), read=lambda file: read.append(file.name) or file.read())
        assert read == ["a.jpg", "b.jpg", "c.jpg", "e.jpg"]

    def test_are_not_looked_for_unasked(self):
        """Without the callable nothing is read, and names alone cannot be."""
        assert "same image" not in checked(truth(), list(from_bytes(self.IMAGES)))
        assert "same image" not in checked(truth(), ["a.jpg", "b.jpg"], read=lambda file: b"")

    def test_what_cannot_be_read_is_named(self):
        """One damaged file does not end the check."""

        def read(file):
            if file.name == "b.jpg":
                raise BadSource("Damaged.", "Copy it again.")
            return file.read()

        found = checked(truth(), list(from_bytes(self.IMAGES)), read=read)
        assert found["unreadable"].names == ("b.jpg",)
        assert found["same image"].names == ("c.jpg", "e.jpg")


class TestBoxes:
    @pytest.mark.parametrize("box", [(-50, 10, 40, 40), (640, 0, 5, 5), (0, 480, 5, 5), (10, -40, 40, 40)])
    def test_wholly_outside(self, box):
        """A box that shares no pixel with its image, on any side."""
        finding = checked(truth([(0, 0, BOX), (1, 0, box)]))["box outside"]
        assert (finding.severity, finding.names) == ("warning", ("b.jpg",))
        assert finding.sentence.startswith("Boxes wholly outside of their image: 1 (on b.jpg).")

    @pytest.mark.parametrize(
        ("box", "pixels"), [((-7, 0, 40, 40), 7), ((0, -1, 9, 9), 1), ((620, 0, 32, 9), 12), ((0, 470, 9, 30), 20)]
    )
    def test_over_the_edge(self, box, pixels):
        """How far it reaches is told, on any side."""
        finding = checked(truth([(0, 0, BOX), (1, 0, box), (1, 1, (-0.6, 0, 9, 9))]))["box over the edge"]
        assert finding.names == ("b.jpg",)
        assert f": 2 (on b.jpg). The furthest does so by {pixels} pixels" in finding.sentence

    def test_rounding_reaches_over_no_edge(self):
        """Half a pixel is what rounded coordinates add; a box as large as the image is in it."""
        found = checked(truth([(0, 0, (0, 0, 640, 480)), (0, 1, (-0.5, 0, 9, 9)), (1, 0, (600.01, 0, 40.02, 9))]))
        assert set(found) == {"few objects"}

    def test_of_images_without_a_size(self):
        """Where the ground truth does not tell the size, nothing is off the frame."""
        assert set(checked(truth([(0, 0, (9000, 0, 5, 5)), (1, 0, BOX)], sizes=(0, 0)))) == {"few objects"}

    @pytest.mark.parametrize("box", [(5, 5, 0, 9), (5, 5, 9, -1), (np.nan, 5, 9, 9), (5, 5, np.inf, 9)])
    def test_without_area(self, box):
        """A box without width or height, or that is no number, is found as that and nothing else."""
        found = checked(truth([(0, 0, BOX), (1, 0, box)]))
        assert found["box without area"].names == ("b.jpg",)
        assert set(found) == {"box without area", "few objects"}

    def test_none_at_all(self):
        """Without objects nothing can be judged."""
        assert checked(truth([]))["no objects"].severity == "error"


class TestDoubles:
    def test_of_one_image_class_and_box(self):
        """Only the second is counted; in another class or image, or as a crowd, it is none."""
        objects = [(0, 0, BOX), (1, 0, BOX), (0, 0, FAR), (0, 1, BOX), (1, 0, BOX), (1, 0, BOX), (0, 0, FAR)]
        finding = checked(truth(objects, crowd=[0, 0, 0, 0, 0, 0, 1]))["double"]
        assert (finding.severity, finding.names) == ("warning", ("b.jpg",))
        assert "twice: 2 (on b.jpg)" in finding.sentence

    def test_nearly(self):
        """An IoU above 0.95 within one class is a near double; 0.95 itself, or another class, is none."""
        near, at_limit = (0, 0, 100, 96), (0, 300, 100, 95)
        objects = [(0, 0, (0, 0, 100, 100)), (0, 0, near), (0, 0, (0, 300, 100, 100)), (0, 0, at_limit)]
        objects += [(1, 0, (0, 0, 100, 100)), (1, 1, near)]
        found = checked(truth(objects))
        assert found["near double"].names == ("a.jpg",)
        assert "above 0.95: 1 (on a.jpg)" in found["near double"].sentence
        assert "double" not in found

    @pytest.mark.parametrize("seed", range(20))
    def test_equal_a_search_through_all_pairs(self, seed):
        """By brute force: which objects have a double, or a near double, before them."""
        rng = np.random.default_rng(seed)
        base = rng.uniform(20, 80, (12, 4))
        boxes = np.concatenate(
            [base, base[:6] + rng.normal(0, 0.6, (6, 4)), base[:4], base[3:9] + np.array([0, 0, 1.5, 0])]
        )
        image, class_id = rng.integers(0, 2, len(boxes)), rng.integers(0, 2, len(boxes))
        objects = list(zip(image.tolist(), class_id.tolist(), boxes, strict=True))
        unique = {(i, k, tuple(box)): n for n, (i, k, box) in reversed(list(enumerate(objects)))}
        iou = pairwise_iou(ltwh_to_xyxy(boxes), ltwh_to_xyxy(boxes))
        kept = sorted(unique.values(), key=lambda n: (image[n], class_id[n], *boxes[n]))
        near = sum(
            any(iou[n, m] > 0.95 and (image[n], class_id[n]) == (image[m], class_id[m]) for m in kept[:at])
            for at, n in enumerate(kept)
        )
        found = checked(truth(objects))
        assert counted(found.get("double")) == len(objects) - len(unique)
        assert counted(found.get("near double")) == near


def counted(finding):
    """How many boxes a finding tells of."""
    return int(finding.sentence.split(": ")[1].split(" ")[0]) if finding else 0


class TestClasses:
    def test_never_seen_by_the_endpoint(self):
        """A class with objects that no class of the endpoint means; one without objects costs nothing."""
        ground_truth = truth([(0, 0, BOX), (1, 1, BOX)], classes=("dog", "cat", "fox"))
        finding = checked(ground_truth, class_names=("dog", "bird"))["class never seen"]
        assert (finding.severity, finding.names) == ("warning", ("cat",))

    def test_that_the_ground_truth_lacks(self):
        """Named in the endpoint's order, with those left out on purpose."""
        finding = checked(truth(), class_names=("fox", "DOG ", "bird", "cat"), class_map={"cat": None})
        assert finding["class not annotated"].names == ("fox", "bird", "cat")
        assert finding["class not annotated"].severity == "note"

    def test_of_names_alike_the_most_frequent_is_meant(self):
        """Two categories that differ by case only: the one with objects is the one that the endpoint sees."""
        ground_truth = truth([(0, 1, BOX), (1, 1, BOX)], classes=("Dog", "dog"))
        assert set(checked(ground_truth, class_names=("DOG",))) == {"few objects"}

    def test_the_map_comes_first(self):
        """Several classes of the endpoint may mean one; names that are not in it are found by themselves."""
        ground_truth = truth([(0, 0, BOX), (1, 1, BOX)], classes=("vehicle", "person"))
        found = checked(
            ground_truth, class_names=("car", "van", "Person"), class_map={"car": "vehicle", "van": "vehicle"}
        )
        assert set(found) == {"few objects"}

    @pytest.mark.parametrize("class_map", [{}, {"cat": None, "Van": "dog"}, {"DOG": "CAT", "fox": "Dog "}])
    def test_are_joined_as_a_run_is(self, class_map):
        """What the check says is left out, is exactly what judging leaves out."""
        names = ("dog", "DOG", "Van", " cat", "cat", "fox", "do g")
        ground_truth = truth([(0, 1, BOX), (0, 2, BOX)], classes=("Dog ", "dog", "CAT"))
        finding = checked(ground_truth, class_names=names, class_map=class_map)["class not annotated"]
        every = Detections([BOX] * len(names), [0.5] * len(names), range(len(names)), names)
        outcomes = [Outcome("a.jpg", "00", 640, 480, 1, Reply(b"", "", 0.1, None))]
        predictions = predictions_from(outcomes, lambda _: every, ground_truth, class_map)
        left_out = [note.rsplit(": ", 1)[1].rstrip(".") for note in predictions.notes if "left out" in note]
        assert sorted(finding.names) == sorted(", ".join(left_out).split(", "))
        assert len(predictions) == len(names) - len(finding.names)

    def test_none_in_common(self):
        """Then nothing can be judged."""
        finding = checked(truth(), class_names=("1", "2"))["no common class"]
        assert finding.severity == "error"
        assert finding.sentence == "No class of the endpoint (1, 2) means one of the ground truth's (dog, cat)."

    def test_of_the_map_that_are_not_there(self):
        """A map of another ground truth cannot be judged with, also when the endpoint's classes are not known."""
        finding = checked(truth(), class_map={"x": "wolf", "y": None, "z": " DOG"})["unknown mapped class"]
        assert (finding.severity, finding.names) == ("error", ("wolf",))

    def test_are_not_compared_when_they_are_not_known(self):
        """An endpoint may not tell its classes."""
        assert set(checked(truth([(0, 0, BOX), (1, 1, BOX)]))) == {"few objects"}

    def test_with_few_objects(self):
        """Below 30 a class is named with its number; crowds and objects to ignore do not count."""
        objects = [*many(31), *many(30, 1), *many(29, 2)]
        crowd, ignore = [n < 1 for n in range(len(objects))], [n == 31 for n in range(len(objects))]
        ground_truth = truth(objects, classes=("a", "b", "c", "d"), crowd=crowd, ignore=ignore)
        finding = checked(ground_truth)["few objects"]
        assert (finding.severity, finding.names) == ("note", ("b", "c", "d"))
        assert "fewer than 30 objects: 3 (b: 29, c: 29, d: 0)" in finding.sentence


def test_skipped_records_are_named():
    """What could not be read is missing, so it is told with its place."""
    skipped = (
        Skipped("a.xml", "object 3", "no box."),
        Skipped("a.xml", "object 4", "no name."),
        Skipped("b.xml", "", "empty."),
    )
    finding = checked(truth(skipped=skipped))["skipped record"]
    assert (finding.severity, finding.names) == ("warning", ("a.xml", "b.xml"))
    assert finding.sentence == (
        "Records that could not be used: 3 (a.xml, object 3: no box; a.xml, object 4: no name; b.xml: empty). "
        "What they label is not judged."
    )


class TestProposeClassMap:
    @pytest.mark.parametrize(
        ("theirs", "ours"),
        [
            ("dog", "dog"),
            ("Dog", "dog"),
            ("traffic light", "Traffic_Light"),
            ("traffic-light", "trafficlight"),
            (" dog ", "dog"),
            ("ＤＯＧ", "dog"),
            ("dogs", "dog"),
            ("dog", "Dogs"),
            ("box", "boxes"),
            ("horse", "horses"),
            ("bus", "buses"),
            ("glass", "glasses"),
            ("berries", "berry"),
            ("knives", "knife"),
            ("traffic_lights", "Traffic Light"),
        ],
    )
    def test_pairs_names_that_are_alike(self, theirs, ours):
        """Equal, equal but for how they are written, or the plural."""
        assert propose_class_map(["other", ours], [theirs]) == {theirs: ours}

    @pytest.mark.parametrize(
        ("theirs", "ours"),
        [("dog", "cat"), ("car", "cart"), ("glass", "gla"), ("person", "people"), ("", "s"), ("-", "")],
    )
    def test_does_not_guess(self, theirs, ours):
        """What is not alike has no proposal."""
        assert propose_class_map([ours], [theirs]) == {theirs: None}

    def test_the_most_alike_come_first(self):
        """An exact name is taken before a folded one, and that before a plural, whatever the order."""
        ours = ["dogs", "DOG", "dog", "Cats", "cat_s"]
        assert propose_class_map(ours, ["dogs", "dog", "DOG", "cats"]) == {
            "dogs": "dogs",
            "dog": "dog",
            "DOG": "DOG",
            "cats": None,
        }

    def test_a_class_of_the_ground_truth_is_proposed_once(self):
        """That two classes of the endpoint mean one is for a person to say."""
        assert propose_class_map(["dog"], ["dog", "Dog", "dogs"]) == {"dog": "dog", "Dog": None, "dogs": None}
        assert propose_class_map(["dog"], ["DOG", "Dog"]) == {"DOG": None, "Dog": None}

    def test_what_is_in_doubt_is_not_given_away(self):
        """Two partners at one step are not resolved by a worse one at a later step."""
        assert propose_class_map(["Dog", "dOg", "dogs"], ["DOG"]) == {"DOG": None}
        assert propose_class_map(["dog"], ["DOG", "Dog", "dogs"]) == {"DOG": None, "Dog": None, "dogs": None}

    def test_repeated_names_count_once(self):
        """Two categories of one name are one to a person who chooses."""
        assert propose_class_map(["fish", "fish"], ["Fish", "Fish"]) == {"Fish": "fish"}

    def test_nothing_to_pair(self):
        """Either side may be empty."""
        assert propose_class_map([], ["dog"]) == {"dog": None}
        assert propose_class_map(["dog"], []) == {}


class TestUnmatched:
    def test_names_both_sides(self):
        """What has no counterpart, in its order."""
        ours, theirs = ["dog", "wolf", "cat"], ["fox", "Dog", "bird"]
        found = unmatched(ours, theirs, propose_class_map(ours, theirs))
        assert (found.ground_truth, found.endpoint, found.doubts) == (("wolf", "cat"), ("fox", "bird"), ())

    def test_says_what_is_in_doubt(self):
        """A name with several partners, or whose partner is taken, is told with what it could mean."""
        ours, theirs = ["Dog", "dog", "cat"], ["DOG", "cat", "cats"]
        found = unmatched(ours, theirs, propose_class_map(ours, theirs))
        assert found.doubts == (
            "'DOG' of the endpoint may mean 'Dog' or 'dog'; choose what it means.",
            "'cats' of the endpoint may mean 'cat'; choose what it means.",
        )

    def test_of_a_map_that_a_person_made(self):
        """Several names may mean one class; only what the endpoint has counts."""
        found = unmatched(["vehicle", "person"], ["car", "van"], {"car": "vehicle", "van": "vehicle", "man": "person"})
        assert (found.ground_truth, found.endpoint) == (("person",), ())
