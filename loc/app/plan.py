"""`loc plan`: what a run would do, with what, and what is made already. Nothing is made by looking."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from loc.app.pool import Pool
from loc.app.room import room_of
from loc.app.run import Graph, Prepared, with_language
from loc.app.walk import Seen, look_at
from loc.backend import QUALITIES, Card, Host, Need, Rejected
from loc.events import EventBus
from loc.policy import licences
from loc.runner import Runner
from loc.settings import Settings
from loc.stage import Context, CutOutlook
from loc.store.workdir import WorkDir
from loc.weights import table as weights
from loc.weights.shelf import Shelf

CUTS = "lipsync"
"""Slot of the artifact that holds the cuts."""


@dataclass(frozen=True)
class Estimate:
    """Seconds the misses of a stage would take, from what like actions took on this machine."""

    seconds: float
    measured: int
    """How many recorded actions it rests on: the fewest of any kind of action among the misses."""


@dataclass(frozen=True)
class Row:
    """One stage, for one language where it has them."""

    stage: str
    language: str | None
    card: Card | None
    needs_backend: bool
    """False where there is nothing for a backend to do: text was supplied, lip-sync is off, no sound."""
    hits: int
    misses: int
    waits_for: str | None
    """The stage that must be made before it can be told what is left to do here."""
    problem: str | None
    """Why this stage cannot be done at all."""
    estimate: Estimate | None
    rejected: tuple[Rejected, ...]
    part_of: str | None = None
    """Of a backend that a stage uses besides its own: the stage, whose row counts its work."""
    offers: tuple[Offer, ...] = ()
    """Better backends of which only weights and environments are missing, the best first, one for each
    name."""
    room: str | None = None
    """Of a backend that knows it: the memory it would take now, or why there is none."""
    cuts: tuple[CutOutlook, ...] = ()
    """Of the stage that draws cuts: what is known of each so far; none before faces and dub are made."""


@dataclass(frozen=True)
class Offer:
    """A better backend that is only short of weights, of an environment, or of both."""

    card: Card
    environments: tuple[str, ...]
    """To be made."""
    weights: tuple[str, ...]
    """Ids to pull."""
    bytes: int | None
    """What the weights take, about; None where one's size is not known."""
    licences: tuple[str, ...]
    """Names: of the weights, and of what an environment brings."""
    access: tuple[str, ...] = ()
    """What is asked of whoever wants the weights, in words."""

    @property
    def command(self) -> str:
        made = [f"loc models env {name}" for name in self.environments]
        return " && ".join(made + ([f"loc models pull {' '.join(self.weights)}"] if self.weights else []))


@contextlib.contextmanager
def looking(
    prepared: Prepared,
    graph: Graph,
    store: WorkDir,
    settings: Settings,
    heard: Callable[[Prepared], None] = lambda _: None,
    foresee: Callable[[str | None, Sequence[CutOutlook]], None] = lambda _language, _cuts: None,
) -> Iterator[Context]:
    """A context in look mode.

    Args:
        heard: told what holds once the source language was heard.
        foresee: as in `Context`.
    """
    runner = Runner(store, EventBus(), mode="look", forced=frozenset(settings.force))
    try:
        with store.scratch() as scratch:
            host = Host(settings, scratch, settings.purpose)
            with Pool(graph.backends, prepared.choices, host) as pool:

                def hear(context: Context, language: str) -> Context:
                    known = with_language(prepared, graph, settings, language)
                    pool.choose(known.choices)
                    heard(known)
                    return replace(context, job=known.job)

                yield Context(
                    runner,
                    settings,
                    prepared.job,
                    pool.get,
                    others=pool.others,
                    card_of=pool.card_of,
                    hear=hear,
                    foresee=foresee,
                )
    finally:
        runner.close()


def plan(prepared: Prepared, graph: Graph, store: WorkDir, settings: Settings) -> list[Row]:
    """Look at every stage of a prepared input."""
    known = [prepared]
    cuts: dict[str | None, Sequence[CutOutlook]] = {}
    with looking(prepared, graph, store, settings, known.append, cuts.__setitem__) as context:
        seen = look_at(prepared.stages, context, prepared.job.languages)
        prepared = known[-1]
        times = recorded_seconds(store)
        rows: list[Row] = []
        for item in seen:
            row = _row(item, prepared, times)
            told = cuts.get(item.language, ()) if item.stage.makes == CUTS else ()
            rows.append(replace(row, cuts=tuple(told)))
            rows += _besides(item, prepared)
        rows = [
            replace(row, room=room_of(row.card, row.stage, row.language, context, graph.backends))
            for row in rows
        ]
    table = Shelf(settings.data_dir).rows()
    return [replace(row, offers=offers(row, table)) for row in rows]


