"""What ships with the embedded endpoint: two detectors, their class names, and sample scenes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DEMO_ENDPOINT = "highway-demo"
"""The endpoint that there is at the start; its variants A and B are the two detectors."""

DEMO_CLASSES = ("car", "van", "ute", "truck")
"""The class names of both demo detectors; the index is the class id in their replies."""

MODEL_FILES = ("highway-a.onnx", "highway-b.onnx")
"""Detector A, and detector B, which was trained for a shorter time and is worse on purpose."""

MODELS = Path(__file__).parent / "models"


@dataclass(frozen=True, slots=True)
class Samples:
    """A folder of scenes with their ground truth in COCO's format; neither detector has seen them in training."""

    folder: Path

    @property
    def images(self) -> tuple[Path, ...]:
        """The JPEG files, sorted by name."""
        return tuple(sorted((self.folder / "images").glob("*.jpg")))

    @property
    def annotations(self) -> Path:
        """The COCO JSON file with the labelled boxes of every image."""
        return self.folder / "annotations.json"


SAMPLES = Samples(Path(__file__).parent / "samples")
