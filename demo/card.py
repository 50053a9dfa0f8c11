"""Measure the committed models and write their card: python -m demo.card [--scenes DIR]."""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import onnxruntime

from demo import recipe, storage
from demo.coco import RULE, dataset
from demo.generate import generated
from demo.measure import CONFUSION_THRESHOLD, Measurement, measure
from demo.recipe import Variant
from demo.scenes import CLASSES

CARD = recipe.MODELS / "MODEL_CARD.md"


def write_card(scenes: Path) -> None:
    """Measure every variant on the scenes of a folder and write the card."""
    records = storage.read(scenes)
    named = [(storage.picture(scenes, r["attributes"]["seed"]).name, r) for r in records]
    truth, strict = dataset(named, "Held-out scenes."), dataset(named, "Nothing is too narrow.", min_width=0)
    measured = {name: measure(v.model, scenes, truth) for name, v in recipe.VARIANTS.items()}
    narrow = {name: measure(v.model, scenes, strict) for name, v in recipe.VARIANTS.items()}
    trained = {name: metadata(v.model) for name, v in recipe.VARIANTS.items()}
    CARD.write_text(card(measured, narrow, trained), encoding="utf-8")


def metadata(model: Path) -> dict[str, str]:
    """What the exported file tells about itself."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    return dict(session.get_modelmeta().custom_metadata_map)


@contextlib.contextmanager
def held_out(folder: Path | None) -> Iterator[Path]:
    """A folder with the held-out scenes: the given one, or a temporary one that is filled now."""
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory() as temporary:
        storage.write(Path(temporary), generated(recipe.HELD_OUT_SEEDS, recipe.SCENE_SIZE, processes=2))
        yield Path(temporary)


def table(head: list[str], rows: list[list[object]]) -> str:
    """A Markdown table; floats get three decimals."""
    cells = [head, ["---"] + ["---:"] * (len(head) - 1)]
    cells += [[f"{c:.3f}" if isinstance(c, float) else str(c) for c in row] for row in rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in cells)


def paragraph(text: str) -> str:
    """Prose, wrapped."""
    return textwrap.fill(" ".join(text.split()), 110, break_on_hyphens=False, break_long_words=False)


def card(measured: dict[str, Measurement], narrow: dict[str, Measurement], trained: dict[str, dict[str, str]]) -> str:
    """The whole card, Markdown; `narrow` was measured with narrow objects counted."""
    sections = [_introduction(), _results(measured, narrow)]
    sections += [_variant_results(recipe.VARIANTS[name], m) for name, m in measured.items()]
    sections += [_recipe(trained), LIMITS]
    return "\n\n".join(sections) + "\n"


def _introduction() -> str:
    files = " and ".join(f"`{v.model.name}` ({v.model.stat().st_size / 1e6:.1f} MB)" for v in recipe.VARIANTS.values())
    height, width = recipe.INPUT_SIZE
    about = f"""{files} find {", ".join(CLASSES[:-1])} and {CLASSES[-1]} in rear views of highway traffic. Both were
        trained from scratch by this repository's `demo/` on its own procedural scenes, so that smviz has something
        real to show without an AWS account. They are meant to be imperfect, and B to be worse than A."""
    return f"""# Highway demo detectors

{paragraph(about)}

