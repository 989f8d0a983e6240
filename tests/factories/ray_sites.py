"""Sites of nodes that lack something, called in the workers of a Ray cluster."""

from __future__ import annotations

from pathlib import Path

from lrbench.engines.site import Consent, Site


def without_caffe(_consent: Consent | None) -> Site:
    """A node whose data folder has no Caffe."""
    return Site(Path("/nonexistent"))
