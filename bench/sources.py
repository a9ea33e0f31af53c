"""Where models and images come from: small descriptions that travel to workers and load there."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import inspect
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor, nn

from bench.errors import UsageError, nearest
from bench.results import ModelInfo
from zoo import data as zoo_data
from zoo import entries, registry
from zoo.deployment import deploy

ENTRY_POINTS = "symbench.models"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource:
    """How to load an evaluation split.

    Attributes:
        spec: as ``zoo.data.load`` takes it, e.g. ``digits``, ``folder:PATH`` or ``corrupted:digits``.
        root: where the files lie, for data sets that have files.
        name: the name rows show, if it is to differ.
        resize: side that a folder's images are resized to.
        seed: of the random numbers of corruptions that are made here.
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
        kind: ``zoo``, ``file`` or ``entry point``.
        name: name in rows; a path never appears in it.
        target: zoo name, ``path/to/file.py:factory``, or name of an entry point.
        dataset: data set measured on, which decides the zoo's default weights.
        weights: for the zoo, a data set's name or a directory; otherwise a weights file.
    """

    kind: str
    name: str
    target: str
    dataset: str
    weights: str | None = None

    def build(self) -> nn.Module:
        """The model with its weights, as its author made it; not yet frozen or deployed."""
        if self.kind == "zoo":
            return registry.load_record(self.record())
        model = _call(self._factory(), self.name)
        if self.weights is not None:
            _load_weights(model, Path(self.weights), self.name)
        return model

    def record(self) -> registry.WeightsRecord:
        """The entry of a zoo model's ``weights.json``."""
        return registry.find(self.target, self.dataset, weights_from=self.weights)

    def _factory(self) -> Any:
        return _entry_point(self.target) if self.kind == "entry point" else _from_file(self.target)

    def digest(self, model: nn.Module) -> str:
        """sha256 of what the model computes with: the checkpoint, or for foreign models tensors and code."""
        if self.kind == "zoo":
            return self.record().sha256
        # The name too: two factories of one file may give equal tensors that compute different things.
        total = hashlib.sha256(f"{self.name} {tensors_digest(model)}".encode())
        for file in self._code():
            total.update(file.read_bytes())
        return total.hexdigest()

    def _code(self) -> list[Path]:
        """The files that hold the factory: the one named, and the one it was imported from."""
        named = [Path(self.target.rpartition(":")[0])] if self.kind == "file" else []
        try:
            found = inspect.getsourcefile(inspect.unwrap(self._factory()))
        except TypeError:  # a partial or another callable object, whose code lies nowhere in particular
            found = None
        if found and not any(Path(found).samefile(file) for file in named):
            named.append(Path(found))
        return named


def find_model(
    target: str, *, dataset: str, weights: str | None, weights_from: str | None, data: str | None = None
) -> tuple[ModelSource, ModelInfo]:
    """``find_source`` and ``describe`` in one."""
    source = find_source(target, dataset=dataset, weights=weights, weights_from=weights_from)
    return source, describe(source, data)