- Input `image`: uint8 [1, {height}, {width}, 3], RGB, scaled to fit, at the top left, the rest filled with 114.
- Output `boxes`: float32 [1, N, 4], xyxy as shares of the input.
- Output `scores`: float32 [1, N, {len(CLASSES)}] for {", ".join(f"{i} {name}" for i, name in enumerate(CLASSES))}.
- Non-maximum suppression is the caller's: `smviz/local/detector.py`.
- ONNX, float32, for onnxruntime on the CPU.
- Licence: MIT, as the repository."""


def _results(measured: dict[str, Measurement], narrow: dict[str, Measurement]) -> str:
    first = next(iter(measured.values()))
    objects = sum(first.class_objects.values())
    seeds = recipe.HELD_OUT_SEEDS
    heads = ["", *(f"highway-{name}" for name in measured)]
    rows: list[list[object]] = [[key, *(m.ap[key] for m in measured.values())] for key in first.ap]
    rows += [
        [f"AP50 {c} ({n:,} objects)", *(m.class_ap50[c] for m in measured.values())]
        for c, n in first.class_objects.items()
    ]
    rows += [
        *([f"{key}, narrow objects counted too", *(m.ap[key] for m in narrow.values())] for key in ("AP", "AP50")),
        ["boxes per image", *(f"{m.boxes_per_image:.0f}" for m in measured.values())],
        ["median ms per image, one thread", *(f"{m.milliseconds:.0f}" for m in measured.values())],
    ]
    width, height = recipe.SCENE_SIZE
    conditions = f"""{len(seeds)} scenes of {width}x{height}, seeds {seeds.start} to {seeds[-1]}, which neither model
        has seen, with {objects:,} objects. The models ran as they are served, by `smviz/local/detector.py`; AP is
        pycocotools' with COCO's settings. {RULE} Two rows tell what counting narrow objects would change."""
    return f"## Measured on held-out scenes\n\n{paragraph(conditions)}\n\n{table(heads, rows)}"


def _variant_results(variant: Variant, m: Measurement) -> str:
    tenths = [f"{i / 10:.1f}" for i in range(10)]
    confusion: list[list[object]] = [
        [truth, *row] for truth, row in zip((*CLASSES, "background"), m.confusion.tolist(), strict=True)
    ]
    confusion[-1][-1] = "—"
    return f"""### {variant.model.stem}

{table(["confidence at least", "precision", "recall"], [[f"{t}", p, r] for t, p, r in m.operating])}

Confusion at confidence {CONFUSION_THRESHOLD} and IoU 0.5 (rows: truth; columns: detected), matched across classes:

{table(["", *CLASSES, "missed"], confusion)}

Detections per tenth of score:

{table(["score from", *tenths], [["detections", *m.histogram]])}"""


def _recipe(trained: dict[str, dict[str, str]]) -> str:
    variants = recipe.VARIANTS
    rows: list[list[object]] = [
        ["channels", *(", ".join(map(str, v.channels)) for v in variants.values())],
        ["residual blocks", *(", ".join(map(str, v.blocks)) for v in variants.values())],
        ["pyramid width", *(v.width for v in variants.values())],
        ["iterations", *(trained[name]["iterations"] for name in variants)],
        ["seed", *(trained[name]["seed"] for name in variants)],
        ["training scenes", *(trained[name]["training_scenes"] for name in variants)],
        ["CPU seconds", *(trained[name]["cpu_seconds"] for name in variants)],
        ["seconds on a busy machine of two cores", *(trained[name]["wall_seconds"] for name in variants)],
    ]
    train, size = recipe.TRAINING_SEEDS, recipe.TRAINING_SIZE
    how = f"""{len(train):,} scenes of {size[0]}x{size[1]}, seeds {train.start} to {train[-1]}; batches of
        {recipe.BATCH}, AdamW, learning rate {recipe.LEARNING_RATE}, weight decay {recipe.WEIGHT_DECAY}, moving average
        of the weights. Every number is in `demo/recipe.py`, every command in `demo/README.md`."""
    return f"""## Recipe

{paragraph(how)}

{table(["", *(v.model.stem for v in variants.values())], rows)}

{paragraph(PROVENANCE)}"""


PROVENANCE = """The committed weights were trained with the code of `demo/` as it was before it was split into modules.
The split code was checked against it: byte-identical scenes and labels, and equal losses and weights over the first
iterations on one thread, apart from the last digits that a time limit, since removed, had put into the first one.
With more threads or another processor sums are rounded differently, so expect a retrained model to come close to the
numbers above, not to repeat them."""

LIMITS = """## Limits

- For demonstrations only. They know drawn highways, and were never measured on photographs.
- They confuse utes, vans and cars with each other, and miss many vehicles, small ones above all.
- Scores are not calibrated probabilities: they stand for class and overlap together.
- The scenes hold rear views on one carriageway; oncoming vehicles are background."""


def main() -> None:
    """Read the command line, measure, write the card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=Path, help="held-out scenes that are there already")
    with held_out(parser.parse_args().scenes) as scenes:
        write_card(scenes)


if __name__ == "__main__":
    main()
