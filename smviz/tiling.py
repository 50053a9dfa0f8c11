"""Small objects by tiles: a picture cut into overlapping parts, and what was found in them put together again.

Boxes move to the whole picture by adding the tile's corner, which is exact. Then two rules, in this order:

1. A box that ends at a border of its tile where the picture goes on is a piece of an object. It is left out where a
   box of the same class that is no piece covers at least `COVERED` of its area, and is at least `AS_SURE` times as
   confident. Otherwise it stays: a piece is better than nothing.
2. Greedy non-maximum suppression within each class, as detectors do it: by descending confidence, a box goes when it
   overlaps one that stays by more than the IoU asked for.

An object smaller than the overlap of two tiles is whole in one of them. Larger ones are whole in the whole picture,
which may be one of the tiles.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from smviz import images
from smviz.boxes import Boxes, area, pairwise_iou
from smviz.errors import BadSetting
from smviz.records import Detections, Payload

MOST_TILES = 256
MOST_OVERLAP = 0.75  # share of a tile
COVERED = 0.8  # share of a piece's area
AS_SURE = 0.5
_BORDER = 0.01  # share of a tile's side within which a box counts as ending at the border; at least a pixel


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of a picture, in its pixels."""

    left: int
    top: int
    width: int
    height: int


def tiles_by_count(width: int, height: int, rows: int, columns: int, overlap: float) -> tuple[Tile, ...]:
    """So many rows and columns of equal tiles, row by row, that cover every pixel; fewer where pixels are fewer.

    Args:
        width, height: of the picture.
        rows, columns: from 1.
        overlap: the share of a tile that it has in common with its neighbour, 0 to `MOST_OVERLAP`; less than a pixel
            may be missing.

    Raises:
        BadSetting: for other values, or when there would be more than `MOST_TILES`.
    """
    _check(width, height, overlap)
    if min(rows, columns) < 1:
        raise BadSetting(f"A grid of {rows} x {columns} tiles was asked for.", "Give one row and column at least.")
    sides = [
        (count, math.ceil(length / (count - (count - 1) * overlap)))
        for length, count in ((width, min(columns, width)), (height, min(rows, height)))
    ]
    return _tiles(width, height, *sides)


def tiles_by_size(width: int, height: int, side: int, overlap: float) -> tuple[Tile, ...]:
    """As many square tiles of `side` pixels as cover every pixel, row by row; no larger than the picture.

    Neighbours have at least the overlap asked for, and all nearly the same. Arguments and errors as `tiles_by_count`.
    """
    _check(width, height, overlap)
    if side < 1:
        raise BadSetting(f"Tiles of {side} pixels were asked for.", "Give one pixel at least.")
    stride = max(1, math.floor(side * (1 - overlap)))
    sides = [(1 + math.ceil(max(0, length - side) / stride), min(side, length)) for length in (width, height)]
    return _tiles(width, height, *sides)


def cut(payload: Payload, tiles: Sequence[Tile]) -> Iterator[Payload]:
    """Each tile as an image to send: JPEG of quality 95 without chroma subsampling from a JPEG, PNG from a PNG.

    Raises:
        BadImage: when the payload holds no image.
    """
    encoding, options = ("JPEG", {"quality": 95, "subsampling": 0})
    if payload.content_type != "image/jpeg":
        encoding, options = ("PNG", {"compress_level": 1})
    with Image.open(io.BytesIO(payload.body)) as image:
        profile = image.info.get("icc_profile")
        for tile in tiles:
            part = image.crop((tile.left, tile.top, tile.left + tile.width, tile.top + tile.height))
            buffer = io.BytesIO()
            part.save(buffer, encoding, icc_profile=profile, **options)
            yield images.prepare(buffer.getvalue(), "tile")


def merge(found: Sequence[tuple[Tile, Detections]], width: int, height: int, iou: float) -> Detections:
    """What was found in the tiles, in pixels of the picture, by the rules of this module.

    Args:
        found: each tile with its detections, in pixels of the tile. Classes are joined by name.
        width, height: of the picture.
        iou: 0 to 1; at 1 nothing is suppressed.
    """
    names = tuple(dict.fromkeys(name for _, detections in found for name in detections.class_names))
    place = {name: i for i, name in enumerate(names)}
    every = [_Columns.of(tile, detections, place, width, height) for tile, detections in found]
    both = _Columns(*(np.concatenate(columns) for columns in zip(_Columns.none(), *every, strict=True)))
    kept = [rows[_kept(both, rows, iou)] for rows in (np.flatnonzero(both.class_id == k) for k in range(len(names)))]
    rows = np.sort(np.concatenate([np.zeros(0, np.int64), *kept]))
    return Detections(both.xyxy[rows], both.confidence[rows], both.class_id[rows], names)


