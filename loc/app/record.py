"""Run records: what every run leaves in `runs/<id>/`, and how to read it back.

run.json        one `RunRecord`, written at the start and again at the end
events.ndjson   every event but `progress`, one JSON object a line, as it happens
lease           locked while the run lives; a record without an end and with a free lease was killed
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

import loc
from loc.app.pictures import digest_beside
from loc.errors import ExitCode, InputError, StorageError
from loc.events import Event, Progress
from loc.settings import Settings
from loc.stage import Job
from loc.store import locks
from loc.store.keys import digest_value
from loc.store.locks import Lock
from loc.store.workdir import WorkDir, storage_error

_EVENTS: TypeAdapter[Event] = TypeAdapter(Event)

_ID_TIME = "%Y%m%dT%H%M%S.%fZ"
_ID = re.compile(r"(\d{8}T\d{6}\.\d{6}Z)-[0-9a-f]{4}")

_SHAPES_NOTHING = frozenset(
    {"languages", "source_language", "output", "overwrite", "force", "workers", "work_dir", "data_dir"}
    | {"ffmpeg", "ffprobe", "device", "offline", "hub", "mirrors", "summary", "deadline", "nice", "llm_price"}
)
"""Settings that do not tell one variant of a job from another: where things lie, how the work is done, and
the languages, since those a job has do not all come from settings."""


FINISHED = (ExitCode.DONE, ExitCode.DEFECTS)
"""How a run ended that left outputs."""


class StageTime(BaseModel):
    """What one stage cost in one run."""

    model_config = ConfigDict(frozen=True)

    stage: str
    language: str | None
    seconds: float
    hits: int
    misses: int


class RunRecord(BaseModel):
    """One run of one input."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    loc_version: str
    input: str
    """Path as given."""
    source: str
    """SHA-256 of the input."""
    languages: tuple[str, ...]
    settings: str
    """Digest of the settings that shape the result, which tells variants of one job apart."""
    given: dict[str, Any] = {}
    """All settings, for commands that go on with a finished run."""
    started: str
    """ISO 8601, UTC."""
    finished: str | None = None
    exit_code: int | None = None
    hits: int = 0
    misses: int = 0
    defects: int = 0
    stages: tuple[StageTime, ...] = ()
    outputs: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    """Languages that failed while others did not."""
    error: str | None = None


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def variant(job: Job, settings: Settings) -> str:
    """Digest of the settings that shape a result, whatever its language."""
    shaping = settings.model_dump(mode="json", exclude=set(_SHAPES_NOTHING))
    return digest_value({**shaping, "source_language": job.source_language})


def new_run_id(newest: str | None) -> str:
    """A name that sorts behind every run before it: `20261120T111650.042137Z-3fa9`.

    It holds the time at which the run began; where the clock has gone back, the time of the newest run and a
    microsecond more. So the order of runs does not depend on the clock; `RunRecord.started` tells its time.
    """
    moment = datetime.now(UTC)
    match = _ID.fullmatch(newest or "")
    if match is not None:
        last = datetime.strptime(match[1], _ID_TIME).replace(tzinfo=UTC)
        moment = max(moment, last + timedelta(microseconds=1))
    return f"{moment.strftime(_ID_TIME)}-{secrets.token_hex(2)}"


