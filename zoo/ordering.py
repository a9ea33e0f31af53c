"""The fixed order of a split: stratified, and determined only by its labels and the order of its files."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64, Integer


def order(labels: Integer[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    """The fixed stratified order of a split: a permutation of its indices, int64 (n,).

    Within a class images come by the sha256 of their index; classes are interleaved so that any first m
    images hold each class less than one image away from its share of m.
    """
    names, counts = np.unique(labels, return_counts=True)
    queues = [sorted(np.flatnonzero(labels == name).tolist(), key=_shuffle, reverse=True) for name in names]
    turns = _interleave(counts.tolist())
    return np.array([queues[turn].pop() for turn in turns], dtype=np.int64)


def _shuffle(index: int) -> str:
    return hashlib.sha256(str(index).encode()).hexdigest()


def _interleave(counts: Sequence[int]) -> list[int]:
    """The class at each place, by earliest deadline.

    The j-th image (from 0) of a class with n of the N images may come from place floor(jN/n) on and must have
    come by place ceil((j+1)N/n): between these, the class is less than one image from its share. Such windows
    can always be met, and earliest deadline first meets them (Baruah et al. 1996, "Proportionate progress").
    """
    total = sum(counts)
    waiting = [(0, kind) for kind in range(len(counts))]  # (place from which the next image may come, class)
    ready: list[tuple[int, int]] = []  # (place by which it must have come, class)
    done = [0] * len(counts)
    turns = []
    for place in range(total):
        while waiting and waiting[0][0] <= place:
            kind = heapq.heappop(waiting)[1]
            heapq.heappush(ready, (-(-(done[kind] + 1) * total // counts[kind]), kind))
        kind = heapq.heappop(ready)[1]
        turns.append(kind)
        done[kind] += 1
        if done[kind] < counts[kind]:
            heapq.heappush(waiting, (done[kind] * total // counts[kind], kind))
    return turns
