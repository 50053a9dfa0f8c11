"""Each format's own traps: what its boxes mean, which objects count, and what its tools get wrong."""

import json

import numpy as np
import pytest
from annotation_sets import SCENE, boxes, image, reasons, sample, truth

from smviz.errors import BadAnnotations


def voc(objects="", name="a.jpg", size="<size><width>640</width><height>480</height></size>"):
    """A VOC file."""
    return f"<annotation><filename>{name}</filename>{size}{objects}</annotation>"


def voc_object(xmin, ymin, xmax, ymax, name="dog", more=""):
    """An object of it."""
    edges = {"xmin": xmin, "ymin": ymin, "xmax": xmax, "ymax": ymax}
    box = "".join(f"<{edge}>{value}</{edge}>" for edge, value in edges.items())
    return f"<object><name>{name}</name>{more}<bndbox>{box}</bndbox></object>"


class TestVoc:
    """Pascal VOC XML."""

    def test_the_sample(self):
        """Pixels count from 1 with both ends inside: 1 is taken from xmin and ymin only, and "difficult" is ignored."""
        ground_truth = truth({"voc_0001.xml": sample("voc_0001.xml")})
        assert ground_truth.image_names == ("0001.jpg",)
        assert ground_truth.image_sizes.tolist() == [[640, 480]]
        assert ground_truth.class_names == ("bicycle", "dog", "person")
        assert ground_truth.ltwh[:3].tolist() == [SCENE["dog"], SCENE["bicycle"], SCENE["person"]]
        assert ground_truth.ltwh[3].tolist() == [0, 0, 32, 48]
        assert ground_truth.ignore.tolist() == [False, False, False, True]
        assert not ground_truth.crowd.any()
        assert (ground_truth.notes, ground_truth.skipped) == ((), ())

    def test_numbers_with_a_point(self):
        """Some tools write them, and some of VOC's own files have them; they count from 1 as well."""
        ground_truth = truth({"a.xml": voc(voc_object(11.5, 21, 40.25, 60))})
        assert ground_truth.ltwh.tolist() == [[10.5, 20, 29.75, 40]]

    def test_a_tool_that_counts_from_0(self):
        """When more boxes begin at 0 than at 1, the whole set counts from 0, and a note says so."""
        objects = voc_object(0, 0, 40, 60) + voc_object(10, 0, 40, 60) + voc_object(1, 5, 9, 9)
        ground_truth = truth({"a.xml": voc(objects)})
        assert ground_truth.ltwh.tolist() == [[0, 0, 40, 60], [10, 0, 30, 60], [1, 5, 8, 4]]
        assert ground_truth.notes[0].startswith("2 boxes begin at pixel 0 or before, so all are read as counted from 0")

    def test_one_box_at_0_in_a_set_that_counts_from_1(self):
        """It does not shift the others, and stays within the image."""
        objects = voc_object(0, 9, 40, 60) + voc_object(1, 1, 40, 60) + voc_object(1, 9, 40, 60)
        ground_truth = truth({"a.xml": voc(objects)})
        assert ground_truth.ltwh.tolist() == [[0, 8, 40, 52], [0, 0, 40, 60], [0, 8, 40, 52]]
        assert "1 boxes begin at pixel 0 or before, though the others" in ground_truth.notes[0]

    def test_parts_are_no_objects(self):
        """A person's head has a box of its own, which is not the person's."""
        part = "<part><name>head</name><bndbox><xmin>5</xmin><ymin>5</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></part>"
        assert boxes(truth({"a.xml": voc(voc_object(11, 21, 40, 60, more=part))})) == {"dog": [10, 20, 30, 40]}

    def test_an_image_without_objects(self):
        """It is part of the data set."""
        assert truth({"a.xml": voc()}).image_names == ("a.jpg",)

    def test_the_image_is_named_by_the_file_when_it_says_nothing(self):
        """The stem names the image, with the suffix of the image beside it."""
        files = {"7.xml": voc(voc_object(1, 1, 5, 5), name="", size=""), "7.png": image(64, 32)}
        ground_truth = truth(files)
        assert (ground_truth.image_names, ground_truth.image_sizes.tolist()) == (("7.png",), [[64, 32]])

    def test_images_of_one_name_in_two_folders(self):
        """They are told apart by the folder; the others keep their plain name."""
        files = {"train/a.xml": voc(), "val/a.xml": voc(), "val/b.xml": voc(name="b.jpg")}
        assert truth(files).image_names == ("train/a.jpg", "val/a.jpg", "b.jpg")

    def test_a_second_record_of_one_image(self):
        """The first counts, the other is named."""
        ground_truth = truth({"a (1).xml": voc(), "a.xml": voc(voc_object(1, 1, 5, 5))})
        assert (len(ground_truth.image_names), len(ground_truth)) == (1, 0)
        assert reasons(ground_truth) == ["a.xml: it is another record of an image; the first one counts"]

    @pytest.mark.parametrize(
        ("broken", "why"),
        [
            (voc_object(50, 1, 10, 9), "no width or no height"),
            (voc_object("x", 1, 10, 9), "xmin is no finite number"),
            (voc_object("nan", 1, 10, 9), "xmin is no finite number"),
            (voc_object("", 1, 10, 9), "xmin is no finite number"),
            ("<object><name>dog</name></object>", "no bndbox"),
            ("<object><name>dog</name><bndbox><xmin>1</xmin></bndbox></object>", "ymin is missing"),
            (voc_object(1, 1, 10, 9, name=" "), "the name is missing"),
        ],
    )
    def test_broken_objects(self, broken, why):
        """Each is left out, named by its number and counted; the others stay."""
        ground_truth = truth({"a.xml": voc(voc_object(11, 21, 40, 60) + broken)})
        assert boxes(ground_truth) == {"dog": [10, 20, 30, 40]}
        (record,) = ground_truth.skipped
        assert (record.file, record.where, why in record.why) == ("a.xml", "object 2", True)
        assert ground_truth.notes == (f"1 records were left out: {record.why}.",)