def _besides(seen: Seen, prepared: Prepared) -> Iterator[Row]:
    """A row for each further backend of a stage that something may be asked of."""
    for name in seen.stage.also:
        resolution = prepared.choices.resolutions.get((name, seen.language))
        if resolution is not None:
            rejected = tuple(item for item in resolution.rejected if item.gate != "name")
            yield Row(
                stage=name,
                language=seen.language,
                card=resolution.choice,
                needs_backend=True,
                hits=0,
                misses=0,
                waits_for=None,
                problem=None,
                estimate=None,
                rejected=rejected,
                part_of=seen.stage.name,
            )


def offers(row: Row, known: Mapping[str, weights.Row]) -> tuple[Offer, ...]:
    """What would do a stage better than its choice if its weights were pulled and its environment made.

    Args:
        row: of a stage.
        known: weights id -> row.
    """
    found: dict[str, Card] = {}
    for item in sorted(row.rejected, key=lambda one: (-QUALITIES.index(one.card.quality), one.card.rank)):
        short = item.gate == "needs" and all(_can_be_had(need, known) for need in item.missing)
        if short and (row.card is None or _is_better(item.card, row.card)):
            found.setdefault(item.card.name, item.card)
    missing = {item.card.choice: item.missing for item in row.rejected}
    return tuple(_offer(card, missing[card.choice], known) for card in found.values())


def _can_be_had(need: Need, known: Mapping[str, weights.Row]) -> bool:
    if need.kind == "environment":
        return True
    return need.kind == "weights" and need.name in known and known[need.name].source.kind != "registered"


def _is_better(card: Card, chosen: Card) -> bool:
    """Whether it would have been taken: as `resolve` orders."""
    one, other = QUALITIES.index(card.quality), QUALITIES.index(chosen.quality)
    return one > other or (one == other and card.rank < chosen.rank)


def _offer(card: Card, missing: Sequence[Need], known: Mapping[str, weights.Row]) -> Offer:
    rows = [known[need.name] for need in missing if need.kind == "weights"]
    sizes = [row.size for row in rows]
    names = licences.table()
    # An environment installs the code of the engine, which stands under licences of its own.
    made = [part.licence for part in card.licences] if len(rows) < len(missing) else []
    under = [*(row.licence for row in rows), *made]
    return Offer(
        card,
        tuple(need.name for need in missing if need.kind == "environment"),
        tuple(row.id for row in rows),
        None if None in sizes else sum(size or 0 for size in sizes),
        tuple(dict.fromkeys(names[licence].name for licence in under if licence in names)),
        tuple(row.access for row in rows if row.access is not None),
    )


def recorded_seconds(store: WorkDir) -> Mapping[str, list[float]]:
    """Action name -> seconds of every recorded action of that name."""
    times: defaultdict[str, list[float]] = defaultdict(list)
    for record in store.actions():
        times[record.name].append(record.seconds)
    return times


def estimate(seen: Seen, times: Mapping[str, list[float]]) -> Estimate | None:
    """The median of like actions for each miss; None where any kind of action was never measured here."""
    missing = [look.action.name for look in seen.looks if not look.hit]
    if not missing or any(not times.get(name) for name in missing):
        return None
    seconds = sum(median(times[name]) for name in missing)
    return Estimate(round(seconds, 2), min(len(times[name]) for name in missing))


def _row(seen: Seen, prepared: Prepared, times: Mapping[str, list[float]]) -> Row:
    place = (seen.stage.name, seen.language)
    resolution = prepared.choices.resolutions.get(place)
    missing = resolution is not None and resolution.choice is None
    return Row(
        stage=seen.stage.name,
        language=seen.language,
        card=resolution.choice if resolution else None,
        needs_backend=resolution is not None,
        hits=seen.hits,
        misses=seen.misses,
        waits_for=seen.waits_for,
        problem="no backend can do it" if missing else seen.error.what if seen.error else None,
        estimate=estimate(seen, times),
        rejected=tuple(item for item in resolution.rejected if item.gate != "name") if resolution else (),
    )
