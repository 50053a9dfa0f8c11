"""A page that fails in every place where a page can, with a secret and somebody's file in the message."""

import streamlit as st

from smviz.ui import mishaps

mishaps.stand_by()
st.write("All is well so far.")


def broken() -> None:
    raise RuntimeError("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY in '/home/bob/my cats.jpg'")


@st.fragment
def part() -> None:
    if st.button("fragment"):
        broken()


st.button("callback", on_click=broken)
part()
if st.button("page"):
    broken()