class TestYolo:
    """YOLO text files."""

    FILES = {
        "0001.txt": sample("yolo/0001.txt"),
        "0002_no_objects.txt": b"",
        "0001.jpg": image(),
        "0002_no_objects.jpg": image(32, 16),
        "0003.jpg": image(8, 8),
    }

    @pytest.mark.parametrize("names", ["data.yaml", "classes.txt"])
    def test_the_sample(self, names):
        """Shares become pixels by the size of the image; an empty file and a missing one are images without objects."""
        ground_truth = truth({**self.FILES, names: sample(f"yolo/{names}")})
        assert ground_truth.image_names == ("0001.jpg", "0002_no_objects.jpg", "0003.jpg")
        assert ground_truth.image_sizes.tolist() == [[640, 480], [32, 16], [8, 8]]
        assert (ground_truth.class_names, ground_truth.category_ids) == (("bicycle", "dog", "person"), (0, 1, 2))
        assert boxes(ground_truth) == SCENE
        assert ground_truth.notes == ("1 images have no label file; they count as images without objects.",)

    def test_classes_without_names(self):
        """They are called by their id, and a note tells."""
        ground_truth = truth(self.FILES)
        assert ground_truth.class_names == ("class 0", "class 1", "class 2")
        assert "does not name these classes" in ground_truth.notes[1]

    @pytest.mark.parametrize(
        "yaml",
        [
            "names: [a, no, '1e3']",
            "names:\n- a\n- no\n- 1e3\n",
            "nc: 3\nnames:\n  0: a\n  1: no\n  2: 1e3",
            "names: {0: a,\n  2: 1e3, 1: no}",
        ],
    )
    def test_names_in_yaml(self, yaml):
        """A list or a dict, in either style; a name that YAML takes for a number or a truth value stays as written."""
        assert truth({**self.FILES, "data.yaml": yaml}).class_names == ("a", "no", "1e3")

    def test_classes_that_no_object_has(self):
        """Every name is a class, in the order of the ids."""
        assert truth({**self.FILES, "data.yaml": "names: [a, b, c, d]"}).class_names == ("a", "b", "c", "d")

    def test_polygons_and_oriented_boxes(self):
        """The box around the points is used, and a note says so."""
        rows = "0 0.1 0.5 0.3 0.1 0.5 0.5\n0 0.5 0.2 0.6 0.4 0.5 0.6 0.4 0.4\n"
        ground_truth = truth({"a.txt": rows, "a.png": image(100, 100)})
        assert np.allclose(ground_truth.ltwh, [[10, 10, 40, 40], [40, 20, 20, 40]])
        assert ground_truth.notes[0] == "2 lines are polygons or oriented boxes; the box around their points is used."

    def test_keypoints(self):
        """Where data.yaml speaks of keypoints, what stands behind the box is no polygon."""
        files = {"a.txt": "0 0.5 0.5 0.2 0.2 0.1 0.1 0.9 0.9", "a.png": image(100, 100)}
        with_points = truth({**files, "data.yaml": "kpt_shape: [2, 2]\nnames: [person]"})
        assert boxes(with_points) == {"person": [40, 40, 20, 20]}

    def test_a_confidence(self):
        """A sixth number is not used, and a note tells."""
        ground_truth = truth({"a.txt": "0 0.5 0.5 0.2 0.2 0.9", "a.png": image(100, 100)})
        assert boxes(ground_truth) == {"class 0": [40, 40, 20, 20]}
        assert "sixth number" in ground_truth.notes[0]

    def test_labels_whose_image_is_nowhere(self):
        """Without the size they cannot be used: the file is named, and nothing else is lost."""
        ground_truth = truth({**self.FILES, "gone.txt": "0 0.5 0.5 0.2 0.2"})
        assert reasons(ground_truth) == [
            "gone.txt: the size of its image is not known; the images are needed beside the labels"
        ]
        with pytest.raises(BadAnnotations, match="images are needed"):
            truth({"gone.txt": "0 0.5 0.5 0.2 0.2"})

    def test_sizes_that_the_caller_knows(self):
        """The caller is asked by file name, until one of the usual suffixes is known."""
        sizes = {"a.png": (100, 50)}
        ground_truth = truth({"a.txt": "0 0.5 0.5 0.2 0.2"}, image_size=sizes.get)
        assert (ground_truth.image_names, boxes(ground_truth)) == (("a.png",), {"class 0": [40, 20, 20, 10]})

    def test_images_and_labels_in_folders(self):
        """An image is found in the folder that is most like the labels', and named with it when names repeat."""
        files = {
            "labels/train/a.txt": "0 0.5 0.5 0.2 0.2",
            "labels/val/a.txt": "1 0.5 0.5 0.2 0.2",
            "images/train/a.png": image(100, 100),
            "images/val/a.png": image(200, 100),
        }
        ground_truth = truth(files)
        assert ground_truth.image_names == ("images/train/a.png", "images/val/a.png")
        assert ground_truth.image_sizes.tolist() == [[100, 100], [200, 100]]

    def test_a_turned_photograph(self):
        """Its size is that of the upright picture, which is what labellers see."""
        exif = image(
            100, 50, format="JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
        )
        assert truth({"a.txt": "", "b.txt": "0 0.5 0.5 1 1", "b.jpg": exif, "a.jpg": image()}).ltwh.tolist() == [
            [0, 0, 50, 100]
        ]

    @pytest.mark.parametrize(
        ("line", "why"),
        [
            ("0 0.5 0.5 0.2", "4 columns"),
            ("0 0.5 0.5 0.2 0.2 0.1 0.1 0.1", "8 columns"),
            ("0.5 0.5 0.5 0.2 0.2", "the class id is no whole number"),
            ("-1 0.5 0.5 0.2 0.2", "the class id is negative"),
            ("dog 0.5 0.5 0.2 0.2", "the class id is no finite number"),
            ("0 0.5 0.5 0 0.2", "no width or no height"),
            ("0 0.5 0.5 nan 0.2", "the box is no finite number"),
            ("0 320 240 100 100", "not shares of the image"),
            ("0,0.5,0.5,0.2,0.2", "1 columns|no finite number"),
        ],
    )
    def test_broken_lines(self, line, why):
        """Each is left out and named by its line; the others stay."""
        ground_truth = truth({"a.txt": f"0 0.5 0.5 0.2 0.2\n\n{line}\n", "a.png": image(100, 100)}, "yolo")
        assert len(ground_truth) == 1
        (record,) = ground_truth.skipped
        assert (record.file, record.where) == ("a.txt", "line 3")
        assert any(text in record.why for text in why.split("|"))

    def test_other_text_files(self):
        """A read-me is named as a whole, not line by line, and makes no image."""
        ground_truth = truth({**self.FILES, "README.txt": "Thanks\nfor reading\n"})
        assert reasons(ground_truth) == ["README.txt: it has no line of a class id and numbers from 0 to 1"]
        assert len(ground_truth.image_names) == 3


