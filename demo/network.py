"""The detector: a small convolutional backbone, a feature pyramid, one anchor-free head for three levels.

Each location of a level predicts, for every class, a score that stands for class and IoU together
(TOOD, Feng et al. 2021; generalised focal loss, Li et al. 2020), and the distances from its centre to
the four sides of a box (FCOS, Tian et al. 2019).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from demo.recipe import Variant
from demo.scenes import CLASSES

STRIDES = (8, 16, 32)
INPUT_MEAN = 0.45  # subtracted from an image in 0..1
FIRST_SCORE_LOGIT = -4.6  # a score of 0.01


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, momentum=0.03),
        nn.ReLU(True),
    )


def separable(inputs: int, outputs: int) -> nn.Sequential:
    """A depthwise convolution and a pointwise one."""
    return nn.Sequential(conv(inputs, inputs, groups=inputs), conv(inputs, outputs, 1))


class Residual(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, channels: int, ratio: float = 1.0) -> None:
        super().__init__()
        hidden = int(channels * ratio)
        self.reduce, self.expand = conv(channels, hidden), conv(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to the same shape."""
        return x + self.expand(self.reduce(x))


class Detector(nn.Module):
    """The network of a variant. The order of its parts decides what a seed initialises: keep it."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = variant.channels
        n2, n3, n4, n5 = variant.blocks
        width = variant.width
        self.stem = nn.Sequential(conv(3, c1, stride=2), conv(c1, c2, stride=2), *[Residual(c2) for _ in range(n2)])
        self.stage3 = nn.Sequential(conv(c2, c3, stride=2), *[Residual(c3) for _ in range(n3)])
        self.stage4 = nn.Sequential(conv(c3, c4, stride=2), *[Residual(c4, 0.5) for _ in range(n4)])
        self.stage5 = nn.Sequential(conv(c4, c5, stride=2), *[Residual(c5, 0.5) for _ in range(n5)])
        self.lateral = nn.ModuleList([nn.Conv2d(c, width, 1) for c in (c3, c4, c5)])
        self.smooth = nn.ModuleList([separable(width, width) for _ in range(3)])
        self.down = nn.ModuleList([conv(width, width, stride=2, groups=width) for _ in range(2)])
        self.score_tower, self.box_tower = separable(width, width), separable(width, width)
        self.shared = conv(width, width)
        self.score, self.box = nn.Conv2d(width, len(CLASSES), 1), nn.Conv2d(width, 4, 1)
        self.level_scale = nn.Parameter(torch.ones(3))
        nn.init.constant_(self.score.bias, FIRST_SCORE_LOGIT)
        nn.init.normal_(self.score.weight, 0, 0.01)
        nn.init.constant_(self.box.bias, 1.0)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images [B, 3, H, W] to score logits [B, A, classes] and left, top, right, bottom in pixels [B, A, 4]."""
        logits, distances = [], []
        for i, level in enumerate(self._pyramid(images)):
            t = self.shared(level)
            logits.append(self.score(self.score_tower(t)).flatten(2))
            sides = F.softplus(self.box(self.box_tower(t)) * self.level_scale[i]) * STRIDES[i]
            distances.append(sides.flatten(2))
        return torch.cat(logits, 2).transpose(1, 2), torch.cat(distances, 2).transpose(1, 2)

    def _pyramid(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Top-down, then bottom-up (PANet, Liu et al. 2018)."""
        c3 = self.stage3(self.stem(images))
        c4 = self.stage4(c3)
        c5 = self.stage5(c4)
        p5 = self.lateral[2](c5)
        p4 = self.lateral[1](c4) + F.interpolate(p5, scale_factor=2.0, mode="nearest")
        p3 = self.smooth[0](self.lateral[0](c3) + F.interpolate(p4, scale_factor=2.0, mode="nearest"))
        p4 = self.smooth[1](p4 + self.down[0](p3))
        p5 = self.smooth[2](p5 + self.down[1](p4))
        return p3, p4, p5


def locations(size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Centres [A, 2] in pixels and strides [A] of all locations for an input of (height, width)."""
    centres, strides = [], []
    for stride in STRIDES:
        h, w = size[0] // stride, size[1] // stride
        y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        centres.append((torch.stack([x, y], -1).reshape(-1, 2) + 0.5) * stride)
        strides.append(torch.full((h * w,), float(stride)))
    return torch.cat(centres).float(), torch.cat(strides)


def boxes_at(centres: Tensor, distances: Tensor) -> Tensor:
    """xyxy [..., A, 4] from distances left, top, right, bottom [..., A, 4] around centres [A, 2]."""
    return torch.cat([centres - distances[..., :2], centres + distances[..., 2:]], -1)
