"""Classes with too few objects to tell a threshold of their own."""

from __future__ import annotations

from smviz.operating import OperatingPoint

WEAK = 30
"""A class with fewer objects is weak.

In simulation of one class, the threshold with the best F1 fell, nine times of ten, between 0.31 and 0.54 with 30
objects, between 0.35 and 0.50 with 100, and between 0.38 and 0.48 with 300. With fewer than 30 the range is wider than
what classes differ by.
"""


def is_weak(objects: int) -> bool:
    """Whether a class has too few objects to be found for a threshold of its own."""
    return objects < WEAK


def leaned_threshold(own: OperatingPoint, pooled: OperatingPoint, objects: int) -> float:
    """The threshold to ship for a class: its own, or that of all classes pooled where the class is weak.

    NaN where the one that is taken does not exist: a class with objects enough that cannot meet the objective is not
    given a threshold that was chosen for others.
    """
    return pooled.confidence if is_weak(objects) else own.confidence
