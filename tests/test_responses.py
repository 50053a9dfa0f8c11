"""The formats of smviz.responses, held to the sample replies in tests/payloads."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from smviz.errors import BadResponse, BadSetting
from smviz.responses import FORMATS, Proposal, find_format, parse, parse_in_order, propose, settings_of
from smviz.responses.reading import Reading
from smviz.responses.registry import reads
from smviz.responses.tensors import nms
from smviz.settings import Preset

PAYLOADS = Path(__file__).parent / "payloads"
EXPECTED = json.loads((PAYLOADS / "_expected.json").read_text()) | {"hf_accept_csv": {"objects": "ABC"}}
CANONICAL = json.loads((PAYLOADS / "_canonical.json").read_text())
NAMES = tuple(CANONICAL["class_names"])
COCO91 = tuple({1: "person", 2: "bicycle", 18: "dog"}.get(i, f"coco {i}") for i in range(1, 92))
HOLD_NO_BOXES = {"torchserve_counts_only", "batch_transform_listing"}

FORMAT_OF = {
    "builtin_ssd": "builtin-ssd",
    "builtin_ssd_empty": "builtin-ssd",
    "builtin_ssd_sentinel": "builtin-ssd",
    "builtin_ssd_wide": "builtin-ssd",
    "builtin_annotation1": "builtin-annotation",
    "jumpstart_verbose": "jumpstart",
    "jumpstart_plain": "jumpstart",
    "jumpstart_docs_order_xxyy": "jumpstart boxes=xxyy",
    "jumpstart_tf_verbose": "jumpstart",
    "jumpstart_instance_segmentation": "jumpstart-segmentation",
    "hf_object_detection": "hugging-face",
    "hf_batch": "hugging-face",
    "hf_zero_shot": "hugging-face",
    "hf_accept_csv": "hugging-face-csv",
    "tf_serving_od": "tf-serving",
    "tf_serving_columnar": "tf-serving",
    "tf_maskrcnn_byoc_no_score": "tf-mask-rcnn",
    "yolov8_aws_sample": "yolo-rows",
    "yolov8_aws_sample_tracked": "yolo-rows",
    "yolov8_aws_sample_640": "yolo-rows frame=640x640",
    "yolov9_sample": "yolo-rows",
    "yolov9_sample_empty": "yolo-rows",
    "ultralytics_summary": "ultralytics",
    "ultralytics_summary_normalized": "ultralytics coordinates=normalised",
    "yolov5_pandas_records": "yolov5-pandas",
    "yolo_raw_tensor": "yolo-head",
    "yolo_end2end": "yolo-end2end",
    "mmdet_torchserve": "mmdetection",
    "mmdet_torchserve_old": "mmdetection",
    "torchserve_object_detector": "torchserve",
    "torchserve_object_detector_no_map": "torchserve",
    "detectron2_aws_sample": "detectron2",
    "detectron2_sku110k": "detectron2",
    "torchvision_boxes_labels_scores": "torchvision",
    "triton_v2_nms": "triton-nms",
    "triton_v2_raw": "yolo-head",
    "ground_truth_manifest_line": "ground-truth-manifest",
    "ground_truth_video_seqlabel": "ground-truth-video",
    "rekognition_custom_labels": "rekognition",
    "clarify_object_detection": "class-first-rows",
    "gluoncv_marketplace": "gluoncv-marketplace",
    "gluoncv_raw_triplet": "gluoncv-arrays",
    "gluoncv_auto_df": "gluoncv-auto",
    "autogluon_multimodal": "autogluon",
    "geti_prediction": "geti",
    "geti_prediction_old": "geti",
    "marketplace_output_bbox": "records",
    "marketplace_boxes_scores_normalized": "columns coordinates=normalised",
    "marketplace_detections_rows": "named-rows",
    "deepvision_result": "records",
    "roboflow_inference": "roboflow",
    "vertex_automl_xxyy": "vertex",
}
READ = sorted(FORMAT_OF)


def payload(name):
    return next(path for path in PAYLOADS.iterdir() if path.stem == name).read_bytes()


def preset_of(name, class_names=()):
    form, *options = FORMAT_OF[name].split()
    return Preset(form, class_names, tuple(tuple(option.split("=")) for option in options))


def found(parsed):
    """(name in lower case, confidence, box) of every detection, sorted by box; NaN as None."""
    rows = [(row["class_name"].lower(), row["confidence"], tuple(np.round(row["xyxy"], 6))) for row in parsed.rows()]
    return sorted(rows, key=lambda row: row[2])


def wanted(name):
    facts = EXPECTED[name]
    objects = [CANONICAL["objects"][letter] for letter in facts["objects"]]
    rows = [
        (
            item["class_name"] if facts.get("names", True) else "object",
            item["score"] if facts.get("scores", True) else None,
            tuple(map(float, item["xyxy"])),
        )
        for item in objects
    ]
    return sorted(rows, key=lambda row: row[2])


def reply(value):
    return json.dumps(value).encode()


def rows(*values):
    return reply({"boxes": values})


class TestPayloads:
    def test_every_payload_has_a_test(self):
        """No sample reply is forgotten."""
        assert set(EXPECTED) == set(FORMAT_OF) | HOLD_NO_BOXES

    @pytest.mark.parametrize("name", READ)
    def test_read_exactly(self, name):
        """With the right preset each payload gives back its objects: name, score and box."""
        class_names = COCO91 if EXPECTED[name].get("label_map") else NAMES if EXPECTED[name].get("names", True) else ()
        assert found(parse_in_order(payload(name), 640, 480, preset_of(name, class_names))) == wanted(name)

    @pytest.mark.parametrize("name", sorted(set(READ) - {"marketplace_boxes_scores_normalized"}))
    def test_class_ids_index_the_class_list(self, name):
        """With a class list the ids are those of the list, whether the reply holds ids or names."""
        class_names = COCO91 if EXPECTED[name].get("label_map") else NAMES
        detections = parse(payload(name), 640, 480, preset_of(name, class_names))
        objects = [CANONICAL["objects"][letter] for letter in EXPECTED[name]["objects"]]
        assert detections.class_names == class_names
        assert sorted(detections.class_id) == sorted(class_names.index(item["class_name"]) for item in objects)

    @pytest.mark.parametrize("name", READ)
    def test_proposal_reads_or_names_it_among_rivals(self, name):
        """The proposed preset, or one of its rivals, gives back the right boxes and scores."""
        proposal = propose(payload(name), 640, 480)
        presets = [proposal.best, *(rival for rival, _ in proposal.rivals)]
        boxes = [[row[1:] for row in found(parse_in_order(payload(name), 640, 480, preset))] for preset in presets]
        assert [row[1:] for row in wanted(name)] in boxes

    @pytest.mark.parametrize("name", READ)
    def test_proposal_is_the_right_preset(self, name):
        """On these samples the first proposal is the right one."""
        assert propose(payload(name), 640, 480).best == preset_of(name)

    @pytest.mark.parametrize("name", sorted(HOLD_NO_BOXES))
    def test_replies_without_boxes_are_refused(self, name):
        """Counts and listings hold no boxes: no format reads them, and the refusal says what was found."""
        for form in FORMATS:
            with pytest.raises(BadResponse):
                parse(payload(name), 640, 480, Preset(form))
        with pytest.raises(BadResponse) as caught:
            propose(payload(name), 640, 480)
        assert ("counts objects" if "counts" in name else "'bucket' (text)") in caught.value.message

    def test_order_of_the_reply_is_kept(self):
        """The built-in container does not sort; parse_in_order does not either, and parse does."""
        parsed = parse_in_order(payload("builtin_ssd"), 640, 480, Preset("builtin-ssd", NAMES))
        assert parsed.confidence.tolist() == [0.91, 0.97, 0.12, 0.58, 0.03]
        detections = parse(payload("builtin_ssd"), 640, 480, Preset("builtin-ssd", NAMES))
        assert detections.confidence.tolist() == [0.97, 0.91, 0.58, 0.12, 0.03]

    def test_rows_are_ready_for_json(self):
        """Parsed.rows gives plain values; a missing score is None."""
        parsed = parse_in_order(payload("tf_maskrcnn_byoc_no_score"), 640, 480, Preset("tf-mask-rcnn", NAMES))
        first = json.loads(json.dumps(next(parsed.rows()), allow_nan=False))
        assert first == {"class_id": 1, "class_name": "dog", "confidence": None, "xyxy": [160.0, 120.0, 320.0, 360.0]}


class TestRegistry:
    def test_every_format_is_documented(self):
        """Each format has a kebab-case name, a title, one line of documentation and a clause to recognise it by."""
        for name, form in FORMATS.items():
            assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
            assert form.name == name
            assert form.title
            assert len(form.title) < 60
            assert len(form.doc) > 20
            assert "\n" not in form.doc
            assert form.because
            assert len({option.name for option in form.options}) == len(form.options)

    def test_defaults_are_valid(self):
        """Every option takes its own default."""
        for form in FORMATS.values():
            for option in form.options:
                assert option.check(option.default) == option.default

    def test_every_format_is_used_by_a_payload(self):
        """There is no format without a sample reply."""
        assert set(FORMATS) == {value.split()[0] for value in FORMAT_OF.values()}

    def test_catch_all_formats_come_last(self):
        """A vendor's format is proposed before the ones that read usual names."""
        assert list(FORMATS)[-2:] == ["columns", "records"]

    def test_unknown_format_names_the_known_ones(self):
        """A misspelt format is answered with the list."""
        with pytest.raises(BadSetting, match="builtin-ssd, yolo-end2end, yolo-rows"):
            find_format("built-in")
        with pytest.raises(BadSetting):
            parse(b"{}", 640, 480, Preset("built-in"))

    def test_duplicates_are_refused(self):
        """A name can be registered once."""
        with pytest.raises(BadSetting, match="already"):
            reads("builtin-ssd", "x", "x")(lambda reply, settings: Reading(np.zeros((0, 4)), None))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ((("box-order", "xyxy"),), "no option 'box-order'.*boxes"),
            ((("boxes", "abcd"),), "cannot be 'abcd'.*xyxy"),
            ((("class-base", "2"),), "one of: 0, 1"),
            ((("frame", "640"),), "640x480"),
            ((("frame", "0x640"),), "640x480"),
            ((("frame", "640x640\n"),), "640x480"),
            ((("letterbox", "640x640 bottom"),), "top-left"),
            ((("frame", "640x640"), ("letterbox", "640x640")), "Both"),
        ],
    )
    def test_bad_options_say_what_is_good(self, options, message):
        """An unknown option or value is answered with what there is."""
        with pytest.raises(BadSetting, match=message):
            settings_of(Preset("yolo-rows", options=options))

    @pytest.mark.parametrize("value", ["-0.1", "1.5", "nan", "half", ""])
    def test_fractions_are_checked(self, value):
        """A score or IoU outside 0 to 1 is no setting."""
        with pytest.raises(BadSetting, match="from 0 to 1"):
            settings_of(Preset("yolo-head", options=(("nms-iou", value),)))

    def test_a_frame_lifts_the_default_letterbox(self):
        """Who sets a stretched frame need not unset the default padding."""
        assert settings_of(Preset("yolo-end2end", options=(("frame", "320x320"),)))["letterbox"] == ""

    @pytest.mark.parametrize("size", [(0, 480), (640, -1), (640, 10**9)])
    def test_image_size_is_checked(self, size):
        """A size that no image has is a setting to mend."""
        with pytest.raises(BadSetting, match="cannot be"):
            parse(b"{}", *size, Preset("yolo-rows"))
        with pytest.raises(BadSetting, match="cannot be"):
            propose(b"{}", *size)


