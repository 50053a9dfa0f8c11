"""What kinds of errors a detector makes, where, and which labels are probably wrong themselves."""

from smviz.diagnosis.confusion import ConfusionMatrix, confusion_matrix
from smviz.diagnosis.pairs import CrossPairs, near_pairs
from smviz.diagnosis.tide import ERRORS, Tide, TideError, tide

__all__ = [
    "ERRORS",
    "ConfusionMatrix",
    "CrossPairs",
    "Tide",
    "TideError",
    "confusion_matrix",
    "near_pairs",
    "tide",
]
