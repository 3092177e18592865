"""Backends made on first use, shared by a run, closed at its end."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import TracebackType

from loc.app.feasibility import Choices, stage_of
from loc.backend import Backend, Card, Host
from loc.errors import MissingError


class Pool:
    """The backends of one run.

    Args:
        classes: card id -> class.
        choices: which card each stage and language gets.
        host: what a backend is given.
    """

    def __init__(self, classes: Mapping[str, type[Backend]], choices: Choices, host: Host) -> None:
        self._classes = classes
        self._choices = choices
        self._host = host
        self._made: dict[str, tuple[Card, Backend]] = {}
        self._lock = threading.Lock()

    def get(self, stage: str, language: str | None) -> Backend:
        """The backend of a stage for a target language.

        Raises:
            MissingError: none was found for it.
        """
        card = self._choices.card(stage, language)
        if card is None:
            raise MissingError(
                f"There is no backend for {stage}.", fix="`loc plan` says which there are and what they need."
            )
        return self._make(card)

    def others(self, stage: str, language: str | None) -> Sequence[Backend]:
        """The backends that could do a stage's work too, the next best first."""
        return [self._make(card) for card in self._choices.others(stage, language)]

    def card_of(self, backend: Backend) -> Card:
        """The card of the choice that a backend was made for: with its model, as the class's own has none."""
        with self._lock:
            return next(card for card, made in self._made.values() if made is backend)

    def _make(self, card: Card) -> Backend:
        with self._lock:
            if card.choice not in self._made:
                made = self._classes[card.id](replace(self._host, model=card.model))
                self._made[card.choice] = card, made
            return self._made[card.choice][1]

    def end_stage(self, names: Collection[str]) -> None:
        """Close the neural backends of a stage that is over, its own and what it used besides.

        So its models take no memory from the next one's, in this process or another. A stage that comes
        again, for another language, loads them again: seconds, where a machine that swaps loses hours. The
        embedded ones take little and stay.
        """
        stages = {stage_of(name) for name in names}
        with self._lock:
            over = [
                choice
                for choice, (card, _) in self._made.items()
                if card.stage in stages and card.family == "neural"
            ]
            for choice in over:
                self._made.pop(choice)[1].close()

    def choose(self, choices: Choices) -> None:
        """Give what was decided anew, from here on; backends that were made stay."""
        self._choices = choices

    def close(self) -> None:
        """Close every backend that was made."""
        with self._lock:
            for _, backend in self._made.values():
                backend.close()
            self._made.clear()

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
