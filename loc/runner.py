"""Runs actions through the store: a key, a look, a lock, the work, a record.

An action takes the narrowest slice it needs and names in its key everything that can change its result and
nothing else. Only successes are recorded. In `look` mode nothing is made: a miss raises `NotMade`, which is
how plan and explain walk the same code as a run.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel

from loc.artifacts import Ref
from loc.deadline import Deadline
from loc.errors import ChildError, InputChangedError, Interrupted, LocError, StorageError
from loc.events import ActionDone, Defect, EventBus, Notice, Progress, WorkPlanned
from loc.process import return_freed_memory
from loc.store.keys import canonical, digest_value
from loc.store.workdir import NO_SPACE, ActionRecord, WorkDir, storage_error

Model = TypeVar("Model", bound=BaseModel)
Result = TypeVar("Result")


TIDY_EVERY_S = 10
"""Seconds between two looks for garbage, a tenth of a second each. Python by itself looks through everything
only once a quarter of it is new, and holds meanwhile what native libraries have allocated behind little
objects."""

TRIM_EVERY_S = 1
"""Seconds between two times that freed memory is handed back while actions run. Only within an action are the
holes free that its pictures leave: at its end other threads have put small things between them. Five minutes
of film at 320x180 then took 2.6 MB more than one, and 13 MB without (measured)."""


@dataclass(frozen=True)
class Site:
    """Where in the job an action stands. Never in a key: it names the action to people and `loc explain`."""

    stage: str
    unit: str = ""
    """`chunk 3`, `line 12`; empty for an action that runs once."""
    language: str | None = None


@dataclass(frozen=True)
class Action:
    """One unit of work and everything its result depends on.

    Args:
        name: `stage.verb`, e.g. `dub.speak`.
        version: raised when the code's output changes.
        inputs: name -> digest, `Ref`, or slice (a mapping of digests and ranges). Text goes in as its digest.
        params: what can change the result and no more; never text.
        backend: (card id, card version).
        programs: fingerprints of programs, packages and data that shape the result.
        weights: weight file id -> digest.
    """

    name: str
    version: int
    site: Site
    inputs: Mapping[str, Any]
    params: Mapping[str, Any] = field(default_factory=dict)
    backend: tuple[str, str] | None = None
    programs: Mapping[str, str] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=dict)

    def fields(self) -> dict[str, Any]:
        """The whole key before hashing."""
        fields: dict[str, Any] = canonical(
            {
                "action": self.name,
                "version": self.version,
                "backend": list(self.backend) if self.backend else None,
                "weights": dict(self.weights),
                "programs": dict(self.programs),
                "params": dict(self.params),
                "inputs": {name: _as_input(value) for name, value in self.inputs.items()},
            }
        )
        return fields


def _as_input(value: Any) -> Any:
    """References count by their digest alone, at any depth."""
    if isinstance(value, Ref):
        return value.sha256
    if isinstance(value, BaseModel):
        return {name: _as_input(item) for name, item in value}
    if isinstance(value, Mapping):
        return {key: _as_input(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_input(item) for item in value]
    return value


class NotMade(Exception):  # noqa: N818 - news, not a failure
    """In look mode: something is not there yet. `stage` is where it would be made."""

    def __init__(self, stage: str) -> None:
        super().__init__(stage)
        self.stage = stage


class Out:
    """Where an action puts what it makes."""

    def __init__(self, folder: Path, store: WorkDir, report: Callable[[int, int], None]) -> None:
        self.folder = folder
        """Private scratch space; whatever is not declared below is thrown away."""
        self.store = store
        self.detail: dict[str, Any] = {}
        """Figures for the record and the report: counts and measures, never text."""
        self._files: dict[str, Path] = {}
        self._refs: dict[str, Ref] = {}
        self._report = report

    def file(self, name: str, suffix: str = "") -> Path:
        """A path to write output `name` to. The suffix is for the writer's sake and is not kept."""
        path = self.folder / f"{name}{suffix}"
        self._files[name] = path
        return path

    def bytes(self, name: str, data: bytes) -> Ref:
        """Store output `name` at once."""
        self._refs[name] = self.store.put_bytes(data)
        return self._refs[name]

    def keep(self, name: str, refs: Iterable[Ref]) -> None:
        """Declare objects stored along the way as outputs `name-0`, `name-1`, ...

        What a model merely refers to would otherwise be missed only when it is read, and collected as waste.
        """
        self._refs.update({f"{name}-{number}": ref for number, ref in enumerate(refs)})

    def model(self, name: str, model: BaseModel) -> Ref:
        """Store a model as JSON."""
        return self.bytes(name, model.model_dump_json().encode("utf-8"))

    def progress(self, done: int, total: int) -> None:
        """Tell how far this action is, in its own units."""
        self._report(done, total)

    def collect(self) -> dict[str, Ref]:
        refs = dict(self._refs)
        for name, path in self._files.items():
            refs[name] = self.store.adopt(path)
        return refs


