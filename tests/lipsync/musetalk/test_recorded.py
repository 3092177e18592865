"""What is recorded is believed when it comes to the same, and given up aloud where it does not.

The recorder is a double: there is no GPU where these tests run, so they prove the rules, not CUDA graphs.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from stages.lipsync.musetalk.recorded import Recorded, Run


class Nets:
    """Counts what is asked of it."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, latents: Tensor, tokens: Tensor) -> Tensor:
        self.asked += 1
        return latents.tanh() + 0 * tokens.sum()


class Recorder:
    """Records by remembering the run.

    Args:
        off: what is added to what is played.
        fault: raised in place of recording.
    """

    def __init__(self, off: float = 0.0, fault: Exception | None = None) -> None:
        self.off, self.fault = off, fault
        self.sizes: list[int] = []
        self.played = 0

    def __call__(self, run: Run, latents: Tensor, tokens: Tensor) -> Run:
        del run, tokens
        if self.fault is not None:
            raise self.fault
        self.sizes.append(len(latents))

        def play(latents: Tensor, tokens: Tensor) -> Tensor:
            assert len(latents) == self.sizes[-1]
            self.played += 1
            return latents.tanh() + 0 * tokens.sum() + self.off

        return play


def batch(size: int) -> tuple[Tensor, Tensor]:
    return torch.randn(size, 4), torch.randn(size, 3)


def test_full_batches_are_played_and_others_asked() -> None:
    nets, recorder, said = Nets(), Recorder(), list[str]()
    quick = Recorded(nets, lambda code, _: said.append(code), recorder)
    for size in (8, 8, 8, 3):
        given = batch(size)
        torch.testing.assert_close(quick(*given), given[0].tanh())
    assert recorder.sizes == [8]
    # The first is also compared; the last is too small.
    assert (nets.asked, recorder.played) == (2, 3)
    quick(*batch(16))
    assert recorder.sizes == [8, 16]
    assert not said


@pytest.mark.parametrize(
    ("recorder", "why"),
    [
        (Recorder(off=0.1), "another result"),
        (Recorder(off=float("nan")), "another result"),
        (Recorder(fault=RuntimeError("operation not permitted when stream is capturing")), "not permitted"),
        (Recorder(fault=RuntimeError("CUDA out of memory.")), "memory ended"),
    ],
)
def test_what_cannot_be_recorded_is_said_once_and_asked(recorder: Recorder, why: str) -> None:
    nets, said = Nets(), list[tuple[str, str]]()
    quick = Recorded(nets, lambda code, message: said.append((code, message)), recorder)
    for _ in range(3):
        given = batch(4)
        torch.testing.assert_close(quick(*given), given[0].tanh())
    assert nets.asked == 3
    [(code, message)] = said
    assert code == "graph-refused"
    assert why in message
