"""`dub/kokoro` and `dub/chatterbox`: what their workers are asked, by doubles that speak the protocol.

The doubles stand where an environment's Python stands, and prove paths, voices, keys and choice. What the
packages themselves do is no part of these tests.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cli.graph import load_graph
from loc.app.run import Graph, prepare, run_job
from loc.app.self_check import self_check
from loc.artifacts import Ref
from loc.backend import Host, cards_of
from loc.errors import InputError, MissingError
from loc.events import ActionDone, Event
from loc.settings import Settings
from loc.store.workdir import WorkDir
from loc.weights.table import published
from stages.dub.chatterbox import Chatterbox
from stages.dub.contract import Reference, VoiceRequest
from stages.dub.kokoro import Kokoro, voice_of
from stages.dub.kokoro_worker import LONGEST, _hold, phones_of, pieces
from tests.furnished import furnish
from tests.presenter import Film, write_subtitles
from tests.weights.shelved import shelve
from tests.weights.shelving import place, registered

LOW, HIGH = VoiceRequest("low", 0), VoiceRequest("high", 0)
ENGINE = Path(__file__).with_name("speaking_engine.py")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data"
    furnish(folder, "kokoro", ENGINE, "--phones")
    furnish(folder, "chatterbox", ENGINE)
    shelve(folder, "kokoro-82m")
    shelve(folder, "chatterbox-multilingual")
    monkeypatch.setenv("SPEAKING_ENGINE_LOG", str(tmp_path / "log"))
    return folder


def asked(folder: Path) -> list[Mapping[str, Any]]:
    return [json.loads(line) for line in (folder / "log").read_text().splitlines()]


@pytest.fixture
def engines(data: Path, tmp_path: Path) -> Iterator[tuple[Kokoro, Chatterbox]]:
    settings, scratch = Settings(data_dir=data, device="cpu"), tmp_path / "scratch"
    scratch.mkdir()
    kokoro = Kokoro(Host(settings=settings, scratch=scratch, model="tiny-kokoro-82m"))
    chatterbox = Chatterbox(Host(settings=settings, scratch=scratch, model="tiny-chatterbox-multilingual"))
    yield kokoro, chatterbox
    kokoro.close()
    chatterbox.close()


def test_kokoro_is_asked_with_its_files_and_a_voice_of_the_language(
    engines: tuple[Kokoro, Chatterbox], tmp_path: Path
) -> None:
    kokoro, _ = engines
    spoken = kokoro.speak("Papá baila.", "es", HIGH, 1.0)
    assert spoken.phones
    [call] = asked(tmp_path)
    assert set(call["files"]) == {"config.json", "kokoro-v1_0.pth", "ef_dora.pt"}
    assert call["device"] == "cpu"
    assert call["files"]["ef_dora.pt"] == hashlib.sha256(b"voices/ef_dora.pt").hexdigest()
    fingerprint = kokoro.fingerprint()
    assert fingerprint["environment kokoro"]
    assert fingerprint["weights kokoro-v1_0.pth"]


def test_chatterbox_finds_its_checkpoints_side_by_side_and_takes_differ(
    engines: tuple[Kokoro, Chatterbox], tmp_path: Path
) -> None:
    _, chatterbox = engines
    first = chatterbox.speak("Papá baila.", "es", LOW, 1.0)
    again = chatterbox.speak("Papá baila.", "es", LOW, 1.0, 1)
    assert not first.phones
    assert first.audio.max() != again.audio.max()
    calls = asked(tmp_path)
    assert [call["take"] for call in calls] == [0, 1]
    assert set(calls[0]["files"]) == {file.path for file in published()["chatterbox-multilingual"].files}


def test_an_engine_is_told_what_is_spoken_in_a_recording(
    engines: tuple[Kokoro, Chatterbox], tmp_path: Path
) -> None:
    _, chatterbox = engines
    sound = tmp_path / "anna.wav"
    sound.write_bytes(b"recording")
    for language in ("en", None):
        reference = Reference(Ref(sha256="0" * 64, size=9), sound, language)
        chatterbox.speak("Papá baila.", "es", replace(LOW, reference=reference), 1.0)
    known, unknown = (call["voice"] for call in asked(tmp_path))
    assert (known["reference"], known["reference_language"]) == (str(sound), "en")
    assert "reference_language" not in unknown


def test_files_in_folders_keep_their_places(tmp_path: Path) -> None:
    files = (("config.json", b"{}"), ("voices/jf_own.pt", b"voice"), ("fine/tuned.pth", b"model"))
    row = registered("mine", None, *(name for name, _ in files))
    place(tmp_path, row, *files)
    host = Host(settings=Settings(data_dir=tmp_path), scratch=tmp_path / "scratch", model="mine")
    assert Kokoro(host).paths("ja", HIGH)["model"].read_bytes() == b"model"
    folder = Chatterbox(host).paths("ja", HIGH)["folder"]
    assert (folder / "fine/tuned.pth").read_bytes() == b"model"


@pytest.mark.parametrize("files", [("a.pth", "b.pth", "config.json"), ("a.pth",), ("a.pth", "b.txt")])
def test_a_model_that_cannot_be_told_is_named(tmp_path: Path, files: tuple[str, ...]) -> None:
    names = (*files, "voices/jf_own.pt")
    place(tmp_path, registered("mine", None, *names), *((name, b"") for name in names))
    engine = Kokoro(Host(settings=Settings(data_dir=tmp_path), scratch=tmp_path, model="mine"))
    with pytest.raises(InputError, match=r"one file that ends in \.pth and config\.json.* a\.pth"):
        engine.paths("ja", HIGH)


def test_without_its_environment_an_engine_says_how_to_get_it(tmp_path: Path) -> None:
    shelve(tmp_path, "kokoro-82m")
    kokoro = Kokoro(Host(settings=Settings(data_dir=tmp_path), scratch=tmp_path, model="tiny-kokoro-82m"))
    with pytest.raises(MissingError) as caught:
        kokoro.fingerprint()
    assert caught.value.fix == "loc models env kokoro"


@pytest.mark.parametrize(("flags", "ok"), [((), True), (("--noise",), False)])
def test_an_engine_is_heard_to_say_what_it_should(
    data: Path, tmp_path: Path, flags: tuple[str, ...], ok: bool
) -> None:
    shutil.rmtree(data / "envs" / "kokoro")
    furnish(data, "kokoro", ENGINE, "--phones", *flags)
    settings = Settings(data_dir=data, device="cpu")
    graph = Graph((), {Kokoro.card.id: Kokoro})
    [tested] = self_check(graph, settings, ["tiny-kokoro-82m"], tmp_path, lambda *_: None)
    assert tested.fault is None
    assert [one.ok for one in tested.tried] == [ok, True], tested.tried


class Net(torch.nn.Module):
    """A model of two parts, one of which counts places."""

    def __init__(self) -> None:
        super().__init__()
        self.ear, self.mouth = torch.nn.Linear(2, 3), torch.nn.Linear(3, 2)
        self.ear.register_buffer("position_ids", torch.arange(4))


Parts = dict[str, dict[str, Any]]


def part_states(**changes: Mapping[str, Any] | None) -> Parts:
    """A checkpoint of `Net` as Kokoro's is: by part, from a model that several devices taught."""
    state = {
        part: {f"module.{key}": value for key, value in module.state_dict().items() if key != "position_ids"}
        for part, module in Net().named_children()
    }
    for part, change in changes.items():
        if change is None:
            del state[part]
        else:
            state[part] = {**state.get(part, {}), **change}
    return state


