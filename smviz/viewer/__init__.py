"""The viewer: a picture with its boxes, a confidence slider and the list of detections, in one component.

Everything that follows the slider is drawn in the browser; Python hears of the threshold when the slider is let go.
"""

from smviz.viewer.component import viewer
from smviz.viewer.pair import Pair, View
from smviz.viewer.state import ViewerState
from smviz.viewer.truth import ImageMatches, ImageTruth

__all__ = ["ImageMatches", "ImageTruth", "Pair", "View", "ViewerState", "viewer"]