class TestBoxes:
    @pytest.mark.parametrize(
        ("order", "box"),
        [
            ("xyxy", [10, 20, 40, 80]),
            ("yxyx", [20, 10, 80, 40]),
            ("xxyy", [10, 40, 20, 80]),
            ("ltwh", [10, 20, 30, 60]),
            ("cxcywh", [25, 50, 30, 60]),
        ],
    )
    def test_orders(self, order, box):
        """All five orders lead to the same left, top, right, bottom."""
        parsed = parse_in_order(rows([*box, 0.5, 0]), 640, 480, Preset("yolo-rows", options=(("boxes", order),)))
        assert parsed.xyxy.tolist() == [[10, 20, 40, 80]]

    def test_normalised(self):
        """Fractions are of the image's own width and height."""
        preset = Preset("yolo-rows", options=(("coordinates", "normalised"),))
        assert parse(rows([0.25, 0.5, 0.5, 1, 0.5, 0]), 640, 480, preset).xyxy.tolist() == [[160, 240, 320, 480]]

    @pytest.mark.parametrize(
        ("option", "value", "box"),
        [
            ("frame", "320x320", [100, 150, 200, 300]),
            ("letterbox", "320x320", [100, 120, 200, 220]),
            ("letterbox", "320x320 top-left", [100, 160, 200, 260]),
        ],
    )
    def test_frames(self, option, value, box):
        """A stretched, a centred and a top-left frame map back to the image: 200x400 into 320x320 has scale 0.8."""
        if option == "frame":
            sent = [100 * 1.6, 150 * 0.8, 200 * 1.6, 300 * 0.8]
        else:
            pad = 0 if "top" in value else 80
            sent = [0.8 * box[0] + pad, 0.8 * box[1], 0.8 * box[2] + pad, 0.8 * box[3]]
        parsed = parse(rows([*sent, 0.5, 0]), 200, 400, Preset("yolo-rows", options=((option, value),)))
        np.testing.assert_allclose(parsed.xyxy, [box])

    def test_normalised_within_a_letterbox(self):
        """Fractions of a padded frame are of that frame, padding included."""
        options = (("coordinates", "normalised"), ("letterbox", "640x640"))
        parsed = parse(rows([0, 0.125, 1, 0.875, 0.5, 0]), 640, 480, Preset("yolo-rows", options=options))
        assert parsed.xyxy.tolist() == [[0, 0, 640, 480]]

    def test_a_stated_frame_is_honoured(self):
        """A reply that says its boxes are of a 1280x960 image is scaled to the 640x480 one that was sent."""
        body = reply({"pred_boxes": [[20, 40, 60, 80]], "scores": [1], "pred_classes": [0], "image_size": [960, 1280]})
        assert parse(body, 640, 480, Preset("detectron2")).xyxy.tolist() == [[10, 20, 30, 40]]

    def test_boxes_off_the_frame_are_kept(self):
        """Nothing is clipped: what the model said is what is stored."""
        parsed = parse(rows([-30.5, -10, 700, 500, 0.5, 0]), 640, 480, Preset("yolo-rows"))
        assert parsed.xyxy.tolist() == [[-30.5, -10, 700, 500]]

    def test_empty_boxes_are_kept(self):
        """A box without width is odd but no contradiction: integer rounding makes them."""
        assert len(parse(rows([10, 10, 10, 20, 0.5, 0]), 640, 480, Preset("yolo-rows"))) == 1


