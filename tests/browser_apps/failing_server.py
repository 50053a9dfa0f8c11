"""The failing page, served as serve.py serves the app."""

from pathlib import Path

import streamlit as st

import serve

app = st.App(Path(__file__).parent / "failing_app.py", on_script_error=serve.tell)
