"""Properties of every annotation format: any bytes give ground truth or an error in words; what is written is read."""

import csv
import io
import json
import random
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import pytest
from annotation_sets import image, sample, truth
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_annotations_proposing import ONE_EACH

from smviz.annotations import FORMATS, parse_results
from smviz.errors import BadAnnotations, BadSource
from smviz.records import GroundTruth, Predictions

# Derandomised: the same examples every time, so that a failure is a change in the code.
fuzzed = settings(
    deadline=None,
    derandomize=True,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)

JUNK = [None, True, "", "x", -1, 0, 1e308, float("nan"), float("inf"), 10**30, [], {}, [[]], [None], {"a": 1}, "\ud800"]
TOKENS = [
    b"",
    b"\0",
    b"nan",
    b"-1",
    b"1e999",
    b"<a>",
    b"</object>",
    b"<",
    b"&x;",
    b"{",
    b"]",
    b'"',
    b",",
    b"\n",
    b"\xff",
]


def read(files, format):
    """The ground truth must be sound, or there is an error in words; anything else fails the test."""
    try:
        ground_truth = truth(files, format, lambda name: (640, 480))
    except (BadAnnotations, BadSource) as error:
        explained(error)
    else:
        check(ground_truth)


def explained(error):
    """Whether an error says what happened and what to do, in text that can be shown."""
    assert error.message
    assert error.advice
    assert len(str(error).encode()) < 4000


def check(ground_truth: GroundTruth) -> None:
    """What holds of every ground truth."""
    images, classes = len(ground_truth.image_names), len(ground_truth.class_names)
    assert images == len(set(ground_truth.image_names)) == len(set(ground_truth.image_ids)) > 0
    assert images == len(ground_truth.image_sizes)
    assert classes == len(set(ground_truth.category_ids)) == len(ground_truth.category_ids)
    assert (ground_truth.image_sizes >= 0).all()
    assert ((ground_truth.image >= 0) & (ground_truth.image < images)).all()
    assert ((ground_truth.class_id >= 0) & (ground_truth.class_id < classes)).all()
    assert np.isfinite(ground_truth.ltwh).all()
    assert (ground_truth.ltwh[:, 2:] > 0).all()
    assert np.isfinite(ground_truth.area).all()
    assert "".join((*ground_truth.image_names, *ground_truth.class_names, *ground_truth.notes)).encode() is not None
    assert all(record.why and str(record).encode() for record in ground_truth.skipped)


@pytest.mark.parametrize("name", FORMATS)
class TestAnyBytes:
    """Nothing but ground truth, BadAnnotations and BadSource comes of any file."""

    @fuzzed
    @given(data=st.binary(max_size=300))
    def test_random(self, name, data):
        """Bytes at random, alone and beside a good file."""
        read({"a": data}, name)
        read({"a": data}, None)
        read({"a.json": data, "b.xml": data, "c.txt": data, "d.csv": data, "z": sample(ONE_EACH[name])}, name)

    @fuzzed
    @given(share=st.floats(0, 1))
    def test_cut_off(self, name, share):
        """A sample that ends too early."""
        data = sample(ONE_EACH[name])
        cut = data[: int(share * len(data))]
        read({"a": cut}, name)
        read({"a": cut}, None)

    @fuzzed
    @given(cuts=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), st.sampled_from(TOKENS)), max_size=4))
    def test_overwritten(self, name, cuts):
        """A sample with something else in places."""
        data = sample(ONE_EACH[name])
        for place, length, token in cuts:
            at = int(place * len(data))
            data = data[:at] + token + data[at + length :]
        read({"a": data}, name)
        read({"a": data}, None)

    @fuzzed
    @given(seed=st.integers(0, 10**6), junk=st.sampled_from(JUNK))
    def test_other_values(self, name, seed, junk):
        """A JSON sample with one value replaced, or a key taken away."""
        data = sample(ONE_EACH[name])
        if not data.startswith(b"{"):
            pytest.skip("not JSON")
        lines = [json.loads(line) for line in data.splitlines()] if name == "ground-truth" else [json.loads(data)]
        change(lines, random.Random(seed), junk)
        read({"a": "\n".join(map(json.dumps, lines))}, name)
        read({"a": "\n".join(map(json.dumps, lines))}, None)


def change(value: list | dict, rng: random.Random, junk: object) -> None:
    """Replace or delete one value anywhere below."""
    places = list(range(len(value))) if isinstance(value, list) else list(value)
    if not places:
        return
    place = rng.choice(places)
    if isinstance(value[place], list | dict) and value[place] and rng.random() < 0.8:
        change(value[place], rng, junk)
    elif rng.random() < 0.2:
        del value[place]
    else:
        value[place] = junk


@fuzzed
@given(seed=st.integers(0, 10**6), junk=st.sampled_from(JUNK), share=st.floats(0.5, 1.5))
def test_results_of_any_kind(seed, junk, share):
    """COCO results give predictions or an error in words, whatever is in them."""
    known = truth({"a": sample("coco_instances.json")})
    lines = json.loads(sample("coco_results.json"))
    change(lines, random.Random(seed), junk)
    data = json.dumps(lines).encode()
    try:
        predictions = parse_results(data[: int(share * len(data))], known)
    except BadAnnotations as error:
        explained(error)
    else:
        assert isinstance(predictions, Predictions)
        assert np.isfinite(predictions.ltwh).all()


