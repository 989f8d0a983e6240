"""The part of LRBench inside a user's training program: works with Python 3.9, and imports nothing else of LRBench."""
