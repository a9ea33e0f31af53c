"""Where models and images come from: small descriptions that are sent to workers and load there."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn

from bench.errors import UsageError
from bench.inputs import own_models, own_training
from bench.inputs.checkpoint import load_weights
from bench.inputs.folding import folded
from bench.inputs.foreign import Foreign, precision_of
from bench.inputs.libraries import LIBRARIES, RANDOM, Adapted, Wanted, made_by_library
from bench.inputs.model_info import ModelInfo
from bench.inputs.outputs import giving_logits
from bench.inputs.own_code import digest_of, source_files
from bench.inputs.preparation import AS_IT_IS, Preparation, Prepared
from bench.inputs.switches import put_back
from bench.inputs.unknown_model import unknown_model
from zoo import data as zoo_data
from zoo import entries, registry
from zoo.deployment import Deployed, deploy


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource:
    """How to load an evaluation split.

    Attributes:
        spec: as ``zoo.data.load`` takes it, e.g. ``digits``, ``folder:PATH`` or ``corrupted:digits``.
        root: directory of the files, for data sets that have files.
        name: another name for the rows; empty for none.
        resize: side that a folder's images are resized to.
        seed: of the random numbers of corruptions that are computed here.
    """

    spec: str
    root: str | None = None
    name: str | None = None
    resize: int | None = None
    seed: int = 0

    def load(self, *, split: str = "test", download: bool = False) -> zoo_data.Dataset:
        """The split in its fixed order; raises ``zoo.data.DataError`` with a remedy."""
        root = Path(self.root) if self.root else None
        options: dict[str, Any] = {"name": self.name, "resize": self.resize, "seed": self.seed}
        return zoo_data.load(self.spec, split, root=root, download=download, **options)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """How to load a model.

    Attributes:
        kind: ``zoo``, ``file``, ``entry point`` or a library of ``bench.inputs.libraries``.
        name: name in rows, never with a path.
        target: zoo name, ``/path/to/file.py:factory``, name of an entry point, or ``NAME[@WEIGHTS]`` in a library.
        dataset: data set measured on, which decides the zoo's default weights.
        weights: for the zoo, a data set's name or a directory; otherwise a weights file with its whole path.
        trained_on: data set of the weights, where ``bench train`` made them; not used for the zoo.
        classes: outputs of a library's model with random weights; 0 for the library's own number.
        download: whether a library may fetch missing weights.
        preparation: steps before the model and after it; none for the zoo.
    """

    kind: str
    name: str
    target: str
    dataset: str
    weights: str | None = None
    classes: int = 0
    download: bool = False
    preparation: Preparation = AS_IT_IS
    trained_on: str = "unknown"

    @property
    def foreign(self) -> bool:
        """Whether other people's code builds it; such code may change anything in its process."""
        return self.kind in ("file", "entry point") or self.of_library

    @property
    def of_library(self) -> bool:
        """Whether an installed library builds it by name."""
        return self.kind in LIBRARIES

    def build(self) -> nn.Module:
        """The model with its weights, as its author made it; not yet frozen or deployed."""
        if self.kind == "zoo":
            return registry.load_record(self.record())
        with self._apart():
            model = own_models.made(self._factory(), self.name)
        if self.weights is not None:
            load_weights(model.model if isinstance(model, Adapted) else model, Path(self.weights), self.name)
        # A TorchScript module takes no hooks.
        if self.preparation or isinstance(model, torch.jit.ScriptModule):
            return Prepared(model, self.preparation)
        return giving_logits(model)

    def record(self) -> registry.WeightsRecord:
        """The entry of a zoo model's ``weights.json``."""
        return registry.find(self.target, self.dataset, weights_from=self.weights)

    def _apart(self) -> AbstractContextManager[None]:
        return put_back(f"the factory of {self.name!r}")

    def _factory(self) -> Any:
        if self.of_library:
            return partial(made_by_library, self._wanted())
        load = own_models.entry_point if self.kind == "entry point" else own_models.from_file
        return load(self.target)

    def _wanted(self) -> Wanted:
        """The request to a library; with a user's weights file it asks for none of the library's."""
        name, _, weights = self.target.partition("@")
        return Wanted(
            library=self.kind,
            name=name,
            weights=weights or (RANDOM if self.weights else ""),
            classes=self.classes,
            dataset=self.dataset,
            download=self.download,
            size=self.preparation.size,
        )

    def digest(self, model: nn.Module) -> str:
        """sha256 of the checkpoint, or for foreign models of state and code.

        Code is the user's own files as ``bench.inputs.own_code`` finds them.
        """
        if self.kind == "zoo":
            return self.record().sha256
        model = model.model if isinstance(model, Prepared) else model
        code = "" if self.of_library else digest_of(self.code_files(model), model)
        # The name too: two factories of one file may give equal tensors that compute different things.
        prepared = f" {self.preparation}" if self.preparation else ""
        state = own_models.state_digest(model)
        return hashlib.sha256(f"{self.name} {state} {code}{prepared}".encode()).hexdigest()

    def code_files(self, model: nn.Module) -> list[Path]:
        """The user's own files with the code of a model from a file or an entry point, in ascending order."""
        with self._apart():
            factory = self._factory()
        return source_files(model, own_models.module_of(self.kind, self.target), factory)


