"""What kinds of errors a detector makes, where, and which labels are probably wrong themselves."""

from smviz.diagnosis.breakdowns import Breakdown, by_area, by_aspect, by_crowding, by_neighbour, by_size
from smviz.diagnosis.calibration import (
    Reliability,
    Targets,
    class_errors,
    d_ece,
    d_ece_with_boxes,
    laece0,
    localisation_targets,
    precision_targets,
    reliability,
)
from smviz.diagnosis.confusion import ConfusionMatrix, confusion_matrix
from smviz.diagnosis.evidence import FALSE, FOUND, MISSED, Evidence
from smviz.diagnosis.pairs import CrossPairs, near_pairs
from smviz.diagnosis.review import REASONS, Review, ReviewSettings, probably_missing, probably_wrong
from smviz.diagnosis.tide import ERRORS, Tide, TideError, tide

__all__ = [
    "ERRORS",
    "FALSE",
    "FOUND",
    "MISSED",
    "REASONS",
    "Breakdown",
    "ConfusionMatrix",
    "CrossPairs",
    "Evidence",
    "Reliability",
    "Review",
    "ReviewSettings",
    "Targets",
    "Tide",
    "TideError",
    "by_area",
    "by_aspect",
    "by_crowding",
    "by_neighbour",
    "by_size",
    "class_errors",
    "confusion_matrix",
    "d_ece",
    "d_ece_with_boxes",
    "laece0",
    "localisation_targets",
    "near_pairs",
    "precision_targets",
    "probably_missing",
    "probably_wrong",
    "reliability",
    "tide",
]
