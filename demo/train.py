"""Train a variant: python -m demo.train VARIANT [--scenes DIR] [--out FILE]."""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from demo import recipe, sampling
from demo.loss import losses
from demo.network import INPUT_MEAN, Detector, locations
from demo.recipe import Variant


class Averaged:
    """The exponential moving average of a network's weights, quicker at the beginning."""

    def __init__(self, network: Detector) -> None:
        self.state: dict[str, Tensor] = {k: v.detach().clone() for k, v in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: Detector, iteration: int) -> None:
        """Move towards the network's weights; counters are copied."""
        decay = min(0.998, (1 + iteration) / (20 + iteration))
        for name, value in network.state_dict().items():
            if value.dtype.is_floating_point:
                self.state[name].lerp_(value, 1 - decay)
            else:
                self.state[name].copy_(value)


def learning_rate(iteration: int, iterations: int) -> float:
    """Linear warm-up, then half a cosine."""
    warm = min(1, (iteration + 1) / recipe.WARM_UP)
    fall = 0.5 + 0.5 * math.cos(math.pi * iteration / iterations)
    return recipe.LEARNING_RATE * warm * fall + recipe.FLOOR_LEARNING_RATE


def optimizer_of(network: Detector) -> torch.optim.AdamW:
    """AdamW; only weights of convolutions decay."""
    kernels = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": kernels, "weight_decay": recipe.WEIGHT_DECAY}, {"params": others, "weight_decay": 0}]
    return torch.optim.AdamW(groups, lr=recipe.LEARNING_RATE)


def train(variant: Variant, scenes: Path, out: Path, threads: int = recipe.THREADS) -> None:
    """Train a variant, write the averaged weights and what they cost."""
    torch.set_num_threads(threads)
    torch.manual_seed(variant.seed)
    rng = np.random.default_rng(variant.seed)
    examples = sampling.load(scenes)
    network = Detector(variant).to(memory_format=torch.channels_last)
    average, optimizer = Averaged(network), optimizer_of(network)
    centres, strides = locations(recipe.INPUT_SIZE)
    order: list[int] = []
    wall, cpu = time.time(), time.process_time()
    network.train()
    for iteration in range(variant.iterations):
        rate = learning_rate(iteration, variant.iterations)
        for group in optimizer.param_groups:
            group["lr"] = rate
        if len(order) < recipe.BATCH:
            order = [*rng.permutation(len(examples)), *order]
        drawn = [sampling.augmented(examples[order.pop()], rng) for _ in range(recipe.BATCH)]
        images = torch.from_numpy(np.stack([pixels for pixels, _ in drawn])).to(memory_format=torch.channels_last)
        logits, distances = network(images - INPUT_MEAN)
        gamma = max(0.0, recipe.FOCAL_GAMMA * (1 - iteration / variant.iterations / recipe.FOCAL_UNTIL))
        loss = losses(logits, distances, [target for _, target in drawn], centres, strides, gamma)
        optimizer.zero_grad(set_to_none=True)
        (loss.score + recipe.BOX_LOSS_WEIGHT * loss.box).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.MAX_GRADIENT_NORM)
        optimizer.step()
        average.update(network, iteration)
        if iteration % 20 == 19:
            values = "  ".join(f"{name} {value.item():.3f}" for name, value in loss._asdict().items())
            print(f"{iteration + 1:5d}  {values}  lr {rate:.5f}  {time.time() - wall:.0f} s", flush=True)
    costs = {"wall_seconds": time.time() - wall, "cpu_seconds": time.process_time() - cpu}
    out.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"weights": average.state, "iterations": variant.iterations, "scenes": len(examples), **costs}, out)
    print(
        f"{variant.iterations} iterations, {costs['wall_seconds']:.0f} s, {costs['cpu_seconds']:.0f} CPU seconds: {out}"
    )


def main() -> None:
    """Read the command line, train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("variant", choices=recipe.VARIANTS)
    parser.add_argument("--scenes", type=Path, default=recipe.BUILD / "train")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--threads", type=int, default=recipe.THREADS)
    arguments = parser.parse_args()
    variant = recipe.VARIANTS[arguments.variant]
    out = arguments.out or recipe.BUILD / f"{variant.name}.pt"
    train(variant, arguments.scenes, out, arguments.threads)


if __name__ == "__main__":
    main()
