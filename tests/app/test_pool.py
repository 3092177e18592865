"""The pool of a run: backends are made once, and neural ones closed when their stage is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from loc.app.feasibility import Choices
from loc.app.pool import Pool
from loc.backend import Card, Host, Request, Resolution
from loc.settings import Settings

CARD = Card(
    stage="translate", name="net", version="1", summary="", family="neural", quality="good", runs="in-process"
)
CARDS = (
    CARD,
    replace(CARD, stage="final"),
    replace(CARD, stage="dub"),
    replace(CARD, stage="lipsync", family="embedded"),
)


def kind(of: Card, log: list[str]) -> type:
    class Made:
        card: ClassVar[Card] = of

        def __init__(self, host: Host) -> None:
            log.append(f"make {of.stage}")

        def fingerprint(self) -> Mapping[str, str]:
            return {}

        def close(self) -> None:
            log.append(f"close {of.stage}")

    return Made


@pytest.fixture
def log() -> list[str]:
    return []


@pytest.fixture
def pool(log: list[str], tmp_path: Path) -> Pool:
    resolutions: dict[tuple[str, str | None], Resolution] = {
        (card.stage, None): Resolution(Request(card.stage), card, ()) for card in CARDS
    }
    classes = {card.id: kind(card, log) for card in CARDS}
    return Pool(classes, Choices(resolutions), Host(Settings(), tmp_path))


def test_neural_backends_of_a_stage_are_closed_with_it_and_made_anew(pool: Pool, log: list[str]) -> None:
    for card in CARDS:
        assert pool.get(card.stage, None) is pool.get(card.stage, None)
    log.clear()
    pool.end_stage({"translate", "final"})
    assert sorted(log) == ["close final", "close translate"]
    log.clear()
    pool.end_stage({"lipsync"})
    assert not log
    pool.get("translate", None)
    assert log == ["make translate"]
    pool.close()
    assert sorted(log[1:]) == ["close dub", "close lipsync", "close translate"]
