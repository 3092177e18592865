"""Knobs and presets: numbers in one table, and what is set by itself counts over them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from loc.errors import UsageError
from loc.settings import Settings
from stages.lipsync.musetalk import model
from stages.lipsync.musetalk.knobs import PRESETS, Knobs, knobs_of


def test_defaults_are_those_of_either_version() -> None:
    assert knobs_of(Settings(), "1.5") == Knobs(0, 10, "jaw", 90, 90, 2, 2, "auto", True, False)
    old = knobs_of(Settings(), "1.0")
    assert (old.extra_margin, old.parsing_mode) == (0, "raw")


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("standard", Knobs()),
        ("jaw-seam", Knobs(extra_margin=18)),
        ("cheek-float", Knobs(left_cheek_width=105, right_cheek_width=105)),
        ("close-up", Knobs(precision="fp32")),
    ],
)
def test_presets_of_1_5(preset: Any, expected: Knobs) -> None:
    assert knobs_of(Settings(musetalk_preset=preset), "1.5") == expected


def test_mouth_presets_are_for_1_0_alone() -> None:
    assert knobs_of(Settings(musetalk_preset="mouth-weak"), "1.0").bbox_shift == 7
    assert knobs_of(Settings(musetalk_preset="mouth-wide"), "1.0").bbox_shift == -5
    for preset in ("mouth-weak", "mouth-wide"):
        with pytest.raises(UsageError, match=r"MuseTalk 1\.0"):
            knobs_of(Settings(musetalk_preset=preset), "1.5")


def test_what_is_set_by_itself_counts() -> None:
    given = Settings(musetalk_preset="jaw-seam", musetalk_extra_margin=4, musetalk_bbox_shift=7)
    assert knobs_of(given, "1.5") == Knobs(extra_margin=4, bbox_shift=7)
    assert set(PRESETS) == set(Settings.model_fields["musetalk_preset"].annotation.__args__)  # type: ignore[union-attr]


def test_precision_is_a_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: (8, 0))
    gpu, cpu = torch.device("cuda:0"), torch.device("cpu")
    assert model._dtype(gpu, "auto") == torch.float16
    assert model._dtype(gpu, "bf16") == torch.bfloat16
    assert model._dtype(gpu, "fp32") == model._dtype(cpu, "fp16") == torch.float32
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: (7, 5))
    assert model._dtype(gpu, "auto") == torch.float32
    assert model._dtype(gpu, "fp16") == torch.float16
