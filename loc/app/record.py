"""Run records: what every run leaves in `runs/<id>/`, and how to read it back.

run.json        one `RunRecord`, written at the start and again at the end
events.ndjson   every event but `progress`, one JSON object a line, as it happens
lease           locked while the run lives; a record without an end and with a free lease was killed
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO

import filelock
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

import loc
from loc.events import Event, Progress
from loc.settings import Settings
from loc.stage import Job
from loc.store.keys import digest_value
from loc.store.workdir import WorkDir, storage_error, write_atomically

_EVENTS: TypeAdapter[Event] = TypeAdapter(Event)


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
    """Digest of the settings, which tells runs of one source apart."""
    started: str
    """ISO 8601, UTC."""
    finished: str | None = None
    exit_code: int | None = None
    hits: int = 0
    misses: int = 0
    defects: int = 0
    stages: tuple[StageTime, ...] = ()
    outputs: tuple[str, ...] = ()
    error: str | None = None


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def new_run_id() -> str:
    """A name that sorts by time: `20261120T111650.042137Z-3fa9`."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(2)}"


class Recorder:
    """Writes one run's folder. Use as a context manager: the lease is held inside it."""

    def __init__(self, store: WorkDir, job: Job, settings: Settings) -> None:
        self.record = RunRecord(
            id=new_run_id(),
            loc_version=loc.__version__,
            input=str(job.path),
            source=job.digest,
            languages=job.languages,
            settings=digest_value(settings.model_dump(mode="json")),
            started=now(),
        )
        self._folder = store.root / "runs" / self.record.id
        self._lease = filelock.FileLock(self._folder / "lease", thread_local=False)
        self._log: IO[str] | None = None

    def __enter__(self) -> Recorder:
        try:
            self._folder.mkdir(parents=True)
            self._lease.acquire()
            self._log = (self._folder / "events.ndjson").open("a", encoding="utf-8", buffering=1)
        except OSError as error:
            raise storage_error("Could not begin the run's record.", error) from error
        self._write()
        return self

    def __exit__(self, *_: object) -> None:
        if self._log is not None:
            self._log.close()
        self._lease.release()

    def sink(self, event: Event) -> None:
        """Log one event. Progress inside an action is for bars only and is not kept."""
        if isinstance(event, Progress) or self._log is None:
            return
        try:
            self._log.write(event.model_dump_json() + "\n")
        except OSError as error:
            raise storage_error("Could not write the run's event log.", error) from error

    def finish(self, **fields: object) -> RunRecord:
        """Write how the run ended."""
        self.record = self.record.model_copy(update={"finished": now(), **fields})
        self._write()
        return self.record

    def _write(self) -> None:
        write_atomically(self._folder / "run.json", self.record.model_dump_json(indent=2).encode())


def runs(store: WorkDir) -> Iterator[RunRecord]:
    """Every readable run record, newest first."""
    for folder in sorted((store.root / "runs").iterdir(), reverse=True):
        try:
            yield RunRecord.model_validate_json((folder / "run.json").read_bytes())
        except (OSError, ValidationError):
            continue


def is_alive(store: WorkDir, run: str) -> bool:
    """Whether the process of a run still holds its lease."""
    lease = filelock.FileLock(store.root / "runs" / run / "lease")
    try:
        with lease.acquire(timeout=0):
            return False
    except filelock.Timeout:
        return True
    except OSError:
        return False


def events(store: WorkDir, run: str) -> Iterator[Event]:
    """The events of a run in order. A line cut short by a kill is left out."""
    try:
        with (store.root / "runs" / run / "events.ndjson").open(encoding="utf-8") as log:
            for line in log:
                try:
                    yield _EVENTS.validate_python(json.loads(line))
                except (ValueError, ValidationError):
                    continue
    except OSError:
        return
