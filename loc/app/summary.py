"""`--summary`: what became of every input, in one file that is whole at any instant of the night.

It is written before the first input, when one begins, when one ends and at the end, each time under another
name first. Whoever kills the run finds what was done, what was at work and what was not reached.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

import loc
from loc.app import export
from loc.app.outcome import InputOutcome, Outcome, Reason, State, told
from loc.app.record import now
from loc.artifacts import Ref
from loc.deadline import Deadline
from loc.errors import ExitCode, LocError, UsageError, printable
from loc.events import Notice, Sink
from loc.settings import Settings
from loc.store.keys import digest_bytes, digest_file
from loc.store.workdir import WorkDir, storage_error

IN_WORDS: Mapping[State, str] = {
    "waiting": "not reached",
    "working": "at work",
    "done": "done",
    "defects": "done, with defects",
    "failed": "failed",
    "stopped": "stopped",
    "skipped": "skipped",
}
REASONS: Mapping[Reason, str] = {
    "deadline": "the deadline came first",
    "interrupted": "the run was interrupted",
    "own-output": "written by loc",
}


class Summary(BaseModel):
    """What became of every input of one `loc run`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["loc-summary"] = "loc-summary"
    schema_version: Literal[1] = 1
    """Raised when a field changes its meaning or goes; new fields may come without."""
    loc_version: str
    started: str
    """ISO 8601, UTC."""
    updated: str
    finished: str | None = None
    """null while the run goes on, and for ever where it was killed."""
    exit_code: int | None = None
    """Of the whole command; null as long as `finished` is."""
    deadline: str | None = None
    """ISO 8601, local time with its offset."""
    seconds: float
    languages: tuple[str, ...]
    counts: Mapping[State, int]
    """How many inputs there are in each state."""
    inputs: tuple[InputOutcome, ...]
    """In the order in which they are worked on."""


