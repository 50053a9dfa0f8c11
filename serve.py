"""The app as a server: `streamlit run serve.py`, or `uvicorn serve:app`.

The screens are those of streamlit_app.py. Added are the HTTP headers, /healthz, and how errors are told and logged.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryFile

import streamlit as st
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from smviz import __version__, journal
from smviz.errors import BadSetting
from smviz.headers import Headers, frame_ancestors
from smviz.settings import Settings

PAGE = (Path(st.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")


def healthz(_: Request) -> JSONResponse:
    """200 while the workspace can be written (or, of a replayed one, read), else 503. Says nothing of where it is."""
    settings = Settings.from_environment()
    try:
        if settings.replay is not None:
            os.listdir(settings.replay)
        else:
            settings.workspace.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=settings.workspace) as file:
                file.write(b"healthy")
    except OSError as error:
        journal.event("health", level="error", kind=type(error).__name__)
        return JSONResponse({"status": "the workspace cannot be used"}, 503)
    return JSONResponse({"status": "ok"})


def tell(error: Exception) -> bool:
    """Show an uncaught error as its number, and nothing else of it."""
    from smviz.ui import mishaps  # its caches want to be made while Streamlit runs

    return mishaps.tell(error)


try:
    journal.threshold()
    Settings.from_environment()
    ANCESTORS = frame_ancestors(os.environ)
except BadSetting as error:
    sys.exit(str(error))

journal.take_over()
journal.event("start", version=__version__, streamlit=st.__version__, python=sys.version.split()[0])
app = st.App(
    Path(__file__).parent / "streamlit_app.py",
    routes=[Route("/healthz", healthz), Route("/{base:path}/healthz", healthz)],
    middleware=[Middleware(Headers, page=PAGE, ancestors=ANCESTORS)],
    on_script_error=tell,
)
