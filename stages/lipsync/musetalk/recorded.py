"""The nets' kernels for one batch, recorded on a GPU and played again.

MuseTalk asks two nets of about a thousand kernels for each batch. Started one by one by Python they cost a
GPU more than they take to compute where batches are small; a CUDA graph starts them at once.

A recording is believed when its first result is that of the nets themselves. Whatever goes wrong is said
once, and the nets are asked as before.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from loc.device import Say, out_of_memory

Run = Callable[[Tensor, Tensor], Tensor]
Record = Callable[[Run, Tensor, Tensor], Run]
"""Gives what plays a run again, for tensors of the shapes of these."""

WARM_UP = 3
"""Runs before a recording: libraries choose their kernels in the first ones."""
APART = 4 / 255
"""By how much a recording may differ from the nets themselves, of -1..1: two levels, what half precision
leaves open."""


class Recorded:
    """A run of the nets, recorded for the largest batch it was asked for; smaller ones are run as they are.

    Args:
        run: (latents, tokens) to decoded faces, about -1..1.
        say: told where a recording cannot be used.
        record: how it is recorded.
    """

    def __init__(self, run: Run, say: Say, record: Record | None = None) -> None:
        self._run, self._say, self._record = run, say, record or record_cuda
        self._played: Run | None = None
        self._size = 0
        self._refused = False
        # What is recorded has one set of tensors to work in.
        self._lock = threading.Lock()

    def __call__(self, latents: Tensor, tokens: Tensor) -> Tensor:
        """The decoded faces of a batch."""
        if self._refused or len(latents) < self._size:
            return self._run(latents, tokens)
        with self._lock:
            if len(latents) > self._size:
                return self._recorded(latents, tokens)
            if self._played is not None:
                return self._played(latents, tokens)
        return self._run(latents, tokens)

    def _recorded(self, latents: Tensor, tokens: Tensor) -> Tensor:
        self._played = None
        made = self._run(latents, tokens)
        try:
            played = self._record(self._run, latents, tokens)
            again = played(latents, tokens)
        except Exception as error:  # noqa: BLE001 - each runtime has its own errors for what it cannot record
            lines = str(error).splitlines()
            short = "memory ended" if out_of_memory(error) else lines[0] if lines else type(error).__name__
            self._refuse(short)
            return made
        apart = float((again.float() - made.float()).abs().max())
        # Written so that NaN is no agreement.
        if not apart <= APART:
            self._refuse(f"it came to another result, off by {apart:.3g} of 2")
            return made
        self._played, self._size = played, len(latents)
        return made

    def _refuse(self, why: str) -> None:
        self._refused = True
        self._say(
            "graph-refused", f"MuseTalk's nets could not be recorded ({why}); they are asked one by one."
        )


def record_cuda(run: Run, latents: Tensor, tokens: Tensor) -> Run:
    """A CUDA graph of a run."""
    given = latents.clone(), tokens.clone()
    beside: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        for _ in range(WARM_UP):
            run(*given)
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    # Another thread may bake meanwhile: what it does is no part of the recording, and no fault.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        made = run(*given)

    def play(latents: Tensor, tokens: Tensor) -> Tensor:
        given[0].copy_(latents)
        given[1].copy_(tokens)
        graph.replay()
        return made.clone()

    return play