class TestBrokenRows:
    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ([50, 10, 40, 20, 0.5, 0], "Row 1 has a negative width or height: .*50"),
            ([1e308, 0, 1e308, 1e308, 0.5, 0.5], "Row 1 has a class id that is no whole number"),
            ([0, 0, 9, 9, 0.5, 1e6], "Row 1 has a class id"),
            ([0, 0, 9, 9, 97.0, 0], "Row 1 has a score outside 0 to 1: 97.0"),
            ([0, 0, 9, 9, -0.1, 0], "Row 1 has a score"),
            ([0, 0, 9, 9, float("nan"), 0], "Row 1 has a score"),
            ([0, 0, 9, float("nan"), 0.5, 0], "Row 1 has a coordinate that is not a finite number"),
            ([0, 0, float("inf"), 9, 0.5, 0], "Row 1 has a coordinate"),
            ([0, 0, 9, 9, 0.5, float("nan")], "Row 1 has a class id"),
            ([0, 0, 9, 9, 0.5], "columns"),
            ([0, 0, 9, 9, 0.5, "0"], r"\[1\]\[5\]"),
            ([0, 0, 9, 9, None, 0], r"\[1\]\[4\]"),
            ([0, 0, 9, 9, True, 0], r"\[1\]\[4\]"),
            ([0, 0, 9, 10**400, 0.5, 0], "."),
        ],
    )
    def test_the_row_is_named(self, row, message):
        """A row that cannot be a detection fails the whole reply, with its number."""
        with pytest.raises(BadResponse, match=message):
            parse(rows([0, 0, 9, 9, 0.5, 0], row), 640, 480, Preset("yolo-rows"))

    def test_overflow_is_no_box(self):
        """Fractions that overflow when scaled are refused, not stored as infinity."""
        with pytest.raises(BadResponse, match="finite"):
            parse(reply({"prediction": [[0, 0.5, 0, 0, 1e307, 1e307]]}), 640, 480, Preset("builtin-ssd"))

    @pytest.mark.parametrize("row", ["[-1, NaN, NaN, 0, Infinity, 9]", "[-1, 0, -1, -1, -1, -1]", "[0, 0, 0, 0, 0, 0]"])
    def test_padding_is_dropped_whatever_it_holds(self, row):
        """Rows of class -1 and rows of zeros are padding; their numbers do not matter."""
        body = f'{{"prediction": [[1, 0.5, 0, 0, 1, 1], {row}]}}'.encode()
        assert parse(body, 640, 480, Preset("builtin-ssd")).confidence.tolist() == [0.5]

    def test_a_score_of_zero_is_no_padding(self):
        """A real box with a score of 0 stays: nothing is thresholded."""
        assert len(parse(reply({"prediction": [[0, 0, 0, 0, 1, 1]]}), 640, 480, Preset("builtin-ssd"))) == 1

    def test_rounding_above_one_is_forgiven(self):
        """A float32 softmax may say 1.0000001."""
        assert parse(rows([0, 0, 9, 9, 1.0000001, 0]), 640, 480, Preset("yolo-rows")).confidence.tolist() == [1.0]

    def test_columns_of_different_length(self):
        """Boxes, scores and classes must be of one length."""
        body = reply({"boxes": [[0, 0, 1, 1]], "scores": [0.5, 0.4], "labels": [1]})
        with pytest.raises(BadResponse, match="1 boxes but 2 scores"):
            parse(body, 640, 480, Preset("torchvision"))

    def test_class_below_the_base(self):
        """Class 0 where ids start at 1 is the background, or the wrong class base."""
        with pytest.raises(BadResponse, match="below the class base 1"):
            parse(reply({"boxes": [[0, 0, 1, 1]], "scores": [1], "labels": [0]}), 640, 480, Preset("torchvision"))

    def test_label_list_too_short(self):
        """An id beyond the reply's own labels is refused."""
        body = reply({"normalized_boxes": [[0, 0, 1, 1]], "scores": [1], "classes": [3], "labels": ["a", "b"]})
        with pytest.raises(BadResponse, match="no name among the 2 labels"):
            parse(body, 640, 480, Preset("jumpstart"))

    @pytest.mark.parametrize("count", [9, -1, 1.5])
    def test_num_detections_must_fit(self, count):
        """num_detections that the rows cannot fill is refused."""
        image = {"detection_boxes": [[0, 0, 1, 1]], "detection_scores": [1], "detection_classes": [1]}
        with pytest.raises(BadResponse, match="detections and holds 1"):
            parse(reply({"predictions": [image | {"num_detections": count}]}), 640, 480, Preset("tf-serving"))

    def test_rows_beyond_num_detections_are_padding(self):
        """Whatever stands after the first num_detections rows is left out, in TensorFlow's and in Triton's replies."""
        image = {
            "detection_boxes": [[0, 0, 1, 1]] * 3,
            "detection_scores": [0.9, 0.8, 0.7],
            "detection_classes": [1] * 3,
        }
        body = reply({"predictions": [image | {"num_detections": 2.0}]})
        assert parse(body, 640, 480, Preset("tf-serving")).confidence.tolist() == [0.9, 0.8]
        columns = {"num_dets": 1, "det_boxes": [0, 0, 9, 9] * 2, "det_scores": [0.9, 0.8], "det_classes": [0, 0]}
        shapes = {"num_dets": [1, 1], "det_boxes": [1, 2, 4], "det_scores": [1, 2], "det_classes": [1, 2]}
        outputs = [
            {"name": name, "shape": shapes[name], "data": data if isinstance(data, list) else [data]}
            for name, data in columns.items()
        ]
        assert parse(reply({"outputs": outputs}), 640, 480, Preset("triton-nms")).confidence.tolist() == [0.9]

    def test_two_images_are_refused(self):
        """One image is sent, so the detections of two cannot be told apart."""
        row = {"score": 1, "label": "a", "box": {"xmin": 0, "ymin": 0, "xmax": 1, "ymax": 1}}
        with pytest.raises(BadResponse, match="2 images"):
            parse(reply([[row], [row]]), 640, 480, Preset("hugging-face"))

    def test_missing_field_is_named(self):
        """A record without a field says which one, where, and what it has."""
        row = {"score": 1, "label": "a", "box": {"xmin": 0, "ymin": 0, "xmax": 1, "ymax": 1}}
        with pytest.raises(BadResponse, match=r"Row 1 has no field 'label'; found an object with the keys 'score'"):
            parse(reply([row, {"score": 1, "box": row["box"]}]), 640, 480, Preset("hugging-face"))

    def test_rotated_boxes_are_refused(self):
        """Four corners are no upright box."""
        box = {f"{axis}{corner}": corner for corner in (1, 2, 3, 4) for axis in "xy"}
        with pytest.raises(BadResponse, match="rotated"):
            parse(reply([{"name": "a", "class": 0, "confidence": 1, "box": box}]), 640, 480, Preset("ultralytics"))


