"""Ground truth and detections from files."""

from smviz.annotations.coco import (
    ground_truth_json,
    parse_ground_truth,
    parse_results,
    read_ground_truth,
    read_results,
    results_json,
)

__all__ = [
    "ground_truth_json",
    "parse_ground_truth",
    "parse_results",
    "read_ground_truth",
    "read_results",
    "results_json",
]
