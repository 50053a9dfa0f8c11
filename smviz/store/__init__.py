"""The workspace of one folder: runs, their images and outcomes, and what is kept about each endpoint."""

from smviz.store.claims import RENEWAL_SECONDS, Claim, Lease, at_work
from smviz.store.folder import FILE_NAME
from smviz.store.keys import reply_key
from smviz.store.outcomes import Arrival
from smviz.store.places import Remote, read_image, stamp
from smviz.store.rows import Run
from smviz.store.shipping import SavedThresholds
from smviz.store.workspace import Store

__all__ = [
    "FILE_NAME",
    "RENEWAL_SECONDS",
    "Arrival",
    "Claim",
    "Lease",
    "Remote",
    "Run",
    "SavedThresholds",
    "Store",
    "at_work",
    "read_image",
    "reply_key",
    "stamp",
]
