"""A model's changes of torch's switches affect no other model."""

from __future__ import annotations

import random

import torch

from bench.inputs.switches import left_alone


def test_switches_are_set_for_measuring_and_put_back() -> None:
    random.seed(3)
    expected = random.Random(3).random()
    with torch.no_grad():
        torch.backends.cudnn.allow_tf32 = True
        with left_alone():
            assert torch.is_grad_enabled()
            assert not torch.backends.cudnn.allow_tf32
            torch.set_grad_enabled(False)
            torch.set_default_dtype(torch.float64)
            torch.backends.cudnn.allow_tf32 = False
            random.random()
        assert not torch.is_grad_enabled()
        assert torch.backends.cudnn.allow_tf32
    assert torch.get_default_dtype() == torch.float32
    assert random.random() == expected
