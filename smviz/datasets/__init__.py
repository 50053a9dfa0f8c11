"""A data set before a run is paid for: what does not fit together, and which class means which."""

from smviz.datasets.checking import DataSetCheck, check
from smviz.datasets.findings import Finding, Severity
from smviz.datasets.mapping import ClassMap, Unmatched, propose_class_map, unmatched

__all__ = ["ClassMap", "DataSetCheck", "Finding", "Severity", "Unmatched", "check", "propose_class_map", "unmatched"]