def manifest(*lines):
    """A Ground Truth manifest."""
    return "\n".join(json.dumps(line) for line in lines)


def label(attribute="boxes", entries=((1, [10, 20, 30, 40]),), names=None, date="2024-05-14T09:21:11.226000"):
    """One attribute of a line, with its metadata."""
    names = {"0": "cat", "1": "dog"} if names is None else names
    edges = ("left", "top", "width", "height")
    return {
        attribute: {
            "image_size": [{"width": 640, "height": 480, "depth": 3}],
            "annotations": [{"class_id": k, **dict(zip(edges, box, strict=True))} for k, box in entries],
        },
        f"{attribute}-metadata": {
            "objects": [{"confidence": 0.09}],
            "class-map": names,
            "type": "groundtruth/object-detection",
            "creation-date": date,
        },
    }


def line(ref="s3://bucket/images/a.jpg", **attributes):
    """A line with the attributes of `label`."""
    return {"source-ref": ref, **attributes}


class TestGroundTruthManifest:
    """SageMaker Ground Truth's output manifest."""

    def test_the_sample(self):
        """Boxes of any consensus confidence count, empty images are kept, a failed one is named with its reason."""
        ground_truth = truth({"output.manifest": sample("groundtruth_output.manifest")})
        assert ground_truth.image_names == ("0001.jpg", "0002_no_objects.jpg")
        assert ground_truth.image_ids[0] == "s3://bucket/images/0001.jpg"
        assert ground_truth.image_sizes.tolist() == [[640, 480]] * 2
        assert (ground_truth.class_names, ground_truth.category_ids) == (("bicycle", "dog", "person"), (0, 1, 2))
        assert boxes(ground_truth) == SCENE
        assert reasons(ground_truth) == ["output.manifest, line 3: its labelling failed: InternalError"]

    def test_any_attribute_name(self):
        """The job's name for its labels is free, even when it looks like something else."""
        for attribute in ("boxes", "my labels-2", "source", "x-metadata", "annotations"):
            assert boxes(truth({"m": manifest(line(**label(attribute)))})) == {"dog": [10, 20, 30, 40]}

    def test_one_line_laid_out_over_several(self):
        """A single record, as a text editor lays it out, is read."""
        assert boxes(truth({"line.json": sample("ground_truth_manifest_line.json")})) == SCENE

    @pytest.mark.parametrize("newest_first", [False, True])
    def test_an_adjustment_job(self, newest_first):
        """Of two labels the newest by creation-date is taken, wherever it stands, and that is said."""
        old = label("first", date="2024-05-14T09:21:11.226000")
        new = label("adjusted", ((0, [1, 2, 3, 4]),), date="2024-06-01T00:00:00")
        both = {**new, **old} if newest_first else {**old, **new}
        ground_truth = truth({"m": manifest(line(**both))})
        assert boxes(ground_truth) == {"cat": [1, 2, 3, 4]}
        assert ground_truth.notes == ("1 lines have several labels; adjusted is the newest and is taken, not first.",)

    def test_an_adjustment_that_failed(self):
        """The label before it counts."""
        failed = {"adjusted-metadata": {"failure-reason": "ClientError", "creation-date": "2030-01-01T00:00:00"}}
        assert boxes(truth({"m": manifest(line(**label(), **failed))})) == {"dog": [10, 20, 30, 40]}

    def test_a_verification_is_no_label(self):
        """What a worker thought of the boxes is newer than they are, but holds none."""
        verdict = {"ok": "1", "ok-metadata": {"class-name": "bad", "creation-date": "2030-01-01T00:00:00"}}
        assert boxes(truth({"m": manifest(line(**label(), **verdict))})) == {"dog": [10, 20, 30, 40]}

    def test_a_class_map_of_each_line(self):
        """A line names only the classes it has; together they name all."""
        ground_truth = truth(
            {
                "m": manifest(
                    line("s3://b/1.jpg", **label(entries=[(7, [0, 0, 9, 9])], names={"7": "owl"})),
                    line("s3://b/2.jpg", **label(entries=[(2, [0, 0, 9, 9])], names={"2": "bat"})),
                    line("s3://b/3.jpg", **label(entries=[(7, [0, 0, 9, 9])], names={})),
                )
            }
        )
        assert (ground_truth.class_names, ground_truth.category_ids) == (("bat", "owl"), (2, 7))
        assert ground_truth.class_id.tolist() == [1, 0, 1]

    def test_class_maps_that_disagree(self):
        """Where an id means one class here and another there, the names count, and that is said."""
        ground_truth = truth(
            {
                "m": manifest(
                    line("s3://b/1.jpg", **label(names={"0": "cat", "1": "dog"})),
                    line("s3://b/2.jpg", **label(names={"0": "dog", "1": "cat"})),
                )
            }
        )
        assert ground_truth.class_names == ("cat", "dog")
        assert ground_truth.class_id.tolist() == [1, 0]
        assert "2 class ids have several names (id 0: cat, dog)" in ground_truth.notes[0]

    def test_images_are_named_below_their_common_folder(self):
        """As they lie when the folder that all are in has been copied."""
        refs = ["s3://b/set/x/1.jpg", "s3://b/set/y/1.jpg", "s3://b/set/xx.jpg"]
        ground_truth = truth({"m": manifest(*(line(ref, **label()) for ref in refs))})
        assert ground_truth.image_names == ("x/1.jpg", "y/1.jpg", "xx.jpg")

    @pytest.mark.parametrize(
        ("broken", "why"),
        [
            ("{", "no valid JSON"),
            ("[1]", "expected content"),
            ('{"a": ' + "[" * 100_000, "nested too deeply"),
            (json.dumps({"source-ref": "s3://b/x.jpg"}), "no attribute with boxes"),
            (json.dumps(label()), "source-ref is missing"),
            (json.dumps(line(5, **label())), "source-ref is no text"),
            (json.dumps(line("s3://bucket/images/a.jpg", **label())), "another record"),
            (json.dumps(line("s3://b/x.jpg", **label(names={"x": "dog"}))), "a key of the class map"),
            (json.dumps(line("s3://b/x.jpg", **{**label(), "boxes": {"annotations": 5}})), "annotations is no list"),
        ],
        ids=lambda text: text[:20],
    )
    def test_broken_lines(self, broken, why):
        """Each is left out and named by its line; the others stay."""
        ground_truth = truth({"m": f"{manifest(line(**label()))}\n\n{broken}"})
        assert len(ground_truth) == 1
        (record,) = ground_truth.skipped
        assert (record.where, why in record.why) == ("line 3", True)

    @pytest.mark.parametrize(
        "entry", ["x", {}, {"class_id": 1}, {"class_id": "dog", "left": 1, "top": 1, "width": 1, "height": 1}], ids=str
    )
    def test_broken_annotations(self, entry):
        """Each is left out and named by line and number; the image stays."""
        given = label()
        given["boxes"]["annotations"].append(entry)
        ground_truth = truth({"m": manifest(line(**given))})
        assert (len(ground_truth), ground_truth.skipped[0].where) == (1, "line 1, annotation 2")


