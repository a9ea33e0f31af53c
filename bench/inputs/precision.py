"""torch's switches for the precision of float32 arithmetic: those of its old API, and the new ones since torch 2.9.

An old switch refuses to be read where new ones say what it cannot. Setting it sets some new ones too. A new one that is
"none" follows that of its backend, and this follows that of all backends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

Switch = tuple[Callable[[], Any], Callable[[Any], object]]  # how it is read, and how it is set
_FOLLOWS = "none"


@dataclass(frozen=True)
class Precision:
    """The old and the new switches of some operations."""

    old: tuple[Switch, ...]
    new: tuple[Switch, ...]

    def read(self) -> tuple[list[Any], list[str]]:
        """The values of the old switches, ``None`` where one refuses, and of the new ones."""
        return [_unless_refused(read) for read, _ in self.old], [read() for read, _ in self.new]

    def restore(self, values: tuple[list[Any], list[str]]) -> None:
        """Sets what ``read`` gave."""
        old, new = values
        for (_, put), value in zip(self.old, old, strict=True):
            if value is not None:
                put(value)
        for (read, put), value in zip(self.new, new, strict=True):
            put(_FOLLOWS)
            if read() != value:
                put(value)


def use_full() -> None:
    """Turns TF32 and bfloat16 off in products and convolutions."""
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    for _, put in (*PRODUCTS.new, *CONVOLUTIONS.new):
        put("ieee")


def _unless_refused(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except RuntimeError:
        return None


def _old(owner: object) -> Switch:
    return partial(getattr, owner, "allow_tf32"), partial(setattr, owner, "allow_tf32")


def _new(*names: tuple[str, str]) -> tuple[Switch, ...]:
    """The new switches of these backends and operations, by torch._C: torch.backends.mkldnn sets that of all."""
    if not hasattr(torch.backends, "fp32_precision"):
        return ()
    read, put = torch._C._get_fp32_precision_getter, torch._C._set_fp32_precision_setter
    return tuple((partial(read, *name), partial(put, *name)) for name in names)


ALL = Precision((), _new(("generic", "all"), ("cuda", "all"), ("mkldnn", "all")))
PRODUCTS = Precision(
    (
        _old(torch.backends.cuda.matmul),
        (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    ),
    _new(("cuda", "matmul"), ("mkldnn", "matmul")),
)
CONVOLUTIONS = Precision(
    (_old(torch.backends.cudnn),),
    _new(("cuda", "conv"), ("cuda", "rnn"), ("mkldnn", "conv"), ("mkldnn", "rnn")),
)
