"""Models that installed libraries build by name, with the preparation that the library describes."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bench.errors import UsageError, in_words, nearest
from bench.inputs.preparation import Preparation

RANDOM = "none"  # random weights
_INSTALL = {
    "torchvision": "torchvision",
    "timm": "'symbench[timm]'",
    "hf": "'symbench[hf]'",
    "robustbench": "robustbench",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A model of a library.

    Attributes:
        library: ``torchvision``, ``timm``, ``hf`` or ``robustbench``.
        name: in the library.
        weights: by the library's name for them; ``none`` for random ones, empty for its default.
        classes: outputs of a model with random weights; 0 for the library's own number.
        dataset: data set that is measured on.
        download: whether missing weights may be fetched.
        size: side of the images that the model gets; ``None`` for the side that the library describes.
    """

    library: str
    name: str
    weights: str
    classes: int
    dataset: str
    download: bool
    size: int | None

    @property
    def random(self) -> bool:
        """Whether its weights are random."""
        return self.weights == RANDOM

    @property
    def shown(self) -> str:
        """The name as a user writes it, without weights."""
        return f"{self.library}:{self.name}"

    def absent(self, where: object) -> UsageError:
        """The error that its weights or files are missing, with the remedy."""
        what = "configuration of" if self.random else "weights of"
        can_be_random = self.library in ("torchvision", "timm")
        random = f", or take random ones with {self.shown}@{RANDOM}" if can_be_random else ""
        return UsageError(f"no {what} {self.shown!r} in {where}; add --download to fetch them{random}")


class Adapted(nn.Module):
    """A library's network for images in [0, 1]: grey ones as three equal channels, then the library's preparation.

    Args:
        model: classifier of prepared images (n, 3, size, size).
        size: images of another side are resized to this; ``None`` for no resizing.
        mean, std: of each channel; empty for none.
    """

    def __init__(
        self, model: nn.Module, size: int | None = None, mean: Iterable[float] = (), std: Iterable[float] = ()
    ) -> None:
        super().__init__()
        self.model, self.size = model, size
        self.mean, self.std = tuple(map(float, mean)), tuple(map(float, std))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Any:
        """The network's output."""
        coloured = x.repeat(1, 3, 1, 1) if x.shape[1] == 1 else x
        return self.model(Preparation(size=self.size, mean=self.mean, std=self.std).apply(coloured))


def made_by_library(wanted: Wanted) -> Adapted:
    """The model, in the library's own training mode; raises ``UsageError`` with a remedy."""
    _check_weights(wanted)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the library's messages are for its direct callers
            return _BUILDERS[wanted.library](wanted)
    except UsageError:
        raise
    except Exception as fault:
        raise UsageError(f"{wanted.shown!r} cannot be built: {in_words(fault)[:300]}") from fault


def _check_weights(wanted: Wanted) -> None:
    """Only torchvision has several weights of a model by name; RobustBench has no network without weights."""
    choice = {"torchvision": wanted.weights, "robustbench": ""}.get(wanted.library, RANDOM)
    if wanted.weights not in ("", choice):
        known = f"@{choice} or nothing" if choice else "nothing"
        raise UsageError(f"{wanted.shown!r} has no weights {wanted.weights!r}; give {known} after its name")


def library_names(library: str) -> dict[str, str]:
    """The models of a library with the names of their weights; ``UsageError`` for one that has no list here."""
    if library == "torchvision":
        models = _package(library, "torchvision.models")
        return {
            name: ", ".join(weights.name for weights in models.get_model_weights(name))
            for name in models.list_models(module=models)
        }
    if library == "timm":
        timm = _package(library, "timm")
        return {name: ", ".join(timm.list_pretrained(f"{name}.*")) for name in timm.list_models()}
    raise UsageError(f"models of {library}: are not listed here; name one as {library}:NAME")


