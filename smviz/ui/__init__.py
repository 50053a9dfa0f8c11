"""What the pages are made of. With `smviz.viewer`, the only part of smviz that imports Streamlit."""

from smviz.ui.choice import Chosen, call_once, choose, preset_of, read_reply
from smviz.ui.frame import connection_bar, number, page_link, plain, show_error, shown_errors, start_page
from smviz.ui.reply import raw_reply
from smviz.ui.resources import EMBEDDED, batches, described, door, image_url, listed, prepared, store, thumbnail

__all__ = [
    "EMBEDDED",
    "Chosen",
    "batches",
    "call_once",
    "choose",
    "connection_bar",
    "described",
    "door",
    "image_url",
    "listed",
    "number",
    "page_link",
    "plain",
    "prepared",
    "preset_of",
    "raw_reply",
    "read_reply",
    "show_error",
    "shown_errors",
    "start_page",
    "store",
    "thumbnail",
]