def find_model(
    target: str, *, dataset: str, weights: str | None, weights_from: str | None, data: str | None = None
) -> tuple[ModelSource, ModelInfo]:
    """``find_source`` and ``describe`` in one."""
    source = find_source(target, dataset=dataset, weights=weights, weights_from=weights_from)
    return source, describe(source, data)


def describe(source: ModelSource, data: str | None = None) -> ModelInfo:
    """The description of a model in rows; a model that is not of the zoo is built to make it.

    Args:
        source: where the model comes from.
        data: digest of the images measured on. Weights trained on a data set of the same name but with other images are
            used, and ``trained_on`` says so.

    Raises:
        UsageError: it cannot be built, or its weights are missing or corrupt.
    """
    if source.kind == "zoo":
        record = source.record()
        digests = {data, record.test_sha256} - {None}
        other = record.dataset == source.dataset and len(digests) > 1
        return ModelInfo(
            name=source.name,
            weights=record.sha256,
            trained_on=f"{record.dataset} (other images)" if other else record.dataset,
            parameters=record.parameters,
            origin="zoo",
        )
    model = source.build()
    return ModelInfo(
        name=source.name,
        weights=source.digest(model),
        trained_on=source.trained_on,
        parameters=sum(p.numel() for p in model.parameters()),
        origin=source.kind,
        precision=precision_name(model),
    )


def precision_name(model: nn.Module) -> str:
    """The type of a foreign model's images: ``float32`` or ``float64``."""
    return str(precision_of(model)).removeprefix("torch.")


def find_source(target: str, *, dataset: str, weights: str | None, weights_from: str | None) -> ModelSource:
    """Resolves the name that a user gave: a model of the zoo, ``file.py:factory``, ``library:name`` or an entry point.

    Args:
        target: that name.
        dataset: data set measured on; weights trained on it are taken unless ``weights_from`` names others.
        weights: weights file of a user's own model.
        weights_from: data set or directory of weights of ``bench train``.

    Raises:
        UsageError: no such model.
        zoo.registry.WeightsError: no such weights of a user's own architecture.
    """
    own_weights = weights and str(Path(weights).absolute())
    library, colon, inside = target.partition(":")
    if library in LIBRARIES and inside:
        return ModelSource(kind=library, name=target, target=inside, dataset=dataset, weights=own_weights)
    if own_training.is_trained(target):
        return _trained(target, dataset, own_weights, weights_from)
    path, colon, factory = target.rpartition(":")
    if colon and path.endswith(".py"):
        name = f"{Path(path).stem}:{factory}"
        target = f"{own_models.resolved(path)}:{factory}"
        return ModelSource(kind="file", name=name, target=target, dataset=dataset, weights=own_weights)
    if target.endswith(".py"):
        raise UsageError(f"{target!r} names a file but no factory; write {target}:FUNCTION")
    if target in own_models.entry_points():
        return ModelSource(
            kind="entry point", name=target, target=target, dataset=dataset, weights=own_weights
        )
    try:
        name = entries.parsed(target).name
    except entries.UnknownModel:
        raise unknown_model(target) from None
    return ModelSource(kind="zoo", name=name, target=name, dataset=dataset, weights=weights_from)


def _trained(target: str, dataset: str, weights: str | None, weights_from: str | None) -> ModelSource:
    """A user's own architecture with weights of ``bench train``."""
    found = own_training.asked(target)
    assert found is not None
    architecture, entry = found
    if weights is not None:
        raise UsageError(f"{target!r} names weights by recipe, and --weights a file; leave one of them out")
    record = registry.find(entry.name, dataset, weights_from)
    registry.checked(record)
    return ModelSource(
        kind="file",
        name=entry.name,
        target=architecture.target,
        dataset=dataset,
        weights=str(record.path.absolute()),
        trained_on=record.dataset,
    )


def deployed(model: nn.Module, device: str, *, fold: bool = False) -> nn.Module:
    """The frozen, faster equal of a model on a device (see ``zoo.deploy``); the model itself is not changed.

    One that is not of the zoo is wrapped in ``Foreign``.

    Args:
        model: as its author made it.
        device: of its equal.
        fold: whether one that is not of the zoo is folded; ``folded_if_equal`` found that it can be.

    Raises:
        UsageError: it can no longer be folded.
    """
    ready = deploy(model).to(device)
    if isinstance(ready, Deployed):
        return ready
    if not fold:
        return Foreign(ready)
    if (equal := folded(ready)) is None:
        raise UsageError(f"{type(model).__name__} cannot be folded as it was when the run began; run again")
    return Foreign(equal)


def as_made(model: nn.Module, raw: nn.Module) -> tuple[nn.Module, nn.Module]:
    """A deployed model and a fresh one for an audit: unwrapped, to see what they do to images.

    Args:
        model: as ``deployed`` gives it.
        raw: as its author built it.
    """
    if not isinstance(model, Foreign):
        return model, raw
    return (model.model, raw) if model.sees_float32 else (model, Foreign(raw))


@runtime_checkable
class Images(Protocol):
    """The images to measure on: an evaluation split in its fixed order."""

    @property
    def name(self) -> str: ...

    @property
    def labels(self) -> Int64[np.ndarray, " n"]: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def sha256(self) -> str: ...

    def __len__(self) -> int: ...

    def images(self, first: int = 0, count: int | None = None) -> Float32[Tensor, "count c h w"]:
        """Images ``first`` to ``first + count``: (count, c, h, w), float32 in [0, 1]."""
        ...
