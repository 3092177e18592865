"""Voices put into the bank from recordings and from runs, and told with what is wrong with them."""

from __future__ import annotations

import io
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from cli.main import app
from loc.analysis.diarization.contract import Embedding
from loc.analysis.diarization.resemblyzer import Resemblyzer
from loc.analysis.voice_activity import to_analysis
from loc.app.run import Graph, prepare
from loc.artifacts import SAMPLE_RATE, Speaker, Stems, Transcript
from loc.backend import Host
from loc.errors import InputError, MissingError, UsageError
from loc.media.sound import Samples
from loc.runner import NotMade
from loc.settings import Settings
from loc.stage import Context, Stage
from loc.store.workdir import WorkDir
from stages.dub.bank import imitable
from stages.dub.enrolling import Added, add, listed, own_voices, take
from stages.dub.people import Sidecar, home, recording, sidecar
from tests.dub.test_audition import HIGH, LOW, TELLER, spoken
from tests.dub.test_reference import two_people
from tests.furnished import furnish

S = SAMPLE_RATE


@dataclass
class Desk:
    """A data folder, and a recording of one person."""

    settings: Settings
    file: Path

    def add(self, name: str, *, file: Path | None = None, **more: Any) -> Added:
        given: dict[str, Any] = {"span": (0.0, None), "told": Sidecar(), "embedder": None, **more}
        return add(self.settings, name, file or self.file, **given)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    file = tmp_path / "anna.wav"
    soundfile.write(file, spoken(LOW, LOW, LOW), S)
    return Desk(Settings(data_dir=tmp_path / "data", work_dir=tmp_path / "work"), file)


def test_a_recording_is_kept_in_the_banks_form(desk: Desk) -> None:
    told = Sidecar({"kokoro": "af_heart"}, "Anna", "Yes")
    added = desk.add("anna", told=told)
    kept, rate = soundfile.read(home(desk.settings.data_dir) / "anna.wav", dtype="float32")
    assert (rate, kept.ndim) == (S, 1)
    assert abs(np.abs(kept).max() - 0.5) < 0.001
    assert added.start is not None
    assert added.stop is not None
    assert len(kept) == round(added.seconds * S)
    assert abs(added.stop - added.start - added.seconds) < 0.002
    found = sidecar(desk.settings.data_dir, "anna")
    assert (found.own, found.person, found.rights) == (told.own, "Anna", "Yes")
    assert found.recording["source"] == "anna.wav"


@pytest.mark.parametrize("coding", ["flac", "m4a", "mp4", "ogg", "mp3"])
def test_any_file_with_sound_is_taken(desk: Desk, tmp_path: Path, coding: str) -> None:
    file = tmp_path / f"talk.{coding}"
    picture = ["-f", "lavfi", "-i", "testsrc2=size=64x64:rate=10", "-shortest"] if coding == "mp4" else []
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(desk.file), *picture, str(file)], check=True)
    wav = desk.add("wav")
    other = desk.add("other", file=file)
    assert abs(other.seconds - wav.seconds) < 0.2
    assert other.start is not None
    assert wav.start is not None
    assert abs(other.start - wav.start) < 0.1


def test_a_span_is_taken(desk: Desk) -> None:
    whole = desk.add("whole")
    part = desk.add("part", span=(3.0, 8.5))
    assert part.start is not None
    assert part.stop is not None
    assert 3.0 <= part.start < part.stop <= 8.5
    assert part.seconds < whole.seconds - 2
    with pytest.raises(UsageError, match="before it begins"):
        desk.add("x", span=(5.0, 4.0))
    with pytest.raises(InputError, match="no sound at 90"):
        desk.add("x", span=(90.0, None))


def test_one_of_two_channels_and_one_of_two_tracks(desk: Desk, tmp_path: Path) -> None:
    other = tmp_path / "other.wav"
    soundfile.write(other, spoken(HIGH, HIGH, HIGH), S)
    both = tmp_path / "both.mkv"
    args = ["ffmpeg", "-v", "error", "-i", str(desk.file), "-i", str(other), "-map", "0", "-map", "1"]
    subprocess.run([*args, "-c:a", "flac", str(both)], check=True)
    alone = desk.add("alone", file=other)
    desk.settings = desk.settings.model_copy(update={"audio_track": 2})
    second = desk.add("second", file=both)
    assert (second.start, second.stop) == (alone.start, alone.stop)
    desk.settings = desk.settings.model_copy(update={"audio_track": 3})
    with pytest.raises(InputError, match="no sound that can be read"):
        desk.add("third", file=both)


