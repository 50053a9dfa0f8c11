"""Procedural highway scenes, seen from behind the traffic, with exact boxes of what can be seen.

A pinhole camera stands over a curved road. The ground is computed per pixel; vehicles are lofted
bodies, drawn far ones first into a super-sampled picture and, at the same time, into an image of
object ids from which the boxes are read. Pillow and NumPy only.
"""

from demo.scenes.scene import Scene, generate
from demo.scenes.vehicles import CLASSES

__all__ = ["CLASSES", "Scene", "generate"]
