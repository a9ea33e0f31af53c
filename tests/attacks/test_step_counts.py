"""The operations that the harness adds to the steps of an attack, and reads for which a GPU would have to wait."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType
from typing import Any

import numpy as np
import pytest
import torch
import torchattacks
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import zoo
from bench.attacks.measure import measure
from bench.inputs.sources import DataSource, deployed
from tests.toys import attack_cell

N = 8
# what waits for the device: seen by the dispatcher …
READS = {
    "_local_scalar_dense",
    "is_nonzero",
    "nonzero",
    "equal",
    "masked_select",
    "item",
    "_unique2",
    "unique_dim",
}
# … and what on a CPU copies nothing, but would from a GPU
COPIES = {"cpu", "numpy", "tolist", "item", "__bool__", "__float__", "__int__", "__index__", "__array__"}
OWNERS = {"/bench/": "harness", "/torchattacks/": "library", "/foolbox/": "library", "/eagerpy/": "library"}


class Counted:
    """Every operation of torch inside a ``with``, and every read with whose code it is; a step is a marker."""

    def __init__(self) -> None:
        self.operations: list[str] = []
        self.reads: list[tuple[int, str, str]] = []  # steps begun, owner, name
        self.steps = 0

    def __enter__(self) -> Counted:
        with ExitStack() as stack:
            stack.enter_context(_Methods(self))
            stack.enter_context(_Dispatched(self))
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def read(self, name: str) -> None:
        self.reads.append((self.steps, owner(sys._getframe(2)), name))

    def between(self, whose: str) -> list[str]:
        """Reads between the first step's question to the model and the last one's."""
        return [name for steps, who, name in self.reads if who == whose and 0 < steps < self.steps]


class _Methods(TorchFunctionMode):
    def __init__(self, counted: Counted) -> None:
        super().__init__()
        self._counted = counted

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in COPIES or (name == "to" and "cpu" in map(str, (*args[1:], *kwargs.values()))):
            self._counted.read(name)
        return func(*args, **kwargs)


class _Dispatched(TorchDispatchMode):
    def __init__(self, counted: Counted) -> None:
        super().__init__()
        self._counted = counted

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name.partition("::")[2]
        self._counted.operations.append(name)
        if name in READS or (name.startswith("index") and _masked(args)):
            self._counted.read(name)
        return func(*args, **(kwargs or {}))


def _masked(args: Any) -> bool:
    indices = args[1] if len(args) > 1 and isinstance(args[1], list | tuple) else ()
    return any(isinstance(each, Tensor) and each.dtype == torch.bool for each in indices)


def owner(frame: FrameType | None) -> str:
    """The code that made the call: the innermost frame that is neither torch nor this file."""
    while frame is not None:
        found = [who for part, who in OWNERS.items() if part in frame.f_code.co_filename]
        if found:
            return found[0]
        frame = frame.f_back
    return "nobody"


class Stepping(nn.Module):
    """Tells the counter of every question that a gradient may follow."""

    def __init__(self, body: nn.Module, counted: Counted) -> None:
        super().__init__()
        self.body, self._counted = body, counted
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        self._counted.steps += bool(torch.is_grad_enabled() and x.requires_grad)
        return self.body(x)


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return deployed(zoo.load("baseline_cnn_4", "digits"), "cpu")


@pytest.fixture(scope="module")
def images() -> tuple[Tensor, Tensor]:
    data = DataSource(spec="digits").load()
    return data.images(0, N), torch.from_numpy(data.labels[:N].astype(np.int64))


def attacked(model: nn.Module, images: tuple[Tensor, Tensor], **changes: Any) -> Counted:
    """One cell, counted."""
    counted = Counted()
    with counted:
        cell = attack_cell(count=N, eps=0.1, **changes)
        measure(cell, Stepping(model, counted), *images, np.ones(N, dtype=bool))
    return counted


def bare(model: nn.Module, images: tuple[Tensor, Tensor], steps: int) -> Counted:
    """The same attack by the library alone."""
    counted = Counted()
    with counted:
        torchattacks.PGD(model, eps=0.1, alpha=0.01, steps=steps, random_start=False)(*images)
    return counted


def a_step(count: Callable[[int], Counted]) -> int:
    """Operations of one step: what five more of them add, over five."""
    added = len(count(8).operations) - len(count(3).operations)
    assert added % 5 == 0
    return added // 5


@pytest.mark.parametrize(
    "ask",
    [
        lambda t: t.cpu(),
        lambda t: t.to("cpu"),
        lambda t: t.numpy(),
        lambda t: t.tolist(),
        lambda t: bool(t.any()),
        lambda t: float(t.max()),
        lambda t: t.sum().item(),
        lambda t: t.nonzero(),
        lambda t: t[t > 0],
        lambda t: t.index_put_((t > 0,), torch.tensor(1.0)),
        lambda t: torch.equal(t, t),
        lambda t: torch.where(t > 0),
    ],
)
def test_the_counter_sees_every_way_to_read(ask: Callable[[Tensor], Any]) -> None:
    with Counted() as counted:
        ask(torch.arange(4.0))
    assert counted.reads


def test_the_counter_sees_no_read_in_arithmetic() -> None:
    with Counted() as counted:
        t = torch.arange(4.0)
        torch.where(t > 0, t, 0).double().clamp(0, 1)[torch.tensor([1, 2])].argmax()
    assert not counted.reads


@pytest.mark.parametrize("best", [None, False, True])
@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("library", ["torchattacks==3.5.1", "foolbox==3.3.4"])
def test_nothing_is_read_between_the_first_and_the_last_step(
    model: nn.Module, images: tuple[Tensor, Tensor], library: str, norm: str, best: bool | None
) -> None:
    """``None``: without watching the iterates."""
    watched = {} if best is None else {"best_iterate": best}
    changes = {} if library.startswith("torch") else {"library": library}
    counted = attacked(model, images, norm=norm, params={"steps": 6, **watched}, **changes)
    assert counted.steps == 6
    assert counted.between("harness") == []


def test_reads_of_the_librarys_own_loop_are_told_apart(
    model: nn.Module, images: tuple[Tensor, Tensor]
) -> None:
    cell = attack_cell(attack="apgd_ce", count=N, eps=0.1).derive(
        params=(("best_iterate", False), ("restarts", 1), ("steps", 6))
    )
    counted = Counted()
    with counted:
        measure(cell, Stepping(model, counted), *images, np.ones(N, dtype=bool))
    assert counted.between("harness") == []
    assert counted.between("library")


def added(model: nn.Module, images: tuple[Tensor, Tensor], params: dict[str, bool]) -> tuple[int, int]:
    """Operations of a step of a cell beyond those of the library alone, and the latter."""
    alone = a_step(lambda steps: bare(model, images, steps))
    cell = a_step(lambda steps: attacked(model, images, params={"steps": steps, **params}))
    return cell - alone, alone


def test_a_step_of_a_default_cell_takes_at_most_a_tenth_more_operations() -> None:
    """On a network that ships: a default cell watches every iterate, to tell silent successes."""
    plain = zoo.load("baseline_cnn", "cifar10")
    images = torch.rand(N, 3, 32, 32, generator=torch.Generator().manual_seed(0)), torch.arange(N)
    more, alone = added(deployed(plain, "cpu"), images, {"best_iterate": False})
    assert more <= 0.10 * alone


def test_what_a_step_adds_does_not_depend_on_the_model(
    model: nn.Module, images: tuple[Tensor, Tensor]
) -> None:
    small = nn.Sequential(nn.Flatten(), nn.Linear(images[0][0].numel(), 10)).requires_grad_(False).eval()
    for each in (model, small):
        assert added(each, images, {})[0] == 0
        assert added(each, images, {"best_iterate": False})[0] <= 10
