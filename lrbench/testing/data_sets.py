"""Conformance suite for data sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from lrbench.data import DataSet, Sources
from lrbench.data.arrays import Arrays


class DataSetConformance:
    """A data set describes itself and reads the same trainable arrays each time.

    A subclass gives the fixture ``data_set``, and ``files`` where it reads a folder of the user's.
    """

    @pytest.fixture
    def files(self) -> Path | None:
        return None

    @pytest.fixture
    def arrays(self, data_set: DataSet, files: Path | None, tmp_path: Path) -> Arrays:
        return data_set.read(Sources(files, tmp_path))

    def test_it_describes_itself(self, data_set: DataSet) -> None:
        assert data_set.title
        assert len(data_set.summary.splitlines()) == 1

    def test_its_arrays_can_be_trained_on(self, data_set: DataSet, arrays: Arrays) -> None:
        arrays.check()
        assert data_set.shape in (None, arrays.train.shape)
        assert set(arrays.test.labels.tolist()) <= set(arrays.train.labels.tolist())

    def test_it_reads_the_same_each_time(
        self, data_set: DataSet, arrays: Arrays, files: Path | None, tmp_path: Path
    ) -> None:
        again = data_set.read(Sources(files, tmp_path))
        for first, second in ((arrays.train, again.train), (arrays.test, again.test)):
            assert (first.images == second.images).all()
            assert (first.labels == second.labels).all()