class TestVideoFrames:
    """Ground Truth's labels of video frames."""

    REF = "s3://bucket/out/annotations/consolidated-annotation/output/0/SeqLabel.json"

    def video(self, ref=None, source="s3://bucket/in/clip.json"):
        """A line for one video."""
        metadata = {
            "class-map": {"0": "bicycle", "1": "dog", "2": "person"},
            "type": "groundtruth/video-object-detection",
            "creation-date": "2024-05-14T09:21:11",
        }
        return {"source-ref": source, "video-ref": ref or self.REF, "video-ref-metadata": metadata}

    @pytest.mark.parametrize("name", ["SeqLabel.json", "output/0/SeqLabel.json"])
    def test_the_sample(self, name):
        """One line stands for all frames; the class id is text under "class-id"; empty frames are kept."""
        files = {"output.manifest": manifest(self.video()), name: sample("ground_truth_video_seqlabel.json")}
        ground_truth = truth(files, image_size=lambda name: (640, 480))
        assert ground_truth.image_names == ("frame_0000.jpeg", "frame_0001.jpeg")
        assert ground_truth.image_sizes.tolist() == [[640, 480]] * 2
        assert ground_truth.class_names == ("bicycle", "dog", "person")
        assert boxes(ground_truth) == SCENE

    def test_two_videos(self):
        """Each line finds the file whose path ends as its reference does; frames of one name get the video's name."""
        lines = [self.video(), self.video(self.REF.replace("/0/", "/1/"), "s3://bucket/in/other.json")]
        frames = sample("ground_truth_video_seqlabel.json")
        files = {"m": manifest(*lines), "output/0/SeqLabel.json": frames, "output/1/SeqLabel.json": frames}
        ground_truth = truth(files)
        assert ground_truth.image_names == (
            "clip/frame_0000.jpeg",
            "clip/frame_0001.jpeg",
            "other/frame_0000.jpeg",
            "other/frame_0001.jpeg",
        )

    def test_the_labels_are_elsewhere(self):
        """A video whose file is not given is named with what is needed."""
        ground_truth = truth({"m": manifest(line(**label()), self.video())})
        assert reasons(ground_truth) == [
            f"m, line 2: {self.REF} is not among the files; it is needed beside the manifest"
        ]

    def test_the_labels_alone(self):
        """Without the manifest, which has the names, classes are called by their ids."""
        ground_truth = truth({"SeqLabel.json": sample("ground_truth_video_seqlabel.json")})
        assert ground_truth.class_names == ("class 0", "class 1", "class 2")


