"""Speaking lines until they pass: take after take, then engine after engine, and never in silence.

An engine whose takes differ is asked again for a line that failed or in which something is wrong; then the
next engine is, and what it says stands with a mark. Where none says a line without fault, the least faulty
take stands, marked too: a line that may be wrong is worth more than none. Rounds are batches over all lines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from loc.artifacts import Line, Reason
from loc.errors import ChildError, InputError, LocError, MissingError, RefusedError
from loc.stage import Context
from stages.dub import hearing, speech
from stages.dub.contract import Synthesiser, VoiceRequest
from stages.dub.hearing import Ears, Judged
from stages.dub.speech import Speech

TAKES = 3
"""Takes of a line that one engine is asked for: an engine that leaves words out in one line of ten says one
line of a thousand wrong three times."""

UNHEARD = Judged()

_FINAL = (InputError, MissingError, RefusedError)
"""Failures that another take by the same engine would meet again."""


@dataclass(frozen=True)
class Wish:
    """A line to be spoken at a rate, in a voice.

    `take`: the first that is asked for. `engine`: by place among the engines, the first that is asked.
    """

    line: Line
    voice: VoiceRequest
    rate: float = 1.0
    take: int = 0
    engine: int = 0

    @property
    def place(self) -> str:
        """The line, as messages name it."""
        return f"line {self.line.id}"

    @property
    def unit(self) -> str:
        """What the action is called by."""
        return self.place if self.rate == 1.0 else f"{self.place}, faster"


@dataclass(frozen=True)
class Said:
    """A line as it was spoken in the end.

    `engine`: by place among those that were asked.
    """

    speech: Speech
    take: int
    engine: int
    faults: tuple[Reason, ...] = ()
    heard: Judged = UNHEARD


@dataclass
class _Try:
    """What became of a line so far."""

    wish: Wish
    best: Said | None = None
    passed: bool = False
    errors: list[LocError] = field(default_factory=list)
    final: bool = False
    """Whether the engine that is being asked cannot say it at all."""

    def took(self, said: Said) -> None:
        if self.best is None or len(said.faults) < len(self.best.faults):
            self.best = said
        self.passed = not said.faults

    def failed(self, error: LocError) -> None:
        self.errors.append(error)
        self.final = isinstance(error, _FINAL)

    @property
    def why(self) -> str:
        """What was wrong last, in words."""
        if self.best is not None and self.best.faults:
            return " ".join(reason.detail for reason in self.best.faults)
        return str(self.errors[-1]) if self.errors else ""


def say(
    context: Context, engines: Sequence[Synthesiser], wishes: Sequence[Wish]
) -> dict[str, Said | LocError]:
    """Speak lines, each at one rate; by id, what was said or why nothing was.

    Args:
        engines: the chosen one, then those that may mend what it fails.
    """
    tries = [_Try(wish) for wish in wishes]
    ears = hearing.ears(context, engines)
    for place in range(len(engines)):
        for item in tries:
            item.final = False
        _takes(context, engines, ears, place, [item for item in tries if place >= item.wish.engine])
    for item in tries:
        _mark(context, engines, item)
    return {item.wish.line.id: _outcome(item) for item in tries}


def say_as_before(
    context: Context, engines: Sequence[Synthesiser], wishes: Sequence[Wish]
) -> dict[str, Said | LocError]:
    """As `say`, by the engine that each wish names and no other; what is at fault counts as failed.

    For another rate of a line that is said already: in another voice it would be of no use.
    """
    tries = [_Try(wish) for wish in wishes]
    ears = hearing.ears(context, engines)
    for place in range(len(engines)):
        _takes(context, engines, ears, place, [item for item in tries if place == item.wish.engine])
    return {
        item.wish.line.id: item.best if item.best is not None and item.passed else ChildError(item.why)
        for item in tries
    }


def _takes(
    context: Context, engines: Sequence[Synthesiser], ears: Ears, place: int, tries: Sequence[_Try]
) -> None:
    """Have one engine say what is not said yet, as often as it may be asked."""
    engine = engines[place]
    for number in range(TAKES if engine.traits.has_takes else 1):
        waiting = [item for item in tries if not item.passed and not item.final]
        _round(context, engine, ears, place, number, waiting)


def _round(
    context: Context, engine: Synthesiser, ears: Ears, place: int, number: int, tries: Sequence[_Try]
) -> None:
    """One take of every line that is not said yet, by one engine, and what is heard of it."""
    wished = [_fitting(item.wish, engine, place, number) for item in tries]
    work = [
        speech.speak(context, engine, wish.unit, wish.line.text, wish.voice, wish.rate, wish.take)
        for wish in wished
    ]
    results = context.runner.attempt(work, parallel=True)
    spoken = []
    for item, wish, result in zip(tries, wished, results, strict=True):
        if isinstance(result, LocError):
            item.failed(result)
        else:
            spoken.append((item, wish, speech.speech_of(result)))
    # What is broken is not listened to.
    whole = [one for one in spoken if not one[2].about.faults]
    lines = [hearing.Spoken(wish.unit, wish.line.text, made, wish.voice.reference) for _, wish, made in whole]
    heard = dict(zip([line.unit for line in lines], hearing.listen(context, ears, lines), strict=True))
    for item, wish, made in spoken:
        judged = heard.get(wish.unit, UNHEARD)
        item.took(Said(made, wish.take, place, (*made.about.faults, *judged.faults), judged))
    for item, wish in zip(tries, wished, strict=True):
        if not item.passed and engine.traits.has_takes:
            context.notice(
                "take-failed", f"{item.wish.place}, take {wish.take} of {engine.card.id}: {item.why}"
            )


def _fitting(wish: Wish, engine: Synthesiser, place: int, number: int) -> Wish:
    """The wish as an engine can fulfil it."""
    traits = engine.traits
    voice = wish.voice
    # A name is one of the first engine's voices.
    if place != 0 or not traits.has_names:
        voice = replace(voice, name=None)
    if not traits.clones:
        voice = replace(voice, reference=None)
    first = wish.take if place == wish.engine else 0
    return replace(wish, voice=voice, take=first + number if traits.has_takes else 0)


def _mark(context: Context, engines: Sequence[Synthesiser], item: _Try) -> None:
    """Say what is not as it was wished."""
    said, wish = item.best, item.wish
    if said is None:
        return
    if said.engine != wish.engine:
        first, spoke = engines[wish.engine].card.id, engines[said.engine].card.id
        context.runner.defect(
            "dub", wish.place, "other-engine", f"{first} failed it; {spoke} speaks it.", context.language
        )
    if said.faults:
        context.runner.defect("dub", wish.place, "doubtful", item.why, context.language)


def _outcome(item: _Try) -> Said | LocError:
    return item.best if item.best is not None else item.errors[0]


def timed(
    context: Context, engines: Sequence[Synthesiser], said: Mapping[str, Said], wishes: Sequence[Wish]
) -> dict[str, Said]:
    """The same lines, each with the times of its phones.

    Where the engine does not tell them they are found by aligning, with the help of an engine that does, if
    one speaks the language.
    """
    lacking = [wish for wish in wishes if wish.line.id in said and not said[wish.line.id].speech.about.timed]
    if not lacking:
        return dict(said)
    guides = _guides(context, engines, lacking)
    made = context.runner.map(
        [
            speech.align(
                context, wish.unit, said[wish.line.id].speech, wish.line.text, guides.get(wish.line.id)
            )
            for wish in lacking
        ],
        parallel=True,
    )
    done = dict(said)
    empty = 0
    for wish, item in zip(lacking, made, strict=True):
        own = said[wish.line.id]
        done[wish.line.id] = replace(own, speech=replace(own.speech, phones=item.ref("phones")))
        empty += not item.detail["phones"]
    if empty:
        context.notice(
            "no-phone-times",
            f"{context.language}: nothing tells when which sound is heard in {empty} lines; backends that "
            "draw lips by sounds leave the mouth at rest there.",
        )
    return done


def _guides(context: Context, engines: Sequence[Synthesiser], wishes: Sequence[Wish]) -> dict[str, Speech]:
    """Lines as an engine says them that knows its phones; by id, as far as it can."""
    # The plainest: its times are exact and a line takes milliseconds, where a model would take the device.
    guide = next((engine for engine in reversed(engines) if engine.traits.times_phones), None)
    if guide is None:
        return {}
    work = [
        speech.speak(context, guide, f"{wish.unit}, guide", wish.line.text, wish.voice.stock, 1.0)
        for wish in wishes
    ]
    results = context.runner.attempt(work, parallel=True)
    return {
        wish.line.id: speech.speech_of(result)
        for wish, result in zip(wishes, results, strict=True)
        if not isinstance(result, LocError)
    }
