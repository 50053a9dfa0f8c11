"""Confidence thresholds: every distinct score is a candidate, and nothing is smoothed or put on a grid.

A threshold keeps the detections whose confidence is >= it.
"""

from smviz.operating.changing import Changes, changes, kept
from smviz.operating.objectives import EXAMPLES, F1, Objective, parse_objective
from smviz.operating.points import (
    OperatingPoint,
    OperatingPoints,
    best_f1,
    flat_region,
    operating_point,
    operating_points,
)
from smviz.operating.provenance import fingerprint
from smviz.operating.sweeping import Sweep, sweep, sweeps
from smviz.operating.table import ThresholdTable

__all__ = [
    "EXAMPLES",
    "F1",
    "Changes",
    "Objective",
    "OperatingPoint",
    "OperatingPoints",
    "Sweep",
    "ThresholdTable",
    "best_f1",
    "changes",
    "fingerprint",
    "flat_region",
    "kept",
    "operating_point",
    "operating_points",
    "parse_objective",
    "sweep",
    "sweeps",
]
