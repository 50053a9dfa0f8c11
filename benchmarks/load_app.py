"""The peer of `benchmarks.load`: the least that a Streamlit page with a picture can be."""

import streamlit as st
from PIL import Image, ImageEnhance

from smviz.local import SAMPLES

brightness = st.slider("Brightness", 0.0, 2.0, 1.0)
st.image(ImageEnhance.Brightness(Image.open(SAMPLES.images[0])).enhance(brightness))
