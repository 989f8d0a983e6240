"""Data sets: found or downloaded, checked, read as arrays, and written as LMDB once."""

from lrbench.data.arrays import Arrays, Split
from lrbench.data.folder import find_lmdbs, open_folder
from lrbench.data.prepare import evaluated_on, hold_out, prepare, suggested
from lrbench.data.prepared import Prepared, find_intact, find_prepared, load, verify_prepared
from lrbench.data.registry import DATA_SETS, DataSet, data_set_names, find_data_set
from lrbench.data.sources import Differences, Progress, Sources

__all__ = [
    "DATA_SETS",
    "Arrays",
    "DataSet",
    "Differences",
    "Prepared",
    "Progress",
    "Sources",
    "Split",
    "data_set_names",
    "evaluated_on",
    "find_data_set",
    "find_intact",
    "find_lmdbs",
    "find_prepared",
    "hold_out",
    "load",
    "open_folder",
    "prepare",
    "suggested",
    "verify_prepared",
]