@dataclass(frozen=True)
class Made:
    """What an action made, now or earlier."""

    store: WorkDir
    key: str
    outputs: Mapping[str, Ref]
    detail: Mapping[str, Any]
    hit: bool

    def ref(self, name: str) -> Ref:
        return self.outputs[name]

    def path(self, name: str) -> Path:
        """A verified object's path, to be read only."""
        return self.store.open_object(self.outputs[name])

    def model(self, name: str, kind: type[Model]) -> Model:
        """A model read back from its JSON."""
        return kind.model_validate_json(self.store.read_bytes(self.outputs[name]))


@dataclass(frozen=True)
class Look:
    """One action met in look mode."""

    action: Action
    key: str
    hit: bool
    record: ActionRecord | None


Make = Callable[[Out], None]


_PROBE = bytes(1 << 16)
"""What is written to find out whether a disk is full: a writer that failed for want of room has taken all
but the last blocks."""


@contextlib.contextmanager
def _space_errors(name: str, folder: Path) -> Iterator[None]:
    """Turn a full disk, met by an action itself or by a child it runs, into the error that says so.

    Not every library and program tells why it could not write, so where one failed, whether there is room is
    tried out.
    """
    try:
        yield
    except (StorageError, Interrupted):
        raise
    except Exception as error:
        said = isinstance(error, ChildError) and os.strerror(errno.ENOSPC) in error.why
        if not said and not (isinstance(error, OSError) and error.errno in NO_SPACE) and _has_room(folder):
            raise
        full = OSError(errno.ENOSPC, str(error))
        raise storage_error(f"There was no room for what {name} makes.", full) from error


def _has_room(folder: Path) -> bool:
    path = folder / ".room"
    try:
        path.write_bytes(_PROBE)
    except OSError as error:
        return error.errno not in NO_SPACE
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
    return True


def _trim(closed: threading.Event) -> None:
    while not closed.wait(TRIM_EVERY_S):
        return_freed_memory()


