"""Speakers who are known again by the voice bank: by stated limits, never in silence, and overruled by a cast
file. The voices of one synthesizer stand for people, and a double tells them by pitch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from loc.analysis.diarization.contract import Scale
from loc.analysis.diarization.resemblyzer import Resemblyzer
from loc.analysis.voice_activity import to_analysis
from loc.artifacts import SAMPLE_RATE, BankMatch, Speaker
from loc.backend import Host
from loc.cast import CastFile, read_cast
from loc.errors import ChildError, InputError, MissingError
from loc.events import ActionDone, Event, EventBus, Notice
from loc.runner import Runner
from loc.settings import Settings
from loc.stage import SPEAKERS, Context, Job
from loc.store.workdir import WorkDir
from stages.dub.bank import cast_voices, known_again
from stages.dub.contract import Traits, VoiceRequest
from stages.dub.matching import decide, in_words
from tests.dub.test_bank import Engine
from tests.furnished import furnish
from tests.voices import SENTENCES, speak

SCALE = Scale(joined=0.6, bank=0.75, lead=0.05, other=0.6, unsure=0.05, shortest=16_000)
LOW, HIGH = "en+m3", "en+f3"
TELLER = Path(__file__).parents[1] / "analysis" / "diarization" / "voice_teller.py"
CLONES = Traits(clones=True)


def outcomes(similar: Mapping[str, Mapping[str, float]]) -> dict[str, tuple[str, str]]:
    return {match.speaker: (match.voice, match.outcome) for match in decide(similar, SCALE)}


def test_a_voice_is_taken_from_the_limit_on() -> None:
    assert outcomes({"s": {"anna": 0.75}}) == {"s": ("anna", "taken")}
    assert outcomes({"s": {"anna": 0.7499}}) == {"s": ("anna", "unlike")}


def test_two_voices_that_are_as_near_are_none() -> None:
    assert outcomes({"s": {"anna": 0.9, "bob": 0.86}}) == {"s": ("anna", "close")}
    assert outcomes({"s": {"anna": 0.9, "bob": 0.84}}) == {"s": ("anna", "taken")}


def test_one_voice_speaks_for_the_speaker_who_is_nearest() -> None:
    found = outcomes({"s": {"anna": 0.8, "bob": 0.3}, "t": {"anna": 0.9, "bob": 0.3}})
    assert found == {"s": ("anna", "nearer-speaker"), "t": ("anna", "taken")}


@pytest.mark.parametrize("outcome", ["taken", "unlike", "close", "nearer-speaker"])
def test_every_outcome_is_said_with_its_figures(outcome: Any) -> None:
    match = BankMatch(
        speaker="speaker1", voice="anna", similarity=0.81, following=0.5, limit=0.75, outcome=outcome
    )
    said = in_words(match, SCALE.lead)
    assert all(part in said for part in ("speaker1", "anna", "0.81", "0.75", "0.50"))


class Bank:
    """A data folder with recordings and an environment, and speakers with vectors."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.store = WorkDir(folder / "store")
        (folder / "scratch").mkdir()
        furnish(self.data, "resemblyzer", TELLER)
        self.teller = Resemblyzer(Host(Settings(data_dir=self.data), folder / "scratch"))
        self.events: list[Event] = []
        self.runner = Runner(self.store, EventBus(self.events.append))

    def keep(self, name: str, voice: str, seconds: float = 6.0) -> None:
        (self.data / "voices").mkdir(parents=True, exist_ok=True)
        audio = speak(" ".join(SENTENCES[:3]), voice)[: round(seconds * SAMPLE_RATE)]
        soundfile.write(self.data / "voices" / f"{name}.wav", audio, SAMPLE_RATE)

    def speaker(self, ident: str, voice: str, seconds: float = 8.0) -> Speaker:
        heard = self.teller.embed(to_analysis(speak(SENTENCES[5], voice)[:, None])).whole
        return Speaker(
            id=ident, median_f0_hz=None, voice_class="low", speech_samples=round(seconds * SAMPLE_RATE),
            voice=tuple(heard.tolist()),
        )  # fmt: skip

    def ask(
        self,
        *speakers: Speaker,
        traits: Traits = CLONES,
        teller: bool = True,
        voices: Mapping[str, Mapping[str, str]] | None = None,
        **settings: Any,
    ) -> tuple[Mapping[str, VoiceRequest], list[str]]:
        """The voices that come out, and the codes of what is said."""

        def backend(stage: str, _language: str | None) -> Any:
            if stage != SPEAKERS or not teller:
                raise MissingError("There is none.")
            return self.teller

        cast = CastFile("talk.cast.toml", frozenset(), voices=voices) if voices else None
        job = Job(Path("talk.mp4"), "0" * 64, 1, ("es",), "en", cast=cast)
        context = Context(self.runner, Settings(data_dir=self.data, **settings), job, backend, "es")
        self.events.clear()
        engine: Any = Engine(traits)
        requests = {speaker.id: VoiceRequest("low", 0) for speaker in speakers}
        requests = dict(cast_voices(context, engine, requests))
        found, _ = known_again(context, engine, speakers, requests)
        return found, [event.code for event in self.events if isinstance(event, Notice)]


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    bank = Bank(tmp_path)
    yield bank
    bank.runner.close()
    bank.teller.close()


