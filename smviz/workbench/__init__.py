"""The live part of Evaluate: components that count in the browser, from columns that are sent once.

Moving the threshold, the IoU, the classes or the size range changes numbers, curves, tables and pictures together,
within a frame; Python hears of it when the person lets go.
"""

from smviz.workbench.columns import Packed, pack
from smviz.workbench.part import Part

__all__ = ["Packed", "Part", "pack"]
