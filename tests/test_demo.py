"""The committed sample set, the committed models and their card, and the recipe that made them."""

import io
import json
import re
from collections import Counter

import numpy as np
import onnxruntime
import pytest
from PIL import Image
from pycocotools.coco import COCO

from demo import recipe
from demo.coco import CATEGORIES, dataset
from demo.scenes import CLASSES, generate
from smviz.local.demo import DEMO_CLASSES, MODEL_FILES, SAMPLES

MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def annotations():
    return json.loads(SAMPLES.annotations.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def first_scene(annotations):
    return generate(annotations["images"][0]["seed"], recipe.SCENE_SIZE)


@pytest.fixture(scope="module")
def card():
    return (recipe.MODELS / "MODEL_CARD.md").read_text(encoding="utf-8")


def size_of(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


class TestSampleSet:
    def test_pycocotools_reads_it(self, annotations, capsys):
        """The reference reader finds every image, category and annotation."""
        coco = COCO(SAMPLES.annotations)
        capsys.readouterr()
        assert len(coco.imgs) == recipe.SAMPLE_COUNT
        assert len(coco.anns) == len(annotations["annotations"])
        assert [c["name"] for c in coco.loadCats(coco.getCatIds())] == list(DEMO_CLASSES)

    def test_every_image_is_there_and_no_other(self, annotations):
        """The file names in the annotations are exactly those in the folder."""
        assert [i["file_name"] for i in annotations["images"]] == [path.name for path in SAMPLES.images]

    def test_sizes_are_true(self, annotations):
        """Width and height are those of the JPEG."""
        for entry, path in zip(annotations["images"], SAMPLES.images, strict=True):
            with Image.open(path) as image:
                assert (image.format, *image.size) == ("JPEG", entry["width"], entry["height"])

    def test_boxes_lie_inside_the_frame(self, annotations):
        """No box reaches out of its image, none is empty, and areas are those of the boxes."""
        frames = {i["id"]: (i["width"], i["height"]) for i in annotations["images"]}
        for annotation in annotations["annotations"]:
            x, y, w, h = annotation["bbox"]
            width, height = frames[annotation["image_id"]]
            assert x >= 0
            assert y >= 0
            assert min(w, h) > 0
            assert x + w <= width
            assert y + h <= height
            assert annotation["area"] == w * h

    def test_ids_count_from_one(self, annotations):
        """Ids are the integers from 1, without a gap."""
        for part in ("images", "annotations", "categories"):
            assert [entry["id"] for entry in annotations[part]] == list(range(1, len(annotations[part]) + 1))

    def test_narrow_objects_are_regions_to_ignore(self, annotations):
        """An object that counts is at least as wide as the rule in the description says."""
        objects = [a for a in annotations["annotations"] if not a["iscrowd"]]
        assert min(a["bbox"][2] for a in objects) >= recipe.MIN_OBJECT_WIDTH
        assert f"narrower than {recipe.MIN_OBJECT_WIDTH} px" in annotations["info"]["description"]

    def test_a_region_to_ignore_is_there_for_every_category(self, annotations):
        """Whatever class a detector says there, it is ignored."""
        crowds = [a for a in annotations["annotations"] if a["iscrowd"]]
        per_region = Counter((a["image_id"], *a["bbox"]) for a in crowds)
        assert crowds
        assert all(count % len(CATEGORIES) == 0 for count in per_region.values())
        assert len({Counter(a["category_id"] for a in crowds)[c["id"]] for c in CATEGORIES}) == 1

    def test_every_image_has_objects(self, annotations):
        """The rule by which seeds were chosen holds."""
        objects = Counter(a["image_id"] for a in annotations["annotations"] if not a["iscrowd"])
        assert min(objects[i["id"]] for i in annotations["images"]) >= recipe.MIN_SAMPLE_OBJECTS

    def test_every_class_and_every_light_occurs(self, annotations):
        """The set is good for a tour: all classes, six kinds of light, three views."""
        assert {a["category_id"] for a in annotations["annotations"] if not a["iscrowd"]} == {1, 2, 3, 4}
        assert {i["time"] for i in annotations["images"]} == {"day", "overcast", "golden", "dusk", "fog", "rain"}
        assert {i["view"] for i in annotations["images"]} == {"overpass", "gantry", "dashcam"}

    def test_no_model_was_trained_on_it(self, annotations):
        """Sample, training and held-out seeds are disjoint."""
        samples = {i["seed"] for i in annotations["images"]}
        assert len(samples) == recipe.SAMPLE_COUNT
        assert samples <= set(recipe.SAMPLE_SEEDS)
        assert samples.isdisjoint(recipe.TRAINING_SEEDS)
        assert set(recipe.HELD_OUT_SEEDS).isdisjoint([*recipe.TRAINING_SEEDS, *recipe.SAMPLE_SEEDS])

    def test_it_is_small(self):
        """Images and annotations together are 8 MB or less."""
        assert size_of(SAMPLES.folder) <= 8 * MEGABYTE


class TestGenerate:
    def test_the_committed_picture_comes_from_its_seed(self, first_scene):
        """Within what two JPEG libraries may differ by."""
        drawn = np.asarray(Image.open(io.BytesIO(first_scene.jpeg)), float)
        committed = np.asarray(Image.open(SAMPLES.images[0]), float)
        assert np.abs(drawn - committed).mean() < 2

    def test_the_committed_labels_come_from_its_seed(self, first_scene, annotations):
        """Exactly."""
        made = dataset([(SAMPLES.images[0].name, first_scene.record)], "")
        assert made["images"] == annotations["images"][:1]
        assert made["annotations"] == [a for a in annotations["annotations"] if a["image_id"] == 1]

    def test_another_seed_is_another_scene(self, first_scene):
        """Scenes differ."""
        assert generate(3, (320, 240)).objects != generate(4, (320, 240)).objects

    def test_labels_are_inside_a_small_frame_too(self):
        """The generator takes any size of the same shape."""
        scene = generate(7, (320, 240))
        assert Image.open(io.BytesIO(scene.jpeg)).size == (320, 240)
        assert scene.objects
        assert all(o["bbox"][0] >= 0 and o["bbox"][0] + o["bbox"][2] <= 320 for o in scene.objects)
        assert {o["class"] for o in scene.objects} <= set(CLASSES)


@pytest.mark.parametrize("variant", recipe.VARIANTS.values(), ids=lambda v: v.name)
class TestModels:
    def test_a_model_is_small(self, variant):
        """Less than 3 MB each."""
        assert variant.model.stat().st_size < 3 * MEGABYTE

    def test_a_model_tells_how_it_was_trained(self, variant):
        """Its metadata are the recipe's: variant, seed, iterations, number of scenes, classes."""
        session = onnxruntime.InferenceSession(str(variant.model), providers=["CPUExecutionProvider"])
        metadata = session.get_modelmeta().custom_metadata_map
        assert metadata["variant"] == variant.name
        assert metadata["seed"] == str(variant.seed)
        assert metadata["iterations"] == str(variant.iterations)
        assert metadata["training_scenes"] == str(len(recipe.TRAINING_SEEDS))
        assert metadata["classes"] == ",".join(DEMO_CLASSES)
        assert session.get_inputs()[0].shape == [1, *recipe.INPUT_SIZE, 3]

    def test_the_card_names_it(self, variant, card):
        """By the file's name, which is also the name that smviz serves."""
        assert f"`{variant.model.name}`" in card
        assert variant.model.name in MODEL_FILES


class TestCard:
    @pytest.mark.parametrize(
        ("row", "values"),
        [
            ("iterations", [v.iterations for v in recipe.VARIANTS.values()]),
            ("seed", [v.seed for v in recipe.VARIANTS.values()]),
            ("training scenes", [len(recipe.TRAINING_SEEDS)] * 2),
            ("pyramid width", [v.width for v in recipe.VARIANTS.values()]),
        ],
    )
    def test_the_recipe_is_that_of_the_code(self, card, row, values):
        """A number in the card's recipe is the constant that training reads."""
        cells = re.search(rf"^\| {row} \|(.*)\|$", card, re.MULTILINE)[1]
        assert [int(cell) for cell in cells.split("|")] == values

    def test_the_seeds_are_those_of_the_code(self, card):
        """Training and held-out seeds are told."""
        for seeds in (recipe.TRAINING_SEEDS, recipe.HELD_OUT_SEEDS):
            assert f"seeds {seeds.start} to {seeds[-1]}" in " ".join(card.split())

    def test_the_two_variants_differ_in_quality(self, card):
        """A is better than B, and neither is perfect."""
        a, b = (float(cell) for cell in re.search(r"^\| AP50 \|(.*)\|$", card, re.MULTILINE)[1].split("|"))
        assert 0.1 < b < a - 0.1
        assert a < 0.9
