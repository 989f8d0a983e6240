"""Kills of workers, nodes and the driver while ``lrbench run`` trains on a Ray cluster, and what must hold after them."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from factories.measured import measured_runs
from factories.ray_cluster import Cluster

SPEC = """
workload: {net: lenet, dataset: digits, batch_size: 16, test_batch_size: 100, iterations: ITERATIONS, test_interval: 20}
solver: {momentum: 0.9, weight_decay: 0.0005}
share_prefixes: false
policies: [FIX(k0=0.01), "TRI(k0=0.001, k1=0.02, l=30)", FIX(k0=0.005), "STEP(k0=0.01, gamma=0.5, l=20)"]
"""
VICTIMS = ("worker", "node", "driver")


def typed(*words: str) -> list[str]:
    """Return the command line of LRBench."""
    return [sys.executable, "-m", "lrbench", *words]


@dataclass
class RayKilling:
    """Runs of four policies on a cluster, killed until that happened often enough, then compared with a local run.

    Attributes:
        counted: number of kills by victim.
    """

    cluster: Cluster
    folder: Path
    kills: int
    iterations: int = 200
    seed: int = 0
    counted: Counter[str] = field(default_factory=Counter)
    rounds: int = 0

    def check(self) -> dict[str, Any]:
        """Kill, resume and compare; return what was counted. Raises AssertionError where something does not hold."""
        (self.folder / "kills.yaml").write_text(SPEC.replace("ITERATIONS", str(self.iterations)))
        with (self.folder / "local.txt").open("w") as log:
            subprocess.run(typed("run", "kills.yaml", "--results", "local"), cwd=self.folder, stderr=log, check=True)
        expected = measured_runs(self.folder / "local")
        chance = random.Random(self.seed)
        while sum(self.counted.values()) < self.kills:
            self.rounds += 1
            self._round(f"round{self.rounds}", chance)
            assert measured_runs(self.folder / f"round{self.rounds}") == expected
            self._check_ends(len(expected))
        return {**self.counted, "rounds": self.rounds, "runs": self.rounds * len(expected)}

    def _round(self, results: str, chance: random.Random) -> None:
        driver = self._start(results)
        try:
            while driver.poll() is None:
                if sum(self.counted.values()) >= self.kills:
                    driver.wait()
                    break
                done = self._count(results)
                pause = time.monotonic() + chance.uniform(0, 2)
                while driver.poll() is None and (self._count(results) == done or time.monotonic() < pause):
                    time.sleep(0.02)
                if driver.poll() is None:
                    driver = self._kill(VICTIMS[sum(self.counted.values()) % len(VICTIMS)], driver, results, chance)
        finally:
            driver.kill()
            driver.wait()
        assert driver.returncode == 0, (self.folder / f"{results}.txt").read_text()[-3000:]

    def _kill(
        self, victim: str, driver: subprocess.Popen[bytes], results: str, chance: random.Random
    ) -> subprocess.Popen[bytes]:
        """Kill one of these; return the driver, which is another where it was killed."""
        if victim == "driver":
            driver.kill()
            driver.wait()
            driver = self._start(results)
        else:
            living = self.cluster.raylets() if victim == "node" else self.cluster.workers()
            if not living:
                return driver
            if victim == "node":
                self.cluster.kill(chance.choice(living))
                self.cluster.add(1)
            else:
                os.kill(chance.choice(living), signal.SIGKILL)
        self.counted[victim] += 1
        return driver

    def _start(self, results: str) -> subprocess.Popen[bytes]:
        words = ["run", "kills.yaml", "--executor", f"ray://{self.cluster.address}", "-j", "3", "--results", results]
        with (self.folder / f"{results}.txt").open("ab") as log:
            return subprocess.Popen(
                typed(*words), cwd=self.folder, stderr=log, env={**os.environ, **self.cluster.settings}
            )

    def _count(self, results: str) -> int:
        return sum(len(rows) for rows in measured_runs(self.folder / results).values())

    def _check_ends(self, runs: int) -> None:
        """No run was trained to its end twice, whatever was killed."""
        said = (self.folder / f"round{self.rounds}.txt").read_text()
        ends = Counter(re.findall(r"\[(\d+)/\d+\] .* finished at iteration", said))
        assert len(ends) <= runs, said
        assert set(ends.values()) <= {1}, said