class TestClassNames:
    def test_unknown_names_follow_the_list_in_order_of_appearance(self):
        """Names are matched whatever their case; new ones are appended."""
        body = reply({"outputs": {"detections": [[0, 0, 1, 1, name, 0.5] for name in ("Van", "DOG", "ute", "van")]}})
        parsed = parse_in_order(body, 640, 480, Preset("named-rows", NAMES))
        assert parsed.class_names == (*NAMES, "Van", "ute")
        assert parsed.class_id.tolist() == [3, 1, 4, 3]

    def test_ids_and_names_together_need_no_list(self):
        """A reply with both keeps its ids; ids that do not occur get a stand-in."""
        row = {"name": "dog", "class": 2, "confidence": 1, "box": {"x1": 0, "y1": 0, "x2": 1, "y2": 1}}
        parsed = parse_in_order(reply([row]), 640, 480, Preset("ultralytics"))
        assert parsed.class_names == ("class 0", "class 1", "dog")
        assert parsed.class_id.tolist() == [2]

    def test_contradicting_ids_lose_to_names(self):
        """Where one id has two names the names count."""
        box = {"x1": 0, "y1": 0, "x2": 1, "y2": 1}
        body = reply([{"name": name, "class": 0, "confidence": 1, "box": box} for name in "ab"])
        assert parse_in_order(body, 640, 480, Preset("ultralytics")).class_names == ("a", "b")

    def test_list_shorter_than_the_ids(self):
        """Ids beyond the class list are kept under a stand-in name."""
        parsed = parse_in_order(rows([0, 0, 1, 1, 0.5, 2]), 640, 480, Preset("yolo-rows", ("a",)))
        assert parsed.class_names == ("a", "class 1", "class 2")

    def test_digits_as_class_names(self):
        """Digits are names where the class list says so, and ids else."""
        body = reply([{"7": [0, 0, 1, 1], "score": 0.5}])
        assert parse_in_order(body, 640, 480, Preset("torchserve", ("3", "7"))).class_id.tolist() == [1]
        assert parse_in_order(body, 640, 480, Preset("torchserve")).class_id.tolist() == [6]

    def test_no_classes_at_all(self):
        """A detector without classes finds objects, or the only class of the list."""
        body = reply({"boxes": [[0, 0, 1, 1]], "scores": [0.5]})
        assert parse(body, 640, 480, Preset("columns")).names() == ["object"]
        assert parse(body, 640, 480, Preset("columns", ("helmet",))).names() == ["helmet"]