class TestBuiltin:
    """The built-in algorithm's JSON."""

    def file(self, name, classes, categories):
        """A file whose annotations have these classes."""
        boxed = [{"class_id": k, "left": 10 * n, "top": 0, "width": 5, "height": 5} for n, k in enumerate(classes)]
        size = [{"width": 640, "height": 480, "depth": 3}]
        named = [{"class_id": k, "name": name} for k, name in categories]
        return json.dumps({"file": name, "image_size": size, "annotations": boxed, "categories": named})

    def test_the_sample(self):
        """Class ids count from 0 and stand in the categories."""
        ground_truth = truth({"0001.json": sample("builtin_od_0001.json")})
        assert (ground_truth.image_names, ground_truth.category_ids) == (("0001.jpg",), (0, 1, 2))
        assert boxes(ground_truth) == SCENE

    def test_the_faults_of_awss_converter(self):
        """It numbers annotations anew but not the categories, of which it writes one for each annotation."""
        files = {
            "1.json": self.file("1.jpg", [0, 1, 0], [(1, "person"), (2, "bicycle"), (1, "person")]),
            "2.json": self.file("2.jpg", [1, 16], [(2, "bicycle"), (18, "dog")]),
        }
        ground_truth = truth(files)
        assert ground_truth.class_names == ("person", "bicycle", "dog")
        assert ground_truth.category_ids == (0, 1, 16)
        assert ground_truth.class_id.tolist() == [0, 1, 0, 1, 2]
        assert "2 files name classes by their old ids" in ground_truth.notes[0]

    def test_as_many_categories_as_annotations_are_no_fault(self):
        """When each class has its category, the ids count and not the place."""
        ground_truth = truth({"1.json": self.file("1.jpg", [1, 0], [(0, "cat"), (1, "dog")])})
        assert [ground_truth.class_names[k] for k in ground_truth.class_id] == ["dog", "cat"]
        assert ground_truth.notes == ()

    def test_a_class_without_a_category(self):
        """It is called by its id."""
        ground_truth = truth({"1.json": self.file("1.jpg", [3], [(0, "cat"), (1, "dog")])})
        assert ground_truth.class_names == ("cat", "dog", "class 3")

    def test_broken_files_and_annotations(self):
        """A file that is cut off and an annotation without a box are named; the rest is read."""
        good = self.file("1.jpg", [0], [(0, "cat")])
        broken = json.loads(self.file("2.jpg", [0, 0], [(0, "cat")]))
        broken["annotations"][0]["width"] = 0
        ground_truth = truth({"1.json": good, "2.json": json.dumps(broken), "3.json": good[:-9]})
        assert len(ground_truth) == 2
        assert [(record.file, record.where) for record in ground_truth.skipped] == [
            ("2.json", "annotation 1"),
            ("3.json", ""),
        ]


