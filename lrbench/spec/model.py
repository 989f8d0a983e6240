"""The settings of a spec: keys, types, defaults and rules.

A field's example is what a message shows when its key is missing or its value is refused.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from lrbench.errors import PolicyError
from lrbench.metrics.objective import AnyTarget, Objective, Target, is_evaluated, is_measured, known_goal
from lrbench.spec.momentum import Momentum, check_momentum
from lrbench.spec.objective import ObjectiveSettings, TargetSettings, no_metric
from lrbench.spec.search_settings import SearchSettings
from lrbench.spec.sections import (
    CompositionSettings,
    Count,
    EngineSettings,
    Fraction,
    Iterations,
    NonNegative,
    Order,
    Positive,
    RangeSettings,
    Text,
    Word,
)
from lrbench.spec.seeds import AddedSeeds, SeedsSetting
from lrbench.spec.settings import Settings, first_doubled, inconsistent, refuse_doubled
from lrbench.spec.snapshots import SnapshotSettings
from lrbench.spec.solver_types import PARTICULAR, SOLVER_PARAMETERS, SolverType

if TYPE_CHECKING:
    from lrbench.policies import Policy


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
        order: order of the training samples: ``by seed``, a permutation that the seed gives, or ``as stored`` in the
            data set; None: that of the experiment's stored runs, by seed where there are none.
        iterations: iterations of every run.
        test_interval: iterations between evaluations on the whole test set; the end of a run is evaluated, too.
        display_interval: iterations between losses in Caffe's log.
    """

    net: Text = Field(examples=["lenet"])
    dataset: DataSetSetting = Field(examples=["mnist"])
    batch_size: Count = Field(examples=["100"])
    test_batch_size: Count | None = Field(default=None, examples=["100"])
    order: Order | None = Field(default=None, examples=["as stored"])
    iterations: Iterations = Field(examples=["10000"])
    test_interval: Count = Field(examples=["500"])
    display_interval: Count = Field(default=100, examples=["100"])

    @property
    def interval(self) -> int:
        """Iterations between evaluations."""
        return self.test_interval

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
        momentum: momentum of SGD, Nesterov, AdaDelta and Adam; a policy gives that of each iteration.
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
    momentum: Momentum = Field(default=0.0, examples=["0.9"])
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

    @cached_property
    def momentum_policy(self) -> Policy | None:
        """The policy that gives the momentum of each iteration; None where it is a number."""
        from lrbench.policies import Policy

        return Policy.parse(self.momentum) if isinstance(self.momentum, str) else None

    def resolved(self) -> dict[str, Any]:
        """The parameters that this type reads, with their values."""
        unread = set(PARTICULAR) - SOLVER_PARAMETERS[self.type]
        return {name: value for name, value in self.model_dump().items() if name not in unread and value is not None}


