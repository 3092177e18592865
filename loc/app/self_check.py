"""`loc models verify --run`: every model that is here does something known, and what comes out is compared.

Digests say that files are the published ones; only running them says that they are understood. What is known
and what must come out stands with the backend (`loc.backend.SelfChecking`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from loc.app.run import Graph
from loc.backend import Card, Host, SelfChecking, Tried, installed
from loc.device import Devices, Say
from loc.errors import LocError
from loc.policy.licences import refusal
from loc.settings import Settings
from loc.weights.shelf import Shelf


@dataclass(frozen=True)
class Tested:
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
) -> Iterator[Tested]:
    """Run each backend that can be with each of some models, one after the other.

    Args:
        names: ids of weights.
        scratch: for temporary files.
        say: told of devices, waiting and halvings.
    """
    shelf = Shelf(settings.data_dir)
    devices = Devices(settings.data_dir, settings.device, say)
    for card in graph.cards(shelf):
        if card.model not in names or any(refusal(part.licence, settings.purpose) for part in card.licences):
            continue
        missing = [need.name for need in card.needs if not installed(need, shelf)]
        if missing:
            yield Tested(card, fault=f"missing: {', '.join(missing)}")
            continue
        folder = scratch / card.choice.replace("/", "-").replace(":", "-")
        folder.mkdir(parents=True, exist_ok=True)
        host = Host(settings, folder, settings.purpose, model=card.model, run=devices)
        yield _tested(graph, card, host)
    devices.close()


def _tested(graph: Graph, card: Card, host: Host) -> Tested:
    try:
        backend = graph.backends[card.id](host)
        try:
            return Tested(card, tuple(backend.self_check()) if isinstance(backend, SelfChecking) else ())
        finally:
            backend.close()
    except LocError as error:
        return Tested(card, fault=str(error))
