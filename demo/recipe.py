"""The recipe of the demo models: every number that decides what comes out. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / "smviz" / "local" / "models"
SAMPLES = ROOT / "smviz" / "local" / "samples"
BUILD = ROOT / "build" / "demo"  # what is made on the way, not committed

TRAINING_SEEDS = range(2500)
SAMPLE_SEEDS = range(500_000, 500_200)  # as many of them as are needed, in order
HELD_OUT_SEEDS = range(900_000, 900_120)
TRAINING_SIZE = (640, 480)
SCENE_SIZE = (960, 720)  # of samples and held-out scenes

SAMPLE_COUNT = 80
MIN_SAMPLE_OBJECTS = 3
MIN_OBJECT_WIDTH = 20  # pixels at SCENE_SIZE; narrower ones are regions to ignore

INPUT_SIZE = (384, 512)  # height, width of the network's input
BATCH = 16
LEARNING_RATE = 2e-3
FLOOR_LEARNING_RATE = 1e-5
WARM_UP = 80  # iterations
WEIGHT_DECAY = 0.03
MAX_GRADIENT_NORM = 10.0
FOCAL_GAMMA = 2.0  # falls to 0 until FOCAL_UNTIL of the training
FOCAL_UNTIL = 0.5
BOX_LOSS_WEIGHT = 2
THREADS = 2


@dataclass(frozen=True, slots=True)
class Variant:
    """One model: its size and how long it is trained.

    Attributes:
        name: also the file's: highway-<name>.onnx.
        channels: of the backbone at strides 2, 4, 8, 16 and 32.
        blocks: residual blocks at strides 4, 8, 16 and 32.
        width: channels of the feature pyramid and the heads.
        iterations: of BATCH images each.
        seed: of initialisation, order and augmentation.
    """

    name: str
    channels: tuple[int, int, int, int, int]
    blocks: tuple[int, int, int, int]
    width: int
    iterations: int
    seed: int

    @property
    def model(self) -> Path:
        """Where the exported model is committed."""
        return MODELS / f"highway-{self.name}.onnx"


VARIANTS = {
    "a": Variant("a", (16, 24, 48, 96, 128), (0, 2, 2, 1), 56, iterations=2400, seed=0),
    "b": Variant("b", (12, 20, 32, 64, 96), (0, 1, 1, 1), 40, iterations=500, seed=1),
}
