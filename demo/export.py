"""Export trained weights to ONNX: python -m demo.export VARIANT [--weights FILE] [--out FILE].

The model takes one letterboxed image, uint8 [1, 384, 512, 3] RGB ("image"), and gives normalised boxes
xyxy [1, A, 4] ("boxes") and a score per class [1, A, 4] ("scores"). Batch norms are folded, decoding is
in the graph, non-maximum suppression is not. Metadata tell the classes, the letterbox and the training.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from demo import recipe
from demo.network import INPUT_MEAN, Detector, boxes_at, locations
from demo.recipe import Variant
from demo.scenes import CLASSES

OPSET = 17
TOLERANCE = 1e-4
LETTERBOX = "scale by min(512/width, 384/height), bilinear, at the top left, the rest filled with 114"


class Served(nn.Module):
    """The network as it is served: bytes in, normalised boxes and scores out."""

    def __init__(self, network: Detector) -> None:
        super().__init__()
        self.network = network
        height, width = recipe.INPUT_SIZE
        self.register_buffer("centres", locations(recipe.INPUT_SIZE)[0])
        self.register_buffer("size", torch.tensor([width, height] * 2, dtype=torch.float32))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 [1, H, W, 3] to boxes [1, A, 4] and scores [1, A, classes]."""
        pixels = image.permute(0, 3, 1, 2).float() * (1 / 255.0) - INPUT_MEAN
        logits, distances = self.network(pixels)
        return (boxes_at(self.centres, distances) / self.size).clamp(0, 1), logits.sigmoid()


def export(variant: Variant, weights: Path, out: Path) -> None:
    """Write the ONNX file and check that it computes what the network does."""
    checkpoint = torch.load(weights, weights_only=True)
    network = Detector(variant)
    network.load_state_dict(checkpoint["weights"])
    served = Served(network.eval()).eval()
    image = torch.randint(0, 255, (1, *recipe.INPUT_SIZE, 3), dtype=torch.uint8)
    out.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        served,
        (image,),
        str(out),
        input_names=["image"],
        output_names=["boxes", "scores"],
        opset_version=OPSET,
        dynamo=False,
    )
    model = onnx.load(out)
    _describe(model, variant, checkpoint)
    onnx.checker.check_model(model)
    onnx.save(model, out)
    _check(served, out, image)
    print(f"{out}: {out.stat().st_size:,} bytes, {sum(p.numel() for p in network.parameters()):,} parameters")


def _describe(model: onnx.ModelProto, variant: Variant, checkpoint: dict[str, Any]) -> None:
    model.producer_name, model.producer_version = "smviz demo", ""
    metadata = {
        "classes": ",".join(CLASSES),
        "letterbox": LETTERBOX,
        "variant": variant.name,
        "seed": variant.seed,
        "iterations": checkpoint["iterations"],
        "training_scenes": checkpoint["scenes"],
        "cpu_seconds": round(checkpoint["cpu_seconds"]),
        "wall_seconds": round(checkpoint["wall_seconds"]),
        "license": "MIT",
    }
    onnx.helper.set_model_props(model, {key: str(value) for key, value in metadata.items()})


def _check(served: Served, out: Path, image: Tensor) -> None:
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    computed = session.run(None, {"image": image.numpy()})
    with torch.no_grad():
        wanted = served(image)
    for name, a, b in zip(("boxes", "scores"), computed, wanted, strict=True):
        difference = float(np.abs(a - b.numpy()).max())
        if difference > TOLERANCE:
            raise SystemExit(f"The exported {name} differ from the network's by {difference}.")


def main() -> None:
    """Read the command line, export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variant", choices=recipe.VARIANTS)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    variant = recipe.VARIANTS[arguments.variant]
    weights = arguments.weights or recipe.BUILD / f"{variant.name}.pt"
    export(variant, weights, arguments.out or variant.model)


if __name__ == "__main__":
    main()