class TestUsualNames:
    def test_keys_can_be_given(self):
        """Keys of one's own are read when they are named."""
        keys = (("box-key", "where.pos"), ("score-key", "sureness"), ("class-key", "what"), ("score-scale", "100"))
        body = reply({"hits": [{"where": {"pos": [1, 2, 3, 4]}, "sureness": 50, "what": "dog"}], "took": 3})
        parsed = parse(body, 640, 480, Preset("records", options=keys))
        assert (parsed.names(), parsed.confidence.tolist(), parsed.xyxy.tolist()) == (["dog"], [0.5], [[1, 2, 3, 4]])

    def test_a_key_that_was_given_must_exist(self):
        """A class key that the reply lacks is an error, not a detector without classes."""
        body = reply({"boxes": [[0, 0, 1, 1]], "scores": [0.5]})
        with pytest.raises(BadResponse, match="no 'species'"):
            parse(body, 640, 480, Preset("columns", options=(("class-key", "species"),)))

    @pytest.mark.parametrize(
        "box", [{"x": 1, "y": 2, "w": 3, "h": 4}, {"left": 1, "top": 2, "width": 3, "height": 4}, {"box": [1, 2, 4, 6]}]
    )
    def test_corner_fields(self, box):
        """The box may be spelt out in fields, in the usual ways."""
        row = {"confidence": 0.5, "class_name": "dog", "box": box} if "box" not in box else box | {"confidence": 0.5}
        assert parse(reply({"detections": [row]}), 640, 480, Preset("records")).xyxy.tolist() == [[1, 2, 4, 6]]

    def test_percentages_are_proposed(self):
        """Scores of 97 are per cent."""
        body = reply({"detections": [{"bbox": [10, 20, 200, 300], "score": 97, "label": "dog"}]})
        assert propose(body, 640, 480).best == Preset("records", options=(("score-scale", "100"),))


