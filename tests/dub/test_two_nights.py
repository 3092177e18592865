"""The voice bank from night to night: a person keeps the voice from film to film, whatever number the person
has there, by two runs of the whole command that share nothing but the data folder. Voices are drawn, told
apart by a double by their pitch, and engines are played by another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pysubs2
import soundfile

from loc.artifacts import SAMPLE_RATE
from tests.furnished import furnish
from tests.network import ROOT
from tests.voices import SENTENCES, pause, speak
from tests.weights.shelved import shelve

ENGINE = Path(__file__).with_name("speaking_engine.py")
TELLER = Path(__file__).parents[1] / "analysis" / "diarization" / "voice_teller.py"
HOST, GUEST, OTHER_GUEST = "en+f3", "en+m3", "en+m7"
OWN = "em_santa"
"""No stock voice of Kokoro's that a high voice would get unasked."""
SPANISH = ("Buenos días y gracias por venir.", "Así trabaja la máquina nueva.",
           "Abra la tapa y mire dentro.", "Es una pregunta muy difícil.")  # fmt: skip


@dataclass(frozen=True)
class Night:
    """What a run made."""

    report: Mapping[str, Any]
    notices: Sequence[tuple[str, str]]
    asked: Sequence[Mapping[str, Any]]
    """What the engine was asked for."""

    def speaker(self, ident: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = next(one for one in self.report["speakers"] if one["id"] == ident)
        return found


def film(folder: Path, voices: Sequence[str], first: int) -> Path:
    """Four lines in these voices over a test picture, with what is said and its translation."""
    folder.mkdir()
    sound, english, spanish = [pause(0.5)], pysubs2.SSAFile(), pysubs2.SSAFile()
    at = 500.0
    for index, voice in enumerate(voices):
        text = SENTENCES[first + index]
        said = speak(text, voice)
        until = at + 1000 * len(said) / SAMPLE_RATE
        for cues, words in ((english, text), (spanish, SPANISH[index])):
            cues.append(pysubs2.SSAEvent(start=round(at), end=round(until), text=words))
        sound += [said, pause(0.6)]
        at = until + 600
    soundfile.write(folder / "sound.wav", np.concatenate(sound), SAMPLE_RATE)
    picture = ["-f", "lavfi", "-i", f"testsrc2=size=64x64:rate=10:duration={at / 1000:.1f}"]
    args = ["ffmpeg", "-v", "error", *picture, "-i", str(folder / "sound.wav")]
    subprocess.run([*args, str(folder / "talk.mp4")], check=True)
    english.save(str(folder / "talk.en.srt"))
    spanish.save(str(folder / "talk.es.srt"))
    return folder / "talk.mp4"


def loc(data: Path, *args: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-m", "cli", *args, "--data-dir", str(data)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def dubbed(data: Path, video: Path) -> Night:
    """One night: a run of the whole command with a work directory of its own."""
    log = video.parent / "log"
    done = loc(
        data, "run", str(video), "--lang", "es", "--no-lipsync", "--backend", "dub=kokoro", "--json",
        "--work-dir", str(video.parent / "work"), SPEAKING_ENGINE_LOG=str(log),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return Night(
        json.loads(video.with_name("talk.es.report.json").read_bytes()),
        [(event["code"], event["message"]) for event in events if event["type"] == "notice"],
        [json.loads(line) for line in log.read_text().splitlines()],
    )


def test_a_person_keeps_the_voice_across_nights(tmp_path: Path) -> None:
    data, recording = tmp_path / "data", tmp_path / "interview.wav"
    furnish(data, "resemblyzer", TELLER)
    furnish(data, "kokoro", ENGINE, "--phones")
    shelve(data, "kokoro-82m")
    parts = [part for text in SENTENCES[8:11] for part in (speak(text, HOST), pause(0.5))]
    soundfile.write(recording, np.concatenate(parts), SAMPLE_RATE)
    flags = ("--own", f"kokoro={OWN}", "--person", "Anna Berg", "--rights", "All talks")
    added = loc(data, "voices", "add", "anna", str(recording), *flags)
    assert added.returncode == 0, added.stderr

    monday = dubbed(data, film(tmp_path / "monday", (GUEST, GUEST, HOST, HOST), 0))
    tuesday = dubbed(data, film(tmp_path / "tuesday", (HOST, HOST, OTHER_GUEST, OTHER_GUEST), 4))
    for night, host, guest in ((monday, "speaker2", "speaker1"), (tuesday, "speaker1", "speaker2")):
        assert len(night.report["speakers"]) == 2
        match = night.speaker(host)["bank"]
        assert (match["voice"], match["outcome"]) == ("anna", "taken")
        assert match["similarity"] >= match["limit"] > 0
        speaking = {"voice": "anna", "own": OWN, "person": "Anna Berg", "rights": "All talks"}
        assert night.speaker(host)["bank_voice"] == speaking
        stranger = night.speaker(guest)
        assert stranger["bank"]["outcome"] == "unlike"
        assert stranger["bank"]["similarity"] < stranger["bank"]["limit"]
        assert stranger["bank_voice"] is None
        assert Counter(one["voice"].get("name") for one in night.asked) == {OWN: 2, None: 2}
        spoken = Counter((line["speaker"], line["voice"]) for line in night.report["lines"])
        assert spoken == {(host, f"drawn {OWN}"): 2, (guest, "drawn low"): 2}
        told = dict(night.notices)
        assert told["voice-matched"].startswith(f"{host} is taken for anna of the voice bank")
        assert told["voice-not-matched"].startswith(f"{guest} is nobody of the voice bank")
