"""What the pages are made of. With `smviz.viewer`, the only part of smviz that imports Streamlit."""

from smviz.ui.answers import answer_to
from smviz.ui.choice import preset_of
from smviz.ui.frame import connection_bar, plain, show_error, shown_errors, start_page
from smviz.ui.reply import raw_reply
from smviz.ui.resources import described, listed, prepared, store

__all__ = [
    "answer_to",
    "connection_bar",
    "described",
    "listed",
    "plain",
    "prepared",
    "preset_of",
    "raw_reply",
    "show_error",
    "shown_errors",
    "start_page",
    "store",
]