class StoppingSettings(Settings):
    """Rules by which a run ends before its last iteration; by default none.

    Attributes:
        at_target: stop once the target is reached.
        patience: stop after this many evaluations without a new best value of the objective; None: never.
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
        seeds: seeds of weights, batches and augmentation, a list or a count (3 for 0, 1, 2); every policy is trained
            with each of them. Or a mapping, for ``run`` alone: seeds are added until the policies are told apart.
        target_accuracy: accuracy for iterations_to_target and seconds_to_target; None: none, which leaves them unknown.
        target: in its place, a target on another metric; None: none.
        objective: what runs are judged by.
        policies: text or mappings; a list in place of a value makes a grid. Optional for commands that search for
            policies.
        stopping: when a run ends early.
        robustness: factors with which each policy is also run; None: none.
        snapshots: when the state of a run is saved, and how many saved states are kept.
        share_prefixes: train iterations that runs have in common once: those with the same seed and the same rates.
        search: settings of ``tune``.
        range: settings of ``range``.
        composition: settings of ``compose``.
    """

    name: Word = Field(examples=["mnist_lenet"])
    workload: WorkloadSettings
    solver: Annotated[list[SolverSettings], Field(min_length=1, examples=["{type: SGD, momentum: 0.9}"])]
    engine: EngineSettings = EngineSettings()
    seeds: SeedsSetting = Field(default=[0], examples=["[0, 1, 2]"])
    target_accuracy: Annotated[float, Field(gt=0, le=1)] | None = Field(default=None, examples=["0.989"])
    target: TargetSettings | None = Field(default=None, examples=["{metric: test_loss, value: 0.12}"])
    objective: ObjectiveSettings = ObjectiveSettings()
    policies: Annotated[list[Any], Field(min_length=1, examples=["['FIX(k0=0.01)']"])]
    stopping: StoppingSettings = StoppingSettings()
    robustness: RobustnessSettings | None = None
    snapshots: SnapshotSettings = SnapshotSettings()
    share_prefixes: bool = Field(default=True, examples=["false"])
    search: SearchSettings = SearchSettings()
    range: RangeSettings = RangeSettings()
    composition: CompositionSettings = CompositionSettings()

    @model_validator(mode="after")
    def _parts_fit(self) -> ExperimentSettings:
        self._objective_fits()
        if self.stopping.at_target and self.aim is None:
            raise inconsistent(
                ("stopping", "at_target"),
                "is true, but there is no target_accuracy to reach",
                "add one, such as target_accuracy: 0.98",
            )
        if self.search.by != "value" and self.aim is None:
            raise inconsistent(
                ("search", "by" if self.search.objective is None else "objective"),
                f"is {self.search.by}, but there is no target_accuracy",
                "add one, such as target_accuracy: 0.98",
            )
        self.snapshots.check_fits(self.workload.interval, self.workload.iterations)
        self.range.refuse_longer_than(self.workload.iterations)
        if isinstance(self.seeds, AddedSeeds):
            metric = self.objective.ranking
            self.seeds.check_unit(metric.unit, metric.title)
        refuse_doubled(self.seed_list, ("seeds",))
        self._momenta_fit()
        same = first_doubled([tuple(solver.resolved().items()) for solver in self.solver])
        if same is not None:
            raise inconsistent(("solver", same), "is the same as an earlier solver", "remove one")
        return self

    def _momenta_fit(self) -> None:
        """Raise an error for a momentum policy that is impossible in a run of the workload's length."""
        for index, solver in enumerate(self.solver):
            policy = solver.momentum_policy if isinstance(solver, SolverSettings) else None
            try:
                if policy is not None:
                    check_momentum(policy, self.workload.iterations)
            except PolicyError as error:
                remedy = error.remedy or "change its parameters"
                raise inconsistent(("solver", index, "momentum"), f"is {policy}: {error.message}", remedy) from None

    @property
    def seed_list(self) -> list[int]:
        """All seeds that a policy may be trained with."""
        return list(range(self.seeds.at_most)) if isinstance(self.seeds, AddedSeeds) else self.seeds

    @property
    def aim(self) -> AnyTarget | None:
        """The target to reach: an accuracy, or a target on another metric; None where there is none."""
        if self.target is None:
            return self.target_accuracy
        if self.target.metric == "accuracy":
            return self.target.value
        goal = self.objective.goal if self.target.metric == self.objective.metric else None
        goal = goal or known_goal(self.target.metric)
        assert goal is not None  # as it was checked
        return Target(Objective(self.target.metric, goal), self.target.value)

    def _objective_fits(self) -> None:
        """Raise an error for an objective or target whose metric or goal is not known, or for two targets."""
        is_net, target = isinstance(self.workload, WorkloadSettings), self.target
        for key, section, goal in (("objective", self.objective, self.objective.goal), ("target", target, None)):
            if section is None or section.metric == "accuracy":
                continue
            if (is_net and not is_measured(section.metric)) or not is_evaluated(section.metric):
                raise no_metric((key, "metric"), section.metric)
            if section.metric == self.objective.metric:
                goal = self.objective.goal
            if goal is None and known_goal(section.metric) is None:
                raise inconsistent(
                    ("objective", "goal"),
                    f"is missing: the name {section.metric} does not tell whether low or high values are better",
                    "write goal: minimize or goal: maximize"
                    if section.metric == self.objective.metric
                    else f"set objective.metric to {section.metric}, with its goal",
                )
        if target is None:
            return
        if self.target_accuracy is not None:
            raise inconsistent(("target",), "excludes target_accuracy, its short form", "remove one of them")
        if target.metric == "accuracy" and not 0 < target.value <= 1:
            raise inconsistent(
                ("target", "value"),
                f"is {target.value:g}, but an accuracy is above 0 and at most 1",
                "give a fraction, such as 0.98 for 98 %",
            )


class TuningSettings(ExperimentSettings):
    """A spec for a command that searches for or recommends policies, in which policies are optional."""

    policies: list[Any] = Field(default=[])
