"""The version of LRBench; imports nothing, so that any module can."""

__version__ = "0.1.0"
