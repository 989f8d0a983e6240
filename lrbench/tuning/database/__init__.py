"""Policy database: measured results by workload and policy, for recommending and verifying policies."""

from lrbench.tuning.database.collect import Collected, collect, workload_of_run
from lrbench.tuning.database.database import Added, Database, open_database
from lrbench.tuning.database.entry import Entry, EntryCost, Reached, Spread, StoredWorkload, joined
from lrbench.tuning.database.lines import entry_object, from_lines, shipped_entries, to_lines
from lrbench.tuning.database.measured import MeasuredRun, NewBest
from lrbench.tuning.database.schema import EntryQuery

__all__ = [
    "Added",
    "Collected",
    "Database",
    "Entry",
    "EntryCost",
    "EntryQuery",
    "MeasuredRun",
    "NewBest",
    "Reached",
    "Spread",
    "StoredWorkload",
    "collect",
    "entry_object",
    "from_lines",
    "joined",
    "open_database",
    "shipped_entries",
    "to_lines",
    "workload_of_run",
]
