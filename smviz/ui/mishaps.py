"""What a page shows, and the journal keeps, of an error that nothing caught."""

from __future__ import annotations

import logging
from contextlib import suppress

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError
from streamlit.runtime.scriptrunner import get_script_run_ctx

from smviz import journal


class Mishap(Exception):
    """What is shown in place of the error: a sentence and a number, and never what the error itself says."""

    alternate_name = "Something went wrong on this page"  # Streamlit writes it where the exception's name would stand

    def __init__(self, number: str) -> None:
        super().__init__(
            "Nothing that was stored is lost. Load the page again; if it happens again, tell whoever runs this server "
            f"the number {number}: the server's log holds what happened under it."
        )


def tell(error: Exception) -> bool:
    """Journal an uncaught error and show its number; for `st.App(on_script_error=…)`."""
    st.exception(Mishap(journal.uncaught(error)))
    return True


def stand_by() -> None:
    """See to it that no error of this page shows or logs more than it may. A page does this first.

    Where the app is started by `streamlit run streamlit_app.py`, Streamlit has no other place to say so: an error in a
    callback, or in a fragment that runs alone, is then told in Streamlit's words, without its number.
    """
    journal.take_over()
    with suppress(StreamlitSecretNotFoundError):
        journal.hide_named(st.secrets.to_dict())
    logging.getLogger("streamlit.error_util").addFilter(_as_event)
    if (context := get_script_run_ctx()) is not None:
        context.on_script_error = tell


def _as_event(record: logging.LogRecord) -> bool:
    """Streamlit logs an uncaught error before it asks `tell`: one event takes the place of its record."""
    if not record.exc_info or record.exc_info[1] is None:
        return True
    journal.uncaught(record.exc_info[1])
    return False