class TestJumpStart:
    """JumpStart's annotations.json."""

    def test_the_sample(self):
        """Boxes are corners, and classes have no names."""
        ground_truth = truth({"annotations.json": sample("jumpstart_annotations.json")})
        assert (ground_truth.image_names, ground_truth.category_ids) == (("0001.jpg",), (0, 1, 2))
        named = dict(zip(("category 0", "category 1", "category 2"), SCENE.values(), strict=True))
        assert boxes(ground_truth) == named

    def test_with_categories(self):
        """They name the classes."""
        file = json.loads(sample("jumpstart_annotations.json"))
        file["categories"] = [{"id": k, "name": name} for k, name in enumerate(SCENE)]
        assert boxes(truth({"a": json.dumps(file)}, "jumpstart")) == SCENE


class TestKitti:
    """KITTI text files."""

    ROW = "Car 0.00 0 -1.58 10.00 20.00 40.00 60.00 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59"

    def test_the_sample(self):
        """Edges count from 0; a DontCare region is a crowd of every class, for what lies in it is not counted."""
        ground_truth = truth({"0001.txt": sample("kitti_0001.txt")})
        assert (ground_truth.image_names, ground_truth.image_ids) == (("0001.png",), ("0001",))
        assert boxes(ground_truth) == SCENE
        assert boxes(ground_truth, crowd=True) == {name: [0, 0, 32, 48] for name in SCENE}
        assert ground_truth.notes == (
            "1 DontCare regions are crowds of every class: what lies in them is not counted.",
        )

    def test_the_case_of_class_names(self):
        """Car and car are one class, spelled as most often; "dontcare" in any case is no class."""
        lower = self.ROW.replace("Car", "car")
        ground_truth = truth({"1.txt": "\n".join([lower, self.ROW, lower, self.ROW.replace("Car", "dontcare")])})
        assert ground_truth.class_names == ("car",)
        assert ground_truth.crowd.tolist() == [False, False, False, True]
        assert ground_truth.notes[0] == "Class names that differ in case only are one class: car."

    def test_the_image_is_found_by_its_stem(self):
        """With its suffix and size; an empty file is an image without objects."""
        ground_truth = truth({"a/1.txt": self.ROW, "a/2.txt": "", "b/1.jpg": image(50, 70)})
        assert ground_truth.image_names == ("1.jpg", "2.png")
        assert ground_truth.image_sizes.tolist() == [[50, 70], [0, 0]]

    def test_a_score(self):
        """A sixteenth column, as results have, is not used, and a note tells."""
        ground_truth = truth({"1.txt": f"{self.ROW} 0.93"})
        assert boxes(ground_truth) == {"Car": [10, 20, 30, 40]}
        assert "carry a score" in ground_truth.notes[0]

    @pytest.mark.parametrize(
        "line", ["Car 1 2", f"{ROW} 1 2", ROW.replace("40.00", "x"), ROW.replace("40.00", "5.00")], ids=len
    )
    def test_broken_lines(self, line):
        """Each is left out and named by its line."""
        ground_truth = truth({"1.txt": f"{self.ROW}\n{line}\n{self.ROW}"}, "kitti")
        assert (len(ground_truth), [record.where for record in ground_truth.skipped]) == (2, ["line 2"])


class TestOpenImages:
    """Open Images CSV."""

    FILES = {
        "boxes.csv": sample("openimages_bbox.csv"),
        "names.csv": sample("openimages_class_descriptions.csv"),
        "0001.jpg": image(),
    }

    def test_the_sample(self):
        """The order is X, X, Y, Y; descriptions name the machine ids; a group is a crowd."""
        ground_truth = truth(self.FILES)
        assert (ground_truth.image_names, ground_truth.image_ids) == (("0001.jpg",), ("0001",))
        assert ground_truth.category_ids == ("/m/0199g", "/m/01g317", "/m/0bt9lr")
        assert ground_truth.class_names == ("Bicycle", "Person", "Dog")
        assert boxes(ground_truth) == {name.title(): box for name, box in SCENE.items()}
        assert boxes(ground_truth, crowd=True) == {"Person": [0, 0, 32, 48]}

    def test_columns_go_by_their_names(self):
        """Another order in the header is another order in the lines."""
        rows = "LabelName,YMin,YMax,XMin,XMax,ImageID\n/m/x,0.25,0.75,0.1,0.2,0001\n"
        assert boxes(truth({"b.csv": rows, "0001.jpg": image(100, 100)})) == {"/m/x": [10, 25, 10, 50]}

    def test_the_hierarchy_is_not_followed(self):
        """A box counts as the class it is labelled with, and a note says so."""
        ground_truth = truth(self.FILES)
        assert len(ground_truth) == 4
        assert "hierarchy" in ground_truth.notes[0]

    def test_images_whose_size_is_unknown(self):
        """Each is named once, however many boxes it has; without any image that can be used it is an error."""
        more = self.FILES["boxes.csv"] + b"gone,x,/m/a,1,0,1,0,1,0,0,0,0,0\n" * 3
        assert reasons(truth({**self.FILES, "boxes.csv": more})) == [
            "boxes.csv, image gone: the size of its image is not known; the images are needed beside the boxes"
        ]
        with pytest.raises(BadAnnotations, match="size of its image"):
            truth({"boxes.csv": self.FILES["boxes.csv"]})

    @pytest.mark.parametrize(
        ("broken", "why"),
        [
            ("0001,x,/m/a,1,0.5,0.1,0,1", "no width or no height"),
            ("0001,x,/m/a,1,0.1,,0,1", "XMax is no finite number"),
            ("0001,x,,1,0.1,0.2,0,1", "LabelName is missing"),
            ("0001,x,/m/a,1,0.1", "XMax is missing"),
            ("0001,x,/m/a,1,10,200,0,100", "not shares"),
            (",x,/m/a,1,0.1,0.2,0,1", "ImageID is missing"),
        ],
    )
    def test_broken_lines(self, broken, why):
        """Each is left out and named by its line."""
        ground_truth = truth({**self.FILES, "boxes.csv": self.FILES["boxes.csv"] + broken.encode()})
        (record,) = ground_truth.skipped
        assert (record.where, why in record.why) == ("line 6", True)


