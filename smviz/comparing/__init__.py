"""Two runs on the same images: which images both have, where they agree, whose numbers are better, what flipped."""

from smviz.comparing.chance import Verdict, holm, latencies, latency_changes, p_value, signed, verdict
from smviz.comparing.classes import ClassChange, class_changes
from smviz.comparing.comparison import Agreement, Comparison, Flips, class_map_for, compare
from smviz.comparing.joining import Joined, join
from smviz.comparing.reading import Reading, read_run

__all__ = [
    "Agreement",
    "ClassChange",
    "Comparison",
    "Flips",
    "Joined",
    "Reading",
    "Verdict",
    "class_changes",
    "class_map_for",
    "compare",
    "holm",
    "join",
    "latencies",
    "latency_changes",
    "p_value",
    "read_run",
    "signed",
    "verdict",
]