NAMES = ["ball", "cat & <dog>", "niño", 'zebra, "wild"']


def random_scenes(seed):
    """Images as (name, width, height, [(class, ltwh, flag)]); boxes have whole pixels and lie within the image."""
    rng = np.random.default_rng(seed)
    scenes = []
    for number in range(int(rng.integers(2, 6))):
        width, height = (int(side) for side in rng.integers(50, 900, 2))
        objects = []
        for _ in range(int(rng.integers(number == 0, 6))):
            left, top = int(rng.integers(0, width - 2)), int(rng.integers(0, height - 2))
            box = [left, top, int(rng.integers(1, width - left + 1)), int(rng.integers(1, height - top + 1))]
            objects.append((int(rng.integers(0, len(NAMES))), box, bool(rng.random() < 0.2)))
        scenes.append((f"im {number}.png", width, height, objects))
    return scenes


def stem(name):
    """Without the suffix."""
    return name.removesuffix(".png")


def pictures(scenes):
    """The images themselves."""
    return {name: image(width, height) for name, width, height, _ in scenes}


def write_coco(scenes, corners=False):
    """One JSON file; the flag is a crowd."""
    annotations = []
    for number, (_, _, _, objects) in enumerate(scenes):
        for klass, (left, top, width, height), crowd in objects:
            bbox = [left, top, left + width, top + height] if corners else [left, top, width, height]
            annotations.append({"image_id": number, "category_id": klass, "bbox": bbox, "iscrowd": int(crowd)})
    images = [{"id": n, "file_name": name, "width": w, "height": h} for n, (name, w, h, _) in enumerate(scenes)]
    categories = [{"id": k, "name": name} for k, name in enumerate(NAMES)]
    return {"a": json.dumps({"images": images, "annotations": annotations, "categories": categories})}


def write_jumpstart(scenes):
    """One JSON file of corners."""
    return write_coco(scenes, corners=True)


def write_voc(scenes):
    """A file for each image; the flag is "difficult"."""
    files = {}
    for name, width, height, objects in scenes:
        body = "".join(
            f"<object><name>{escape(NAMES[k])}</name><difficult>{int(flag)}</difficult><bndbox><xmin>{x + 1}</xmin>"
            f"<ymin>{y + 1}</ymin><xmax>{x + w}</xmax><ymax>{y + h}</ymax></bndbox></object>"
            for k, (x, y, w, h), flag in objects
        )
        size = f"<size><width>{width}</width><height>{height}</height></size>"
        files[f"{stem(name)}.xml"] = f"<annotation><filename>{name}</filename>{size}{body}</annotation>"
    return files


def write_yolo(scenes):
    """A file for each image, six decimals, and the images."""
    files = {"data.yaml": json.dumps({"names": NAMES}), **pictures(scenes)}
    for name, width, height, objects in scenes:
        rows = [(k, (x + w / 2) / width, (y + h / 2) / height, w / width, h / height) for k, (x, y, w, h), _ in objects]
        files[f"{stem(name)}.txt"] = "".join(
            f"{row[0]} " + " ".join(f"{v:.6f}" for v in row[1:]) + "\n" for row in rows
        )
    return files


def edges(box):
    """A box as AWS writes it."""
    return dict(zip(("left", "top", "width", "height"), box, strict=True))


def write_manifest(scenes):
    """A line for each image."""
    lines = []
    for name, width, height, objects in scenes:
        value = {
            "image_size": [{"width": width, "height": height, "depth": 3}],
            "annotations": [{"class_id": klass, **edges(box)} for klass, box, _ in objects],
        }
        metadata = {"class-map": {str(k): NAMES[k] for k, _, _ in objects}, "type": "groundtruth/object-detection"}
        lines.append(json.dumps({"source-ref": f"s3://bucket/x/{name}", "b": value, "b-metadata": metadata}))
    return {"m": "\n".join(lines)}


def write_builtin(scenes):
    """A file for each image."""
    return {
        f"{stem(name)}.json": json.dumps(
            {
                "file": name,
                "image_size": [{"width": width, "height": height, "depth": 3}],
                "annotations": [{"class_id": klass, **edges(box)} for klass, box, _ in objects],
                "categories": [{"class_id": k, "name": name} for k, name in enumerate(NAMES)],
            }
        )
        for name, width, height, objects in scenes
    }


def write_kitti(scenes):
    """A file for each image, names without white space, two decimals, and the images."""
    files = pictures(scenes)
    for name, _, _, objects in scenes:
        files[f"{stem(name)}.txt"] = "".join(
            f"{NAMES[k].replace(' ', '_')} 0 0 0 {x:.2f} {y:.2f} {x + w:.2f} {y + h:.2f} 0 0 0 0 0 0 0\n"
            for k, (x, y, w, h), _ in objects
        )
    return files


