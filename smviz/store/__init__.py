"""The workspace of one folder: runs, their images and outcomes, and what is kept about each endpoint."""

from smviz.store.keys import reply_key
from smviz.store.places import Remote, read_image
from smviz.store.rows import Run
from smviz.store.shipping import SavedThresholds
from smviz.store.workspace import FILE_NAME, Store

__all__ = ["FILE_NAME", "Remote", "Run", "SavedThresholds", "Store", "read_image", "reply_key"]