class TestRawHeads:
    HEAD = np.array(
        [
            [100, 100, 40, 40, 0.9, 0.1],
            [102, 100, 40, 40, 0.8, 0.1],
            [102, 100, 40, 40, 0.1, 0.7],
            [300, 300, 9, 9, 0, 0],
        ]
    )

    def test_nms_is_per_class(self):
        """The weaker of two boxes of a class goes, that of another class stays, anchors without a score go."""
        parsed = parse(reply([self.HEAD.T.tolist()]), 640, 640, Preset("yolo-head"))
        assert parsed.confidence.tolist() == [0.9, 0.7]
        assert parsed.class_id.tolist() == [0, 1]
        assert parsed.xyxy[0].tolist() == [80, 80, 120, 120]

    def test_nms_iou_is_an_option(self):
        """An IoU of 1 keeps every box that is not the same."""
        preset = Preset("yolo-head", options=(("nms-iou", "1"),))
        assert len(parse(reply([self.HEAD.T.tolist()]), 640, 640, preset)) == 3

    def test_an_overlap_of_just_the_limit_stays(self):
        """Only more overlap than the limit suppresses: two boxes of IoU 1/2 both stay at 0.5."""
        xyxy = np.array([[0, 0, 10, 10], [0, 0, 10, 5]], dtype=float)
        assert nms(xyxy, np.array([0.9, 0.8]), np.array([0, 0]), 0.5).tolist() == [0, 1]
        assert nms(xyxy, np.array([0.9, 0.8]), np.array([0, 0]), 0.49).tolist() == [0]

    def test_anchors_first_with_objectness(self):
        """YOLOv5 heads are transposed and carry an objectness that multiplies the class scores."""
        head = np.insert(self.HEAD, 4, 0.5, axis=1)
        preset = Preset("yolo-head", options=(("layout", "anchors-first"), ("objectness", "yes")))
        assert parse(reply([head.tolist()]), 640, 640, preset).confidence.tolist() == [0.45, 0.35]

    def test_logits_are_refused(self):
        """Class scores that are no probabilities are named."""
        head = self.HEAD.copy()
        head[0, 4] = -3.5
        with pytest.raises(BadResponse, match="not all within 0 to 1"):
            parse(reply([head.T.tolist()]), 640, 640, Preset("yolo-head"))

    def test_nms_against_a_plain_loop(self):
        """The vectorised suppression keeps what the definition keeps."""
        rng = np.random.default_rng(3)
        xyxy = rng.integers(0, 40, (200, 4)).astype(float)
        xyxy[:, 2:] += xyxy[:, :2]
        scores, ids = rng.integers(0, 20, 200) / 20, rng.integers(0, 3, 200)

        def iou(a, b):
            w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
            overlap = max(w, 0) * max(h, 0)
            union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap
            return overlap / union if union else 0

        kept = []
        for i in sorted(range(200), key=lambda i: -scores[i]):
            if all(ids[i] != ids[k] or iou(xyxy[i], xyxy[k]) <= 0.5 for k in kept):
                kept.append(i)
        assert nms(xyxy, scores, ids, 0.5).tolist() == sorted(kept)

    def test_proposal_tells_the_network_from_its_anchors(self):
        """2,100 anchors are those of a 320x320 network, wherever the boxes lie."""
        head = np.zeros((2100, 6))
        head[:4] = self.HEAD
        best = propose(reply([head.T.tolist()]), 640, 480).best
        assert best == Preset("yolo-head", options=(("letterbox", "320x320"),))

    def test_a_small_reach_does_not_shrink_the_network(self):
        """Boxes that all lie in one corner of a large image do not make a 640x640 network a smaller one."""
        body = reply([[[160, 200, 220, 240, 0.9, 1], [10, 190, 50, 300, 0.5, 0]]])
        assert propose(body, 1920, 1080).best == Preset("yolo-end2end")

    def test_triton_shape_must_match_its_data(self):
        """A tensor whose shape and data disagree is refused."""
        body = reply({"outputs": [{"name": "o", "datatype": "FP32", "shape": [1, 7, 5], "data": [0.5] * 34}]})
        with pytest.raises(BadResponse, match="34 values"):
            parse(body, 640, 480, Preset("yolo-head"))