def test_a_checkpoint_that_is_whole_is_taken() -> None:
    _hold(Net(), part_states(), "own.pth")
    _hold(Net(), part_states(ear={"position_ids": torch.arange(4)}), "own.pth")


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (part_states(mouth=None), "'mouth' is missing"),
        (part_states(nose={"weight": torch.ones(1)}), "'nose' is missing or surplus"),
        (part_states(ear={"module.weight": torch.ones(3, 3)}), r"ear\.weight is \(3, 3\)"),
        (part_states(ear={"module.gain": torch.ones(3)}), r"ear\.gain is \(3,\); the model has none"),
        (
            {"ear": {}, "mouth": part_states()["mouth"]},
            r"ear\.bias is missing; the model has \(3,\)",
        ),
    ],
)
def test_a_checkpoint_that_is_not_the_model_is_named(state: Parts, said: str) -> None:
    with pytest.raises(InputError, match=r"own\.pth does not fit") as caught:
        _hold(Net(), state, "own.pth")
    assert re.search(said, caught.value.why)


VOICES = [path.path[7:-3] for path in published()["kokoro-82m"].files if path.path.startswith("voices/")]


def test_voices_follow_class_variant_and_name() -> None:
    assert voice_of(HIGH, "ja", VOICES) == "jf_alpha"
    assert voice_of(LOW, "ja", VOICES) == "jm_kumo"
    assert voice_of(VoiceRequest("high", 1), "ja", VOICES) == "jf_gongitsune"
    assert voice_of(HIGH, "en", VOICES) == "af_heart"
    # French has one voice, and it speaks for men too.
    assert voice_of(LOW, "fr", VOICES) == "ff_siwis"
    assert voice_of(VoiceRequest("low", 3, name="zf_xiaoni"), "ja", VOICES) == "zf_xiaoni"
    with pytest.raises(InputError, match="no voice 'af_nobody'"):
        voice_of(VoiceRequest("low", 0, name="af_nobody"), "en", VOICES)
    with pytest.raises(InputError, match="not among its weights"):
        voice_of(LOW, "hi", ["af_heart"])


