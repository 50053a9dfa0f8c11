"""Files to keep: the detections of an image, a table, a whole run.

A run is written as it is read, image by image, so that the memory does not grow with it. `smviz.exports.parquet`
writes Parquet, and is imported by itself, for that takes a while.
"""

from smviz.exports.coco import run_coco, run_coco_index
from smviz.exports.runs import Written, run_csv, run_replies
from smviz.exports.tables import COLUMNS, detections_csv, detections_json, table_csv

__all__ = [
    "COLUMNS",
    "Written",
    "detections_csv",
    "detections_json",
    "run_coco",
    "run_coco_index",
    "run_csv",
    "run_replies",
    "table_csv",
]
