"""A run as Parquet, which pandas, DuckDB, Spark and Athena read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from smviz.exports.runs import Read, Written, read_each
from smviz.records import Detections, Outcome

ROW_GROUP = 100_000  # detections held in memory, about 15 MB,
MOST_IMAGES = 10_000  # unless they are few in many images

_WORD = pa.dictionary(pa.int32(), pa.string())
_SCHEMA = pa.schema(
    [
        pa.field("image", _WORD, nullable=False),
        pa.field("class_id", pa.int64(), nullable=False),
        pa.field("class_name", _WORD, nullable=False),
        *(pa.field(name, pa.float64()) for name in ("confidence", "left", "top", "right", "bottom")),
        *(pa.field(name, pa.int32(), nullable=False) for name in ("width", "height")),
        *(pa.field(name, pa.float64()) for name in ("latency", "model_latency")),
        pa.field("variant", _WORD),
        pa.field("attempts", pa.int32(), nullable=False),
        pa.field("reused", pa.bool_(), nullable=False),
    ]
)


def run_parquet(outcomes: Iterable[Outcome], read: Read, out: BinaryIO) -> Written:
    """A row for each detection, with the columns of `run_csv`; null where a number is undefined.

    Args:
        outcomes: of the run, as `Store.iter_outcomes` gives them.
        read: what reads them.
        out: where to. Boxes are in pixels of the frame that was sent, `width` x `height`; latencies in seconds.
    """
    written = Written()
    group: list[_Image] = []
    held = 0
    with pq.ParquetWriter(out, _SCHEMA) as writer:
        for outcome, detections in read_each(outcomes, read, written):
            if len(detections):
                group.append((_about(outcome), detections))
                held += len(detections)
            if held >= ROW_GROUP or len(group) >= MOST_IMAGES:
                writer.write_table(_table(group), row_group_size=held)
                written.detections += held
                group, held = [], 0
        if group:
            writer.write_table(_table(group), row_group_size=held)
            written.detections += held
    return written


_Image = tuple[tuple[Any, ...], Detections]


def _about(outcome: Outcome) -> tuple[Any, ...]:
    """What the table tells of an image; without the reply's body, which is large."""
    reply = outcome.reply
    told = (reply.latency, reply.model, reply.variant) if reply else (None,) * 3
    return (outcome.image, outcome.width, outcome.height, *told, outcome.attempts, outcome.reused)


def _table(group: list[_Image]) -> Any:
    abouts, found = zip(*group, strict=True)
    rows = pa.array(np.repeat(np.arange(len(group)), [len(detections) for detections in found]))
    kinds = (_WORD, pa.int32(), pa.int32(), pa.float64(), pa.float64(), _WORD, pa.int32(), pa.bool_())
    image, *rest = (
        pa.array(values, kind, from_pandas=True).take(rows)
        for values, kind in zip(zip(*abouts, strict=True), kinds, strict=True)
    )
    width, height, latency, model, variant, attempts, reused = rest
    names = [_plain(name) for detections in found for name in detections.names()]
    xyxy = np.concatenate([detections.xyxy for detections in found])
    columns = [
        image,
        pa.array(np.concatenate([detections.class_id for detections in found])),
        pa.array(names, _WORD),
        pa.array(np.concatenate([detections.confidence for detections in found]), from_pandas=True),
        *(pa.array(np.ascontiguousarray(column), from_pandas=True) for column in xyxy.T),
        *(width, height, latency, model, variant, attempts, reused),
    ]
    return pa.Table.from_arrays(columns, schema=_SCHEMA)


def _plain(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