def write_openimages(scenes):
    """One CSV file, six decimals, descriptions, and the images; the flag is a group."""
    boxes, names = io.StringIO(), io.StringIO()
    csv.writer(names).writerows((f"/m/{k}", name) for k, name in enumerate(NAMES))
    rows = csv.writer(boxes)
    rows.writerow(["ImageID", "LabelName", "XMin", "XMax", "YMin", "YMax", "IsGroupOf"])
    for name, width, height, objects in scenes:
        for klass, (x, y, w, h), group in objects:
            shares = (x / width, (x + w) / width, y / height, (y + h) / height)
            rows.writerow([stem(name), f"/m/{klass}", *(f"{share:.6f}" for share in shares), int(group)])
    return {"boxes": boxes.getvalue(), "names.csv": names.getvalue(), **pictures(scenes)}


def write_labelme(scenes):
    """A file for each image, corners in any order."""
    files = {}
    for name, width, height, objects in scenes:
        shapes = [
            {"label": NAMES[k], "shape_type": "rectangle", "points": [[x + w, y], [x, y + h]]}
            for k, (x, y, w, h), _ in objects
        ]
        file = {"imagePath": name, "imageWidth": width, "imageHeight": height, "shapes": shapes}
        files[f"{stem(name)}.json"] = json.dumps(file)
    return files


def write_cvat(scenes):
    """One XML file."""
    images = ""
    for number, (name, width, height, objects) in enumerate(scenes):
        shapes = "".join(
            f'<box label={quoteattr(NAMES[k])} xtl="{x}" ytl="{y}" xbr="{x + w}" ybr="{y + h}"/>'
            for k, (x, y, w, h), _ in objects
        )
        images += f'<image id="{number}" name="{name}" width="{width}" height="{height}">{shapes}</image>'
    return {"a": f"<annotations>{images}</annotations>"}


WRITERS = {
    "coco": write_coco,
    "voc": write_voc,
    "yolo": write_yolo,
    "ground-truth": write_manifest,
    "builtin": write_builtin,
    "jumpstart": write_jumpstart,
    "kitti": write_kitti,
    "openimages": write_openimages,
    "labelme": write_labelme,
    "cvat": write_cvat,
}
ROUNDED = {"yolo": 0.002, "openimages": 0.002}
ONLY_WITH_BOXES = {"openimages"}
FLAG = {"coco": "crowd", "jumpstart": "crowd", "openimages": "crowd", "voc": "ignore"}


class TestRoundTrip:
    """A random data set, written in a format, is read back to the same columns within the format's rounding."""

    def test_every_format_has_a_writer(self):
        """None is left untried."""
        assert WRITERS.keys() == FORMATS.keys()

    @pytest.mark.parametrize("seed", range(12))
    @pytest.mark.parametrize("name", FORMATS)
    def test_columns(self, name, seed):
        """Images, sizes, classes, boxes and the format's own flag."""
        scenes = random_scenes(seed)
        ground_truth = truth(WRITERS[name](scenes), name)
        check(ground_truth)
        assert ground_truth.skipped == ()
        kept = [scene for scene in scenes if scene[3] or name not in ONLY_WITH_BOXES]
        order = [ground_truth.image_names.index(scene[0]) for scene in kept]
        assert sorted(order) == list(range(len(ground_truth.image_names)))
        assert ground_truth.image_sizes[order].tolist() == [[width, height] for _, width, height, _ in kept]
        found = sorted(rows(ground_truth, FLAG.get(name)), key=lambda row: (row[0], row[1], *np.round(row[2])))
        written = sorted(
            (scene[0], NAMES[k].replace(" ", "_") if name == "kitti" else NAMES[k], box, flag and name in FLAG)
            for scene in kept
            for k, box, flag in scene[3]
        )
        assert [(row[0], row[1], row[3]) for row in found] == [(row[0], row[1], row[3]) for row in written]
        tolerance = ROUNDED.get(name, 0)
        np.testing.assert_allclose([row[2] for row in found], [row[2] for row in written], rtol=0, atol=tolerance)
        np.testing.assert_allclose(ground_truth.area, ground_truth.ltwh[:, 2:].prod(axis=1))

    @pytest.mark.parametrize("name", FORMATS)
    def test_the_order_of_classes(self, name):
        """It is that of the ids, or of the names where the format has none, and the same for any order of the files."""
        files = WRITERS[name](random_scenes(3))
        ground_truth = truth(files, name)
        again = truth(dict(reversed(files.items())), name)
        assert again.class_names == ground_truth.class_names
        assert list(ground_truth.category_ids) == sorted(ground_truth.category_ids)


def rows(ground_truth, flag):
    """Each object as (image, class, ltwh, flag)."""
    flags = getattr(ground_truth, flag) if flag else np.zeros(len(ground_truth), bool)
    columns = (ground_truth.image.tolist(), ground_truth.class_id.tolist(), ground_truth.ltwh.tolist(), flags.tolist())
    return [
        (ground_truth.image_names[i], ground_truth.class_names[k], box, is_flagged)
        for i, k, box, is_flagged in zip(*columns, strict=True)
    ]
