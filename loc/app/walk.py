"""Walking the graph: every stage once, or once for each language, slots filled by name."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from loc.app.record import StageTime
from loc.artifacts import Transcript
from loc.errors import LocError
from loc.events import StageDone, StageStarted
from loc.runner import Look, NotMade
from loc.stage import Context, Slot, Stage


class Slots:
    """What the stages have made so far, by slot name and language."""

    def __init__(self) -> None:
        self._slots: dict[tuple[str, str | None], Slot[Any]] = {}

    def fill(self, name: str, language: str | None, slot: Slot[Any]) -> None:
        self._slots[name, language] = slot

    def get(self, name: str, language: str | None) -> Slot[Any]:
        """The language's own slot, or the one that is shared by all.

        Raises:
            KeyError: no stage before this one makes it: a fault of the graph.
        """
        own = self._slots.get((name, language))
        return own if own is not None else self._slots[name, None]

    def value(self, name: str, language: str | None = None) -> Any:
        """What was made, or None where its stage has not run."""
        try:
            return self.get(name, language).get()
        except (KeyError, NotMade):
            return None


def inputs_of(stage: Stage, slots: Slots, language: str | None) -> Any:
    """A stage's inputs, each field filled from the slot of its name."""
    names = [item.name for item in dataclasses.fields(stage.inputs)]
    return stage.inputs(**{name: slots.get(name, language) for name in names})


def places(stages: Sequence[Stage], languages: Sequence[str]) -> Iterator[tuple[Stage, str | None]]:
    """The order of work: what all languages share first, then one language after the other, so that the
    first is finished as early as it can be."""
    for stage in stages:
        if not stage.per_language:
            yield stage, None
    for language in languages:
        for stage in stages:
            if stage.per_language:
                yield stage, language


def informed(context: Context, made: Any) -> Context:
    """The context of what comes after a stage: once it was heard, the language that is spoken is known, and
    who is meant by a name in the cast file.

    Raises:
        UsageError: that is not clear.
    """
    if not isinstance(made, Transcript):
        return context
    heard = made.language is not None and made.origin == "recognised" and context.job.source_language is None
    if heard and context.hear is not None:
        assert made.language is not None
        context = context.hear(context, made.language)
    if context.job.cast is None:
        return context
    cast = context.job.cast.by_ids(made.speakers, made.segments)
    return dataclasses.replace(context, job=dataclasses.replace(context.job, cast=cast))


def make_stage(stage: Stage, context: Context, slots: Slots, language: str | None) -> StageTime:
    """Run one stage and fill its slot."""
    runner = context.runner
    hits, misses, started = runner.hits, runner.misses, time.monotonic()
    runner.events.emit(StageStarted(stage=stage.name, language=language))
    value = stage.run(dataclasses.replace(context, language=language), inputs_of(stage, slots, language))
    slots.fill(stage.makes, language, Slot(stage.name, value))
    spent = StageTime(
        stage=stage.name,
        language=language,
        seconds=round(time.monotonic() - started, 3),
        hits=runner.hits - hits,
        misses=runner.misses - misses,
    )
    runner.events.emit(StageDone(**spent.model_dump()))
    return spent


@dataclass(frozen=True)
class Seen:
    """What a stage showed in look mode."""

    stage: Stage
    language: str | None
    looks: tuple[Look, ...] = ()
    waits_for: str | None = None
    """The earlier stage whose artifact it needs first; then its own actions are not all known."""
    error: LocError | None = field(default=None, compare=False)

    @property
    def hits(self) -> int:
        return sum(look.hit for look in self.looks)

    @property
    def misses(self) -> int:
        return len(self.looks) - self.hits


def look_at(stages: Sequence[Stage], context: Context, languages: Sequence[str]) -> list[Seen]:
    """Walk the graph in look mode. Nothing is made; a stage that cannot go on says what it waits for."""
    slots = Slots()
    seen: list[Seen] = []
    for stage, language in places(stages, languages):
        first = len(context.runner.looks)
        waits_for: str | None = None
        error: LocError | None = None
        slot: Slot[Any] = Slot.pending(stage.name)
        try:
            inputs = inputs_of(stage, slots, language)
            value = stage.run(dataclasses.replace(context, language=language), inputs)
            slot = Slot(stage.name, value)
            context = informed(context, value)
        except NotMade as missing:
            waits_for = missing.stage if missing.stage != stage.name else None
        except LocError as problem:
            error = problem
        slots.fill(stage.makes, language, slot)
        seen.append(Seen(stage, language, tuple(context.runner.looks[first:]), waits_for, error))
    return seen