class TestBodies:
    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (b"", "empty"),
            (b" \n", "empty"),
            (b"\xef\xbb\xbf", "empty"),
            (b"<html><body>502 Bad Gateway</body></html>", "web page.*502"),
            (b"Internal Server Error", "plain text.*Internal Server Error"),
            (b"\x93NUMPY\x01\x00v\x00", "binary"),
            ('{"prediction": []}'.encode("utf-16"), "binary"),
            (b'{"prediction": [[0, 0.5', "broken JSON"),
            (b'{"prediction": [[0, 1e999, 0, 0, 1, 1]]}', "broken JSON.*range"),
            (b"[" * 100_000, "nested too deeply"),
            (b"[NaN, " + b"[" * 100_000, "nested too deeply"),
            (b'{"prediction": ' + b"[" * 500 + b"]" * 500 + b"}", "prediction"),
            (b"NaN", "no 'prediction' in the reply"),
            (b"null", "found null"),
            (b"3", "found a number: '3'"),
            (b'"boxes"', "found text: 'boxes'"),
            (b"[[]]", "found a list of 1"),
        ],
    )
    def test_what_is_no_reply_is_named(self, body, message):
        """Whatever a container may send instead, the message says what it was."""
        with pytest.raises(BadResponse, match=f"(?s){message}"):
            parse(body, 640, 480, Preset("builtin-ssd"))

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (payload("tf_serving_error_body"), "error message.*Failed to process element"),
            (b"null", "null.*log"),
            (b"Internal Server Error", "plain text"),
            (b'{"a": "b"}', r"an object with the keys 'a' \(text\)"),
            (b"[[1, 2], [3, 4]]", "a list of 2, the first a list of 2"),
            (b'"' + b"x" * 10_000 + b'"', "No known response format"),
        ],
    )
    def test_a_refused_proposal_says_what_was_found(self, body, message):
        """When nothing fits, the person reads what the reply holds, shortened, and what to do."""
        with pytest.raises(BadResponse, match=f"(?s){message}") as caught:
            propose(body, 640, 480)
        assert len(str(caught.value)) < 1500
        assert caught.value.advice

    def test_byte_order_mark_is_skipped(self):
        """A UTF-8 mark before the JSON does no harm."""
        assert len(parse(b"\xef\xbb\xbf" + payload("builtin_ssd"), 640, 480, Preset("builtin-ssd"))) == 5

    def test_nan_elsewhere_does_no_harm(self):
        """NaN outside the boxes, as Python's json writes it, is read over."""
        body = b'{"loss": NaN, "prediction": [[0, 0.5, 0, 0, 1, 1]]}'
        assert len(parse(body, 640, 480, Preset("builtin-ssd"))) == 1

    def test_of_duplicate_keys_the_last_counts(self):
        """JSON leaves it open; the common answer is the last one."""
        body = b'{"prediction": [[0, 0.5, 0, 0, 1, 1]], "prediction": []}'
        assert len(parse(body, 640, 480, Preset("builtin-ssd"))) == 0

    def test_broken_characters_in_names(self):
        """Half a surrogate pair cannot be stored or shown, so it is refused."""
        body = b'[{"score": 1, "label": "\\ud800", "x": NaN, "box": {"xmin": 0, "ymin": 0, "xmax": 1, "ymax": 1}}]'
        with pytest.raises(BadResponse, match="surrogate"):
            parse(body, 640, 480, Preset("hugging-face"))

    def test_a_row_that_is_half_a_character_and_no_row(self):
        """It is refused as well, where a row should be."""
        with pytest.raises(BadResponse, match="surrogate"):
            parse(b'[[1, 2, NaN, 4, "dog", 0.9], "\\ud800"]', 10, 10, Preset("named-rows"))

    @pytest.mark.parametrize("body", [b"score,label\n1\n", b'score,label,box\n1,a,"{', b"score,label,box\nx,a,{}\n"])
    def test_broken_tables(self, body):
        """A CSV reply that is cut off or is no table is refused."""
        with pytest.raises(BadResponse):
            parse(body, 640, 480, Preset("hugging-face-csv"))