class TestLabelMe:
    """LabelMe JSON."""

    def file(self, shapes, path="a.jpg", **keys):
        """A file with shapes of (label, points, type)."""
        made = [{"label": name, "points": points, "shape_type": kind} for name, points, kind in shapes]
        return json.dumps({"shapes": made, "imagePath": path, "imageHeight": 480, "imageWidth": 640, **keys})

    def test_the_sample(self):
        """Corners stand in any order, and the path of a Windows machine is only a name."""
        ground_truth = truth({"0001.json": sample("labelme_0001.json")})
        assert (ground_truth.image_names, ground_truth.image_sizes.tolist()) == (("0001.jpg",), [[640, 480]])
        assert boxes(ground_truth) == SCENE

    @pytest.mark.parametrize(
        ("path", "name"),
        [
            (r"images\0001.jpg", "images/0001.jpg"),
            (r"C:\Users\me\0001.jpg", "0001.jpg"),
            ("/home/me/0001.jpg", "0001.jpg"),
            ("./a/../0001.jpg", "0001.jpg"),
        ],
    )
    def test_paths(self, path, name):
        """A path within the folder is kept; one that leads out of it is of the labeller's machine."""
        assert truth({"1.json": self.file([], path)}).image_names == (name,)

    def test_shapes(self):
        """A polygon, a mask and a circle become the box around them, and a note counts them."""
        shapes = [
            ("a", [[9, 1], [1, 5], [5, 9]], "polygon"),
            ("b", [[2, 2], [8, 4]], "mask"),
            ("c", [[50, 50], [53, 54]], "circle"),
            ("d", [[3, 4], [1, 2]], "rectangle"),
        ]
        ground_truth = truth({"1.json": self.file(shapes)})
        assert boxes(ground_truth) == {"a": [1, 1, 8, 8], "b": [2, 2, 6, 2], "c": [45, 45, 10, 10], "d": [1, 2, 2, 2]}
        assert ground_truth.notes == ("3 shapes are no rectangles; the box around them is used.",)

    def test_the_picture_within_the_file(self):
        """It is passed over, however large."""
        assert len(truth({"1.json": self.file([("a", [[0, 0], [1, 1]], "rectangle")], imageData="A" * 5_000_000)})) == 1

    @pytest.mark.parametrize(
        ("shape", "why"),
        [
            (("a", [[1, 2]], "point"), "'point' has no box"),
            (("a", [[1, 2], [3, 4]], "line"), "'line' has no box"),
            (("a", [[1, 2]], "rectangle"), "no width or no height"),
            (("a", [], "rectangle"), "not pairs of numbers"),
            (("a", [[1, 2, 3]], "rectangle"), "not pairs of numbers"),
            (("a", [["x", 2], [3, 4]], "rectangle"), "no finite number"),
            (("a", None, "polygon"), "the points is missing"),
            (("a", [[1, 2]], "circle"), "not two points"),
            (("", [[1, 2], [3, 4]], "rectangle"), "the label is missing"),
            ((5, [[1, 2], [3, 4]], "rectangle"), "the label is no text"),
        ],
    )
    def test_broken_shapes(self, shape, why):
        """Each is left out and named by its number."""
        ground_truth = truth({"1.json": self.file([("dog", [[1, 2], [4, 6]], "rectangle"), shape])})
        assert boxes(ground_truth) == {"dog": [1, 2, 3, 4]}
        (record,) = ground_truth.skipped
        assert (record.where, why in record.why) == ("shape 2", True)