class Runner:
    """Makes actions, or looks whether they are made.

    Args:
        store: an open work directory.
        events: where every action is reported.
        run: id of this run, written into the records it makes.
        mode: `make` does the work; `look` only looks.
        forced: stages whose actions are made again once in this run although they are recorded.
        workers: threads for batches whose actions spend their time in children or in numpy.
        deadline: after it no action is made any more; what is made already is still found.
        away: its block is entered while an action waits for another process that makes it.
        unchanged: called before an action is recorded, and where one failed; raises where what it may have
            read is not what its key says any more.
    """

    def __init__(
        self,
        store: WorkDir,
        events: EventBus,
        *,
        run: str = "",
        mode: Literal["make", "look"] = "make",
        forced: frozenset[str] = frozenset(),
        workers: int = 2,
        deadline: Deadline | None = None,
        away: Callable[[], contextlib.AbstractContextManager[object]] = contextlib.nullcontext,
        unchanged: Callable[[], None] = lambda: None,
    ) -> None:
        self.store = store
        self.events = events
        self.run_id = run
        self.mode = mode
        self.forced = forced
        self.looks: list[Look] = []
        self.hits = 0
        self.misses = 0
        self.defects: list[Defect] = []
        self._noticed: set[Notice] = set()
        self._deadline = deadline
        self._away = away
        self._unchanged = unchanged
        self._forced_done: set[str] = set()
        self._count = threading.Lock()
        self._tidied_at = time.monotonic()
        self._closed = threading.Event()
        if mode == "make":
            threading.Thread(target=_trim, args=(self._closed,), name="trim", daemon=True).start()
            weakref.finalize(self, self._closed.set)
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="action")

    def close(self, *, wait: bool = True) -> None:
        """End the threads. After an interrupt there is no waiting: what they make would not be kept."""
        self._closed.set()
        self._pool.shutdown(wait=wait, cancel_futures=True)

    def defect(self, stage: str, unit: str, code: str, message: str, language: str | None = None) -> None:
        """Report that a line or cut failed; the run goes on and ends with exit code 3."""
        if self.mode == "look":
            return
        event = Defect(stage=stage, unit=unit, language=language, code=code, message=message)
        with self._count:
            if event in self.defects:
                return
            self.defects.append(event)
        self.events.emit(event)

    def notice(self, code: str, message: str, language: str | None = None) -> None:
        """Say a fallback, an assumption or a repair aloud, once; of one language, or of the whole film, and
        then of none of its languages again."""
        event = Notice(language=language, code=code, message=message)
        said = event in self._noticed or Notice(code=code, message=message) in self._noticed
        if self.mode == "make" and not said:
            self._noticed.add(event)
            self.events.emit(event)

    def do(self, action: Action, make: Make) -> Made:
        """Make an action, or find it made.

        Raises:
            NotMade: in look mode, when it is not there.
            DeadlinePassed: it is not there, and it is too late to begin it.
            Whatever `make` raises; nothing is recorded then.
        """
        fields = action.fields()
        key = digest_value(fields)
        if self.mode == "look":
            record = None if self._is_forced(action, key) else self._find(key)
            self.looks.append(Look(action, key, record is not None, record))
            if record is None:
                raise NotMade(action.site.stage)
            return Made(self.store, key, record.outputs, record.detail, hit=True)
        started = time.monotonic()
        record = None if self._is_forced(action, key) else self._find(key)
        hit = record is not None
        if record is None:
            self._check_deadline()
            with self.store.making(key, self._away):
                # Another process or thread may have made it while we waited.
                record = None if self._is_forced(action, key) else self._find(key, say=True)
                hit = record is not None
                if record is None:
                    self._check_deadline()
                    record = self._make(action, key, fields, make)
        self._report(action, key, record, hit, time.monotonic() - started)
        return Made(self.store, key, record.outputs, record.detail, hit)

    def lacks(self, action: Action) -> bool:
        """Whether an action would have to be made now. Another process may make it meanwhile."""
        key = digest_value(action.fields())
        return self._is_forced(action, key) or self._find(key) is None

    def map(self, work: Sequence[tuple[Action, Make]], *, parallel: bool = False) -> list[Made]:
        """Make a batch of independent actions, in order, or `parallel` on the runner's threads.

        In look mode every action is looked at before `NotMade` is raised for any of them.
        """
        return self._batch(work, self.do, parallel)

    def attempt(
        self, work: Sequence[tuple[Action, Make]], *, parallel: bool = False
    ) -> list[Made | LocError]:
        """As `map`, where one unit may fail without the others: its error is handed back in its place.

        An interrupt, a failure of the store and an input that changed still end the run.
        """
        return self._batch(work, self._contained, parallel)

    def _contained(self, action: Action, make: Make) -> Made | LocError:
        try:
            return self.do(action, make)
        except (Interrupted, StorageError, InputChangedError):
            raise
        except LocError as error:
            return error

    def _batch(
        self, work: Sequence[tuple[Action, Make]], do: Callable[[Action, Make], Result], parallel: bool
    ) -> list[Result]:
        if not work:
            return []
        if self.mode == "look":
            return self._look_at_all(work, do)
        site = work[0][0].site
        for name, total in Counter(action.name for action, _ in work).items():
            self.events.emit(WorkPlanned(stage=site.stage, action=name, language=site.language, total=total))
        if not parallel:
            return [do(action, make) for action, make in work]
        futures = [self._pool.submit(self._tidied, do, action, make) for action, make in work]
        done, pending = wait(futures, return_when=FIRST_EXCEPTION)
        if any(future.exception() for future in done):
            for future in pending:
                future.cancel()
            # What is under way is finished and kept: it still needs its backend, and its disk.
            wait(pending)
        # Else what comes next begins on top of the holes: separation of an hour left 53 MB (measured).
        self._tidy()
        return [future.result() for future in futures]

    def _tidied(self, do: Callable[[Action, Make], Result], action: Action, make: Make) -> Result:
        """The result of an action of a batch, which may go on for an hour."""
        result = do(action, make)
        if time.monotonic() - self._tidied_at > TIDY_EVERY_S:
            self._tidy()
        return result

    def _tidy(self) -> None:
        """Hand back what actions freed, and what only garbage holds."""
        if time.monotonic() - self._tidied_at > TIDY_EVERY_S:
            self._tidied_at = time.monotonic()
            gc.collect()
        return_freed_memory()

    @staticmethod
    def _look_at_all(
        work: Sequence[tuple[Action, Make]], do: Callable[[Action, Make], Result]
    ) -> list[Result]:
        made: list[Result] = []
        missing: NotMade | None = None
        for action, make in work:
            try:
                made.append(do(action, make))
            except NotMade as error:
                missing = error
        if missing is not None:
            raise missing
        return made

    def _check_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.check()

    def _is_forced(self, action: Action, key: str) -> bool:
        """Whether a recorded result must not count: its stage is forced, and it was not made by this run."""
        return action.site.stage in self.forced and key not in self._forced_done

    def _find(self, key: str, *, say: bool = False) -> ActionRecord | None:
        """A record whose objects are all there at full size; their bytes are verified when read."""
        record = self.store.find_action(key)
        if record is None:
            if say and self.store.action_path(key).exists():
                self.notice("record-damaged", f"The record of action {key[:12]} is damaged; making it again.")
            return None
        for ref in record.outputs.values():
            if not self.store.has(ref):
                what = f"Object {ref.sha256[:12]} of {record.name} is missing or truncated; making it again."
                if say:
                    self.notice("object-missing", what)
                return None
        return record

    def _make(self, action: Action, key: str, fields: dict[str, Any], make: Make) -> ActionRecord:
        started = time.monotonic()

        def report(done: int, total: int) -> None:
            site = action.site
            self.events.emit(
                Progress(stage=site.stage, action=action.name, unit=site.unit, done=done, total=total)
            )

        with self.store.scratch() as folder, _space_errors(action.name, folder):
            out = Out(folder, self.store, report)
            try:
                make(out)
            except Interrupted:
                raise
            except Exception:
                # That the input changed is the cause then, not what was met for it.
                self._unchanged()
                raise
            self._unchanged()
            outputs = out.collect()
        record = ActionRecord(
            key=key,
            name=action.name,
            fields=fields,
            outputs=outputs,
            seconds=round(time.monotonic() - started, 4),
            run=self.run_id,
            detail=out.detail,
        )
        self.store.record_action(record)
        with self._count:
            self._forced_done.add(key)
        return record

    def _report(self, action: Action, key: str, record: ActionRecord, hit: bool, seconds: float) -> None:
        with self._count:
            self.hits += hit
            self.misses += not hit
        self.events.emit(
            ActionDone(
                stage=action.site.stage,
                action=action.name,
                unit=action.site.unit,
                language=action.site.language,
                key=key,
                hit=hit,
                seconds=round(seconds, 4),
                backend=action.backend[0] if action.backend else None,
                backend_version=action.backend[1] if action.backend else None,
                weights=dict(action.weights),
                params=canonical(dict(action.params)),
                detail=dict(record.detail),
            )
        )