class TestPropose:
    def test_ambiguous_rows_have_a_rival(self):
        """Rows that read both ways are proposed as YOLO rows, and class-first is named as possible."""
        body = rows([0, 0.25, 0.5, 0.6, 0.9, 1], [0, 0.2, 0.5, 0.75, 0.8, 1])
        proposal = propose(body, 640, 480)
        assert proposal.best == Preset("yolo-rows", options=(("coordinates", "normalised"),))
        assert "class-first-rows" in [preset.format for preset, _ in proposal.rivals]
        assert re.match(r"YOLO rows, because .*; it could also be Class-first rows\.$", proposal.reason)

    def test_class_base_is_a_rival_when_no_id_tells(self):
        """Labels without a 0 may start at 1 or at 0."""
        proposal = propose(payload("torchvision_boxes_labels_scores"), 640, 480)
        assert [preset.options for preset, _ in proposal.rivals] == [(("class-base", "0"),)]
        assert "Class ids are taken to start at 1." in proposal.unsure

    def test_label_zero_settles_the_class_base(self):
        """A label 0 rules out that labels start at 1."""
        body = reply({"boxes": [[0, 0, 100, 100]], "labels": [0], "scores": [1]})
        proposal = propose(body, 640, 480)
        assert proposal == Proposal(
            Preset("torchvision", options=(("class-base", "0"),)), proposal.reason, (), proposal.unsure
        )

    def test_no_boxes_says_so(self):
        """A reply without boxes cannot be checked, and the proposal says so."""
        proposal = propose(payload("builtin_ssd_empty"), 640, 480)
        assert proposal.best.format == "builtin-ssd"
        assert "no box" in proposal.reason
        assert "propose again" in proposal.unsure[0]

    def test_pixels_that_the_image_cannot_hold_ask_for_a_frame(self):
        """Boxes beyond the image's lower edge come from a square frame."""
        proposal = propose(payload("yolov8_aws_sample_640"), 640, 480)
        assert proposal.best.options == (("frame", "640x640"),)
        assert "stretched to 640x640" in proposal.reason

    def test_pixels_inside_the_image_are_assumed_to_be_of_it(self):
        """That the frame is the one sent is an assumption, and is told."""
        assert any("resized on the way" in line for line in propose(payload("hf_object_detection"), 640, 480).unsure)

    def test_every_rival_parses(self):
        """No rival is offered that could not read the reply."""
        for name in READ:
            for rival, reason in propose(payload(name), 640, 480).rivals:
                parse(payload(name), 640, 480, rival)
                assert reason.endswith(".")
