"""`loc run`: everything that is asked of an input before work, the work, and what is left at the end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

import loc
from loc.app import export, page, report
from loc.app.export import Targets
from loc.app.feasibility import (
    Choices,
    cut_graph,
    decide,
    decide_heard,
    require_all,
    require_data_folder,
    require_encoders,
    require_fonts,
    restricted,
    text_supplied,
)
from loc.app.inputs import OwnOutputError, named, open_job
from loc.app.pool import Pool
from loc.app.record import Recorder, StageTime, was_finished
from loc.app.room import room_of
from loc.app.walk import Slots, informed, make_stage
from loc.artifacts import (
    SAMPLE_RATE,
    Cut,
    DubTrack,
    LipSync,
    Ref,
    Render,
    Source,
    Transcript,
    Translation,
)
from loc.backend import Backend, Card, Checking, Host, cards_of, installed
from loc.deadline import Deadline
from loc.device import Devices
from loc.errors import (
    DamagedObjectError,
    DeadlinePassed,
    ExitCode,
    InputChangedError,
    InputError,
    Interrupted,
    LocError,
    StorageError,
    UsageError,
)
from loc.events import (
    CutDecided,
    Defect,
    Event,
    EventBus,
    LineFitted,
    Notice,
    OutputWritten,
    RunDone,
    RunStarted,
    Sink,
)
from loc.media import ffmpeg
from loc.media.probe import chosen_track, probe_input
from loc.media.retiming import Clock, clock, slow_down
from loc.media.timeline import Timeline, load_timeline
from loc.runner import Runner
from loc.settings import Settings
from loc.stage import Context, Job, Stage
from loc.store.keys import digest_bytes
from loc.store.workdir import WorkDir
from loc.weights.shelf import Shelf

MAX_REPAIRS = 1000
"""Damaged objects made again in one run before giving up: a disk that loses more is no place for a store."""


OF_THE_MACHINE = frozenset(
    {
        "device-cpu",
        "device-waiting",
        "finals-estimate",
        "finals-smaller",
        "finals-stay",
        "graph-refused",
        "memory-halved",
        "room",
    }
)
"""Codes of notices that stand in the log alone: a report tells of the work, and is written again only where
it would tell of other work."""


@dataclass(frozen=True)
class Graph:
    """What the application is given: the stages in their order, and every backend by card id."""

    stages: tuple[Stage, ...]
    backends: Mapping[str, type[Backend]]

    def cards(self, shelf: Shelf) -> list[Card]:
        """Every choice there is: each backend, with each model it could load."""
        rows = list(shelf.rows().values())
        return [card for backend in self.backends.values() for card in cards_of(backend.card, rows)]


@dataclass(frozen=True)
class Prepared:
    """An input that can be worked on: opened, probed, every stage with its backend, outputs writable."""

    job: Job
    stages: tuple[Stage, ...]
    choices: Choices
    targets: Mapping[str, Targets]
    notices: tuple[Notice, ...]


@dataclass(frozen=True)
class LanguageResult:
    """What became of one language."""

    language: str
    targets: Targets | None = None
    written: tuple[Path, ...] = ()
    """Files that changed; the others were there already."""
    lines: int = 0
    cuts_drawn: int = 0
    cuts: int = 0
    error: LocError | None = None


@dataclass(frozen=True)
class RunResult:
    """What became of one input."""

    run: str
    path: Path
    exit_code: ExitCode
    seconds: float
    hits: int
    misses: int
    languages: tuple[LanguageResult, ...]
    stages: tuple[StageTime, ...]
    defects: tuple[Defect, ...]
    choices: Choices
    error: LocError | None = None
    media_seconds: float | None = None
    """Length of the input; None where it was not read."""


def prepare(path: Path, graph: Graph, store: WorkDir, settings: Settings, *, look: bool = False) -> Prepared:
    """Open and probe an input, then find out whether the whole graph can be walked for it.

    Args:
        look: for plan and explain: what is missing is left to them to show, and outputs are not checked.

    Raises:
        InputError, UsageError: the input or what was supplied with it cannot be used.
        MissingError, RefusedError: a stage has no backend (not in look mode).
        StorageError: the data folder cannot be read; the outputs could not be written (not in look mode).
    """
    notices: list[Notice] = []

    def say(code: str, message: str) -> None:
        notices.append(Notice(code=code, message=message))

    stages = cut_graph(graph.stages, settings)
    ffmpeg.foresee(settings.ffmpeg, settings.ffprobe)
    require_data_folder(settings.data_dir)
    path = named(path)
    job = open_job(path, store, settings, say)
    facts, is_own = (None, False) if job.pictures else probe_input(path, settings)
    if is_own:
        raise OwnOutputError(path)
    if facts is None:
        has_sound = job.pictures is not None and job.pictures.sound is not None
    else:
        has_sound = chosen_track(facts.audio, settings.audio_track) is not None
    if not has_sound and not text_supplied(job):
        raise InputError(
            f"{path.name} has no sound track, and no text was supplied.",
            why="It announces sound, and nothing of it was sent." if facts and facts.audio else "",
            fix=f"Supply what is to be said, e.g. as {path.stem}.{job.languages[0]}.srt beside it.",
        )
    shelf = Shelf(settings.data_dir)
    choices = decide(
        stages, job, settings, graph.cards(shelf), lambda need: installed(need, shelf), has_sound
    )
    check_settings(choices, graph, settings)
    for words in restricted(choices):
        say("non-commercial", words)
    targets = {language: export.targets_for(path, language, settings) for language in job.languages}
    if not look:
        require_all(choices, job, settings)
        if settings.until is None:
            require_encoders(settings, hdr=facts is not None and facts.video.is_hdr)
            require_fonts(job, settings)
            for target in targets.values():
                export.check_writable(store, target.all, settings)
    return Prepared(job, stages, choices, targets, tuple(notices))


def check_settings(choices: Choices, graph: Graph, settings: Settings) -> None:
    """Ask the chosen backends that can tell whether they would refuse what the settings say.

    Raises:
        LocError: one would.
    """
    chosen = {card.choice: card for one in choices.resolutions.values() if (card := one.choice) is not None}
    for card in chosen.values():
        kind = graph.backends[card.id]
        if issubclass(kind, Checking):
            kind(Host(settings, settings.work_dir, settings.purpose, card.model)).check()


def with_language(prepared: Prepared, graph: Graph, settings: Settings, language: str) -> Prepared:
    """What was prepared for an input whose language is known only now that it was heard.

    Raises:
        UsageError: it is one of the target languages.
    """
    if language in prepared.job.languages:
        raise UsageError(
            f"{prepared.job.path.name} is spoken in {language!r} already, so it cannot be localized to it.",
            why="That is what was heard.",
            fix="Leave that language out of --lang, or say what is spoken with --from.",
        )
    job = replace(prepared.job, source_language=language)
    shelf = Shelf(settings.data_dir)
    choices = decide_heard(
        prepared.choices,
        prepared.stages,
        job,
        settings,
        graph.cards(shelf),
        lambda need: installed(need, shelf),
    )
    return replace(prepared, job=job, choices=choices)


def run_job(
    prepared: Prepared,
    graph: Graph,
    store: WorkDir,
    settings: Settings,
    sinks: Sequence[Sink] = (),
    deadline: Deadline | None = None,
) -> RunResult:
    """Do the work of one prepared input and write its outputs.

    An error that ends the run, or that ends every language, is returned in the result with its exit code, and
    so is the news that the deadline came first; a language that fails beside others that do not is a defect.

    Raises:
        Interrupted: by Ctrl-C or a signal; everything finished so far is kept, and the record says so.
    """
    with Recorder(store, prepared.job, settings) as recorder:
        notices: list[Notice] = []

        def remember(event: Event) -> None:
            if isinstance(event, Notice) and event.code not in OF_THE_MACHINE:
                notices.append(event)

        bus = EventBus(recorder.sink, remember, *sinks)
        devices = Devices(
            settings.data_dir,
            settings.device,
            lambda code, message: bus.emit(Notice(code=code, message=message)),
        )
        runner = Runner(
            store,
            bus,
            run=recorder.record.id,
            forced=frozenset(settings.force),
            workers=settings.workers,
            deadline=deadline,
            away=devices.away,
            # Of pictures nothing but the plate is made, which sees to it.
            unchanged=(lambda: None) if prepared.job.pictures else prepared.job.require_unchanged,
        )
        run = _Run(prepared, graph, settings, runner, notices, devices)
        finished = False
        try:
            error = run.work()
            finished = True
        except DeadlinePassed as passed:
            error, finished = passed, True
        except (KeyboardInterrupt, Interrupted) as interrupt:
            with contextlib.suppress(StorageError):
                run.end(recorder, ExitCode.INTERRUPTED, "interrupted")
            raise Interrupted(
                "Interrupted.",
                why="Everything finished so far is kept.",
                fix="Run the same command again to go on from there.",
            ) from interrupt
        except BaseException as fault:
            with contextlib.suppress(StorageError):
                run.end(recorder, ExitCode.INTERNAL, type(fault).__name__)
            raise
        finally:
            runner.close(wait=finished)
        try:
            run.end(recorder, run.exit_code(error), error.what if error else None)
        except StorageError as full:
            # The first error tells more than that its record could not be written either.
            error = error or full
        return run.result(run.exit_code(error), error)


@dataclass
class _Run:
    """One run under way: the only mutable thing in the application."""

    prepared: Prepared
    graph: Graph
    settings: Settings
    runner: Runner
    notices: Sequence[Notice]
    devices: Devices
    pool: Pool | None = None
    started: float = field(default_factory=time.monotonic)
    slots: Slots = field(default_factory=Slots)
    spent: dict[tuple[str, str | None], StageTime] = field(default_factory=dict)
    results: dict[str, LanguageResult] = field(default_factory=dict)

    @property
    def job(self) -> Job:
        return self.prepared.job

    def work(self) -> LocError | None:
        """Do everything; the error that ended it, if any.

        Raises:
            Interrupted, KeyboardInterrupt.
        """
        try:
            return self._work()
        except Interrupted:
            raise
        except LocError as error:
            return error

    def _work(self) -> LocError | None:
        """Walk the graph until it is done; a walk that meets a damaged object mends it and starts again."""
        self.runner.events.emit(
            RunStarted(
                run=self.runner.run_id,
                source=self.job.digest,
                languages=self.job.languages,
                loc_version=loc.__version__,
            )
        )
        for notice in self.prepared.notices:
            self.runner.events.emit(notice)
        with contextlib.ExitStack() as stack:
            scratch = stack.enter_context(self.runner.store.scratch())
            stack.callback(self.devices.close)
            host = Host(self.settings, scratch, self.settings.purpose, run=self.devices)
            self.pool = stack.enter_context(Pool(self.graph.backends, self.prepared.choices, host))
            context = Context(
                self.runner,
                self.settings,
                self.job,
                self.pool.get,
                others=self.pool.others,
                card_of=self.pool.card_of,
                hear=partial(self._hear, self.pool),
            )
            self._tell_room(context)
            mended: set[str] = set()
            while True:
                try:
                    return self._walk(context)
                except DamagedObjectError as damage:
                    if damage.sha256 in mended or len(mended) >= MAX_REPAIRS:
                        return damage
                    mended.add(damage.sha256)
                    self._mend(damage)

    def _tell_room(self, context: Context) -> None:
        """Say how much memory will be taken by what knows it. Not where all is made already: looking at a
        device takes seconds."""
        if was_finished(self.runner.store, self.job, self.settings):
            return
        resolutions = self.prepared.choices.resolutions
        rooms = {
            name: room_of(one.choice, name, language, context, self.graph.backends)
            for (name, language), one in resolutions.items()
        }
        for name, room in rooms.items():
            if room is not None:
                self.runner.notice("room", f"Memory for {name}: {room}")

    def _hear(self, pool: Pool, context: Context, language: str) -> Context:
        """Go on with a language that was heard; the translators for it are chosen, or found missing, now.

        Raises:
            MissingError, RefusedError, UsageError: it cannot be worked with.
        """
        before = restricted(self.prepared.choices)
        self.prepared = with_language(self.prepared, self.graph, self.settings, language)
        require_all(self.prepared.choices, self.job, self.settings)
        for words in restricted(self.prepared.choices):
            if words not in before:
                self.runner.notice("non-commercial", words)
        pool.choose(self.prepared.choices)
        return replace(context, job=self.job)

    def _mend(self, damage: DamagedObjectError) -> None:
        forgotten = self.runner.store.forget_makers(damage.sha256)
        self.runner.notice(
            "object-damaged",
            f"{damage.what} {forgotten} action{'s' if forgotten != 1 else ''} will be made again.",
        )

    def _walk(self, context: Context) -> LocError | None:
        self.slots = Slots()
        try:
            for stage in self.prepared.stages:
                if not stage.per_language:
                    self._stage(stage, context, None)
                    context = informed(context, self.slots.value(stage.makes))
            for language in self.job.languages:
                self.results[language] = self._language(context, language)
        except (DamagedObjectError, Interrupted):
            raise
        except LocError as error:
            return error
        errors = [result.error for result in self.results.values() if result.error is not None]
        return errors[0] if len(errors) == len(self.job.languages) else None

    def _language(self, context: Context, language: str) -> LanguageResult:
        """One language, from its text to its files. Its failure is its own, unless store or input failed."""
        try:
            for stage in self.prepared.stages:
                if stage.per_language:
                    self._stage(stage, context, language)
            return self._deliver(language)
        except (StorageError, Interrupted, InputChangedError):
            raise
        except LocError as error:
            if len(self.job.languages) > 1:
                self.runner.defect("run", "language", "language-failed", str(error), language)
            return LanguageResult(language, error=error)

    def _stage(self, stage: Stage, context: Context, language: str | None) -> None:
        spent = make_stage(stage, context, self.slots, language)
        if self.pool is not None:
            self.pool.end_stage({stage.name, *stage.also})
        place = (stage.name, language)
        if place in self.spent:
            before = self.spent[place]
            spent = spent.model_copy(
                update={
                    "seconds": round(before.seconds + spent.seconds, 3),
                    "misses": before.misses + spent.misses,
                }
            )
        self.spent[place] = spent
        self._log_decisions(stage, language)

    def _log_decisions(self, stage: Stage, language: str | None) -> None:
        """Put the fit of each line and the route of each cut into the log, whether made now or found made."""
        made = self.slots.value(stage.makes, language)
        if isinstance(made, DubTrack):
            for clip in made.clips:
                self.runner.events.emit(LineFitted(language=made.language, line=clip.line, fit=clip.fit))
        elif isinstance(made, LipSync) and language is not None:
            for cut in made.cuts:
                self.runner.events.emit(_decided(cut, language))

    def _deliver(self, language: str) -> LanguageResult:
        """Put a finished language where the user wants it."""
        render = self.slots.value("render", language)
        if not isinstance(render, Render):
            return LanguageResult(language)
        store = self.runner.store
        targets = export.targets_for(self.job.path, language, self.settings)
        written: list[Path] = []
        outputs: tuple[tuple[Ref, Path], ...] = (
            (render.subtitles, targets.subtitles),
            (render.media, targets.video),
        )
        for ref, path in outputs:
            if export.put_object(store, ref, path, self.settings):
                written.append(path)
                kind: Literal["video", "subtitles"] = "video" if ref == render.media else "subtitles"
                self.runner.events.emit(
                    OutputWritten(language=language, kind=kind, sha256=ref.sha256, bytes=ref.size)
                )
        written += self._write_report(language, render, targets)
        dub, lipsync = self.slots.value("dub", language), self.slots.value("lipsync", language)
        cuts = lipsync.cuts if lipsync is not None else ()
        return LanguageResult(
            language,
            targets,
            tuple(written),
            lines=len(dub.clips) if dub is not None else 0,
            cuts=len(cuts),
            cuts_drawn=sum(cut.drawn_frames > 0 for cut in cuts),
        )

    def _write_report(self, language: str, render: Render, targets: Targets) -> list[Path]:
        """Write the report and its page where they would tell of other work than the ones that are there."""
        source: Source | None = self.slots.value("source")
        store = self.runner.store
        timeline, heard = self._times(source, language) if source else (None, None)
        content = report.build(
            job=self.job,
            language=language,
            render=render,
            slots=self.slots,
            choices=self.prepared.choices,
            stages=list(self.spent.values()),
            defects=self.runner.defects,
            notices=self.notices,
            run=self.runner.run_id,
            bytes_kept=store.bytes_kept(),
            timeline=timeline,
            clock=heard,
        )
        written = []
        if not self._has_report(targets.report, content):
            data = content.model_dump_json(indent=2).encode() + b"\n"
            written += self._put("report", language, data, targets.report)
        if targets.with_page:
            subject = self._subject(language, render, timeline)
            if not page.is_current(targets.page, page.made_from(content, subject)):
                written += self._put("page", language, page.build(content, subject, store), targets.page)
        return written

    def _times(self, source: Source, language: str) -> tuple[Timeline, Clock]:
        """When each frame is shown, and each sample heard, in the output."""
        timeline = load_timeline(self.runner.store, source.frames, source.video.time_base)
        dub: DubTrack | None = self.slots.value("dub", language)
        slowed = dub.slowed if dub is not None else ()
        return slow_down(timeline, slowed), clock(timeline, slowed, source.samples)

    @staticmethod
    def _has_report(path: Path, content: report.Report) -> bool:
        with contextlib.suppress(OSError):
            return report.same_work(path.read_bytes(), content)
        return False

    def _subject(self, language: str, render: Render, timeline: Timeline | None) -> page.Subject:
        source: Source | None = self.slots.value("source")
        transcript: Transcript | None = self.slots.value("transcript")
        full = self.settings.page == "full"
        return page.Subject(
            name=self.job.path.name,
            said=self._said(language) if full else {},
            dropped=[item.text for item in transcript.dropped] if full and transcript else [],
            shots=[float(timeline.seconds(shot.start)) for shot in source.shots]
            if source and timeline
            else [],
            evidence=render.evidence,
        )

    def _said(self, language: str) -> dict[str, page.Said]:
        translation: Translation | None = self.slots.value("translation", language)
        transcript: Transcript | None = self.slots.value("transcript")
        heard = {segment.id: segment.text for segment in transcript.segments} if transcript else {}
        return {
            line.id: page.Said(line.text, " ".join(filter(None, (heard.get(each) for each in line.segments))))
            for line in (translation.lines if translation else ())
        }

    def _put(self, kind: Literal["report", "page"], language: str, data: bytes, path: Path) -> list[Path]:
        """Write a file of the application's own; [path] if it changed."""
        if not export.put_bytes(self.runner.store, data, path, self.settings):
            return []
        self.runner.events.emit(
            OutputWritten(language=language, kind=kind, sha256=digest_bytes(data), bytes=len(data))
        )
        return [path]

    def exit_code(self, error: LocError | None) -> ExitCode:
        """The code of what ended the run; else 3 where something is defective; else 0."""
        if error is not None:
            return error.code
        return ExitCode.DEFECTS if self.runner.defects else ExitCode.DONE

    def end(self, recorder: Recorder, code: ExitCode, error: str | None) -> None:
        """Write the end of the run into its log and its record."""
        runner = self.runner
        runner.events.emit(
            RunDone(
                run=runner.run_id,
                exit_code=code,
                seconds=self._seconds(),
                hits=runner.hits,
                misses=runner.misses,
                defects=len(runner.defects),
                error=error,
            )
        )
        recorder.finish(
            exit_code=int(code),
            hits=runner.hits,
            misses=runner.misses,
            defects=len(runner.defects),
            stages=tuple(self.spent.values()),
            outputs=tuple(
                str(path)
                for result in self.results.values()
                if result.targets is not None
                for path in result.targets.all
            ),
            failed=tuple(item.language for item in self.results.values() if item.error is not None),
            error=error,
        )

    def result(self, code: ExitCode, error: LocError | None) -> RunResult:
        source: Source | None = self.slots.value("source")
        return RunResult(
            run=self.runner.run_id,
            path=self.job.path,
            exit_code=code,
            seconds=self._seconds(),
            hits=self.runner.hits,
            misses=self.runner.misses,
            languages=tuple(self.results.values()),
            stages=tuple(self.spent.values()),
            defects=tuple(self.runner.defects),
            choices=self.prepared.choices,
            error=error,
            media_seconds=round(source.samples / SAMPLE_RATE, 3) if source else None,
        )

    def _seconds(self) -> float:
        return round(time.monotonic() - self.started, 3)


def _decided(cut: Cut, language: str) -> CutDecided:
    return CutDecided(
        language=language,
        shot=cut.shot,
        frames=cut.frames,
        route=cut.route,
        reasons=tuple(reason.code for reason in cut.reasons),
        backend=cut.backend,
        drawn_frames=cut.drawn_frames,
        skipped_frames=cut.skipped_frames,
        score=cut.score,
    )
