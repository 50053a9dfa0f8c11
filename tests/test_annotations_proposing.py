"""Which format a source is in goes by its content; what cannot be told is said; sources are files, folders and zips."""

import io
import json
import zipfile

import pytest
from annotation_sets import SAMPLES, SCENE, boxes, image, reasons, sample, source, truth

from smviz.annotations import FORMATS, ground_truth_of, parse_ground_truth, propose, read_ground_truth
from smviz.errors import BadAnnotations, BadSource
from smviz.sources import Source, SourceFile, open_source

ONE_EACH = {
    "coco": "coco_instances.json",
    "voc": "voc_0001.xml",
    "yolo": "yolo/0001.txt",
    "ground-truth": "groundtruth_output.manifest",
    "builtin": "builtin_od_0001.json",
    "jumpstart": "jumpstart_annotations.json",
    "kitti": "kitti_0001.txt",
    "openimages": "openimages_bbox.csv",
    "labelme": "labelme_0001.json",
    "cvat": "cvat_images_1.1.xml",
}


def coco(annotations, categories=({"id": 1, "name": "dog"},), size=(640, 480)):
    """A file of one image, with the boxes given."""
    return json.dumps(
        {
            "images": [{"id": 1, "file_name": "a.jpg", "width": size[0], "height": size[1]}],
            "annotations": [{"id": n, "image_id": 1, "category_id": 1, "bbox": b} for n, b in enumerate(annotations)],
            **({} if categories is None else {"categories": list(categories)}),
        }
    )


class TestFormats:
    """The registry."""

    def test_a_sample_of_every_format(self):
        """Each format has one."""
        assert ONE_EACH.keys() == FORMATS.keys()

    @pytest.mark.parametrize("name", FORMATS)
    def test_what_a_person_is_told(self, name):
        """A format knows its name and has one line on what it is and how it is recognised."""
        known = FORMATS[name]
        assert known.name == name
        assert known.doc.endswith(".")
        assert known.content


