"""The settings of a spec: keys, types, defaults and rules.

A field's example is what a message shows when its key is missing or its value is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from lrbench.errors import did_you_mean
from lrbench.spec.sections import (
    CompositionSettings,
    Count,
    EngineSettings,
    Fraction,
    Iterations,
    NonNegative,
    Positive,
    RangeSettings,
    SearchSettings,
    Seed,
    Settings,
    Text,
    Word,
    first_doubled,
    inconsistent,
    refuse_doubled,
)

if TYPE_CHECKING:
    from lrbench.metrics.metric import Metric
from lrbench.spec.solver_types import PARTICULAR, SOLVER_PARAMETERS, SolverType


class DataFolders(Settings):
    """The user's own data set: LMDB folders, and a mean file if the net subtracts one.

    Attributes:
        train: LMDB folder of the training set, as written by Caffe's ``convert_imageset``; relative to the spec.
        test: LMDB folder of the test set.
        mean: ``.binaryproto`` of the training set's mean, if the net subtracts one.
    """

    train: Text = Field(examples=["./train_lmdb"])
    test: Text = Field(examples=["./test_lmdb"])
    mean: Text | None = Field(default=None, examples=["./mean.binaryproto"])


DataSetSetting = Annotated[
    Annotated[Text, Tag("name")] | Annotated[DataFolders, Tag("folders")],
    Discriminator(lambda value: "folders" if isinstance(value, dict | DataFolders) else "name"),
]


class WorkloadSettings(Settings):
    """Net, data set, batch sizes and length of every run.

    Attributes:
        net: path of a prototxt file, relative to the spec, or one of the names lenet, cnn3, resnet20, resnet32.
        dataset: mnist, cifar10, cifar10_padded, digits, the name of another package's, or a mapping of folders.
        batch_size: training batch size, before ``solver.iter_size``.
        test_batch_size: test batch size, of which the number of test images must be a multiple; None: ``batch_size``.
        iterations: iterations of every run.
        test_interval: iterations between evaluations on the whole test set; the end of a run is evaluated, too.
        display_interval: iterations between losses in Caffe's log.
    """

    net: Text = Field(examples=["lenet"])
    dataset: DataSetSetting = Field(examples=["mnist"])
    batch_size: Count = Field(examples=["100"])
    test_batch_size: Count | None = Field(default=None, examples=["100"])
    iterations: Iterations = Field(examples=["10000"])
    test_interval: Count = Field(examples=["500"])
    display_interval: Count = Field(default=100, examples=["100"])

    @model_validator(mode="after")
    def _intervals_fit(self) -> WorkloadSettings:
        if self.test_interval > self.iterations:
            raise inconsistent(
                ("test_interval",),
                f"is {self.test_interval}, more than the {self.iterations} iterations",
                f"set it to {self.iterations} or less",
            )
        return self


class SolverSettings(Settings):
    """A solver, with Caffe's parameters and Caffe's defaults.

    Attributes:
        type: update rule; a list of types stands for a list of solvers.
        momentum: momentum of SGD, Nesterov, AdaDelta and Adam.
        momentum2: second momentum of Adam.
        delta: term that keeps the divisor of AdaGrad, RMSProp, AdaDelta and Adam above 0.
        rms_decay: decay rate of RMSProp.
        weight_decay: factor of the regularization.
        regularization_type: L2 (half the sum of squares) or L1 (the sum of absolute values).
        clip_gradients: largest L2 norm of all gradients together, summed over ``iter_size``; larger ones are scaled
            down to it; None: no limit.
        iter_size: batches accumulated for one update.
        lr_scale: factor of every policy's rates under this solver, so that one list of policies can serve solvers whose
            useful rates differ.
    """

    type: SolverType = "SGD"
    momentum: Fraction = Field(default=0.0, examples=["0.9"])
    momentum2: Fraction = Field(default=0.999, examples=["0.999"])
    delta: Positive = Field(default=1e-8, examples=["1e-8"])
    rms_decay: Fraction = Field(default=0.99, examples=["0.99"])
    weight_decay: NonNegative = Field(default=0.0, examples=["0.0005"])
    regularization_type: Literal["L1", "L2"] = "L2"
    clip_gradients: Positive | None = Field(default=None, examples=["35"])
    iter_size: Count = Field(default=1, examples=["1"])
    lr_scale: Positive = Field(default=1.0, examples=["0.1"])

    @model_validator(mode="after")
    def _parameters_fit(self) -> SolverSettings:
        for name in PARTICULAR:
            if name in self.model_fields_set and name not in SOLVER_PARAMETERS[self.type]:
                raise inconsistent(
                    (name,),
                    f"is not a parameter of {self.type}",
                    "remove it, or write a list of mappings, one per solver",
                )
        return self

    def resolved(self) -> dict[str, Any]:
        """The parameters that this type reads, with their values."""
        unread = set(PARTICULAR) - SOLVER_PARAMETERS[self.type]
        return {name: value for name, value in self.model_dump().items() if name not in unread and value is not None}


class ObjectiveSettings(Settings):
    """Ranking of policies; no part of a run's identity.

    Attributes:
        metric: accuracy, or another metric of an evaluation, such as test_loss.
        at: evaluation of a run that counts: ``final``, its last one, or ``best``, the one with the highest accuracy.
    """

    metric: Word = Field(default="accuracy", examples=["accuracy"])
    at: Literal["final", "best"] = "final"

    @property
    def ranking(self) -> Metric | None:
        """Metric of a run that ranks policies; None where it is of a package that is not here."""
        from lrbench.metrics.registry import objective_metric

        return objective_metric(self.metric, self.at)

    @model_validator(mode="after")
    def _metric_exists(self) -> ObjectiveSettings:
        if self.metric == "accuracy":  # looking at the others loads those of other packages
            return self
        from lrbench.metrics.registry import METRICS

        if self.at != "final":
            raise inconsistent(("at",), f"is {self.at}, which only accuracy can be ranked by", "write at: final")
        if self.ranking is None:
            names = ["accuracy", *(metric.name for metric in METRICS.values() if metric.of_evaluation)]
            rule = f"is {self.metric!r}, but must be accuracy or a metric of an evaluation"
            raise inconsistent(("metric",), rule, did_you_mean(self.metric, names) or f"there are {', '.join(names)}")
        return self


class StoppingSettings(Settings):
    """Rules by which a run ends before its last iteration; by default none.

    Attributes:
        at_target: stop once ``target_accuracy`` is reached.
        patience: stop after this many evaluations without a new best; None: never.
        max_train_seconds: stop after this many seconds of training, evaluations excluded; None: never.
    """

    at_target: bool = Field(default=False, examples=["true"])
    patience: Count | None = Field(default=None, examples=["10"])
    max_train_seconds: Positive | None = Field(default=None, examples=["3600"])


class RobustnessSettings(Settings):
    """Factors with which each policy is also run.

    Attributes:
        scales: factors of the learning rates.
    """

    scales: Annotated[list[Positive], Field(min_length=1, examples=["[0.1, 0.5, 1, 5, 10]"])]

    @model_validator(mode="after")
    def _each_once(self) -> RobustnessSettings:
        refuse_doubled(self.scales, ("scales",))
        return self


class ExperimentSettings(Settings):
    """A whole spec, with lists of solvers expanded and policies not yet parsed.

    Attributes:
        name: name of the experiment and of its folder in the results folder.
        workload: net, data set, batch sizes and length of every run.
        solver: a mapping, a type, or a list of either; with a list, every policy is trained with every solver.
        engine: engine, device and numerical precision.
        seeds: seeds of weights, batches and augmentation; every policy is trained with each of them.
        target_accuracy: accuracy for iterations_to_target and seconds_to_target; None: none, which leaves them unknown.
        objective: what policies are ranked by.
        policies: text or mappings; a list in place of a value makes a grid. Optional for commands that search for
            policies.
        stopping: when a run ends early.
        robustness: factors with which each policy is also run; None: none.
        search: settings of ``tune``.
        range: settings of ``range``.
        composition: settings of ``compose``.
    """

    name: Word = Field(examples=["mnist_lenet"])
    workload: WorkloadSettings
    solver: Annotated[list[SolverSettings], Field(min_length=1, examples=["{type: SGD, momentum: 0.9}"])]
    engine: EngineSettings = EngineSettings()
    seeds: Annotated[list[Seed], Field(min_length=1)] = Field(default=[0], examples=["[0, 1, 2]"])
    target_accuracy: Annotated[float, Field(gt=0, le=1)] | None = Field(default=None, examples=["0.989"])
    objective: ObjectiveSettings = ObjectiveSettings()
    policies: Annotated[list[Any], Field(min_length=1, examples=["['FIX(k0=0.01)']"])]
    stopping: StoppingSettings = StoppingSettings()
    robustness: RobustnessSettings | None = None
    search: SearchSettings = SearchSettings()
    range: RangeSettings = RangeSettings()
    composition: CompositionSettings = CompositionSettings()

    @model_validator(mode="after")
    def _parts_fit(self) -> ExperimentSettings:
        if self.stopping.at_target and self.target_accuracy is None:
            raise inconsistent(
                ("stopping", "at_target"),
                "is true, but there is no target_accuracy to reach",
                "add one, such as target_accuracy: 0.98",
            )
        if self.search.objective != "accuracy" and self.target_accuracy is None:
            raise inconsistent(
                ("search", "objective"),
                f"is {self.search.objective}, but there is no target_accuracy",
                "add one, such as target_accuracy: 0.98",
            )
        self.range.refuse_longer_than(self.workload.iterations)
        refuse_doubled(self.seeds, ("seeds",))
        same = first_doubled([tuple(solver.resolved().items()) for solver in self.solver])
        if same is not None:
            raise inconsistent(("solver", same), "is the same as an earlier solver", "remove one")
        return self


class TuningSettings(ExperimentSettings):
    """A spec for a command that searches for or recommends policies, in which policies are optional."""

    policies: list[Any] = Field(default=[])
