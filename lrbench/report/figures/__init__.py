"""Figures of results: for a screen, for paper, of engines, optimizers and range tests. ``data`` is what they draw."""
