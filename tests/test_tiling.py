"""Pictures cut into tiles, and what was found in them put together again."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from smviz.boxes import pairwise_iou
from smviz.errors import BadSetting
from smviz.images import prepare
from smviz.records import Detections
from smviz.tiling import AS_SURE, MOST_OVERLAP, MOST_TILES, Tile, cut, merge, tiles_by_count, tiles_by_size

LENGTHS = st.integers(1, 3000)
OVERLAPS = st.floats(0, MOST_OVERLAP)
NAMES = ("car", "van")


def covered(tiles, width, height):
    """How many tiles have each pixel, int [H, W]."""
    times = np.zeros((height, width), int)
    for tile in tiles:
        times[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width] += 1
    return times


def spans(tiles, side):
    """The different (start, length) of the tiles across or down."""
    pairs = {(tile.left, tile.width) if side == "width" else (tile.top, tile.height) for tile in tiles}
    return sorted(pairs)


def found(*rows, names=NAMES):
    """Detections from rows of left, top, right, bottom, confidence and class id."""
    table = np.array(rows, dtype=float).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(int), names)


def photo(width=64, height=48, kind="PNG", mode="RGB"):
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, kind)
    return prepare(buffer.getvalue())


class TestTiles:
    @given(LENGTHS, LENGTHS, st.integers(1, 8), st.integers(1, 8), OVERLAPS)
    @settings(max_examples=150, deadline=None)
    def test_by_count_cover_every_pixel(self, width, height, rows, columns, overlap):
        """Tiles of a grid are equal, lie in the picture, end with it on every side, and leave no gap; they have at
        least the overlap asked for in common, less a pixel."""
        tiles = tiles_by_count(width, height, rows, columns, overlap)
        assert len(tiles) == min(rows, height) * min(columns, width)
        self.check(tiles, width, height, overlap, missing=1)

    @given(LENGTHS, LENGTHS, st.integers(1, 4000), OVERLAPS)
    @settings(max_examples=150, deadline=None)
    def test_by_size_cover_every_pixel(self, width, height, side, overlap):
        """Tiles of a size are just that large, or as the picture, and have at least the overlap asked for in common."""
        try:
            tiles = tiles_by_size(width, height, side, overlap)
        except BadSetting as error:
            if "tiles, each of them a call" in error.message:
                return
            raise
        assert {(tile.width, tile.height) for tile in tiles} == {(min(side, width), min(side, height))}
        self.check(tiles, width, height, overlap, missing=0)

    @staticmethod
    def check(tiles, width, height, overlap, missing):
        assert len(tiles) <= MOST_TILES
        for name, length in (("width", width), ("height", height)):
            found_spans = spans(tiles, name)
            assert found_spans[0][0] == 0
            assert sum(found_spans[-1]) == length
            assert len({side for _, side in found_spans}) == 1
            for (start, side), (next_start, _) in itertools.pairwise(found_spans):
                assert start + side - next_start >= np.floor(side * overlap) - missing
                assert start + side >= next_start, "there is a gap"

    def test_row_by_row(self):
        """A grid of two rows and three columns without overlap is six tiles, row by row."""
        assert tiles_by_count(300, 200, 2, 3, 0) == tuple(Tile(x, y, 100, 100) for y in (0, 100) for x in (0, 100, 200))
        assert (covered(tiles_by_count(301, 203, 2, 3, 0.2), 301, 203) > 0).all()

    def test_a_tile_as_large_as_the_picture_is_the_picture(self):
        """One tile remains where tiles are larger than the picture."""
        assert tiles_by_size(300, 200, 640, 0.2) == (Tile(0, 0, 300, 200),)

    @pytest.mark.parametrize(
        ("make", "said"),
        [
            (lambda: tiles_by_count(100, 100, 0, 2, 0), "0 x 2"),
            (lambda: tiles_by_count(0, 100, 1, 2, 0), "0 x 100"),
            (lambda: tiles_by_count(100, 100, 2, 2, 0.9), "overlap"),
            (lambda: tiles_by_count(100, 100, 2, 2, float("nan")), "overlap"),
            (lambda: tiles_by_count(1000, 1000, 17, 16, 0), "272 tiles"),
            (lambda: tiles_by_size(10_000, 10_000, 100, 0), "10,000 tiles"),
            (lambda: tiles_by_size(100, 100, 0, 0), "0 pixels"),
        ],
    )
    def test_what_cannot_be_is_told(self, make, said):
        """No tiles, too much overlap, and more calls than anyone wants are told, not tried."""
        with pytest.raises(BadSetting, match=said):
            make()


class TestCut:
    def test_a_png_loses_nothing(self):
        """The tiles of a PNG hold its very pixels."""
        payload = photo()
        whole = np.asarray(Image.open(io.BytesIO(payload.body)))
        tiles = tiles_by_count(64, 48, 2, 2, 0.25)
        for tile, part in zip(tiles, cut(payload, tiles), strict=True):
            assert (part.width, part.height, part.content_type) == (tile.width, tile.height, "image/png")
            here = whole[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width]
            np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(part.body))), here)

    @pytest.mark.parametrize("mode", ["RGB", "L"])
    def test_a_jpeg_stays_one(self, mode):
        """The tiles of a JPEG are JPEGs without chroma subsampling; a grey one stays grey."""
        for part in cut(photo(kind="JPEG", mode=mode), tiles_by_size(64, 48, 32, 0)):
            image = Image.open(io.BytesIO(part.body))
            assert (part.content_type, image.mode, image.size) == ("image/jpeg", mode, (part.width, part.height))

    def test_equal_tiles_are_known_again(self):
        """The same tile has the same digest every time, so that its reply is found again without a call."""
        tiles = tiles_by_count(64, 48, 1, 2, 0)
        assert [p.sha256 for p in cut(photo(), tiles)] == [p.sha256 for p in cut(photo(), tiles)]


LEFT, RIGHT = Tile(0, 0, 60, 100), Tile(40, 0, 60, 100)


class TestMerge:
    def test_boxes_move_exactly(self):
        """A box is where its tile is, to the last bit, beyond the tile's border too."""
        box = [10.1, 20.3, 30.7, 41.9]
        merged = merge([(RIGHT, found([*box, 0.9, 0]))], 100, 100, 0.5)
        np.testing.assert_array_equal(merged.xyxy, [[box[0] + 40, box[1], box[2] + 40, box[3]]])

    def test_an_object_in_two_tiles_is_one(self):
        """What both tiles see whole is told once, as surely as the surer of the two."""
        merged = merge(
            [(LEFT, found([42, 10, 55, 30, 0.6, 0])), (RIGHT, found([2, 10, 15, 30, 0.8, 0]))], 100, 100, 0.5
        )
        np.testing.assert_array_equal(merged.xyxy, [[42, 10, 55, 30]])
        np.testing.assert_array_equal(merged.confidence, [0.8])

    def test_classes_are_apart_and_joined_by_name(self):
        """Boxes of different classes never suppress each other; ids that each reply numbers for itself do not mix."""
        one = found([42, 10, 55, 30, 0.6, 0], names=("van",))
        other = found([2, 10, 15, 30, 0.8, 0], [2, 10, 15, 30, 0.7, 1], names=("car", "van"))
        merged = merge([(LEFT, one), (RIGHT, other)], 100, 100, 0.5)
        assert sorted(zip(merged.names(), merged.confidence, strict=True)) == [("car", 0.8), ("van", 0.7)]

    def test_a_piece_gives_way_to_the_whole(self):
        """A car cut by the border between tiles is left out where another tile has all of it, though the piece is
        surer and overlaps too little for suppression."""
        piece = found([35, 10, 60, 30, 0.9, 0])  # ends at LEFT's right border, where the picture goes on
        merged = merge(
            [(LEFT, piece), (Tile(0, 0, 100, 100), found([34, 10, 84, 30, AS_SURE * 0.9, 0]))], 100, 100, 0.99
        )
        np.testing.assert_array_equal(merged.xyxy, [[34, 10, 84, 30]])

    @pytest.mark.parametrize(
        ("other", "why"),
        [
            ([35, 10, 85, 30, 0.4, 0], "it is less than half as sure"),
            ([35, 10, 85, 30, 0.9, 1], "it is of another class"),
            ([42, 10, 85, 30, 0.9, 0], "it covers too little of the piece"),
        ],
    )
    def test_a_piece_stays_otherwise(self, other, why):
        """A piece is better than nothing: no weaker, foreign or smaller box takes its place."""
        merged = merge([(LEFT, found([35, 10, 60, 30, 0.9, 0])), (Tile(0, 0, 100, 100), found(other))], 100, 100, 0.9)
        assert len(merged) == 2, why

    def test_the_border_of_the_picture_cuts_nothing(self):
        """A box at the picture's own border is no piece, whatever covers it."""
        at_border = found([0, 10, 20, 30, 0.5, 0])
        around = found([0, 5, 60, 60, 0.6, 0])
        assert len(merge([(LEFT, at_border), (Tile(0, 0, 100, 100), around)], 100, 100, 0.5)) == 2

    def test_nothing_found(self):
        """No tiles, or none with a detection, give no detections."""
        assert len(merge([], 100, 100, 0.5)) == 0
        assert merge([(LEFT, found())], 100, 100, 0.5).class_names == NAMES

    def test_undefined_confidence_stays_last(self):
        """Boxes without a confidence are suppressed by those that have one, and stay where nothing is like them."""
        merged = merge(
            [(LEFT, found([2, 10, 15, 30, np.nan, 0], [20, 10, 35, 30, np.nan, 0], [2, 10, 15, 30, 0.2, 0]))],
            100,
            100,
            0.5,
        )
        np.testing.assert_array_equal(merged.confidence, [0.2, np.nan])

    boxes = st.lists(
        st.tuples(*[st.integers(0, 60)] * 2, *[st.integers(1, 40)] * 2, st.integers(1, 99), st.integers(0, 1)),
        max_size=12,
    )

    @given(st.lists(boxes, min_size=4, max_size=4), st.floats(0, 1))
    @settings(max_examples=150, deadline=None)
    def test_what_stays_was_found_and_overlaps_little(self, rows, iou):
        """Whatever was found: each box that stays is one of those, and no two of a class overlap by more than the IoU;
        what goes is of the class of a box that stays; putting it together again changes nothing."""
        tiles = tiles_by_count(100, 100, 2, 2, 0.2)
        parts = [
            (tile, found(*[(x, y, x + w, y + h, c / 100, k) for x, y, w, h, c, k in part]))
            for tile, part in zip(tiles, rows, strict=True)
        ]
        merged = merge(parts, 100, 100, iou)
        given_rows = {
            (*(box + [tile.left, tile.top] * 2), confidence, class_id)
            for tile, part in parts
            for box, confidence, class_id in zip(part.xyxy, part.confidence, part.class_id, strict=True)
        }
        kept_rows = list(zip(merged.xyxy.tolist(), merged.confidence, merged.class_id, strict=True))
        assert all((*box, confidence, class_id) in given_rows for box, confidence, class_id in kept_rows)
        for k in range(2):
            boxes = merged.xyxy[merged.class_id == k]
            overlaps = pairwise_iou(boxes, boxes) - np.eye(len(boxes))
            assert (overlaps <= iou + 1e-12).all()
        assert {row[-1] for row in given_rows} == set(merged.class_id.tolist())
        again = merge([(Tile(0, 0, 100, 100), merged)], 100, 100, iou)
        np.testing.assert_array_equal(again.xyxy, merged.xyxy)

    @given(boxes, st.integers(5, 100))
    @settings(max_examples=100, deadline=None)
    def test_one_tile_commutes_with_the_threshold(self, rows, cut_at):
        """On the whole picture it is plain suppression: cutting at a confidence before or after gives the same."""
        whole = found(*[(x, y, x + w, y + h, c / 100, k) for x, y, w, h, c, k in rows])
        tile = Tile(0, 0, 100, 100)
        before = merge([(tile, whole.at_least(cut_at / 100))], 100, 100, 0.5)
        after = merge([(tile, whole)], 100, 100, 0.5).at_least(cut_at / 100)
        np.testing.assert_array_equal(before.xyxy, after.xyxy)