class Account:
    """Keeps the summary files of one command current.

    A file that cannot be written any more, once the command is under way, is told once and ends no night.
    """

    def __init__(
        self,
        store: WorkDir,
        settings: Settings,
        languages: Sequence[str],
        deadline: Deadline | None,
        sinks: Sequence[Sink],
    ) -> None:
        self._store = store
        self._settings = settings
        self._languages = tuple(languages)
        self._deadline = deadline.at.isoformat(timespec="seconds") if deadline else None
        self._sinks = sinks
        self._files = list(settings.summary)
        self._inputs: dict[Path, InputOutcome] = {}
        self._written: dict[Path, str] = {}
        """Digests of what the files hold."""
        self._replaced: set[str] = set()
        """Digests of what was replaced in them since all were written."""
        self._started, self._clock = now(), time.monotonic()

    def begin(self, paths: Sequence[Path]) -> None:
        """Tell all that there is to do.

        Raises:
            UsageError: a summary would replace a file that is not one of ours.
            StorageError: it cannot be written.
        """
        self._inputs = {path: InputOutcome(input=printable(path), state="waiting") for path in paths}
        summary = self._summary()
        for path in self._files:
            self._write(path, summary)
        self._forget_replaced()

    def working(self, path: Path) -> None:
        """An input begins."""
        self._inputs[path] = InputOutcome(input=printable(path), state="working")
        self._update(self._summary())

    def ended(self, *outcomes: Outcome) -> None:
        """What became of some inputs."""
        for outcome in outcomes:
            self._inputs[outcome.path] = told(outcome)
        self._update(self._summary())

    def finish(self, code: ExitCode) -> None:
        """The command ends, by itself, interrupted, or by a fault."""
        interrupted = code is ExitCode.INTERRUPTED
        for path, item in self._inputs.items():
            update: dict[str, State | Reason | int] = {}
            if item.state == "working":
                update = {"state": "stopped" if interrupted else "failed", "exit_code": int(code)}
            if item.state in ("working", "waiting") and item.reason is None and interrupted:
                update["reason"] = "interrupted"
            self._inputs[path] = item.model_copy(update=update)
        self._update(self._summary().model_copy(update={"finished": now(), "exit_code": int(code)}))

    def _update(self, summary: Summary) -> None:
        for path in list(self._files):
            try:
                self._write(path, summary)
            except LocError as error:
                self._files.remove(path)
                notice = Notice(code="summary-lost", message=f"The summary is not kept any more: {error}")
                for sink in self._sinks:
                    sink(notice)
        self._forget_replaced()

    def _write(self, path: Path, summary: Summary) -> None:
        """Write a summary, in place of one of ours."""
        if path.suffix.lower() == ".md":
            data = to_markdown(summary).encode()
        else:
            data = summary.model_dump_json(indent=2).encode() + b"\n"
        ref = Ref(sha256=digest_bytes(data), size=len(data))
        with export.writing(self._store, path):
            before = self._replaceable(path)
            export.place(self._store, path, ref, lambda part: part.write_bytes(data))
        if before is not None:
            self._replaced.add(before)
        self._written[path] = ref.sha256

    def _forget_replaced(self) -> None:
        """Forget what no file holds any more: a night of a thousand videos writes two thousand summaries. Not
        before all are written, as two may be the same."""
        for sha256 in self._replaced - set(self._written.values()):
            self._store.forget_output(sha256)
        self._replaced.clear()

    def _replaceable(self, path: Path) -> str | None:
        """The digest of what stands at a path, None for nothing.

        Raises:
            UsageError: it is not to be replaced.
        """
        try:
            found = digest_file(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise storage_error(f"The summary {path} cannot be read.", error) from error
        if self._settings.overwrite or self._store.is_output(found):
            return found
        raise UsageError(
            f"The summary {path} exists and is not replaced.",
            why="This work directory has not written it, or it was changed since.",
            fix="Move it, name another file with --summary, or say --overwrite.",
        )

    def _summary(self) -> Summary:
        inputs = tuple(self._inputs.values())
        return Summary(
            loc_version=loc.__version__,
            started=self._started,
            updated=now(),
            deadline=self._deadline,
            seconds=round(time.monotonic() - self._clock, 3),
            languages=self._languages,
            counts=Counter(item.state for item in inputs),
            inputs=inputs,
        )


def to_markdown(summary: Summary) -> str:
    """The summary as a page: what needs a person first, then every input."""
    ended = "not finished" if summary.finished is None else f"finished {summary.finished}"
    lines = ["# What became of the videos", "", f"Started {summary.started}, {ended}. {_counted(summary)}."]
    if summary.exit_code is not None:
        lines += ["", f"Exit code {summary.exit_code}: {ExitCode(summary.exit_code).meaning}."]
    if summary.deadline:
        lines += ["", f"Deadline: {summary.deadline}."]
    needy = [item for item in summary.inputs if item.state in ("failed", "defects")]
    if needy:
        lines += ["", "## Look at these", ""]
    for item in needy:
        lines += [f"- **{_plain(item.input)}**: {_in_words(item)}", *_why(item)]
    lines += ["", "## All", "", "| input | | code | length | took | made | found made | languages |"]
    lines += ["|---|---|---|---|---|---|---|---|", *(_row(item) for item in summary.inputs)]
    return "\n".join(lines) + "\n"


def _counted(summary: Summary) -> str:
    counted = [f"{count} {IN_WORDS[state]}" for state in IN_WORDS if (count := summary.counts.get(state))]
    return ", ".join(counted) or "No inputs"


def _in_words(item: InputOutcome) -> str:
    words = IN_WORDS[item.state]
    return f"{words}: {REASONS[item.reason]}" if item.reason else words


def _why(item: InputOutcome) -> Iterator[str]:
    """What went wrong and what mends it, as an inner list. Defects of one kind are told once."""
    errors = [item.error, *(language.error for language in item.languages)]
    for error in dict.fromkeys(filter(None, errors)):
        yield f"    - {_plain(' '.join(filter(None, (error.what, error.why, error.fix))))}"
    firsts = {defect.code: defect for defect in reversed(item.defects)}
    counts = Counter(defect.code for defect in item.defects)
    for code, count in counts.items():
        more = f" (and {count - 1} more `{code}`)" if count > 1 else ""
        yield f"    - {_plain(firsts[code].message)}{more}"
    for language in item.languages:
        if page := language.page or language.report:
            yield f"    - report: {_plain(page)}"


def _row(item: InputOutcome) -> str:
    code = "" if item.exit_code is None else str(item.exit_code)
    languages = ", ".join(each.language for each in item.languages if each.video)
    length = "" if item.media_seconds is None else f"{item.media_seconds:.0f} s"
    cells = [_plain(item.input), _in_words(item), code, length, f"{item.seconds:.0f} s", str(item.misses)]
    return "| " + " | ".join([*cells, str(item.hits), languages]) + " |"


def _plain(text: str) -> str:
    """Text that is neither markup nor the end of a line or cell."""
    return re.sub(r"([\\`*_|<>\[\]])", r"\\\1", " ".join(text.split()))
