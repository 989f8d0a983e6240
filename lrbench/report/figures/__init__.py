"""Figures of results for a screen and for paper, of comparisons and of range tests; ``data`` has their data."""
