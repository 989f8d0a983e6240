"""LRBench: a benchmark for learning-rate policies of neural-network training."""

__version__ = "0.1.0"