def test_what_should_not_stand_for_a_person_is_refused_and_taken_anyway(desk: Desk, tmp_path: Path) -> None:
    two = tmp_path / "two.wav"
    soundfile.write(two, spoken(LOW, LOW, HIGH, HIGH), S)
    with pytest.raises(InputError, match="should not stand") as caught:
        desk.add("two", file=two)
    assert "2 people" in caught.value.why
    assert "--anyway" in caught.value.fix
    assert listed(desk.settings.data_dir) == []
    assert [reason.code for reason in desk.add("two", file=two, anyway=True).reasons] == ["several"]
    [entry] = listed(desk.settings.data_dir)
    assert "2 people" in entry.problems[0]
    with pytest.raises(InputError, match="should not stand") as caught:
        desk.add("short", span=(0.0, 2.0), anyway=True)
    assert "--anyway" not in caught.value.fix


@pytest.mark.parametrize("data", [b"", b"no sound at all", b"#EXTM3U\nhttp://localhost/a.wav\n"])
def test_files_without_sound_are_refused(desk: Desk, tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "bad.m3u8"
    file.write_bytes(data)
    for given in (file, tmp_path / "missing.wav", tmp_path):
        with pytest.raises(InputError):
            desk.add("bad", file=given)


def test_a_voice_that_is_like_another_is_told(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    furnish(desk.settings.data_dir, "resemblyzer", TELLER)
    (tmp_path / "scratch").mkdir()
    teller = Resemblyzer(Host(desk.settings, tmp_path / "scratch"))
    try:
        assert desk.add("anna", embedder=teller).like == ()
        other = tmp_path / "bert.wav"
        soundfile.write(other, spoken(HIGH, HIGH, HIGH), S)
        assert desk.add("bert", file=other, embedder=teller).like == ()
        (home(desk.settings.data_dir) / "broken.wav").write_bytes(b"no sound")
        [like] = desk.add("again", embedder=teller).like
        assert like.voice == "anna"
        assert like.similarity > 0.95
        anna = recording(desk.settings.data_dir, "anna")
        assert anna is not None
        refused, embed = to_analysis(imitable(anna)[:, None]), teller.embed

        def choosy(audio: Samples) -> Embedding:
            if np.array_equal(audio, refused):
                raise InputError("It cannot be compared.")
            return embed(audio)

        monkeypatch.setattr(teller, "embed", choosy)
        added = desk.add("twin", file=other, embedder=teller)
        assert [like.voice for like in added.like] == ["bert"]
    finally:
        teller.close()


def test_a_list_says_what_is_wrong(desk: Desk) -> None:
    desk.add("anna", told=Sidecar(person="Anna"))
    bank = home(desk.settings.data_dir)
    (bank / "broken.wav").write_bytes(b"no sound")
    (bank / "words.toml").write_text('kokoro = "af_heart"\n')
    (bank / "bad.toml").write_text("kokoro = 3\n")
    soundfile.write(bank / "bad.flac", spoken(LOW, LOW), S)
    found = {entry.name: entry for entry in listed(desk.settings.data_dir)}
    assert list(found) == ["anna", "bad", "broken", "words"]
    assert found["anna"].problems == ()
    assert found["anna"].told.person == "Anna"
    assert "bad.toml" in found["bad"].problems[0]
    assert found["bad"].seconds is not None
    assert "cannot be read" in found["broken"].problems[0]
    assert "no recording" in found["words"].problems[0]


def test_own_voices_are_of_engines_that_have_them() -> None:
    engines = {"kokoro": True, "espeak": False}
    assert own_voices(["kokoro=af_heart"], engines) == {"kokoro": "af_heart"}
    for wrong in ("kokoro", "kokoro=", "=x", "espeak=x", "other=x"):
        with pytest.raises(UsageError):
            own_voices([wrong], engines)


# From a run


@dataclass(frozen=True)
class Nothing:
    """Inputs of a stage that takes none."""


class Run:
    """A video whose speech is parted and told apart already."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.settings = settings.model_copy(update={"languages": ("ja",)})
        self.store = WorkDir(settings.work_dir)
        self.made = True
        self.people = two_people()
        self.video = folder / "talk.mp4"
        args = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x64:rate=10:duration=0.5"]
        args += ["-f", "lavfi", "-i", "sine=frequency=200:duration=0.5", "-shortest", str(self.video)]
        subprocess.run(args, check=True)
        (folder / "talk.en.srt").write_text("1\n00:00:00,000 --> 00:00:00,400\nhello\n")
        self.graph = Graph(
            (
                Stage("separate", "stems", Nothing, self._stems),
                Stage("transcribe", "transcript", Nothing, self._transcript),
            ),
            {},
        )

    def _stems(self, context: Context, _inputs: Nothing) -> Stems:
        if not self.made:
            raise NotMade("separate")
        return self.people.stems(context.store)

    def _transcript(self, _context: Context, _inputs: Nothing) -> Transcript:
        known = tuple(
            Speaker(id=name, median_f0_hz=None, voice_class="low", speech_samples=S)
            for name in ("low", "high")
        )
        return self.people.transcript.model_copy(update={"speakers": known})

    def take(self, name: str, speaker: str, **more: Any) -> Added:
        prepared = prepare(self.video, self.graph, self.store, self.settings, look=True)
        return take(
            prepared,
            self.graph,
            self.store,
            self.settings,
            name,
            speaker,
            Sidecar(rights="Yes"),
            None,
            **more,
        )


@pytest.fixture
def run(tmp_path: Path, desk: Desk) -> Run:
    return Run(tmp_path, desk.settings)


def test_a_speaker_of_a_run_is_taken_as_engines_imitate_them(run: Run) -> None:
    added = run.take("lena", "high")
    file = recording(run.settings.data_dir, "lena")
    assert file is not None
    assert soundfile.info(file).frames == round(added.seconds * S) >= 4 * S
    [record] = [record for record in run.store.actions() if record.name == "dub.reference"]
    assert file.read_bytes() == run.store.read_bytes(record.outputs["sound"])
    found = sidecar(run.settings.data_dir, "lena")
    assert found.rights == "Yes"
    assert (found.recording["source"], found.recording["speaker"]) == ("talk.mp4", "high")
    assert found.language == "en"
    run.take("lena", "low", replace_old=True)
    assert io.BytesIO(file.read_bytes()).getvalue() != run.store.read_bytes(record.outputs["sound"])


def test_who_cannot_be_taken_is_told(run: Run) -> None:
    with pytest.raises(UsageError, match="'nobody'") as unknown:
        run.take("lena", "nobody")
    assert "low, high" in unknown.value.why
    run.people.overlaps = [segment.id for segment in run.people.segments]
    with pytest.raises(InputError, match="cannot be taken"):
        run.take("lena", "high")
    run.made = False
    with pytest.raises(MissingError, match="has not been made"):
        run.take("lena", "high")
    assert listed(run.settings.data_dir) == []


# By command


def test_the_life_of_a_voice_by_command(desk: Desk) -> None:
    data = ["--data-dir", str(desk.settings.data_dir)]

    def loc(*args: str) -> Any:
        return CliRunner().invoke(app, ["voices", *args, *data])

    assert "no voice" in loc("list").stderr
    done = loc(
        "add", "anna", str(desk.file), "--from", "0:00", "--to", "9", "--person", "Anna", "--own", "kokoro=x"
    )
    assert done.exit_code == 0, done.output
    assert "no rights are noted" in done.stderr
    assert "Anna" in loc("list").stdout
    told = json.loads(loc("list", "--json").stdout)
    assert told["matched_by"] == []
    assert told["voices"][0]["own"] == {"kokoro": "x"}
    assert loc("add", "anna", str(desk.file)).exception is not None
    again = json.loads(loc("add", "anna", str(desk.file), "--replace", "--rights", "Yes", "--json").stdout)
    assert again["reasons"] == []
    assert json.loads(loc("list", "--json").stdout)["voices"][0]["rights"] == "Yes"
    assert "anna.wav, anna.toml" in loc("remove", "anna").stderr
    assert json.loads(loc("list", "--json").stdout)["voices"] == []