class Recorder:
    """Writes one run's folder. Use as a context manager: the lease is held inside it."""

    def __init__(self, store: WorkDir, job: Job, settings: Settings) -> None:
        self._store = store
        self._job = job
        self._settings = settings
        self._lease: Lock | None = None
        self._log: IO[bytes] | None = None

    def __enter__(self) -> Recorder:
        with self._store.lock("runs"):
            self.record = self._begin()
            try:
                self._folder.mkdir()
                self._lease = locks.acquire(self._folder / "lease")
                self._log = (self._folder / "events.ndjson").open("ab", buffering=0)
                self._write()
            except (OSError, StorageError) as error:
                shutil.rmtree(self._folder, ignore_errors=True)
                self.__exit__()
                if isinstance(error, StorageError):
                    raise
                raise storage_error("Could not begin the run's record.", error) from error
        return self

    def _begin(self) -> RunRecord:
        return RunRecord(
            id=new_run_id(next(iter(run_ids(self._store)), None)),
            loc_version=loc.__version__,
            input=str(self._job.path),
            source=self._job.digest,
            languages=self._job.languages,
            settings=variant(self._job, self._settings),
            given=self._settings.model_dump(mode="json"),
            started=now(),
        )

    @property
    def _folder(self) -> Path:
        return self._store.root / "runs" / self.record.id

    def __exit__(self, *_: object) -> None:
        self._close_log()
        if self._lease is not None:
            self._lease.release()

    def _close_log(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None

    def sink(self, event: Event) -> None:
        """Log one event. Progress inside an action is for bars only and is not kept.

        Raises:
            StorageError: no space; nothing is logged any more, and the run should end.
        """
        if isinstance(event, Progress) or self._log is None:
            return
        line = event.model_dump_json().encode() + b"\n"
        try:
            while line:
                line = line[self._log.write(line) :]
        except OSError as error:
            self._close_log()
            raise storage_error("Could not write the run's event log.", error) from error

    def finish(self, **fields: object) -> RunRecord:
        """Write how the run ended."""
        self.record = self.record.model_copy(update={"finished": now(), **fields})
        self._write()
        return self.record

    def _write(self) -> None:
        self._store.write(self._folder / "run.json", self.record.model_dump_json(indent=2).encode())


def runs(store: WorkDir) -> Iterator[RunRecord]:
    """Every readable run record, newest first."""
    for run in run_ids(store):
        record = read_run(store, run)
        if record is not None:
            yield record


def runs_of(store: WorkDir, path: Path) -> Callable[[RunRecord], bool]:
    """Tells runs of an input as it is now from all others, whatever it was called then. Pictures are one
    input with the sound that the run had.

    Raises:
        InputError: it cannot be read.
    """
    beside = digest_beside(path, store)

    def is_one(record: RunRecord) -> bool:
        sound = record.given.get("audio")
        # A sound that is gone or empty is not the one it was.
        with contextlib.suppress(InputError):
            return beside(None if sound is None else Path(sound)) == record.source
        return False

    return is_one


def run_ids(store: WorkDir) -> list[str]:
    """The id of every run, readable or not, newest first."""
    names = (path.name for path in (store.root / "runs").iterdir())
    return sorted(filter(_ID.fullmatch, names), reverse=True)


def was_finished(store: WorkDir, job: Job, settings: Settings) -> bool:
    """Whether some run of an input came to its end with all that the settings shape as it is now."""
    wanted = variant(job, settings)
    return any(
        record.source == job.digest
        and record.settings == wanted
        and record.exit_code in FINISHED
        and set(job.languages) <= set(record.languages)
        for record in runs(store)
    )


def read_run(store: WorkDir, run: str) -> RunRecord | None:
    """The record of a run, or None where it cannot be read."""
    with contextlib.suppress(OSError, ValidationError):
        return RunRecord.model_validate_json((store.root / "runs" / run / "run.json").read_bytes())
    return None


def is_alive(store: WorkDir, run: str) -> bool:
    """Whether the process of a run still holds its lease."""
    folder = store.root / "runs" / run
    if not folder.is_dir():
        return False
    try:
        # Shared: two who ask at the same time must not take each other for the run.
        lease = locks.try_acquire(folder / "lease", shared=True)
    except OSError:
        return False
    if lease is not None:
        lease.release()
    return lease is None


def events(store: WorkDir, run: str) -> Iterator[Event]:
    """The events of a run in order. A line that was cut short or damaged is left out."""
    try:
        with (store.root / "runs" / run / "events.ndjson").open("rb") as log:
            for line in log:
                try:
                    yield _EVENTS.validate_python(json.loads(line))
                except (ValueError, ValidationError):
                    continue
    except OSError:
        return
