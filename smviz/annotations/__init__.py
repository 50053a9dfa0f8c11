"""Ground truth and detections from files.

truth = read_ground_truth(Path("VOC2012/Annotations"))    # a file, a folder or a zip; the format by its content
found = read_results(Path("results.json"), truth)
"""

from smviz.annotations.coco import ground_truth_json
from smviz.annotations.format import Format
from smviz.annotations.reading import (
    FORMATS,
    Proposal,
    ground_truth_of,
    parse_ground_truth,
    propose,
    read_ground_truth,
)
from smviz.annotations.results import parse_results, read_results, results_json

__all__ = [
    "FORMATS",
    "Format",
    "Proposal",
    "ground_truth_json",
    "ground_truth_of",
    "parse_ground_truth",
    "parse_results",
    "propose",
    "read_ground_truth",
    "read_results",
    "results_json",
]
