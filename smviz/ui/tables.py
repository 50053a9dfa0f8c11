"""What the tables of the Evaluate page share."""

from __future__ import annotations

import io

import pandas as pd
import streamlit as st

from smviz import exports

THREE = st.column_config.NumberColumn(format="%.3f")
BAR = st.column_config.ProgressColumn(format="%.3f", min_value=0, max_value=1)


def titled_table(title: str, table: pd.DataFrame, file_name: str) -> None:
    """A heading with a button that downloads the table as CSV."""
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.subheader(title, anchor=False)
        st.download_button(
            "CSV",
            lambda: table_csv(table),
            file_name,
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
            key=f"download {file_name}",
        )


def table_csv(table: pd.DataFrame) -> bytes:
    """A table as CSV."""
    return exports.table_csv(table.columns, table.itertuples(index=False))


def table_parquet(table: pd.DataFrame) -> bytes:
    """A table as Parquet."""
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue()


def table_height(rows: int, most: int = 400) -> int:
    """Pixels of a table with so many rows, up to the most."""
    return min(35 * rows + 38, most)
