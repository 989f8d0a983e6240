"""Policies read out of what users have: Caffe solvers, descriptions of PyTorch schedulers, saved schedulers."""

from lrbench.importing.imported import Given, Imported
from lrbench.importing.sources import import_policy

__all__ = ["Given", "Imported", "import_policy"]
