"""Build the sample set that is committed: python -m demo.samples [--out DIR].

The first SAMPLE_COUNT seeds of SAMPLE_SEEDS whose scene has at least MIN_SAMPLE_OBJECTS objects. No
detector has a say in it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from demo import recipe
from demo.coco import dataset, large_enough
from demo.scenes import Scene, generate

DESCRIPTION = (
    f"Procedural highway scenes for the demo of smviz: the first {recipe.SAMPLE_COUNT} seeds from "
    f"{recipe.SAMPLE_SEEDS.start} whose scene has at least {recipe.MIN_SAMPLE_OBJECTS} objects; none was trained on."
)


def chosen() -> Iterator[Scene]:
    """The scenes of the sample set, in order."""
    scenes = (generate(seed, recipe.SCENE_SIZE) for seed in recipe.SAMPLE_SEEDS)
    busy = (scene for scene in scenes if len(large_enough(scene.record)) >= recipe.MIN_SAMPLE_OBJECTS)
    return islice(busy, recipe.SAMPLE_COUNT)


def build(out: Path) -> None:
    """Write images/ and annotations.json, in place of what was there."""
    images = out / "images"
    images.mkdir(parents=True, exist_ok=True)
    for old in images.glob("*.jpg"):
        old.unlink()
    records = []
    for number, scene in enumerate(chosen(), 1):
        name = f"highway_{number:04d}.jpg"
        (images / name).write_bytes(scene.jpeg)
        records.append((name, scene.record))
    annotations = json.dumps(dataset(records, DESCRIPTION), separators=(",", ":"))
    (out / "annotations.json").write_text(annotations.replace('},{"id"', '},\n{"id"') + "\n", encoding="utf-8")


def main() -> None:
    """Read the command line, build the set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=recipe.SAMPLES)
    build(parser.parse_args().out)


if __name__ == "__main__":
    main()
