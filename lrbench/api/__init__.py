"""LRBench for programs: what ``import lrbench`` gives, and what the commands share with it."""
