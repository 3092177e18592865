"""A finished job to be run again with something changed: which actions are made then?"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from cli.graph import load_graph
from loc.analysis.diarization.pyannote import Pyannote
from loc.analysis.diarization.resemblyzer import Resemblyzer
from loc.analysis.diarization.statistics import Statistics
from loc.app.plan import looking
from loc.app.run import prepare, run_job
from loc.app.walk import look_at
from loc.artifacts import SAMPLE_RATE
from loc.events import ActionDone, Event
from loc.settings import Settings
from loc.store.workdir import ActionRecord, WorkDir
from stages.dub.command import Command
from stages.ingest import chunks
from stages.separate.centre_mask import CentreMask
from tests.endpoint import Answered, Asked, chat, serving
from tests.furnished import furnish
from tests.lipsync import test_sync as judge
from tests.lipsync.latentsync import tiny as latentsync
from tests.lipsync.musetalk import tiny as musetalk
from tests.presenter import OTTO, LineTruth, Said, Script, Shot, shoot, write_subtitles
from tests.tiny_whisper import deaf
from tests.weights.shelved import shelve
from tests.weights.shelving import place, registered

ENGLISH = ("Dogs move.", "Bob saw a bear.")
JAPANESE = ("人は動きます。", "ボブは森で熊を見ました。")
"""The second takes longer than the source: it is spoken faster and compressed."""

HURRIED = "人はいつでもどこでも動きますし、動かなければなりません。"
"""For the first: too long for its time, however fast it is spoken."""

SPANISH = ("La mitad de las manzanas no estaba antes del mediodía.",)

FILM = Script(
    lines=(Said(OTTO, ENGLISH[0], pause=0.3), Said(OTTO, ENGLISH[1], pause=1.3)),
    shots=(Shot(0, "medium", "study", (OTTO,)), Shot(1, "close", "plain", (OTTO,))),
    tail=0.2,
    size=(480, 270),
)
"""A line in each of two shots, so far apart that neither reaches into the other's shot."""

TWINS = Script(
    lines=(Said(OTTO, "Half of the apples were gone before noon, and nobody saw who took them.", pause=0.2),),
    shots=(Shot(0, "close", "plain", (OTTO,)),),
    tail=0.2,
    size=(240, 240),
    music=False,
)
"""Shown twice side by side: two faces whose lips move alike, so that it is asked what they say."""

HEARD: Mapping[str, Any] = {"languages": ("es",), "source_language": "en", "until": "transcribe"}
"""Settings of a run that listens, before any text is supplied."""

TOLD: Mapping[str, Any] = {
    "languages": ("es",),
    "until": "transcribe",
    "backend": {"transcribe": "whisper:deaf"},
}
"""Settings of a run that finds out which language is spoken."""

DEAF = registered("deaf", "whisper", "tiny.pt")

EARLIER = "atrim=start=0.2,asetpts=PTS-STARTPTS,apad=pad_dur=0.2"
"""Sound moved by 0.2 s, of the same length."""

ENGINE = shlex.join([sys.executable, str(Path(__file__).parents[1] / "dub" / "speaking_engine.py")])
"""A speech engine as users have them: takes of a line differ, and it tells no phones."""

TELLER = Path(__file__).parents[1] / "analysis" / "diarization" / "voice_teller.py"
"""A double of the workers that tell voices."""

Names = frozenset[str]

Fields = frozenset[tuple[str, str]]
"""(action, field of its key): `("deliver.encode", "params.crf")`."""

_MANY = ("inputs", "params", "programs", "weights")
"""Parts of a key that hold several fields."""


@dataclass(frozen=True)
class Outcome:
    """The actions of a walk through the graph, by what people call them: `dub.mix ja block 1`.

    Two languages may share an action; then it has both names.
    """

    met: Names
    missed: Names
    changed: Fields = frozenset()
    """Fields in which the key of what was made differs from the nearest one there was."""


