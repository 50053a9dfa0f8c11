"""Scenes as files: <seed>.jpg and one line of labels.jsonl each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from demo.scenes import Scene

LABELS = "labels.jsonl"


def write(folder: Path, scenes: Iterable[Scene]) -> int:
    """Write the scenes and their labels; returns how many there were."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    with (folder / LABELS).open("w", encoding="utf-8") as labels:
        for scene in scenes:
            picture(folder, scene.attributes["seed"]).write_bytes(scene.jpeg)
            labels.write(json.dumps(scene.record) + "\n")
            count += 1
    return count


def read(folder: Path) -> list[dict[str, Any]]:
    """The records of a folder: `Scene.record` of each scene, in order."""
    with (folder / LABELS).open(encoding="utf-8") as labels:
        return [json.loads(line) for line in labels]


def picture(folder: Path, seed: int) -> Path:
    """Where the picture of a seed is."""
    return folder / f"{seed:06d}.jpg"