def describe(source: ModelSource, data: str | None = None) -> ModelInfo:
    """What rows say of a model, which is built for it unless it is of the zoo.

    Args:
        source: where the model comes from.
        data: digest of the images measured on. Weights of a data set of the same name but other images are
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
        trained_on="unknown",
        parameters=sum(p.numel() for p in model.parameters()),
        origin=source.kind,
    )


def find_source(target: str, *, dataset: str, weights: str | None, weights_from: str | None) -> ModelSource:
    """Resolves what a user named: a model of the zoo, ``file.py:factory`` or an entry point.

    Args:
        target: what the user named.
        dataset: data set measured on; weights trained on it are taken unless ``weights_from`` names others.
        weights: weights file of one's own model.
        weights_from: data set or directory the zoo's weights come from.

    Raises:
        UsageError: no such model.
    """
    path, colon, factory = target.rpartition(":")
    if colon and path.endswith(".py"):
        name = f"{Path(path).stem}:{factory}"
        return ModelSource(kind="file", name=name, target=target, dataset=dataset, weights=weights)
    if target.endswith(".py"):
        raise UsageError(f"{target!r} names a file but no factory; write {target}:FUNCTION")
    if target in entry_points():
        return ModelSource(kind="entry point", name=target, target=target, dataset=dataset, weights=weights)
    try:
        entries.parsed(target)
    except entries.UnknownModel:
        known = [*entries.ENTRIES, *entry_points()]
        raise UsageError(f"unknown model {target!r}; {nearest(target, known)}") from None
    return ModelSource(kind="zoo", name=target, target=target, dataset=dataset, weights=weights_from)


def deployed(model: nn.Module, device: str) -> nn.Module:
    """The frozen, faster equal of a model on a device (see ``zoo.deploy``); the model stays as it is."""
    return deploy(model).to(device)


@runtime_checkable
class Images(Protocol):
    """What is measured on: an evaluation split in its fixed order."""

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


def probe(
    name: str, model: nn.Module, x: Float[Tensor, "n c h w"], classes: int, *, finite: bool = True
) -> None:
    """Looks once whether a model can be measured at all.

    Args:
        name: for the message.
        model: deployed model on the device of ``x``.
        x: the first batch (n, c, h, w) in [0, 1].
        classes: number of classes in the data.
        finite: whether logits must be.

    Raises:
        UsageError: it raises, gives logits of a wrong shape, or gives NaN.
    """
    try:
        with torch.no_grad():
            logits = model(x)
    except Exception as fault:
        reason = (str(fault).splitlines() or [""])[0]
        shape = tuple(x.shape)
        raise UsageError(
            f"model {name!r} raised {type(fault).__name__} on its first batch of shape {shape}: {reason}"
        ) from fault
    if not isinstance(logits, Tensor):
        raise UsageError(f"model {name!r} gives a {type(logits).__name__}; it must give a tensor of logits")
    if logits.ndim != 2 or len(logits) != len(x) or logits.shape[1] < max(2, classes):
        raise UsageError(
            f"model {name!r} gives logits of shape {tuple(logits.shape)} for {len(x)} images of {classes} "
            f"classes; it must give ({len(x)}, {classes})"
        )
    if finite and not torch.isfinite(logits).all():
        raise UsageError(f"model {name!r} gives NaN or infinite logits on its first batch of clean images")


def tensors_digest(model: nn.Module) -> str:
    """sha256 of all parameters and buffers with their names, types and shapes."""
    total = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        if isinstance(value, Tensor):
            array = value.detach().cpu().contiguous()
            total.update(f"{name} {array.dtype} {tuple(array.shape)};".encode())
            total.update(array.flatten().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def entry_points() -> dict[str, Any]:
    """Installed models by name, from the entry-point group ``symbench.models``."""
    return {point.name: point for point in importlib.metadata.entry_points(group=ENTRY_POINTS)}


def _entry_point(name: str) -> Any:
    try:
        return entry_points()[name].load()
    except Exception as fault:
        raise UsageError(f"entry point {name!r} of {ENTRY_POINTS} cannot be loaded: {fault}") from fault


def _from_file(target: str) -> Any:
    path, _, factory = target.rpartition(":")
    file = Path(path)
    if not file.is_file():
        raise UsageError(f"no model file {path!r}; give --model path/to/file.py:factory")
    spec = importlib.util.spec_from_file_location(f"symbench_model_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path!r} cannot be imported as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as fault:
        raise UsageError(f"{path!r} raised {type(fault).__name__} when imported: {fault}") from fault
    found = getattr(module, factory, None)
    if not callable(found):
        public = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
        raise UsageError(f"{path!r} has no function {factory!r}; {nearest(factory, public)}")
    return found


def _call(factory: Any, name: str) -> nn.Module:
    # A factory that initialises at random must give the same model in every worker.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        try:
            model = factory()
        except Exception as fault:
            raise UsageError(f"the factory of {name!r} raised {type(fault).__name__}: {fault}") from fault
    if not isinstance(model, nn.Module):
        raise UsageError(f"the factory of {name!r} gives a {type(model).__name__}, not a torch.nn.Module")
    return model


def _load_weights(model: nn.Module, path: Path, name: str) -> None:
    if not path.is_file():
        raise UsageError(f"no weights file {str(path)!r}")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
            state = state.get("state_dict", state)
    except Exception as fault:
        raise UsageError(
            f"{str(path)!r} is no weights file that can be read safely ({type(fault).__name__}); "
            "give a .safetensors file or a .pt file of plain tensors"
        ) from fault
    try:
        model.load_state_dict(state, strict=True)
    except (RuntimeError, AttributeError, TypeError) as fault:
        reason = " ".join(str(fault).split())[:300]
        raise UsageError(f"{str(path)!r} does not fit model {name!r}: {reason}") from fault
