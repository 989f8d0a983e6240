"""Comparison of an engine with Caffe: the same weights, batches and rates on both, beside controls.

Training amplifies rounding, so after some iterations even Caffe parts from itself when only its number of BLAS threads
changes, or the last bit of its initial weights. Those are the controls, and the farthest of them is the yardstick: the
engine may part from Caffe by at most ``TOLERANCE`` times as much.
Images with many equal pixels, such as enlarged ones, are no fit for this: in max pooling equal values tie, each
engine's rounding picks the winner, and the two part for good where no control does.
Random crops, mirroring and dropout, which draw from generators of each engine's own, are taken out of the net first.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lrbench.engines.base import Engine, NetJob, Session
from lrbench.nets.caffe_pb2 import NetParameter

TOLERANCE = 3.0
FIRST_LOSS, FIRST_UPDATE, ACCURACY = 1e-6, 1e-4, 0.0005
FLOOR = 1e-6
"""Relative distance below which float32 itself tells nothing apart."""
NUDGES = 4
"""Controls with other last bits; several, as it is a matter of luck at which iteration a max or a ReLU tips over."""
WEIGHTS, INITIAL = "net.caffemodel", "initial"
OTHER_SEEDS = 2
"""Number of further seeds with which a difference has to show at least once to count."""
SHOWN_ENTRIES = 5
CONTROL_THREADS = (1, 2)
"""Numbers of threads of the controls; the one that the job itself uses is left out."""

Weights = dict[tuple[str, int], NDArray[np.float32]]


@dataclass(frozen=True)
class Trajectory:
    """One training, iteration by iteration.

    Attributes:
        losses: the training loss of each iteration.
        initial, first, last: the weights before and after the first, and after the last iteration, by layer and blob.
        accuracy: on the test set at the end.
    """

    losses: NDArray[np.float64]
    initial: Weights
    first: Weights
    last: Weights
    accuracy: float

    @property
    def updates(self) -> Weights:
        """The first update of each blob."""
        return {key: self.first[key] - self.initial[key] for key in self.first}


@dataclass(frozen=True)
class Parity:
    """An engine beside Caffe and the controls.

    Attributes:
        rates: of each iteration.
        initial_accuracies: of the initial weights on the whole test set, Caffe's and the engine's.
    """

    rates: NDArray[np.float64]
    initial_accuracies: tuple[float, float]
    caffe: Trajectory
    controls: tuple[Trajectory, ...]
    engine: Trajectory

    @property
    def loss_distances(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """abs(loss - Caffe's) / Caffe's at each iteration, of the engine and of the farthest control."""
        engine, *controls = (
            np.abs(trajectory.losses - self.caffe.losses) / np.abs(self.caffe.losses)
            for trajectory in (self.engine, *self.controls)
        )
        return engine, np.max(controls, axis=0)

    @property
    def weight_distances(self) -> tuple[float, float]:
        """Norm of the difference to Caffe's last weights over that of its whole update: engine, farthest control."""
        update = _norm(_difference(self.caffe.last, self.caffe.initial))
        engine, *controls = (
            _norm(_difference(trajectory.last, self.caffe.last)) / update
            for trajectory in (self.engine, *self.controls)
        )
        return engine, max(controls)

    @property
    def first_update_distances(self) -> dict[tuple[str, int], tuple[float, float]]:
        """Norm of the difference of the first updates over the norm of Caffe's, for each blob that moved.

        Of the engine, and of the farthest control. A weight holds an update only to half a unit in its last place, on
        each side: that much is no difference.
        """
        found = {}
        for key in self.caffe.initial:
            update = self.caffe.updates[key]
            if np.any(update):
                engine, *controls = (
                    float(np.linalg.norm(_spread(trajectory, self.caffe, key))) / float(np.linalg.norm(update))
                    for trajectory in (self.engine, *self.controls)
                )
                found[key] = (engine, max(controls))
        return found

    def failures(self) -> list[str]:
        """Rules that do not hold, in words; none where the engine trains as Caffe does."""
        engine, control = (float(distances.max()) for distances in self.loss_distances)
        first = float(self.loss_distances[0][0])
        updates = {
            key: (engine, max(FIRST_UPDATE, TOLERANCE * control))
            for key, (engine, control) in self.first_update_distances.items()
        }
        worst = max(updates, key=lambda key: updates[key][0] / updates[key][1])
        weights, control_weights = self.weight_distances
        accuracy = abs(self.initial_accuracies[0] - self.initial_accuracies[1])
        rules = [
            (first, FIRST_LOSS, "the first loss"),
            (*updates[worst], f"the first update of layer {worst[0]}, blob {worst[1]}"),
            (engine, TOLERANCE * max(control, FLOOR), f"the loss within {len(self.rates)} iterations"),
            (weights, TOLERANCE * max(control_weights, FLOOR), f"the weights after {len(self.rates)} iterations"),
            (accuracy, ACCURACY, "the initial weights' accuracy on the test set"),
        ]
        return [
            f"{what} is {distance:.3g} from Caffe's, more than {limit:.3g}"
            for distance, limit, what in rules
            if not distance <= limit
        ]

    def differing_entries(self) -> list[str]:
        """Entries of the first updates that differ, a line for each blob whose update does.

        An entry differs by more than its share of what its blob may: ``limit * norm(update) / sqrt(size)``.
        """
        lines = []
        for key, (distance, control) in self.first_update_distances.items():
            limit = max(FIRST_UPDATE, TOLERANCE * control)
            if not distance <= limit:
                apart, theirs = _spread(self.engine, self.caffe, key), self.caffe.updates[key]
                share = limit * float(np.linalg.norm(theirs)) / math.sqrt(apart.size)
                entries, ours = np.flatnonzero(~(apart <= share)), self.engine.updates[key]
                shown = [f"[{at}] Caffe {theirs[at]:.6g}, here {ours[at]:.6g}" for at in entries[:SHOWN_ENTRIES]]
                lines.append(
                    f"layer {key[0]}, blob {key[1]}: {len(entries)} of {len(theirs)} entries of the first update: "
                    + ", ".join([*shown, "..."] if len(entries) > SHOWN_ENTRIES else shown)
                )
        return lines


def confirm(caffe: Engine, engine: Engine, job: NetJob, iterations: int) -> dict[int, list[str]]:
    """Failures with the next seeds, by seed; none for one with which the engine trains as Caffe does.

    A value within rounding of the kink of a ReLU or PReLU, or of a tie in max pooling, may tip over on one side and in
    none of the controls. That is a matter of the seed; a wrong rule shows with others, too.
    """
    seeds = range(job.seed + 1, job.seed + 1 + OTHER_SEEDS)
    jobs = {seed: replace(job, seed=seed, folder=job.folder / f"seed{seed}") for seed in seeds}
    return {seed: compare(caffe, engine, other, iterations).failures() for seed, other in jobs.items()}


def compare(caffe: Engine, engine: Engine, job: NetJob, iterations: int) -> Parity:
    """Train the job's net on both engines for some iterations, and on Caffe again with other numbers of threads.

    Args:
        job: its folder is where the trainings keep their files. Its policy is shown no evaluations.

    Raises:
        LRBenchError: an engine refuses or fails.
    """
    rates = job.policy.start(job.iterations).rates(0, iterations)
    if job.solver.momentum_policy is not None:
        for trained in (caffe, engine):
            trained.check_momentum(job)
        job = replace(job, iterations=max(iterations, job.iterations))  # a momentum for each
    job = replace(job, net=without_randomness(job.net))
    first, second = (replace(job, folder=job.folder / name) for name in ("caffe", "engine"))
    threads = [
        replace(job, folder=job.folder / f"control{count}", threads=count)
        for count in CONTROL_THREADS
        if count != job.threads
    ]
    weights = first.folder / INITIAL / WEIGHTS
    base, base_accuracy = _train(caffe, first, rates, None)
    other, other_accuracy = _train(engine, second, rates, weights)
    controls = [_train(caffe, control, rates, None)[0] for control in threads]
    for seed in range(NUDGES):
        nudged = job.folder / f"nudged{seed}.caffemodel"
        nudge(weights, nudged, seed)
        controls.append(_train(caffe, replace(job, folder=job.folder / f"nudged{seed}"), rates, nudged)[0])
    return Parity(
        rates=rates,
        initial_accuracies=(base_accuracy, other_accuracy),
        caffe=base,
        controls=tuple(controls),
        engine=other,
    )


def without_randomness(net: NetParameter) -> NetParameter:
    """A copy without random crops, mirroring and dropout."""
    plain = NetParameter()
    plain.CopyFrom(net)
    for layer in plain.layer:
        layer.transform_param.ClearField("crop_size")
        layer.transform_param.ClearField("mirror")
        if layer.type == "Dropout":
            layer.dropout_param.dropout_ratio = 0
    return plain


def _train(engine: Engine, job: NetJob, rates: NDArray[np.float64], weights: Path | None) -> tuple[Trajectory, float]:
    """Train one iteration at a time, from the given weights or the engine's own; also the initial accuracy."""
    (job.folder / "snapshots").mkdir(parents=True)
    engine.check(job)
    session = engine.open(job)
    try:
        initial = job.folder / INITIAL
        session.save(initial)
        if weights is not None:
            shutil.copyfile(weights, initial / WEIGHTS)
            session.restore(initial, 0)
        accuracy = _accuracy(session)
        losses = [session.train(rates[:1]).train_loss]
        session.save(job.folder / "first")
        losses += [session.train(rates[index : index + 1]).train_loss for index in range(1, len(rates))]
        session.save(job.folder / "last")
        weights_of = {name: read_weights(job.folder / name / WEIGHTS) for name in (INITIAL, "first", "last")}
        trajectory = Trajectory(
            np.array(losses), weights_of[INITIAL], weights_of["first"], weights_of["last"], _accuracy(session)
        )
    finally:
        session.close()
    return trajectory, accuracy


def _accuracy(session: Session) -> float:
    outputs = session.evaluate()
    return float(np.mean(outputs.ranking.argmax(axis=1) == outputs.labels))


def read_weights(path: Path) -> Weights:
    """All blobs of a .caffemodel, flat, by layer name and place."""
    net = NetParameter.FromString(path.read_bytes())
    return {
        (layer.name, index): np.array(blob.data, dtype=np.float32)
        for layer in net.layer
        for index, blob in enumerate(layer.blobs)
    }


def nudge(source: Path, target: Path, seed: int) -> None:
    """Copy a .caffemodel with each weight moved by one unit in its last place, up or down at random."""
    net = NetParameter.FromString(source.read_bytes())
    generator = np.random.default_rng(seed)
    for layer in net.layer:
        for blob in layer.blobs:
            values = np.array(blob.data, dtype=np.float32)
            towards = np.where(generator.random(values.size) < 0.5, -np.inf, np.inf).astype(np.float32)
            blob.data[:] = np.where(values == 0, values, np.nextafter(values, towards)).tolist()
    target.write_bytes(net.SerializeToString())


def _spread(one: Trajectory, other: Trajectory, key: tuple[str, int]) -> NDArray[np.float32]:
    """Difference of two first updates of a blob, entry by entry, less what rounding to the weight takes."""
    apart = np.abs(one.updates[key] - other.updates[key])
    spread: NDArray[np.float32] = np.maximum(0, apart - np.spacing(np.abs(other.first[key])))
    return spread


def _difference(one: Weights, other: Weights) -> Sequence[NDArray[np.float32]]:
    return [one[key] - other[key] for key in other]


def _norm(parts: Sequence[NDArray[np.float32]]) -> float:
    return float(np.sqrt(sum(float(np.sum(part.astype(np.float64) ** 2)) for part in parts)))