@dataclass(frozen=True)
class Rig:
    """A job in a folder: the video, its subtitle files, the store."""

    folder: Path
    lines: tuple[LineTruth, ...]
    video: str = "talk.mp4"

    @property
    def path(self) -> Path:
        return self.folder / self.video

    @property
    def work_dir(self) -> Path:
        return self.folder / "work"

    def copied(self, folder: Path) -> Rig:
        """The same job elsewhere. Objects are shared by hard links, since nothing ever writes to one."""
        target = folder / "job"
        shutil.copytree(self.folder, target, copy_function=os.link)
        return replace(self, folder=target)

    def say(self, language: str, texts: Sequence[str], shifts: Sequence[int] = (0, 0)) -> None:
        """Write a subtitle file, its cues moved by `shifts` samples."""
        moved = [
            line.model_copy(update={"start": line.start + shift, "stop": line.stop + shift})
            for line, shift in zip(self.lines, shifts, strict=True)
        ]
        path = self.folder / f"{Path(self.video).stem}.{language}.srt"
        path.unlink(missing_ok=True)
        write_subtitles(path, moved, texts)

    def settings(self, **changes: Any) -> Settings:
        """The settings of the job with some changed."""
        given = {"languages": ("ja", "es"), "work_dir": self.work_dir, "keep_original_audio": True}
        return Settings(**{**given, **changes})

    def records(self) -> list[ActionRecord]:
        """Every action made so far."""
        return list(WorkDir(self.work_dir).actions())

    def run(self, **changes: Any) -> Outcome:
        """Run the job with some settings changed; plan it first, and find that the plan tells the truth."""
        settings, found = self.settings(**changes), load_graph()
        besides = {one.card.id: one for one in (Command, Statistics, Resemblyzer, Pyannote)}
        graph = replace(found, backends={**found.backends, **besides})
        store, before = WorkDir(settings.work_dir), self.records()
        prepared = prepare(self.path, graph, store, settings)
        with looking(prepared, graph, store, settings) as context:
            look_at(prepared.stages, context, prepared.job.languages)
            looks = context.runner.looks
        events: list[Event] = []
        result = run_job(prepared, graph, store, settings, [events.append])
        assert result.error is None, result.error
        done = [event for event in events if isinstance(event, ActionDone)]
        missed = {event.key for event in done if not event.hit}
        assert {look.key for look in looks if not look.hit} <= missed
        assert {look.key for look in looks if look.hit}.isdisjoint(missed)
        assert bool(missed) == any(not look.hit for look in looks)
        names = defaultdict(set)
        for event in done:
            names[event.key].add(_name(event))
        return Outcome(
            met=frozenset(name for own in names.values() for name in own),
            missed=frozenset(name for key in missed for name in names[key]),
            changed=changed(before, [record for record in self.records() if record.key in missed]),
        )


def fields(record: ActionRecord) -> dict[str, Any]:
    """A key by its fields: what is in a part of several stands as `inputs.sound`. The version is not among
    them: the ledger of code has its eye on that."""
    parted = {f"{part}.{name}": value for part in _MANY for name, value in record.fields[part].items()}
    return {"backend": record.fields["backend"], **parted} if record.fields["backend"] else parted


def changed(before: Sequence[ActionRecord], made: Sequence[ActionRecord]) -> Fields:
    """The fields in which each key that was made differs from the one before it that it is most like."""
    found = set()
    known: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in before:
        known[record.name].append(fields(record))
    for record in made:
        own = fields(record)
        differing = [
            {name for name in own.keys() | old.keys() if own.get(name) != old.get(name)}
            for old in known[record.name]
        ]
        found |= {(record.name, name) for name in min(differing, key=len, default=set())}
    return frozenset(found)


def _name(event: ActionDone) -> str:
    owner = event.action.split(".")[0]
    parts = [event.action, "" if owner in (event.stage, "faces") else f"({event.stage})", event.language]
    return " ".join(part for part in (*parts, event.unit) if part)


def wordy(asked: Asked) -> Answered:
    """A language model that says too much, and less when it is asked to."""
    text = "Hay un perro." if "fewer words" in asked.prompt else "Hay un perro, y otro, y otro más, y así."
    return chat(json.dumps(dict.fromkeys(asked.wanted, text)))


