"""What a user relies on of the policy database, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy
from factories import fake_entries
from factories.fake_entries import diverged, entry, run

from lrbench.errors import DatabaseError
from lrbench.tuning.database.connection import locate
from lrbench.tuning.database.database import Added, open_database
from lrbench.tuning.database.entry import Entry
from lrbench.tuning.database.lines import from_lines, shipped_entries, to_lines
from lrbench.tuning.database.schema import EntryQuery

FIX, TRI = "FIX(k0=0.01)", "TRI(k0=0.01, k1=0.06, l=2000)"
QUOTED = """SCALE(factor=0.1, policy=FIX(k0=0.1)) 'it''s' "ß" %s :x \\ ; -- ½"""

pytestmark = pytest.mark.usefixtures("nothing_shipped")


def execute(location, statement):
    """Change the database behind LRBench's back, or read what is really in it."""
    engine = sqlalchemy.create_engine(locate(location).url)
    with engine.begin() as connection:
        result = connection.execute(sqlalchemy.text(statement))
        rows = [tuple(row) for row in result] if result.returns_rows else []
    engine.dispose()
    return rows


def dump(location):
    """All that the database holds."""
    engine = sqlalchemy.create_engine(locate(location).url)
    with engine.connect() as connection:
        tables = sqlalchemy.inspect(connection).get_table_names()
        rows = {name: connection.execute(sqlalchemy.text(f"SELECT * FROM {name}")).all() for name in sorted(tables)}
    engine.dispose()
    return rows


def test_what_was_added_is_read_as_it_was_by_whoever_opens_it_next(location):
    entries = [entry(FIX, [run(0), diverged(1)]), entry(QUOTED, [run(2**31 - 1, note="½ 'quoted'", gpu="A GPU")])]
    with open_database(location) as database:
        assert database.created
        assert database.add(entries) == Added(entries=2, runs=3)
    with open_database(location) as database:
        assert not database.created
        assert len(database) == 2
        assert database.entries() == sorted(entries, key=lambda each: each.id)
        assert database.entry(entries[1].id) == entries[1]


def test_adding_the_same_runs_twice_changes_nothing(location):
    with open_database(location) as database:
        database.add([entry()])
        before = dump(location)
        later = [replace(each, added_at="2027-01-01T00:00:00+00:00", note="again") for each in entry().runs]
        assert database.add([entry(runs=later), entry()]) == Added(known=4)
    assert dump(location) == before


def test_more_seeds_of_a_policy_join_its_entry(location):
    with open_database(location) as database:
        database.add([entry(runs=[run(1)])])
        assert database.add([entry(runs=[run(0), run(1), run(2)])]) == Added(grown=1, runs=2, known=1)
        assert [each.seeds for each in database.entries()] == [(0, 1, 2)]


def test_one_entry_given_in_parts_at_once(location):
    with open_database(location) as database:
        added = database.add([entry(runs=[run(0)]), entry(runs=[run(0), run(1)])])
        assert added == Added(entries=1, runs=2, known=1)
        assert database.entries() == [entry()]


@pytest.mark.parametrize(
    "other",
    [
        {"batch_size": 64},
        {"iterations": 4000},
        {"test_interval": 250},
        {"net_sha256": "c" * 64},
        {"dataset_sha256": "c" * 64},
        {"engine_name": "torch"},
        {"engine_precision": "bf16"},
        {"evaluated_on": "validation"},
        {"solver": {"type": "SGD", "momentum": 0.0, "weight_decay": 0.0005}},
    ],
)
def test_another_workload_is_another_entry(location, other):
    with open_database(location) as database:
        assert database.add([entry(), entry(**other)]).entries == 2
        found = database.entries(EntryQuery(workload_id=fake_entries.WORKLOAD.id))
        assert found == [entry()]


def test_other_names_of_the_same_net_and_data_are_no_other_workload(location):
    with open_database(location) as database:
        assert database.add([entry(), entry(net_name="my_lenet", dataset_label="digits by hand")]) == Added(1, 0, 2, 2)


def test_a_failure_midway_leaves_nothing(location):
    def broken():
        yield entry(FIX)
        raise KeyboardInterrupt

    with open_database(location) as database:
        before = dump(location)
        with pytest.raises(KeyboardInterrupt):
            database.add(broken())
    assert dump(location) == before


def test_what_was_measured_here_takes_the_place_of_the_same_run_shipped(location):
    shipped = entry(runs=[run(0, shipped=True), run(1, shipped=True)])
    own = entry(runs=[run(0, cpu="My Processor")])
    with open_database(location) as database:
        database.add([shipped])
        assert database.add([own]) == Added(grown=1, runs=1)
        assert database.add([shipped]) == Added(known=2)
        (found,) = database.entries()
    assert [(each.cpu, each.shipped) for each in found.runs] == [("My Processor", False), ("A Processor", True)]