class TestPropose:
    """The proposal."""

    @pytest.mark.parametrize("name", FORMATS)
    @pytest.mark.parametrize("called", ["x.txt", "x.json", "x.xml", "labels", "x.csv.old"])
    def test_by_content_and_not_by_name(self, name, called):
        """Every sample is recognised whatever its file is called, alone, and the reason says by what."""
        proposal = propose(source({called: sample(ONE_EACH[name])}))
        assert (proposal.format, proposal.rivals) == (name, ())
        assert proposal.reason.startswith(f"{called}: ")

    @pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", "utf-16"], ids=str)
    @pytest.mark.parametrize("name", sorted(FORMATS.keys() - {"yolo", "openimages"}))
    def test_byte_order_marks(self, name, mark):
        """A mark of UTF-8, or UTF-16 as some shells write it, changes nothing."""
        data = sample(ONE_EACH[name])
        if isinstance(mark, bytes):
            marked = mark + data
        else:
            marked = data.replace(b'encoding="utf-8"', b"").decode().encode(mark)
        again, plain = truth({"x": marked}), truth({"x": data})
        assert propose(source({"x": marked})).format == name
        assert (again.image_names, again.class_names) == (plain.image_names, plain.class_names)
        assert again.ltwh.tolist() == plain.ltwh.tolist()

    def test_corners_that_would_leave_the_image(self):
        """Boxes that only fit as corners are JumpStart's, and the reason gives the numbers."""
        proposal = propose(source({"a.json": coco([[10, 10, 20, 20], [400, 300, 500, 400]])}))
        assert (proposal.format, proposal.rivals) == ("jumpstart", ())
        assert "all of 2 boxes are corners" in proposal.reason
        assert "1 would leave their image" in proposal.reason

    def test_boxes_that_are_no_corners(self):
        """Boxes whose width is less than their left are COCO's."""
        proposal = propose(source({"a.json": coco([[10, 10, 20, 20], [400, 300, 100, 100]])}))
        assert (proposal.format, proposal.rivals) == ("coco", ())
        assert "2 of 2 boxes stay within their image" in proposal.reason

    def test_boxes_that_may_be_both(self):
        """COCO is proposed, and JumpStart is a rival with its reason."""
        proposal = propose(source({"a.json": coco([[10, 10, 20, 20]])}))
        assert proposal.format == "coco"
        ((rival, reason),) = proposal.rivals
        assert (rival, "all of 1 boxes are corners" in reason) == ("jumpstart", True)

    def test_no_size_and_no_categories(self):
        """Without sizes only the signs count; without categories it can be JumpStart's only."""
        assert propose(source({"a.json": coco([[400, 300, 500, 400]], size=(0, 0))})).format == "coco"
        assert propose(source({"a.json": coco([[10, 10, 20, 20]], categories=None)})).format == "jumpstart"

    def test_a_few_sloppy_boxes(self):
        """Labels that stick out of their image do not make a COCO file another format."""
        within = [[400, 300, 100, 100]] * 50
        assert propose(source({"a.json": coco([*within, [600, 400, 100, 100]])})).format == "coco"

    def test_no_boxes_at_all(self):
        """A COCO file without annotations is COCO, and every image is empty."""
        assert propose(source({"a.json": coco([])})).format == "coco"
        assert len(truth({"a.json": coco([])})) == 0

    def test_one_file_for_all_goes_before_a_file_for_each(self):
        """A folder with labels in two formats is read as the one with all in one file; the other is a rival."""
        files = {f"{n}.txt": sample("yolo/0001.txt") for n in range(30)}
        proposal = propose(source({**files, "z.json": sample("coco_instances.json")}))
        assert (proposal.format, [name for name, _ in proposal.rivals]) == ("coco", ["yolo"])

    def test_the_format_of_most_files(self):
        """One stray file of another format does not decide."""
        files = {f"{n}.json": sample("builtin_od_0001.json") for n in range(3)}
        assert propose(source({"0.xml": sample("voc_0001.xml"), **files})).format == "builtin"

    def test_many_empty_files(self):
        """Images without objects do not hide what the others are."""
        files = {f"{n:03}.txt": b"" for n in range(200)}
        assert propose(source({**files, "999.txt": sample("kitti_0001.txt")})).format == "kitti"

    @pytest.mark.parametrize(
        ("files", "told"),
        [
            ({"a.json": '{"images": ['}, "a.json: it is no valid JSON"),
            ({"a.json": sample("coco_results.json")}, "as detections"),
            ({"a.xml": "<annotation"}, "a.xml: it is no valid XML"),
            ({"a.jpg": image()}, "no file but images"),
            ({"notes.txt": "hello", "b.bin": b"\0\1"}, "which holds b.bin, notes.txt,"),
            ({"a.txt": b""}, "a.txt"),
            ({}, "no file but images"),
        ],
    )
    def test_nothing_is_recognised(self, files, told):
        """What was found is named with what is wrong in it, and every format that could be given."""
        with pytest.raises(BadAnnotations) as caught:
            propose(source(files))
        assert told in caught.value.message
        assert all(name in caught.value.advice for name in FORMATS if name != "coco")


