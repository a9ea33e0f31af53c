"""Names of protocols: which there are, what they stand for, and which one an architecture has."""

from __future__ import annotations

import pytest

from bench.engine.protocols import SOUND, find_protocol, own_script
from bench.errors import UsageError


@pytest.mark.parametrize(
    ("model", "corrupted", "protocol"),
    [
        ("baseline_cnn", False, "baseline_cnn"),
        ("baseline_cnn.pgd_at", True, "baseline_cnn"),
        ("parallel_gcnn_4", False, "baseline_cnn"),
        ("cascaded_gcnn", False, "baseline_cnn"),
        ("parallel_gcnn_rs@2", False, "parallel_gcnn_rs"),
        ("parallel_gcnn_scale", False, "parallel_gcnn_rs"),
        ("weighted_gcnn_rs", False, "weighted_gcnn_rs"),
        ("equivariant_gcnn", False, "equivariant_gcnn"),
        ("equivariant_gcnn", True, "equivariant_gcnn"),
        ("parallel_gcnn", True, "cifar10c_gcnn"),
        ("parallel_gcnn_scale", True, "cifar10c_gcnn"),
        ("weighted_gcnn_rs_4", True, "cifar10c_gcnn"),
    ],
)
def test_each_architecture_has_its_script(model: str, corrupted: bool, protocol: str) -> None:
    assert own_script(model, corrupted=corrupted).name == f"released:{protocol}"


def test_names_of_protocols() -> None:
    assert find_protocol("sound") is SOUND
    for name in ("parallel_gcnn", "cascaded_gcnn", "cifar10c_baseline_cnn"):
        assert find_protocol(f"released:{name}") is find_protocol("released:baseline_cnn")
    for name in ("released:cifar10c_cascaded_gcnn", "released:cifar10c_gcnn"):
        assert find_protocol(name).label == "released:cifar10c_gcnn/1"
    with pytest.raises(UsageError, match="differs by model"):
        find_protocol("released")
    for name in ("released:", "baseline_cnn", "released:cifar10c_weighted", "sound:baseline_cnn"):
        with pytest.raises(UsageError, match="unknown protocol"):
            find_protocol(name)
    with pytest.raises(UsageError, match="no script was released for model 'mine'"):
        own_script("mine")
