"""`loc models verify --run`: every model that is here does something known, and what comes out is compared.

Digests say that files are the published ones; only running them says that they are understood. What is known
and what must come out stands with the backend (`loc.backend.SelfChecking`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from loc.app.run import Graph
from loc.artifacts import SAMPLE_RATE
from loc.backend import (
    Card,
    Host,
    Request,
    SelfChecking,
    Speech,
    StockVoice,
    Tried,
    installed,
    require,
    resolve,
)
from loc.device import Devices, Say
from loc.errors import LocError
from loc.policy.licences import refusal
from loc.settings import Settings
from loc.weights.shelf import Shelf


@dataclass(frozen=True)
class Checked:
    """What a backend did with a model.

    `tried` is empty where it brings no check; `fault` is set where it could not be run at all.
    """

    card: Card
    tried: tuple[Tried, ...] = ()
    fault: str | None = None

    @property
    def ok(self) -> bool:
        return self.fault is None and all(item.ok for item in self.tried)


def self_check(
    graph: Graph, settings: Settings, names: Collection[str], scratch: Path, say: Say
) -> Iterator[Checked]:
    """Run each backend that can be with each of some models, one after the other.

    Args:
        names: ids of weights.
        scratch: for temporary files.
        say: told of devices, waiting and halvings.
    """
    shelf = Shelf(settings.data_dir)
    devices = Devices(settings.data_dir, settings.device, say)
    speech = BuiltInVoices(graph, settings, scratch)
    for card in graph.cards(shelf):
        if card.model not in names or any(refusal(part.licence, settings.purpose) for part in card.licences):
            continue
        missing = [need.name for need in card.needs if not installed(need, shelf)]
        if missing:
            yield Checked(card, fault=f"missing: {', '.join(missing)}")
            continue
        folder = scratch / card.choice.replace("/", "-").replace(":", "-")
        folder.mkdir(parents=True, exist_ok=True)
        host = Host(settings, folder, settings.purpose, model=card.model, run=devices)
        yield _tested(graph, card, host, speech)
    devices.close()


def _tested(graph: Graph, card: Card, host: Host, speech: Speech) -> Checked:
    try:
        backend = graph.backends[card.id](host)
        try:
            tried = backend.self_check(speech) if isinstance(backend, SelfChecking) else ()
            return Checked(card, tuple(tried))
        finally:
            backend.close()
    except LocError as error:
        return Checked(card, fault=str(error))


class BuiltInVoices:
    """The embedded voices, for checks that have to hear something.

    Args:
        graph: with the backends of `dub`.
        scratch: for temporary files.
    """

    def __init__(self, graph: Graph, settings: Settings, scratch: Path) -> None:
        self._graph = graph
        self._settings = settings
        self._scratch = scratch
        self._said: dict[tuple[str, str], npt.NDArray[np.float32]] = {}

    def __call__(self, text: str, language: str) -> npt.NDArray[np.float32]:
        """See `loc.backend.Speech`."""
        if (text, language) not in self._said:
            self._said[text, language] = self._say(text, language)
        return self._said[text, language]

    def _say(self, text: str, language: str) -> npt.NDArray[np.float32]:
        import soxr

        shelf = Shelf(self._settings.data_dir)
        cards = [card for card in self._graph.cards(shelf) if card.family == "embedded"]
        request = Request("dub", target=language)
        found = resolve(request, cards, lambda need: installed(need, shelf), self._settings.purpose)
        folder = self._scratch / "voices"
        folder.mkdir(parents=True, exist_ok=True)
        engine: Any = self._graph.backends[require(found).id](
            Host(self._settings, folder, self._settings.purpose)
        )
        try:
            spoken = engine.speak(text, language, StockVoice("low"), 1.0)
        finally:
            engine.close()
        made = soxr.resample(spoken.audio, spoken.sample_rate, SAMPLE_RATE, quality="VHQ")
        return np.asarray(made, dtype=np.float32)
