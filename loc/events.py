"""What happens in a run, as it happens: one stream of events, several readers.

Readers: the NDJSON log (always), progress bars or plain lines on stderr, `--json` on stdout. Events carry
ids, digests, counts and seconds; never text, pixels or voice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from loc.artifacts import Fit, FrameRange, Score
from loc.errors import printable


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RunStarted(_Event):
    type: Literal["run-started"] = "run-started"
    run: str
    source: str
    """SHA-256 of the input."""
    languages: tuple[str, ...]
    loc_version: str


class StageStarted(_Event):
    type: Literal["stage-started"] = "stage-started"
    stage: str
    language: str | None = None


class StageDone(_Event):
    type: Literal["stage-done"] = "stage-done"
    stage: str
    language: str | None = None
    seconds: float
    hits: int
    misses: int


class WorkPlanned(_Event):
    """A batch begins: how many actions of one name it will finish, for bars and ETAs."""

    type: Literal["work-planned"] = "work-planned"
    stage: str
    action: str
    language: str | None = None
    total: int


class Progress(_Event):
    """Work inside one action: `done` of `total` units (frames, samples)."""

    type: Literal["progress"] = "progress"
    stage: str
    action: str
    unit: str
    done: int
    total: int


class ActionDone(_Event):
    type: Literal["action-done"] = "action-done"
    stage: str
    action: str
    unit: str
    language: str | None = None
    key: str
    hit: bool
    seconds: float
    backend: str | None = None
    backend_version: str | None = None
    weights: Mapping[str, str] = Field(default_factory=dict)
    params: Mapping[str, Any] = Field(default_factory=dict)
    detail: Mapping[str, Any] = Field(default_factory=dict)
    """Figures of this unit: score, fit, skipped frames, peak memory."""


class LineFitted(_Event):
    """How a line of the dub was fitted to its time: as made now or found made. Samples at 48 kHz."""

    type: Literal["line-fitted"] = "line-fitted"
    language: str
    line: str
    fit: Fit


class CutDecided(_Event):
    """What was decided for a cut, and what became of it."""

    type: Literal["cut-decided"] = "cut-decided"
    language: str
    shot: int
    frames: FrameRange
    route: Literal["draft", "final", "passthrough"]
    reasons: tuple[str, ...]
    """Codes."""
    backend: str | None
    drawn_frames: int
    skipped_frames: int
    score: Score | None
    """None where nothing was drawn."""


Words = Annotated[str, BeforeValidator(printable)]
"""What is told to a person; names of files may stand in it."""


class Notice(_Event):
    """Something a person should know: a fallback, an assumption, a repair."""

    type: Literal["notice"] = "notice"
    language: str | None = None
    """null where it holds for the whole film."""
    code: str
    message: Words


class Defect(_Event):
    """A line or cut that failed or fell under a gate; the run goes on and ends with code 3."""

    type: Literal["defect"] = "defect"
    stage: str
    unit: str
    language: str | None = None
    code: str
    message: Words


class OutputWritten(_Event):
    type: Literal["output-written"] = "output-written"
    language: str
    kind: Literal["video", "subtitles", "report", "page"]
    sha256: str
    bytes: int


class RunDone(_Event):
    type: Literal["run-done"] = "run-done"
    run: str
    exit_code: int
    seconds: float
    hits: int
    misses: int
    defects: int
    error: str | None = None


Event = Annotated[
    RunStarted
    | StageStarted
    | StageDone
    | WorkPlanned
    | Progress
    | ActionDone
    | LineFitted
    | CutDecided
    | Notice
    | Defect
    | OutputWritten
    | RunDone,
    Field(discriminator="type"),
]

Sink = Callable[[Event], None]


class EventBus:
    """Hands every event to every reader, in order, from any thread."""

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = list(sinks)
        self._lock = threading.Lock()

    def add(self, sink: Sink) -> None:
        self._sinks.append(sink)

    def emit(self, event: Event) -> None:
        with self._lock:
            for sink in self._sinks:
                sink(event)
