"""Executors: where sessions run, and the dispatcher that hands out the tasks of an experiment."""