def test_what_is_not_known_is_null(location):
    with open_database(location) as database:
        database.add([entry(runs=[diverged()])])
        ((metrics, gpu),) = execute(location, "SELECT metrics, gpu FROM lrbench_runs")
    metrics = json.loads(metrics) if isinstance(metrics, str) else metrics
    assert (metrics["best_accuracy"], metrics["train_loss"], gpu) == (None, None, None)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (EntryQuery(), [FIX, TRI, TRI]),
        (EntryQuery(function="tri"), [TRI, TRI]),
        (EntryQuery(function="TR_"), []),
        (EntryQuery(net="LeNet"), [FIX, TRI, TRI]),
        (EntryQuery(net="aaaaaaaa"), [FIX, TRI, TRI]),
        (EntryQuery(net="a"), []),
        (EntryQuery(dataset="cifar-10"), [TRI]),
        (EntryQuery(dataset="CIFAR10"), [TRI]),
        (EntryQuery(dataset="%%%%%%%%"), []),
        (EntryQuery(solver="sgd", function="FIX"), [FIX]),
        (EntryQuery(solver="Adam"), []),
        (EntryQuery(engine="torch"), [TRI]),
        (EntryQuery(policy=TRI, batch_size=100), [TRI, TRI]),
        (EntryQuery(iterations=2001), []),
        (EntryQuery(evaluated_on="validation"), []),
    ],
)
def test_a_query_finds_what_fits_all_of_it(location, query, found):
    other = entry(TRI, dataset_name="cifar10", dataset_label="CIFAR-10", dataset_sha256="d" * 64, engine_name="torch")
    with open_database(location) as database:
        database.add([entry(FIX), entry(TRI), other])
        assert sorted(each.policy for each in database.entries(query)) == found


def test_an_id_may_be_cut_short_while_it_is_the_only_one(location):
    entries = [entry(f"FIX(k0={rate})") for rate in range(1, 600)]
    by_start: dict[str, list[Entry]] = {}
    for each in entries:
        by_start.setdefault(each.id[:4], []).append(each)
    doubled = next(start for start, found in by_start.items() if len(found) > 1)
    single = next(found[0] for found in by_start.values() if len(found) == 1)
    with open_database(location) as database:
        database.add(entries)
        assert database.entry(single.id[:4].upper()) == single
        with pytest.raises(DatabaseError, match=f"several entries begin with '{doubled}'; give more of it, such as "):
            database.entry(doubled)
        for wrong in ("", "___", "%%%%", "zzzz", single.id + "0"):
            with pytest.raises(DatabaseError, match=r"no entry has the id '.*'; `lrbench db list` shows the ids"):
                database.entry(wrong)


def test_a_database_of_another_version_is_refused_and_left_alone(location):
    open_database(location).close()
    execute(location, "UPDATE lrbench_schema SET schema = 2")
    before = dump(location)
    with pytest.raises(DatabaseError) as error:
        open_database(location)
    assert str(error.value).endswith(
        "the database has schema 2, this version of LRBench reads 1; "
        "use the LRBench that made it, or name another with --db"
    )
    assert "tell-nobody" not in str(error.value)
    assert dump(location) == before


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE lrbench_runs SET metrics = '[1]'",
        "UPDATE lrbench_entries SET net_sha256 = 'x'",
        "UPDATE lrbench_runs SET status = 'splendid'",
        "DELETE FROM lrbench_runs",
    ],
)
def test_values_that_lrbench_did_not_write_are_one_line(location, damage):
    with open_database(location) as database:
        database.add([entry()])
        execute(location, damage)
        with pytest.raises(DatabaseError, match="the database has values that LRBench did not write; name another"):
            database.entries()


def test_tables_that_vanish_while_it_is_open_are_one_line(location):
    with open_database(location) as database:
        execute(location, "DROP TABLE lrbench_runs")
        execute(location, "DROP TABLE lrbench_entries")
        with pytest.raises(DatabaseError, match=r"the database cannot be used: .*lrbench_entries"):
            database.entries()


def test_many_that_open_and_add_at_once_lose_and_double_nothing(location):
    adders, rounds = 4, 12
    together = threading.Barrier(adders)

    def adds(seed):
        """Opens the database, which is new to all, and then adds its seed of a policy that is new to all."""
        together.wait()
        try:
            with open_database(location) as database:
                for number in range(1, rounds + 1):
                    together.wait()
                    database.add([entry(f"FIX(k0={number})", [run(seed), run(99)])])
        except BaseException:
            together.abort()  # or the others would wait for this one
            raise
        return database.created

    with ThreadPoolExecutor(adders) as pool:
        created = list(pool.map(adds, range(adders)))
    assert created.count(True) == 1
    with open_database(location) as database:
        assert {each.policy: each.seeds for each in database.entries()} == {
            f"FIX(k0={number})": (*range(adders), 99) for number in range(1, rounds + 1)
        }


def test_a_new_database_has_the_shipped_entries_and_an_old_one_gets_none(location, monkeypatch):
    monkeypatch.setattr("lrbench.tuning.database.database.shipped_entries", shipped_entries)
    with open_database(location) as database:
        assert database.entries() == shipped_entries()
    execute(location, "DELETE FROM lrbench_runs")
    execute(location, "DELETE FROM lrbench_entries")
    with open_database(location) as database:
        assert database.entries() == []


def test_export_and_import_between_the_two_kinds(location, postgresql, tmp_path):
    entries = [entry(FIX, [run(0, (1 / 3, 0.1 + 0.6)), diverged(1)]), entry(QUOTED, [run(3, note="x\u00a0y"[:1])])]
    lines = to_lines(sorted(entries, key=lambda each: each.id))
    for place in (location, postgresql.empty_database("another"), str(tmp_path / "copy.sqlite")):
        with open_database(place) as database:
            database.add(from_lines(lines, "export.jsonl"))
            assert to_lines(database.entries()) == lines
