"""What became of the inputs of a command: as results, and as the data that programs read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from loc.app.run import LanguageResult, RunResult
from loc.errors import DeadlinePassed, ExitCode, LocError, printable
from loc.events import Defect

State = Literal["waiting", "working", "done", "defects", "failed", "stopped", "skipped"]
Reason = Literal["deadline", "interrupted", "own-output"]


@dataclass(frozen=True)
class Outcome:
    """What became of one input of a command. `error` is what kept it from being started."""

    path: Path
    result: RunResult | None = None
    error: LocError | None = None
    skipped: bool = False
    """A file this store wrote, left out of several inputs."""

    @property
    def code(self) -> ExitCode:
        if self.result is not None:
            return self.result.exit_code
        if self.error is not None and not self.skipped:
            return self.error.code
        return ExitCode.DONE

    @property
    def trouble(self) -> LocError | None:
        """What kept it from being done, before its work or in it."""
        return self.result.error if self.result is not None else self.error

    @property
    def late(self) -> bool:
        """Whether the deadline came before its end."""
        return isinstance(self.trouble, DeadlinePassed)

    @property
    def state(self) -> State:
        if self.skipped:
            return "skipped"
        if self.late:
            return "stopped" if self.result is not None else "waiting"
        states: Mapping[ExitCode, State] = {ExitCode.DONE: "done", ExitCode.DEFECTS: "defects"}
        return states.get(self.code, "failed")


def overall(outcomes: Sequence[Outcome]) -> ExitCode:
    """The code of the only input; of several, what most needs a person: 8 where one failed, 3 where one has
    defects, 9 where the deadline came first, else 0. Nothing but skipped files is no input at all."""
    if len(outcomes) == 1:
        return outcomes[0].code
    codes = {outcome.code for outcome in outcomes}
    if codes - {ExitCode.DONE, ExitCode.DEFECTS, ExitCode.DEADLINE}:
        return ExitCode.SOME_FAILED
    if all(outcome.skipped for outcome in outcomes):
        return ExitCode.INPUT
    return next((code for code in (ExitCode.DEFECTS, ExitCode.DEADLINE) if code in codes), ExitCode.DONE)


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Trouble(_Told):
    """An error, as it is printed."""

    code: int
    """The exit code it stands for."""
    what: str
    why: str
    fix: str
    """What mends it, where that is known: a command or a change."""


class LanguageOutcome(_Told):
    """What became of one language of an input."""

    language: str
    video: str | None
    subtitles: str | None
    report: str | None
    page: str | None
    """Paths of what is there now; null where the language was not finished."""
    written: tuple[str, ...]
    """Which of them changed; the others were there already."""
    lines: int
    """Spoken."""
    cuts: int
    cuts_drawn: int
    seconds: float
    """Spent in this language's own stages."""
    hits: int
    """Actions found made."""
    misses: int
    """Actions made."""
    defects: int
    error: Trouble | None


class InputOutcome(_Told):
    """What became of one input."""

    input: str
    """Path as given, or as found in a folder that was given; bytes that are not UTF-8 as `\\xe9`."""
    state: State
    """`waiting`: not reached. `working`: at work when this was written; a killed run leaves it so. `stopped`:
    begun, the next run goes on from there."""
    reason: Reason | None = None
    """Why it is waiting, stopped or skipped. null at `waiting`: not yet, or the run was killed."""
    exit_code: int | None = None
    """What it would have ended with alone; null while nothing is known."""
    error: Trouble | None = None
    run: str | None = None
    """Id of the run, as in `loc status`."""
    seconds: float = 0.0
    media_seconds: float | None = None
    """Length of the input; null where it was not read."""
    hits: int = 0
    misses: int = 0
    """All languages and what they share together."""
    defects: tuple[Defect, ...] = ()
    languages: tuple[LanguageOutcome, ...] = ()


def told(outcome: Outcome) -> InputOutcome:
    """An outcome as data."""
    result = outcome.result
    reason: Reason | None = "own-output" if outcome.skipped else "deadline" if outcome.late else None
    return InputOutcome(
        input=printable(outcome.path),
        state=outcome.state,
        reason=reason,
        exit_code=int(outcome.code),
        error=_trouble(outcome.trouble),
        run=result.run if result else None,
        seconds=result.seconds if result else 0.0,
        media_seconds=result.media_seconds if result else None,
        hits=result.hits if result else 0,
        misses=result.misses if result else 0,
        defects=result.defects if result else (),
        languages=tuple(_language(item, result) for item in result.languages) if result else (),
    )


def _language(item: LanguageResult, result: RunResult) -> LanguageOutcome:
    targets = item.targets
    own = [stage for stage in result.stages if stage.language == item.language]
    return LanguageOutcome(
        language=item.language,
        video=str(targets.video) if targets else None,
        subtitles=str(targets.subtitles) if targets else None,
        report=str(targets.report) if targets else None,
        page=str(targets.page) if targets and targets.with_page else None,
        written=tuple(str(path) for path in item.written),
        lines=item.lines,
        cuts=item.cuts,
        cuts_drawn=item.cuts_drawn,
        seconds=round(sum(stage.seconds for stage in own), 3),
        hits=sum(stage.hits for stage in own),
        misses=sum(stage.misses for stage in own),
        defects=sum(defect.language == item.language for defect in result.defects),
        error=_trouble(item.error),
    )


def _trouble(error: LocError | None) -> Trouble | None:
    if error is None:
        return None
    return Trouble(code=int(error.code), what=error.what, why=error.why, fix=error.fix)