class TestSources:
    """A file, a folder, a zip, and bytes."""

    def test_a_folder_and_a_zip_of_it(self, tmp_path):
        """They hold the same."""
        folder = tmp_path / "set"
        folder.mkdir()
        archive = tmp_path / "set.zip"
        with zipfile.ZipFile(archive, "w") as packed:
            for name, data in {"l/0001.txt": sample("yolo/0001.txt"), "i/0001.jpg": image(), "d.yaml": b"{}"}.items():
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_bytes(data)
                packed.writestr(name, data)
        from_folder, from_zip = read_ground_truth(folder), read_ground_truth(archive)
        assert from_folder.image_names == from_zip.image_names == ("0001.jpg",)
        assert from_folder.ltwh.tolist() == from_zip.ltwh.tolist()
        named = {f"class {k}": box for k, box in enumerate(SCENE.values())}
        assert boxes(from_folder) == boxes(from_zip) == named

    def test_a_zip_in_bytes(self):
        """It is read like one on the disk."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as packed:
            packed.writestr("a.xml", sample("voc_0001.xml"))
        assert parse_ground_truth(buffer.getvalue(), "upload.zip").image_names == ("0001.jpg",)

    def test_a_format_that_is_given(self):
        """It is taken as it is, also against the numbers."""
        data = sample("jumpstart_annotations.json").replace(b'"images"', b'"categories": [{"id": 0}], "images"')
        assert parse_ground_truth(data, format="coco").ltwh.tolist() == [[64, 48, 448, 432]]

    def test_a_format_that_does_not_exist(self):
        """The message names those that do."""
        with pytest.raises(BadAnnotations, match=r"'pascal'.*voc"):
            parse_ground_truth(b"{}", format="pascal")

    def test_a_path_that_is_not_there(self, tmp_path):
        """It is an error of the source."""
        with pytest.raises(BadSource, match="gone"):
            read_ground_truth(tmp_path / "gone")

    def test_several_files_that_may_be_meant(self):
        """Two COCO files are not guessed between."""
        data = sample("coco_instances.json")
        with pytest.raises(BadAnnotations, match=r"2 files that may be meant: train\.json, val\.json"):
            truth({"train.json": data, "val.json": data})

    @pytest.mark.parametrize("name", FORMATS)
    def test_every_format_in_words_for_nothing(self, name):
        """A format that is given for files of another, or for none, ends in words and not in a traceback."""
        for files in ({}, {"a.txt": "hello"}, {"a.json": "{}"}, {"a.xml": "<a/>"}, {"a": b"\0\xff" * 9}):
            with pytest.raises(BadAnnotations) as caught:
                truth(files, name)
            assert caught.value.advice

    def test_a_file_that_cannot_be_read(self):
        """It is named, and the others are read."""

        def broken():
            raise BadSource("1.xml cannot be unpacked: bad password.", "Pack it again.")

        files = [SourceFile("0.xml", -1, lambda: sample("voc_0001.xml")), SourceFile("1.xml", -1, broken)]
        ground_truth = ground_truth_of(Source("set", lambda: iter(files)))
        assert len(ground_truth) == 4
        assert reasons(ground_truth) == ["1.xml: 1.xml cannot be unpacked: bad password."]


class TestSizes:
    """The sizes of images that the annotations do not tell."""

    def test_the_image_in_the_source_tells(self):
        """Its header is read; the caller is not asked."""
        file = coco([[1, 2, 3, 4]], size=(0, 0))
        ground_truth = truth({"labels.json": file, "images/a.jpg": image(33, 44)}, image_size=lambda name: (1, 1))
        assert ground_truth.image_sizes.tolist() == [[33, 44]]

    def test_the_caller_tells(self):
        """It is asked once for each image that nobody else knows, by name, and may not know it either."""
        asked = []
        files = {"1.txt": sample("kitti_0001.txt"), "labels.json": coco([], size=(0, 0))}
        assert truth(files, "coco", lambda name: asked.append(name) or (64, 48)).image_sizes.tolist() == [[64, 48]]
        assert asked == ["a.jpg"]
        assert truth(files, "coco", lambda name: None).image_sizes.tolist() == [[0, 0]]

    def test_the_annotations_tell(self):
        """Then nobody is asked."""
        asked = []
        truth({"a.xml": sample("voc_0001.xml")}, image_size=asked.append)
        assert asked == []

    def test_an_image_that_is_broken(self):
        """It tells nothing, and that is no error."""
        ground_truth = truth({"labels.json": coco([], size=(0, 0)), "a.jpg": b"broken"})
        assert ground_truth.image_sizes.tolist() == [[0, 0]]


def test_the_samples_as_one_folder():
    """A folder with every format in it is read as one of them, and the others are rivals."""
    proposal = propose(open_source(SAMPLES))
    assert {proposal.format, *(name for name, _ in proposal.rivals)} == FORMATS.keys()
