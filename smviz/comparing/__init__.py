"""Two runs on the same images: which images both have, where they agree, whose numbers are better, what flipped."""

from smviz.comparing.chance import Verdict, holm, latencies, latency_changes, p_value, verdict
from smviz.comparing.comparison import Agreement, Comparison, Flips, compare
from smviz.comparing.joining import Joined, join
from smviz.comparing.reading import Reading, read_run

__all__ = [
    "Agreement",
    "Comparison",
    "Flips",
    "Joined",
    "Reading",
    "Verdict",
    "compare",
    "holm",
    "join",
    "latencies",
    "latency_changes",
    "p_value",
    "read_run",
    "verdict",
]