def test_a_person_is_known_again_and_it_is_said(bank: Bank) -> None:
    bank.keep("anna", HIGH)
    bank.keep("bob", LOW)
    found, said = bank.ask(bank.speaker("speaker1", LOW), bank.speaker("speaker2", HIGH))
    heard = {name: soundfile.read(str(one.reference.path))[0] for name, one in found.items() if one.reference}
    kept = {name: soundfile.read(str(bank.data / "voices" / f"{name}.wav"))[0] for name in ("anna", "bob")}
    for speaker, name in (("speaker1", "bob"), ("speaker2", "anna")):
        assert np.corrcoef(heard[speaker], kept[name][: len(heard[speaker])])[0, 1] > 0.99
    assert said == ["voice-matched", "voice-matched"]
    _, again = bank.ask(bank.speaker("speaker1", LOW), bank.speaker("speaker2", HIGH))
    assert not again, "once in a run"
    assert not [one for one in bank.events if isinstance(one, ActionDone) and not one.hit]


def test_a_stranger_is_nobody_and_that_is_said(bank: Bank) -> None:
    bank.keep("anna", HIGH)
    found, said = bank.ask(bank.speaker("speaker1", LOW))
    assert found["speaker1"].reference is None
    assert said == ["voice-not-matched"]


def test_the_cast_file_overrules(bank: Bank, tmp_path: Path) -> None:
    bank.keep("anna", HIGH)
    bank.keep("carla", "en+f2")
    speaker = bank.speaker("speaker1", HIGH)
    matched, _ = bank.ask(speaker)
    named, said = bank.ask(speaker, voices={"speaker1": {"": "carla"}})
    assert named["speaker1"].reference not in (None, matched["speaker1"].reference)
    assert not said
    file = tmp_path / "talk.cast.toml"
    file.write_text('[speakers.speaker1]\nvoice = "none"\n')
    nobody, said = bank.ask(speaker, voices=read_cast(file).voices)
    assert nobody["speaker1"] == VoiceRequest("low", 0)
    assert not said


def test_who_says_too_little_is_not_matched(bank: Bank) -> None:
    bank.keep("anna", HIGH)
    found, said = bank.ask(bank.speaker("speaker1", HIGH, seconds=3.9))
    assert found["speaker1"].reference is None
    assert not said


def test_a_recording_that_cannot_be_compared_ends_no_dub(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Any:
        raise ChildError("The worker is gone.")

    bank.keep("anna", HIGH)
    speaker = bank.speaker("speaker1", HIGH)
    monkeypatch.setattr(bank.teller, "embed", fail)
    found, said = bank.ask(speaker)
    assert found["speaker1"].reference is None
    assert said == ["bank-recording"]


def test_it_can_be_turned_off(bank: Bank) -> None:
    bank.keep("anna", HIGH)
    found, said = bank.ask(bank.speaker("speaker1", HIGH), match_voices=False)
    assert found["speaker1"].reference is None
    assert not said


def test_pitch_and_timbre_match_nobody_and_say_so(bank: Bank) -> None:
    bank.keep("anna", HIGH)
    found, said = bank.ask(bank.speaker("speaker1", HIGH), teller=False)
    assert found["speaker1"].reference is None
    assert said == ["bank-not-asked"]


def test_an_empty_bank_says_nothing(bank: Bank) -> None:
    _, said = bank.ask(bank.speaker("speaker1", HIGH), teller=False)
    assert not said


def test_an_engine_that_does_not_imitate_takes_the_voice_of_its_own_that_is_written_down(bank: Bank) -> None:
    bank.keep("anna", HIGH)
    names = Traits(has_names=True)
    speaker = bank.speaker("speaker1", HIGH)
    assert bank.ask(speaker, traits=names) == ({"speaker1": VoiceRequest("low", 0)}, [])
    note = bank.data / "voices" / "anna.toml"
    note.write_text('espeak = "af_heart"\nother = "x"\n')
    found, said = bank.ask(speaker, traits=names)
    assert found["speaker1"].name == "af_heart"
    assert said == ["voice-matched"]
    cast, said = bank.ask(speaker, traits=names, voices={"speaker1": {"es": "anna"}})
    assert cast["speaker1"].name == "af_heart"
    assert not said
    for wrong in ("espeak = 3", "espeak ="):
        note.write_text(wrong)
        with pytest.raises(InputError, match=r"anna\.toml"):
            bank.ask(speaker, traits=names)


def test_a_recording_that_cannot_be_read_is_told_and_the_others_are_asked(bank: Bank) -> None:
    bank.keep("anna", HIGH)
    bank.keep("short", HIGH, seconds=2)
    (bank.data / "voices" / "broken.wav").write_bytes(b"no sound")
    found, said = bank.ask(bank.speaker("speaker1", HIGH))
    assert found["speaker1"].reference is not None
    assert said == ["bank-recording", "bank-recording", "voice-matched"]
