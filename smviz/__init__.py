"""smviz: see what an object detector behind a SageMaker endpoint does, and choose its threshold."""

__version__ = "0.1.0"
