"""What a spec may hold: the keys, their types, defaults and rules.

A field's example is what a message shows when its key is missing or its value is refused.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from lrbench.spec.composition import CompositionSettings
from lrbench.spec.engine import EngineSettings
from lrbench.spec.fields import (
    Count,
    Fraction,
    Iterations,
    NonNegative,
    Positive,
    Seed,
    Settings,
    Text,
    Word,
    first_doubled,
    misfit,
    refuse_doubled,
)
from lrbench.spec.range import RangeSettings
from lrbench.spec.search import SearchSettings
from lrbench.spec.solver_types import PARTICULAR, SOLVER_PARAMETERS, SolverType


class DataFolders(Settings):
    """A data set of the user's own: LMDB folders, and a mean file if the net wants one.

    Attributes:
        train: LMDB folder of the training set, as Caffe's ``convert_imageset`` writes it; a path from the spec.
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
    """What is trained, on what, for how long.

    Attributes:
        net: a prototxt, as a path from the spec, or one of the names lenet, cnn3, resnet20, resnet32.
        dataset: mnist, cifar10, cifar10_padded, digits, the name of another package's, or a mapping of folders.
        batch_size: training images of one iteration, before ``solver.iter_size``.
        test_batch_size: test images of one batch, of which the test set must be a multiple; None: ``batch_size``.
        iterations: of every run.
        test_interval: evaluate on the whole test set this often, in iterations, and at the end.
        display_interval: how often Caffe's log has the loss, in iterations.
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
            raise misfit(
                ("test_interval",),
                f"is {self.test_interval}, more than the {self.iterations} iterations",
                f"set it to {self.iterations} or less",
            )
        return self


class SolverSettings(Settings):
    """One solver, with Caffe's parameters and Caffe's defaults.

    Attributes:
        type: the update rule; a list of types is a list of solvers.
        momentum: of SGD, Nesterov, AdaDelta and Adam.
        momentum2: of Adam.
        delta: of AdaGrad, RMSProp, AdaDelta and Adam.
        rms_decay: of RMSProp.
        weight_decay: factor of the regularization.
        regularization_type: L2 (half the sum of squares) or L1 (the sum of absolute values).
        clip_gradients: the largest L2 norm of all gradients together, summed over ``iter_size``; above it they are
            scaled down; None: no limit.
        iter_size: batches accumulated for one update.
        lr_scale: multiplies the rates of every policy under this solver, so that one list of policies can serve
            solvers whose useful rates differ.
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
                raise misfit(
                    (name,),
                    f"is no parameter of {self.type}",
                    "leave it out, or write a list of mappings, one for each solver",
                )
        return self

    def resolved(self) -> dict[str, Any]:
        """The parameters that this type reads, with their values."""
        unread = set(PARTICULAR) - SOLVER_PARAMETERS[self.type]
        return {name: value for name, value in self.model_dump().items() if name not in unread and value is not None}


class StoppingSettings(Settings):
    """When a run ends before its iterations are done; nothing here means never.

    Attributes:
        at_target: stop once ``target_accuracy`` is reached.
        patience: stop after this many evaluations without a new best; None: never.
        max_train_seconds: stop after this much training, evaluations excluded; None: never.
    """

    at_target: bool = Field(default=False, examples=["true"])
    patience: Count | None = Field(default=None, examples=["10"])
    max_train_seconds: Positive | None = Field(default=None, examples=["3600"])


class RobustnessSettings(Settings):
    """The factors with which each policy is also run.

    Attributes:
        scales: what the rates are multiplied by.
    """

    scales: Annotated[list[Positive], Field(min_length=1, examples=["[0.1, 0.5, 1, 5, 10]"])]

    @model_validator(mode="after")
    def _each_once(self) -> RobustnessSettings:
        refuse_doubled(self.scales, ("scales",))
        return self


class ExperimentSettings(Settings):
    """A whole spec, lists of solvers written out and policies not yet read.

    Attributes:
        name: of the experiment and its folder among the results; without it, the file's name.
        workload: what is trained.
        solver: a mapping, a type, or a list of either: a matrix of solvers and policies.
        engine: what trains.
        seeds: of weights, batches and augmentation; every policy is run with each of them and compared over them.
        target_accuracy: for iterations_to_target and seconds_to_target; None: none, so that they are not known.
        policies: text or mappings; a list where one value belongs makes a grid. What looks for policies needs none.
        stopping: when a run ends early.
        robustness: the scales with which each policy is run, too; None: none.
        search: how ``tune`` searches.
        range: what ``range`` tries.
        composition: how ``compose`` composes.
    """

    name: Word = Field(examples=["mnist_lenet"])
    workload: WorkloadSettings
    solver: Annotated[list[SolverSettings], Field(min_length=1, examples=["{type: SGD, momentum: 0.9}"])]
    engine: EngineSettings = EngineSettings()
    seeds: Annotated[list[Seed], Field(min_length=1)] = Field(default=[0], examples=["[0, 1, 2]"])
    target_accuracy: Annotated[float, Field(gt=0, le=1)] | None = Field(default=None, examples=["0.989"])
    policies: Annotated[list[Any], Field(min_length=1, examples=["['FIX(k0=0.01)']"])]
    stopping: StoppingSettings = StoppingSettings()
    robustness: RobustnessSettings | None = None
    search: SearchSettings = SearchSettings()
    range: RangeSettings = RangeSettings()
    composition: CompositionSettings = CompositionSettings()

    @model_validator(mode="after")
    def _parts_fit(self) -> ExperimentSettings:
        if self.stopping.at_target and self.target_accuracy is None:
            raise misfit(
                ("stopping", "at_target"),
                "is true, but there is no target_accuracy to reach",
                "add target_accuracy: 0.98 for instance",
            )
        if self.search.objective != "accuracy" and self.target_accuracy is None:
            raise misfit(
                ("search", "objective"),
                f"is {self.search.objective}, but there is no target_accuracy",
                "add target_accuracy: 0.98 for instance",
            )
        self.range.refuse_longer_than(self.workload.iterations)
        refuse_doubled(self.seeds, ("seeds",))
        same = first_doubled([tuple(solver.resolved().items()) for solver in self.solver])
        if same is not None:
            raise misfit(("solver", same), "is the same as one before it", "keep one")
        return self


class ChoosingSettings(ExperimentSettings):
    """A spec for a command that looks for policies: it need not bring any."""

    policies: list[Any] = Field(default=[])
