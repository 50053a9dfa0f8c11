"""Every number with its interval: resampled images, two runs paired, thresholds held out, classes too weak to tell."""

from smviz.intervals.bands import Band, Bands, bands
from smviz.intervals.bootstrap import Bootstrap, Rates
from smviz.intervals.holding_out import HeldOut, HoldOut, Spread, hold_out
from smviz.intervals.interval import Change, Interval
from smviz.intervals.paired import Difference, RateChanges, difference, threshold_changes
from smviz.intervals.resampling import COCO_NUMBERS
from smviz.intervals.weak import WEAK, is_weak, leaned_threshold

__all__ = [
    "COCO_NUMBERS",
    "WEAK",
    "Band",
    "Bands",
    "Bootstrap",
    "Change",
    "Difference",
    "HeldOut",
    "HoldOut",
    "Interval",
    "RateChanges",
    "Rates",
    "Spread",
    "bands",
    "difference",
    "hold_out",
    "is_weak",
    "leaned_threshold",
    "threshold_changes",
]
