"""Significance tests of policies' means over seeds, groups and ranks that follow from them, and numbers of seeds."""
