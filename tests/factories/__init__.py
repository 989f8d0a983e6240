"""Builders of what tests read: an engine that trains nothing, run directories, reports, searches and database entries.

``fake_engine`` for the runner and executors, ``in_process_engine`` as another package's; ``fake_runs`` writes run
directories, ``made_up_reports`` makes reports in memory, ``made_up_runs`` plays the runs of a search, and
``fake_entries`` makes entries of the policy database.
"""
