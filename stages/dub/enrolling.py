"""People of the voice bank: put in from a recording or a run, and listed with what is wrong with them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from loc.analysis.diarization.contract import Embedder
from loc.analysis.voice_activity import RATIO, detect, to_analysis
from loc.app.finished import finished, not_made
from loc.app.run import Graph, Prepared
from loc.artifacts import SAMPLE_RATE, Reason, Stems, Transcript
from loc.errors import ChildError, InputError, LocError, UsageError
from loc.events import EventBus
from loc.media import ffmpeg
from loc.media.ffmpeg import LOCAL_ONLY, file_url
from loc.media.sound import Samples
from loc.runner import NotMade, Runner
from loc.settings import Settings
from loc.store.keys import digest_file
from loc.store.workdir import WorkDir
from stages.dub import bank, people, reference
from stages.dub.audition import TOO_SHORT, Heard, audition
from stages.dub.contract import Reference
from stages.dub.people import Sidecar, Value
from stages.dub.speech import resampled

Range = tuple[int, int]

LONGEST = round(bank.LONGEST_S * SAMPLE_RATE)
"""Samples that are kept of a recording: as many as are taken of one."""

MOST_HEARD_S = 300
"""Of a recording, or of the span that is named, that is listened to: a person says enough in five minutes,
and they take 0.1 GB of memory in stereo."""


@dataclass(frozen=True)
class Like:
    """A voice of the bank that is like a new one: who is like both is matched with neither."""

    voice: str
    similarity: float


@dataclass(frozen=True)
class Added:
    """What came into the bank.

    Args:
        files: that were written.
        start, stop: of what is kept, seconds of the recording; None where it was cut from a run.
        seconds: of what is kept.
        told_by: what told that it is one voice.
        reasons: what spoke against it and was overruled.
        like: other voices that it is like, the nearest first.
    """

    name: str
    files: Sequence[Path]
    start: float | None
    stop: float | None
    seconds: float
    told_by: str
    reasons: tuple[Reason, ...]
    like: tuple[Like, ...]


@dataclass(frozen=True)
class Entry:
    """A voice as it lies in the bank.

    Args:
        file: its recording; None where there is none.
        seconds: that are taken of it; None where it cannot be used.
        problems: in words.
    """

    name: str
    file: Path | None
    seconds: float | None
    told: Sidecar
    problems: tuple[str, ...]


def add(
    settings: Settings,
    name: str,
    source: Path,
    span: tuple[float, float | None],
    told: Sidecar,
    embedder: Embedder | None,
    *,
    replace_old: bool = False,
    anyway: bool = False,
) -> Added:
    """Put a recording into the bank, in its form.

    Args:
        source: any file with sound.
        span: from when to when of it, seconds; to the end, where the second is None.
        told: the user's words; where the sound is from is put to them.
        embedder: what knows voices, where there is anything.
        replace_old: whether a voice of this name may go.
        anyway: whether what the checks say is overruled, but not that it is too short.

    Raises:
        UsageError: the name is none or taken, or the span is none.
        InputError: there is no sound, or it should not stand for a person.
        StorageError: the bank cannot be written.
    """
    name = _free(settings, name, replace_old)
    begin, end = span
    if not 0 <= begin < (end if end is not None else begin + 1):
        raise UsageError("The span ends before it begins.", fix="Say --from 0:12 --to 0:31.5.")
    raw, rate = _sound(settings, source, begin, end)
    audio = resampled(np.ascontiguousarray(raw.mean(axis=1), dtype=np.float32), rate)
    first, last = fullest(_regions(audio), len(audio))
    part = raw[first * rate // SAMPLE_RATE : last * rate // SAMPLE_RATE]
    heard = audition(audio[first:last], part, embedder)
    _check(source.name, heard, anyway=anyway)
    spoken = audio[first + heard.spoken[0] : first + heard.spoken[1]]
    start, stop = (round(begin + (first + at) / SAMPLE_RATE, 3) for at in heard.spoken)
    origin: Mapping[str, Value] = {
        "source": source.name,
        "sha256": digest_file(source),
        "from": start,
        "to": stop,
        "added": datetime.now(UTC).date(),
    }
    like = _like(settings, name, spoken, embedder)
    files = people.keep(
        settings.data_dir,
        name,
        reference.wav(spoken),
        replace(told, recording=origin),
        replace=replace_old,
    )
    return Added(
        name,
        files,
        start,
        stop,
        len(spoken) / SAMPLE_RATE,
        heard.told_by,
        heard.reasons,
        like,
    )


def take(
    prepared: Prepared,
    graph: Graph,
    store: WorkDir,
    settings: Settings,
    name: str,
    speaker: str,
    told: Sidecar,
    embedder: Embedder | None,
    *,
    replace_old: bool = False,
    anyway: bool = False,
) -> Added:
    """Put a speaker of a finished run into the bank: the recording that an engine would imitate there.

    It is cut now, where the run's engine imitates nobody.

    Args:
        speaker: id of the transcript, `speaker2`.

    Raises:
        MissingError: there is no such run.
        UsageError: the name is none or taken; nobody of the transcript has that id.
        InputError: too little of the speaker can be imitated, or several speak in it.
    """
    name = _free(settings, name, replace_old)
    try:
        with finished(prepared, graph, store, settings, "stems", "transcript") as (context, slots):
            stems: Stems = slots.value("stems")
            transcript: Transcript = slots.value("transcript")
            known = [one.id for one in transcript.speakers]
            if speaker not in known:
                raise UsageError(
                    f"Nobody in {prepared.job.path.name} is called {speaker!r}.",
                    why=f"Speakers: {', '.join(known)}." if known else "No speakers were told apart.",
                    fix="Name one of them; the report says which lines are whose.",
                )
            runner = Runner(store, EventBus())
            try:
                making = replace(context, runner=runner)
                found = reference.recordings(making, stems, transcript, [speaker]).get(speaker)
            finally:
                runner.close()
    except NotMade as missing:
        raise not_made(prepared, store, "The transcript", missing) from missing
    if not isinstance(found, Reference):
        why = reference.refusal(found) if found is not None else "The video has no sound."
        raise InputError(
            f"{speaker} of {prepared.job.path.name} cannot be taken into the bank.",
            why=why,
            fix="`loc voices add` takes a recording instead.",
        )
    data = store.read_bytes(found.sound)
    audio = reference.samples(data)
    heard = audition(audio, audio[:, None], embedder)
    _check(f"{speaker} of {prepared.job.path.name}", heard, anyway=anyway)
    origin: Mapping[str, Value] = {
        "source": prepared.job.path.name,
        "sha256": prepared.job.digest,
        "speaker": speaker,
        **({"language": found.language} if found.language is not None else {}),
        "added": datetime.now(UTC).date(),
    }
    like = _like(settings, name, audio, embedder)
    files = people.keep(settings.data_dir, name, data, replace(told, recording=origin), replace=replace_old)
    return Added(name, files, None, None, len(audio) / SAMPLE_RATE, heard.told_by, heard.reasons, like)


def listed(data_dir: Path) -> list[Entry]:
    """Every voice of the bank, listened to by pitch and timbre."""
    return [_entry(data_dir, name) for name in people.names(data_dir)]


def own_voices(named: Sequence[str], engines: Mapping[str, bool]) -> Mapping[str, str]:
    """What `--own` says: engine -> which of its own voices it takes.

    Args:
        named: `kokoro=af_heart`.
        engines: every engine -> whether its voices go by name.

    Raises:
        UsageError: it is not of that form, or no such engine.
    """
    found = {}
    for item in named:
        engine, equals, voice = (part.strip() for part in item.partition("="))
        if not (engine and equals and voice):
            raise UsageError(f"--own {item!r} names no voice.", fix="Say --own kokoro=af_heart.")
        if not engines.get(engine, False):
            able = ", ".join(sorted(name for name, has_names in engines.items() if has_names))
            raise UsageError(
                f"--own {item!r}: "
                + (f"{engine} has no voices by name." if engine in engines else f"no engine {engine!r}."),
                fix=f"Engines whose voices have names: {able}.",
            )
        found[engine] = voice
    return found


def fullest(regions: Sequence[Range], samples: int) -> Range:
    """The part of a sound that is kept: all from its first speech to its last, or of a longer one the
    `LONGEST` in which most is spoken.

    Args:
        regions: where somebody speaks, in samples, in order and apart.
        samples: of the sound.
    """
    if not regions:
        return 0, min(samples, LONGEST)
    begin, end = regions[0][0], regions[-1][1]
    if end - begin <= LONGEST:
        return begin, end

    def spoken(start: int) -> int:
        return sum(max(0, min(b, start + LONGEST) - max(a, start)) for a, b in regions)

    # A window with most speech begins where some speech does, or ends where the last one does.
    best = max((*(start for start, _ in regions), end - LONGEST), key=lambda at: (spoken(at), -at))
    return max(0, best), min(samples, max(0, best) + LONGEST)


def _regions(audio: Samples) -> list[Range]:
    """Where somebody speaks in mono sound at 48 kHz, in its samples."""
    heard = to_analysis(audio[:, None])
    return [(start * RATIO, min(len(audio), stop * RATIO)) for start, stop in detect(heard)]


def _free(settings: Settings, name: str, replace_old: bool) -> str:
    """The name as it is kept; asked before anything is listened to."""
    name = people.check_name(name)
    people.check_free(settings.data_dir, name, replace=replace_old)
    return name


def _check(what: str, heard: Heard, *, anyway: bool) -> None:
    """Refuse a recording against which something speaks."""
    against = [reason for reason in heard.reasons if not anyway or reason.code == TOO_SHORT]
    if not against:
        return
    hopeless = any(reason.code == TOO_SHORT for reason in against)
    several = any(reason.code == "several" for reason in against)
    raise InputError(
        f"{what} should not stand for a person.",
        why=" ".join(reason.detail for reason in against),
        fix="Name a part in which one person speaks alone and clearly, with --from and --to"
        + ("." if hopeless else "; or take it --anyway" + (", if it is one voice." if several else ".")),
    )


def _sound(settings: Settings, source: Path, begin: float, end: float | None) -> tuple[Samples, int]:
    """(float32 [n, channels], samples a second) of a part of any file with sound.

    Raises:
        InputError: there is none.
    """
    import ffmpeg as graphs
    import soundfile

    if not source.is_file():
        raise InputError(f"{source} cannot be read.", why="There is no such file.", fix="Check the name.")
    length = min(MOST_HEARD_S, end - begin) if end is not None else MOST_HEARD_S
    with tempfile.TemporaryDirectory(prefix="loc-") as scratch:
        part = Path(scratch) / "part.wav"
        opened = graphs.input(file_url(source), ss=f"{begin:.6f}", t=f"{length:.6f}", **LOCAL_ONLY)
        track = opened if settings.audio_track is None else opened[f"a:{settings.audio_track - 1}"]
        try:
            ffmpeg.run(track.output(str(part), vn=None, acodec="pcm_f32le"), settings.ffmpeg)
        except ChildError as error:
            raise InputError(f"{source} has no sound that can be read.", why=error.why) from error
        audio, rate = soundfile.read(part, dtype="float32", always_2d=True)
    if not len(audio):
        raise InputError(f"{source.name} has no sound at {begin:g} s.", why="It ends before.")
    return np.asarray(audio, dtype=np.float32), int(rate)


def _like(settings: Settings, name: str, audio: Samples, embedder: Embedder | None) -> tuple[Like, ...]:
    """The other voices of the bank that a new one is like, as far as anything tells voices."""
    if embedder is None:
        return ()
    own = embedder.embed(to_analysis(audio[:, None])).whole
    found = []
    for other, file in people.recordings(settings.data_dir).items():
        if other == name:
            continue
        try:
            heard = bank.imitable(file)
            theirs = embedder.embed(to_analysis(heard[:, None])).whole
        except LocError:
            continue
        similarity = float(own @ theirs)
        if similarity >= embedder.scale.bank:
            found.append(Like(other, round(similarity, 3)))
    return tuple(sorted(found, key=lambda one: (-one.similarity, one.voice)))


def _entry(data_dir: Path, name: str) -> Entry:
    file = people.recording(data_dir, name)
    told, seconds, problems = Sidecar(), None, []
    try:
        told = people.sidecar(data_dir, name)
    except LocError as error:
        problems.append(f"{error.what} {error.why}".strip())
    if file is None:
        problems.append("There is no recording: nobody speaks in it.")
    else:
        try:
            audio = bank.imitable(file)
            seconds = len(audio) / SAMPLE_RATE
            heard = audition(audio, audio[:, None], None)
            problems += [reason.detail for reason in heard.reasons]
        except LocError as error:
            problems.append(f"{error.what} {error.why}".strip())
    return Entry(name, file, seconds, told, tuple(problems))