@dataclass(frozen=True, eq=False)
class _Columns:
    """Detections in pixels of the picture: `piece` tells which end at a border where the picture goes on."""

    xyxy: Boxes
    confidence: NDArray[np.float64]
    class_id: NDArray[np.int64]
    piece: NDArray[np.bool_]

    def __iter__(self) -> Iterator[NDArray[np.generic]]:
        return iter((self.xyxy, self.confidence, self.class_id, self.piece))

    @classmethod
    def none(cls) -> _Columns:
        return cls(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.bool_))

    @classmethod
    def of(cls, tile: Tile, detections: Detections, place: dict[str, int], width: int, height: int) -> _Columns:
        ids = np.array([place[name] for name in detections.class_names] or [0], dtype=np.int64)
        near = np.maximum(1.0, _BORDER * np.array([tile.width, tile.height]))
        low = (detections.xyxy[:, :2] <= near) & (np.array([tile.left, tile.top]) > 0)
        end = np.array([tile.width, tile.height])
        goes_on = np.array([tile.left + tile.width < width, tile.top + tile.height < height])
        high = (detections.xyxy[:, 2:] >= end - near) & goes_on
        moved = detections.xyxy + np.array([tile.left, tile.top] * 2)
        return cls(moved, detections.confidence, ids[detections.class_id], (low | high).any(axis=1))


def _kept(both: _Columns, rows: NDArray[np.int64], iou: float) -> NDArray[np.int64]:
    """Places within `rows`, which are of one class, of the boxes that stay."""
    xyxy, confidence = both.xyxy[rows], both.confidence[rows]
    left = np.flatnonzero(~_told_whole(xyxy, confidence, both.piece[rows]))
    left = left[np.argsort(-confidence[left], kind="stable")]
    kept: list[int] = []
    while len(left):
        kept.append(int(left[0]))
        left = left[1:][pairwise_iou(xyxy[left[:1]], xyxy[left[1:]])[0] <= iou]
    return np.array(kept, dtype=np.int64)


def _told_whole(xyxy: Boxes, confidence: NDArray[np.float64], piece: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which pieces a whole box stands for, bool [N]."""
    told = np.zeros(len(xyxy), np.bool_)
    whole, size = np.flatnonzero(~piece), area(xyxy)
    for i in np.flatnonzero(piece):
        low, high = np.maximum(xyxy[whole, :2], xyxy[i, :2]), np.minimum(xyxy[whole, 2:], xyxy[i, 2:])
        common = np.clip(high - low, 0, None).prod(axis=1)
        told[i] = bool(((common >= COVERED * size[i]) & ~(confidence[whole] < AS_SURE * confidence[i])).any())
    return told


def _check(width: int, height: int, overlap: float) -> None:
    if min(width, height) < 1:
        raise BadSetting(f"A picture of {width} x {height} pixels was given.", "Give the size of the picture.")
    if not 0 <= overlap <= MOST_OVERLAP:
        raise BadSetting(f"An overlap of {overlap:g} was asked for.", f"Give a share from 0 to {MOST_OVERLAP}.")


def _tiles(width: int, height: int, across: tuple[int, int], down: tuple[int, int]) -> tuple[Tile, ...]:
    (columns, wide), (rows, high) = across, down
    if rows * columns > MOST_TILES:
        raise BadSetting(
            f"That would be {rows * columns:,} tiles, each of them a call; the most is {MOST_TILES}.",
            "Choose fewer, larger, or less overlapping tiles.",
        )
    return tuple(
        Tile(left, top, wide, high) for top in _starts(height, rows, high) for left in _starts(width, columns, wide)
    )


def _starts(length: int, count: int, side: int) -> list[int]:
    """Where `count` tiles of `side` pixels begin, so evenly that the first and the last end with the picture."""
    return [round(i * (length - side) / max(1, count - 1)) for i in range(count)]
