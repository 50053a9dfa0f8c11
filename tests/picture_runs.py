"""Runs with as many images as one likes, for the pages that show them."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from smviz.records import Failure, ImageRef, Outcome, Reply
from smviz.settings import Preset
from smviz.store import Run, Store

CLASSES = ("car", "truck", "traffic light")
WIDTH, HEIGHT = 640, 480
FILES = 24  # different pictures; they repeat


def picture_files(folder: Path) -> list[Path]:
    """Pictures of grey road and coloured boxes, each with its number's colour."""
    random = np.random.default_rng(5)
    files = []
    for number in range(FILES):
        noise = random.integers(90, 140, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
        picture = Image.fromarray(noise).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        draw = ImageDraw.Draw(picture)
        for left, top, width, height in boxes(number):
            draw.rectangle((left, top, left + width, top + height), fill=tuple(random.integers(40, 255, 3).tolist()))
        files.append(folder / f"{number}.jpg")
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=80)
        files[-1].write_bytes(buffer.getvalue())
    return files


def boxes(image: int) -> np.ndarray:
    """The objects of an image, float64 [G, 4], left, top, width, height: 2 to 6 of them, apart from each other."""
    random = np.random.default_rng(image % FILES)
    cells = random.permutation(12)[: 2 + image % 5]
    corner = np.stack([cells % 4 * 160 + 20, cells // 4 * 160 + 20], axis=1)
    return np.hstack([corner, random.integers(40, 110, (len(cells), 2))]).astype(float)


def picture_run(
    store: Store,
    folder: Path,
    images: int,
    name: str = "pictures",
    failed: Sequence[int] = (),
    gone: Sequence[int] = (),
) -> Run:
    """A run with an object or false alarm missed or made here and there, by fixed seeds.

    Args:
        store: where to keep it.
        folder: where to write its pictures.
        images: how many.
        name: of the run.
        failed: the images that have no reply.
        gone: the images whose file is not there any more.
    """
    files, random = picture_files(folder), np.random.default_rng(11)
    labels: list[dict[str, object]] = []
    rows = []
    for image in range(images):
        told, frame = name_of(image), np.array([WIDTH, HEIGHT, WIDTH, HEIGHT])
        found = []
        for number, box in enumerate(boxes(image)):
            kind, crowd = (image + number) % 3, {"area": float(box[2] * box[3]), "iscrowd": 0}
            place = {"image_id": image, "category_id": kind, "bbox": box.tolist()}
            labels.append({"id": len(labels), **place, **crowd})
            if random.random() < 0.8:
                found.append([kind, random.uniform(0.3, 1), *_edges(box + random.normal(0, 2, 4)) / frame])
        for _ in range(random.poisson(0.8)):
            box = np.array([random.uniform(0, 500), random.uniform(0, 380), 60, 60])
            found.append([int(random.integers(3)), random.uniform(0, 0.7), *_edges(box) / frame])
        reply = Reply(json.dumps({"prediction": found}).encode(), "application/json", random.gamma(4, 0.02), None)
        answer = {"failure": Failure("ModelError", "The model broke.", "Look at its log.")}
        outcome = Outcome(told, "", WIDTH, HEIGHT, 1, **(answer if image in failed else {"reply": reply}))
        path = folder / "gone.jpg" if image in gone else files[image % FILES]
        rows.append((ImageRef(told, path=path), outcome))
    truth = {
        "images": [
            {"id": i, "file_name": f"frame_{i:05d}.jpg", "width": WIDTH, "height": HEIGHT} for i in range(images)
        ],
        "categories": [{"id": k, "name": label} for k, label in enumerate(CLASSES)],
        "annotations": labels,
    }
    return store.keep_run(name, Preset("builtin-ssd", CLASSES), rows, "a test", json.dumps(truth).encode())


def name_of(image: int) -> str:
    """What an image is called."""
    return f"frame_{image:05d}.jpg"


def _edges(box: np.ndarray) -> np.ndarray:
    return np.concatenate([box[:2], box[:2] + box[2:]])