def _package(library: str, module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as fault:
        raise UsageError(
            f"{library}: models need a package that cannot be imported ({in_words(fault)}); "
            f"pip install {_INSTALL[library]}"
        ) from fault


def _known(wanted: Wanted, names: Iterable[str]) -> None:
    if wanted.name not in (known := list(names)):
        raise UsageError(f"{wanted.library} has no model {wanted.name!r}; {nearest(wanted.name, known)}")


def _torchvision(wanted: Wanted) -> Adapted:
    models = _package("torchvision", "torchvision.models")
    _known(wanted, models.list_models(module=models))
    if wanted.random:
        outputs = {"num_classes": wanted.classes} if wanted.classes else {}
        return Adapted(models.get_model(wanted.name, weights=None, **outputs), wanted.size)
    choices = models.get_model_weights(wanted.name)
    names = [choice.name for choice in choices]
    if wanted.weights and wanted.weights not in names:
        near = nearest(wanted.weights, [*names, RANDOM])
        raise UsageError(f"{wanted.shown!r} has no weights {wanted.weights!r}; {near}")
    chosen = choices[wanted.weights] if wanted.weights else choices.DEFAULT
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    if not (wanted.download or (folder / Path(chosen.url).name).is_file()):
        raise wanted.absent(folder)
    described = chosen.transforms()
    model = models.get_model(wanted.name, weights=chosen, progress=False)
    return Adapted(model, wanted.size or described.crop_size[0], described.mean, described.std)


def _timm(wanted: Wanted) -> Adapted:
    timm = _package("timm", "timm")
    if not timm.is_model(wanted.name.partition(".")[0]):
        _known(wanted, timm.list_models())
    outputs = {"num_classes": wanted.classes} if wanted.random and wanted.classes else {}
    model = timm.create_model(wanted.name, pretrained=False, **outputs)
    if wanted.random:
        return Adapted(model, wanted.size)
    if file := _cached_by_timm(model.pretrained_cfg):
        model = timm.create_model(wanted.name, pretrained=True, pretrained_cfg_overlay={"file": file})
    elif wanted.download:
        model = timm.create_model(wanted.name, pretrained=True)
    else:
        raise wanted.absent("the local cache")
    described = timm.data.resolve_data_config({}, model=model)
    return Adapted(model, wanted.size or described["input_size"][-1], described["mean"], described["std"])


def _cached_by_timm(described: dict[str, Any]) -> str | None:
    """The file of a model's weights, if it was fetched before."""
    hub = _package("timm", "huggingface_hub")
    if repository := described.get("hf_hub_id"):
        files = (
            hub.try_to_load_from_cache(repository, f) for f in ("model.safetensors", "pytorch_model.bin")
        )
        if found := next((file for file in files if isinstance(file, str)), None):
            return found
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(described.get("url") or "").name
    return str(file) if file.is_file() else None


def _hugging_face(wanted: Wanted) -> Adapted:
    hub = _package("hf", "transformers")
    local = {"local_files_only": not wanted.download}
    if not wanted.download:
        hub.logging.disable_progress_bar()  # its lock would be left behind when a worker is ended
    try:
        if wanted.random:
            labels = {"num_labels": wanted.classes} if wanted.classes else {}
            config = hub.AutoConfig.from_pretrained(wanted.name, **labels, **local)
            return Adapted(hub.AutoModelForImageClassification.from_config(config), wanted.size)
        hub.AutoConfig.from_pretrained(wanted.name, **local)
        described = _image_processor(hub, wanted, local)
        model = hub.AutoModelForImageClassification.from_pretrained(wanted.name, **local)
    except OSError as fault:
        if wanted.download:
            raise
        raise wanted.absent("the local cache") from fault
    normalised = described.get("do_normalize", True)
    mean, std = (described.get(f"image_{each}", ()) if normalised else () for each in ("mean", "std"))
    return Adapted(model, wanted.size or _side(described), mean, std)


def _image_processor(hub: Any, wanted: Wanted, local: dict[str, bool]) -> dict[str, Any]:
    """How a model's images are prepared; asked before its weights are read, which takes longer."""
    try:
        return hub.AutoImageProcessor.from_pretrained(wanted.name, **local).to_dict()
    except OSError as fault:
        raise UsageError(
            f"{wanted.shown} has no preprocessor_config.json, which says how images are prepared; save the image "
            "processor beside it, or load the model in a FILE.py:FACTORY and give --mean and --std"
        ) from fault


def _side(described: dict[str, Any]) -> int | None:
    """The side of the images that an image processor gives its model."""
    sides = (described.get("do_center_crop") and described.get("crop_size")) or described.get("size") or {}
    if not isinstance(sides, dict):
        return sides
    return sides.get("height") or sides.get("shortest_edge")


def _robustbench(wanted: Wanted) -> Adapted:
    utils = _package("robustbench", "robustbench.utils")
    threat, _, name = wanted.name.rpartition("/")
    folder = Path(torch.hub.get_dir()) / "robustbench"
    if not (wanted.download or list((folder / wanted.dataset).glob(f"*/{name}.pt*"))):
        raise wanted.absent(folder / wanted.dataset)
    options = {"dataset": wanted.dataset, "threat_model": threat or "Linf", "model_dir": str(folder)}
    return Adapted(
        utils.load_model(model_name=name, **options), wanted.size
    )  # the network normalises by itself


_BUILDERS: dict[str, Callable[[Wanted], Adapted]] = {
    "torchvision": _torchvision,
    "timm": _timm,
    "hf": _hugging_face,
    "robustbench": _robustbench,
}
LIBRARIES = tuple(_BUILDERS)
