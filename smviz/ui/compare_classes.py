"""The classes of two runs: how each differs, as a table, a chart and files, corrected for being many."""

from __future__ import annotations

import io
import math

import numpy as np
import pandas as pd
import streamlit as st

from smviz import exports
from smviz.comparing import ClassChange, Verdict, class_changes
from smviz.intervals import Change
from smviz.intervals.interval import percentile_interval
from smviz.ui.compare_chart import MOST, forest
from smviz.ui.compare_state import Changes, Compared
from smviz.ui.tables import table_height

CHANCE = "no difference beyond chance"
CLASS_WORDS: dict[Verdict, str] = {
    "better": "B better",
    "worse": "A better",
    "no difference": CHANCE,
    "undefined": "nothing to tell it from",
}


def class_chart(compared: Compared, changes: Changes) -> None:
    """The difference of each class with its interval."""
    rows = _rows(compared, changes)
    st.markdown("**Difference by class**")
    st.plotly_chart(forest(rows), key="class differences", config={"displayModeBar": False})
    some = f" The {MOST} that differ most, of {len(rows)}." if len(rows) > MOST else ""
    st.caption(f":blue[Blue]: A better · :orange[orange]: B better · hollow: {CHANCE}.{some}")


def _rows(compared: Compared, changes: Changes) -> tuple[ClassChange, ...]:
    """The classes, the largest difference first."""
    return compared.once(
        "class rows",
        lambda: tuple(
            sorted(
                class_changes(compared.comparison, changes.classes),
                key=lambda row: -abs(row.b - row.a) if row.objects else math.inf,
            )
        ),
    )


def classes(compared: Compared, changes: Changes | None) -> None:
    """The table of the classes, without intervals while they are being computed."""
    table = compared.once(("classes", changes is None), lambda: class_table(compared, changes))
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.subheader("Classes", anchor=False)
        with st.container(horizontal=True, gap="small", width="content"):
            downloads("classes compared", table, changes is None)
    three = st.column_config.NumberColumn(format="%.3f")
    st.dataframe(
        table,
        hide_index=True,
        height=table_height(len(table)),
        column_config={
            **dict.fromkeys(("AP A", "AP B"), three),
            **{name: st.column_config.NumberColumn(format="%+.3f") for name in ("B − A", "Low", "High")},
            "Low": st.column_config.NumberColumn("From", format="%+.3f", help="Where the 95 % interval begins"),
            "High": st.column_config.NumberColumn("To", format="%+.3f", help="Where the 95 % interval ends"),
            "p": st.column_config.NumberColumn(
                "p (Holm)", format="%.2g", help="How often chance makes such a difference, corrected for many classes"
            ),
        },
        alt="The AP of each class in both runs, and the difference",
    )
    tested = int(table["p"].notna().sum())
    if changes is not None and tested:
        found = int(table["Verdict"].isin(["B better", "A better"]).sum())
        classes = f"{tested:,} {'class' if tested == 1 else 'classes'}"
        st.caption(
            f"{classes} tested together, {found:,} of them better in one run. Holm's correction keeps the chance that "
            "even one of these is a false alarm at 5 % at most; the intervals are those of each class by itself."
        )


def downloads(title: str, table: pd.DataFrame, wait: bool = False) -> None:
    """Buttons for the table that is on the screen, as CSV and as Parquet."""
    name = title.replace(" ", "_")
    for kind, mime, write in (
        ("CSV", "text/csv", lambda: exports.table_csv(table.columns, table.itertuples(index=False))),
        ("Parquet", "application/vnd.apache.parquet", lambda: table_parquet(table)),
    ):
        st.download_button(
            kind,
            write,
            f"{name}.{kind.lower()}",
            mime,
            icon=":material/download:",
            on_click="ignore",
            key=f"download {title} {kind}",
            disabled=wait,
        )


def table_parquet(table: pd.DataFrame) -> bytes:
    """The table as Parquet; null where a number is undefined."""
    out = io.BytesIO()
    table.to_parquet(out, index=False)
    return out.getvalue()


def class_table(compared: Compared, changes: Changes | None) -> pd.DataFrame:
    """A row for each class, the largest difference first; without intervals while they are being computed."""
    unknown = Change(percentile_interval(math.nan, np.zeros(0), 0.95), math.nan)
    none_yet = (unknown,) * len(compared.truth.class_names)
    rows = class_changes(compared.comparison, none_yet) if changes is None else _rows(compared, changes)
    return pd.DataFrame(
        {
            "Class": [row.name for row in rows],
            "Objects": [row.objects for row in rows],
            "Images": [row.images for row in rows],
            "AP A": [row.a for row in rows],
            "AP B": [row.b for row in rows],
            "B − A": [row.b - row.a for row in rows],
            "Low": [row.change.interval.low for row in rows],
            "High": [row.change.interval.high for row in rows],
            "p": [row.p for row in rows],
            "Verdict": ["…" if changes is None else CLASS_WORDS[row.verdict] for row in rows],
        }
    )