class TestCvat:
    """CVAT XML."""

    def file(self, body, meta=""):
        """A file."""
        return f"<annotations><version>1.1</version><meta>{meta}</meta>{body}</annotations>"

    def images(self, shapes):
        """A file with one image of 640 x 480."""
        return self.file(f'<image id="7" name="sub/a.jpg" width="640" height="480">{shapes}</image>')

    def box(self, label="dog", more=""):
        """A box of [10, 20, 30, 40]."""
        return f'<box label="{label}" xtl="10" ytl="20" xbr="40" ybr="60" {more}/>'

    def test_the_sample(self):
        """Boxes as they stand, images without boxes, and the labels of the task in the order of their names."""
        ground_truth = truth({"annotations.xml": sample("cvat_images_1.1.xml")})
        assert ground_truth.image_names == ("0001.jpg", "0002_no_objects.jpg")
        assert (ground_truth.image_ids, ground_truth.image_sizes.tolist()) == ((0, 1), [[640, 480]] * 2)
        assert boxes(ground_truth) == SCENE

    def test_labels_that_no_object_has(self):
        """They are classes all the same."""
        meta = "<task><labels><label><name>owl</name></label></labels></task>"
        assert truth({"a.xml": self.file('<image id="0" name="a.jpg"/>', meta)}).class_names == ("owl",)

    @pytest.mark.parametrize(
        ("degrees", "expected"),
        [(0, [10, 20, 30, 40]), (90, [5, 25, 40, 30]), (180, [10, 20, 30, 40]), (360, [10, 20, 30, 40])],
    )
    def test_rotation(self, degrees, expected):
        """A rotated rectangle is replaced by the upright box around it."""
        ground_truth = truth({"a.xml": self.images(self.box(more=f'rotation="{degrees}"'))})
        assert boxes(ground_truth) == {"dog": expected}

    def test_a_rotation_that_is_not_square_is_told(self):
        """The box is larger than the object, so a note says what was done."""
        ground_truth = truth({"a.xml": self.images(self.box(more='rotation="45.0"'))})
        side = 70 / np.sqrt(2)
        assert np.allclose(ground_truth.ltwh, [[25 - side / 2, 40 - side / 2, side, side]])
        assert "1 boxes are rotated" in ground_truth.notes[0]

    def test_other_shapes(self):
        """Polygons, ellipses and masks become the box around them; points and lines have none and are named."""
        shapes = (
            '<polygon label="a" points="9,1;1,5;5,9"/><ellipse label="b" cx="50" cy="60" rx="5" ry="10"/>'
            '<mask label="c" rle="1, 2" left="3" top="4" width="5" height="6"/><points label="d" points="1,2"/>'
            '<tag label="e"/>'
        )
        ground_truth = truth({"a.xml": self.images(shapes)})
        assert boxes(ground_truth) == {"a": [1, 1, 8, 8], "b": [45, 50, 10, 20], "c": [3, 4, 5, 6]}
        assert reasons(ground_truth) == ["a.xml, image 7, shape 4: a points has no box"]

    def test_a_video(self):
        """A track's boxes go to their frames, but not those outside; frames without boxes are kept."""
        meta = (
            "<task><size>4</size><start_frame>0</start_frame><stop_frame>3</stop_frame>"
            "<original_size><width>640</width><height>480</height></original_size></task>"
        )
        shown = '<box frame="{}" outside="{}" keyframe="1" xtl="10" ytl="20" xbr="40" ybr="60"/>'
        track = f'<track id="0" label="dog">{shown.format(0, 0)}{shown.format(1, 0)}{shown.format(2, 1)}</track>'
        ground_truth = truth({"a.xml": self.file(track, meta)})
        assert ground_truth.image_names == tuple(f"frame_{n:06d}.png" for n in range(4))
        assert ground_truth.image_ids == (0, 1, 2, 3)
        assert ground_truth.image_sizes.tolist() == [[640, 480]] * 4
        assert ground_truth.image.tolist() == [0, 1]
        assert ground_truth.skipped == ()

    def test_a_task_of_impossible_length(self):
        """Frames that nobody has are not made up."""
        shown = [self.box(more=f'frame="{frame}"') for frame in (0, 99999999999)]
        track = f'<track id="0" label="dog">{"".join(shown)}</track>'
        ground_truth = truth({"a.xml": self.file(track, "<task><size>99999999999</size></task>")})
        assert len(ground_truth.image_names) == 1
        assert reasons(ground_truth) == ["a.xml, track 0, frame 99999999999: the frame is negative or far too large"]

    @pytest.mark.parametrize(
        ("shape", "why"),
        [
            ('<box label="a" xtl="1" ytl="1" xbr="1" ybr="5"/>', "no width or no height"),
            ('<box label="a" xtl="x" ytl="1" xbr="1" ybr="5"/>', "xtl is no finite number"),
            ('<box label="a" ytl="1" xbr="1" ybr="5"/>', "xtl is missing"),
            ('<box xtl="1" ytl="1" xbr="2" ybr="5"/>', "the label is missing"),
            ('<polygon label="a" points="1;2"/>', "not pairs"),
        ],
    )
    def test_broken_shapes(self, shape, why):
        """Each is left out and named by image and number."""
        ground_truth = truth({"a.xml": self.images(self.box() + shape)})
        assert boxes(ground_truth) == {"dog": [10, 20, 30, 40]}
        (record,) = ground_truth.skipped
        assert (record.where, why in record.why) == ("image 7, shape 2", True)
