"""Executors: run the tasks of an experiment."""
