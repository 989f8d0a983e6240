"""What the environment says about engines on this machine."""

from __future__ import annotations

import os

from lrbench.cli.home import home
from lrbench.engines.registry import Site


def site() -> Site:
    """LRBench's data folder, and the Caffe that ``LRBENCH_CAFFE`` names."""
    return Site(home=home(), caffe=os.environ.get("LRBENCH_CAFFE") or None)