def test_every_published_voice_speaks_a_language_of_the_card() -> None:
    assert len(VOICES) == 54
    for language in Kokoro.card.languages.target:
        assert voice_of(LOW, language, VOICES)


def test_phones_are_the_models_own_marks_merged() -> None:
    timed = [("_", 600), ("h", 600), ("ˈ", 300), ("A", 900), ("ː", 300), (",", 600), (" ", 300), ("ʤ", 600)]
    assert phones_of(timed) == [
        ("_", 0, 600), ("h", 600, 1200), ("eɪː", 1200, 2700), ("_", 2700, 3600), ("dʒ", 3600, 4200),
    ]  # fmt: skip


def test_a_long_line_is_cut_between_sentences_and_loses_nothing() -> None:
    text = " ".join(f"wˈʌn tˈu θɹˈi{end}" for end in ".,." * 40)
    parts = list(pieces(text))
    assert all(0 < len(part) <= LONGEST for part in parts)
    assert " ".join(parts) == text
    assert all(part.endswith((".", ",")) for part in parts)
    assert "".join(pieces("a" * 1200)) == "a" * 1200


def test_choices_come_from_the_table() -> None:
    rows = list(published().values())
    assert [card.choice for card in cards_of(Kokoro.card, rows)] == ["dub/kokoro:kokoro-82m"]
    [card] = cards_of(Chatterbox.card, rows)
    assert card.quality == "best"


def test_a_video_is_dubbed_by_kokoro_where_it_is_there(
    two_shot_film: Film, data: Path, tmp_path: Path
) -> None:
    video = tmp_path / "film.mp4"
    video.symlink_to(two_shot_film.path)
    lines = two_shot_film.truth.lines
    write_subtitles(tmp_path / "film.en.srt", lines, [line.text for line in lines])
    write_subtitles(tmp_path / "film.es.srt", lines, ("Mi mamá baila bien.", "Papá bebe poca agua."))
    found = load_graph()
    # The data folder has Chatterbox too, which would come first.
    backends = {name: backend for name, backend in found.backends.items() if name != Chatterbox.card.id}
    graph = Graph(found.stages, {**backends, Kokoro.card.id: Kokoro})
    store = WorkDir(tmp_path / "store")
    settings = Settings(
        languages=("es",),
        source_language="en",
        work_dir=store.root,
        data_dir=data,
        device="cpu",
        lipsync=False,
    )
    events: list[Event] = []
    result = run_job(prepare(video, graph, store, settings), graph, store, settings, [events.append])
    assert result.error is None
    assert not result.defects
    spoken = [event for event in events if isinstance(event, ActionDone) and event.action == "dub.speak"]
    assert {event.backend for event in spoken} == {"dub/kokoro"}
    assert all("take" not in event.params for event in spoken)
