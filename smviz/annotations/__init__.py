"""Ground truth and detections from files.

truth = read_ground_truth(Path("VOC2012/Annotations"))    # a file, a folder or a zip; the format by its content
found = read_results(Path("results.json"), truth)
"""

from smviz.annotations.correcting import Corrections, corrected, corrected_json
from smviz.annotations.format import Format
from smviz.annotations.keeping import canonical_json, kept_json
from smviz.annotations.origin import Origin, origin
from smviz.annotations.reading import (
    FORMATS,
    Proposal,
    ground_truth_of,
    parse_ground_truth,
    propose,
    read_ground_truth,
)
from smviz.annotations.results import parse_results, read_results, results_json
from smviz.annotations.writing import ground_truth_json

__all__ = [
    "FORMATS",
    "Corrections",
    "Format",
    "Origin",
    "Proposal",
    "canonical_json",
    "corrected",
    "corrected_json",
    "ground_truth_json",
    "ground_truth_of",
    "kept_json",
    "origin",
    "parse_ground_truth",
    "parse_results",
    "propose",
    "read_ground_truth",
    "read_results",
    "results_json",
]