def draw(folder: Path) -> Rig:
    """A new job, finished: a film with two sound tracks, heard first, then with its text supplied, its
    speakers told apart by workers and then by signal statistics, then with Japanese subtitles in the picture,
    then spoken by an engine that does not know its phones, then translated by a language model that talks too
    much, then with tiny weights of LatentSync and a judge, then with those of MuseTalk; one picture of it,
    made to talk with its sound; two people in a shot, of whom it is not known who speaks, without a judge and
    with one, with a cue that is too short for what is said, and dubbed by an engine that imitates a voice of
    the bank and is listened to; one of them in a shot of several chunks, with MuseTalk that holds faces
    steady and with warp; and the film with a line for which its picture has to be slowed."""
    film = shoot(FILM, folder / "film.mp4")
    rig = Rig(folder / "job", film.truth.lines)
    rig.folder.mkdir()
    args = ["ffmpeg", "-v", "error", "-i", str(film.path), "-map", "0:v", "-map", "0:a", "-map", "0:a"]
    args += ["-c:v", "copy", "-filter:a:1", EARLIER, "-disposition:a:0", "default", str(rig.path)]
    subprocess.run(args, check=True)
    place(rig.folder / "data", DEAF, ("tiny.pt", deaf()))
    rig.run(**TOLD, data_dir=rig.folder / "data")
    rig.run(**HEARD)
    rig.say("en", ENGLISH)
    rig.say("ja", JAPANESE)
    turns = folder / "turns.json"
    turns.write_text(json.dumps([[0.0, 9.0, "A"]]))
    furnish(folder / "voices", "resemblyzer", TELLER)
    furnish(folder / "voices", "pyannote", TELLER, str(turns))
    shelve(folder / "voices", "pyannote-community-1")
    rig.run(until="transcribe", data_dir=folder / "voices", device="cpu")
    rig.run()
    rig.run(languages=("ja",), burn_subtitles=True, subtitles="bilingual")
    keep = rig.folder.parent / "keep.toml"
    keep.write_text('[[keep]]\nfrom = "0:00"\nto = "0:00.25"\n')
    rig.run(languages=("ja",), cast=keep)
    engine = {"backend": {"dub": "command"}, "dub_command": ENGINE}
    rig.run(languages=("es",), source_language="en", until="dub", **engine)
    with serving() as endpoint:
        endpoint.always = wordy
        model = {"backend": {"translate": "llm"}, "llm_url": endpoint.url, "llm_model": "talker"}
        rig.run(languages=("es",), source_language="en", until="dub", **model)
    latentsync.register(folder / "data")
    judge.register(folder / "data")
    rig.run(languages=("ja",), finals="1", finals_steps=1, data_dir=folder / "data")
    musetalk.register(folder / "drafts")
    rig.run(languages=("ja",), until="lipsync", data_dir=folder / "drafts")
    photo = replace(rig, video="photo.png")
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(rig.path), "-frames:v", "1", str(photo.path)], check=True
    )
    photo.say("en", ENGLISH)
    photo.run(languages=(), source_language="en", audio=rig.path)
    twins = shoot(TWINS, folder / "twins.mp4")
    pair = Rig(rig.folder, twins.truth.lines, "pair.mp4")
    beside = [
        "ffmpeg",
        "-v",
        "error",
        "-i",
        str(twins.path),
        "-filter_complex",
        "[0:v]split[l][r];[l][r]hstack",
    ]
    subprocess.run([*beside, "-c:a", "copy", str(pair.path)], check=True)
    pair.say("en", [line.text for line in TWINS.lines], shifts=(0,))
    pair.say("ja", JAPANESE[1:], shifts=(0,))
    pair.run(languages=("ja",), until="lipsync")
    pair.run(languages=("ja",), until="lipsync", finals="none", data_dir=folder / "data")
    [line] = pair.lines
    # A cue that ends long before the voice does leaves a stretch beside it.
    brief = replace(
        pair, lines=(line.model_copy(update={"stop": line.start + SAMPLE_RATE // 2}),), video="brief.mp4"
    )
    os.link(pair.path, brief.path)
    brief.say("en", [line.text for line in TWINS.lines], shifts=(0,))
    with patch.object(CentreMask, "all_voices", True):
        brief.run(**HEARD)
    # Nobody is matched with a voice of the bank who is heard for less than 4 s.
    longer = line.model_copy(update={"stop": line.start + round(4.1 * SAMPLE_RATE)})
    known = replace(pair, lines=(longer,), video="known.mp4")
    os.link(pair.path, known.path)
    known.say("en", [f">> {line.text}" for line in TWINS.lines], shifts=(0,))
    known.say("es", SPANISH, shifts=(0,))
    place(folder / "voices", DEAF, ("tiny.pt", deaf()))
    (folder / "voices" / "voices").mkdir()
    kept = str(folder / "voices" / "voices" / "anna.wav")
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(twins.path), "-ac", "1", kept], check=True)
    known.run(languages=("es",), until="dub", data_dir=folder / "voices", device="cpu", **engine)
    joined = replace(pair, video="joined.mp4")
    os.link(twins.path, joined.path)
    joined.say("en", [line.text for line in TWINS.lines], shifts=(0,))
    joined.say("ja", JAPANESE[1:], shifts=(0,))
    with patch.object(chunks, "LIMIT", 2 * SAMPLE_RATE):
        steady = {"musetalk_smoothing": True, "data_dir": folder / "drafts"}
        joined.run(languages=("ja",), until="lipsync", **steady)
        joined.run(languages=("ja",), until="lipsync")
    hurried = replace(rig, video="hurried.mp4")
    os.link(rig.path, hurried.path)
    hurried.say("ja", (HURRIED, JAPANESE[1]))
    # At a quality of its own: the same film without mouths is what some tests expect to be new.
    hurried.run(languages=("ja",), retime_video=True, lipsync=False, crf=35)
    return rig
