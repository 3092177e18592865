"""Whisper through the whole command, with checkpoints in its own format that the tests make.

What this proves: files are found, loaded strictly, decoded, judged and worked on. How well the published
models hear is no matter of tests without them.
"""

from __future__ import annotations

import base64
import dataclasses
import gzip
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
import whisper as library
from whisper.decoding import DecodingTask
from whisper.model import AudioEncoder, ModelDimensions, TextDecoder
from whisper.tokenizer import LANGUAGES as PUBLISHED_LANGUAGES
from whisper.tokenizer import get_tokenizer

from cli.graph import load_graph
from loc.analysis import voice_activity
from loc.analysis import whisper as module
from loc.analysis.voice_activity import RATIO, read_analysis
from loc.analysis.whisper import FROM_WHISPER, LANGUAGES, MAX_WINDOW, TO_WHISPER, Recogniser, whole_words
from loc.app.plan import plan
from loc.app.run import RunResult, prepare, run_job, with_language
from loc.app.walk import Slots, make_stage
from loc.artifacts import Transcript, Word
from loc.backend import Backend, Host, Request, cards_of, resolve
from loc.errors import ExitCode, InputError, MissingError, UsageError
from loc.events import ActionDone, Event, EventBus, Notice, StageStarted
from loc.policy.licences import Purpose
from loc.runner import Runner, Site
from loc.settings import Settings
from loc.stage import Context
from loc.store.workdir import WorkDir
from loc.weights.table import published
from stages.transcribe import guard
from stages.transcribe.phrases import join_words
from stages.transcribe.stage import spans
from stages.transcribe.whisper import Whisper
from tests.network import watched
from tests.presenter import Film
from tests.tiny_whisper import SMALL, Lesson, blank, checkpoint, evenly, overfit
from tests.weights.shelving import place, registered

FINE_TUNE = registered("mine", "whisper", "tiny.pt", title="My own Whisper")

PUBLISHED_DIMS = {
    "tiny": ModelDimensions(80, 1500, 384, 6, 4, 51865, 448, 384, 6, 4),
    "base": ModelDimensions(80, 1500, 512, 8, 6, 51865, 448, 512, 8, 6),
    "small": ModelDimensions(80, 1500, 768, 12, 12, 51865, 448, 768, 12, 12),
    "medium": ModelDimensions(80, 1500, 1024, 16, 24, 51865, 448, 1024, 16, 24),
    "large-v1": ModelDimensions(80, 1500, 1280, 20, 32, 51865, 448, 1280, 20, 32),
    "large-v2": ModelDimensions(80, 1500, 1280, 20, 32, 51865, 448, 1280, 20, 32),
    "large-v3": ModelDimensions(128, 1500, 1280, 20, 32, 51866, 448, 1280, 20, 32),
    "large-v3-turbo": ModelDimensions(128, 1500, 1280, 20, 32, 51866, 448, 1280, 20, 4),
}
PUBLISHED_DIMS |= {
    f"{name}.en": dataclasses.replace(PUBLISHED_DIMS[name], n_vocab=51864)
    for name in ("tiny", "base", "small", "medium")
}
MILLIONS = {"tiny": 39, "base": 74, "small": 244, "medium": 769, "large-v1": 1550, "large-v2": 1550,
            "large-v3": 1550, "large-v3-turbo": 809}  # fmt: skip
"""Parameters as the model card counts them: rounded, and for the large ones without what v3 added."""

Shapes = dict[str, tuple[int, ...]]


def published_shapes(dims: ModelDimensions) -> Shapes:
    """What a published checkpoint of these dimensions holds, by the paper's figure 1 and the card's table."""
    shapes: Shapes = {}

    def linear(name: str, out: int, into: int, *, bias: bool = True) -> None:
        shapes[f"{name}.weight"] = (out, into)
        if bias:
            shapes[f"{name}.bias"] = (out,)

    def norm(name: str, width: int) -> None:
        shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (width,)

    def block(name: str, width: int, attentions: tuple[str, ...]) -> None:
        for attention in attentions:
            for part in ("query", "key", "value", "out"):
                linear(f"{name}.{attention}.{part}", width, width, bias=part != "key")
            norm(f"{name}.{attention}_ln", width)
        linear(f"{name}.mlp.0", 4 * width, width)
        linear(f"{name}.mlp.2", width, 4 * width)
        norm(f"{name}.mlp_ln", width)

    ears, mouth = dims.n_audio_state, dims.n_text_state
    shapes["encoder.positional_embedding"] = (dims.n_audio_ctx, ears)
    for name, into in (("conv1", dims.n_mels), ("conv2", ears)):
        shapes[f"encoder.{name}.weight"], shapes[f"encoder.{name}.bias"] = (ears, into, 3), (ears,)
    for index in range(dims.n_audio_layer):
        block(f"encoder.blocks.{index}", ears, ("attn",))
    norm("encoder.ln_post", ears)
    shapes["decoder.positional_embedding"] = (dims.n_text_ctx, mouth)
    shapes["decoder.token_embedding.weight"] = (dims.n_vocab, mouth)
    for index in range(dims.n_text_layer):
        block(f"decoder.blocks.{index}", mouth, ("attn", "cross_attn"))
    norm("decoder.ln", mouth)
    return shapes


@dataclass(frozen=True)
class Job:
    """A film with a data folder of its own."""

    film: Film
    folder: Path

    def settings(self, data: str, **changes: Any) -> Settings:
        given = {
            "languages": ("es",),
            "source_language": "en",
            "lipsync": False,
            "work_dir": self.folder / "store",
            "data_dir": self.folder / data,
            "output": str(self.folder / "out") + "/",
            "backend": {"transcribe": "whisper"},
        }
        return Settings(**{**given, **changes})

    def run(self, settings: Settings) -> tuple[RunResult, list[Event]]:
        store, graph = WorkDir(settings.work_dir), load_graph()
        events: list[Event] = []
        prepared = prepare(self.film.path, graph, store, settings)
        return run_job(prepared, graph, store, settings, [events.append]), events

    def walk(self, settings: Settings, last: str) -> tuple[Context, Slots]:
        """The stages up to `last`, made."""
        store, graph = WorkDir(settings.work_dir), load_graph()
        prepared = prepare(self.film.path, graph, store, settings, look=True)
        made: dict[str, Backend] = {}

        def backend(stage: str, language: str | None) -> Backend:
            card = prepared.choices.card(stage, language)
            if card is None:
                raise MissingError(f"There is no backend for {stage}.")
            host = Host(settings, self.folder, model=card.model)
            return made.setdefault(card.choice, graph.backends[card.id](host))

        context = Context(Runner(store, EventBus(), run="test"), settings, prepared.job, backend)
        slots = Slots()
        for stage in prepared.stages:
            make_stage(stage, context, slots, None)
            if stage.name == last:
                break
        context.runner.close()
        return context, slots


@pytest.fixture(scope="module")
def job(two_shot_film: Film, tmp_path_factory: pytest.TempPathFactory) -> Job:
    return Job(two_shot_film, tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="module")
def lessons(job: Job) -> list[Lesson]:
    """What is said in this film's windows."""
    settings = job.settings("data", backend={}, until="separate")
    context, slots = job.walk(settings, "separate")
    speech = slots.value("stems").speech
    frames = voice_activity.voice_frames(Runner(context.store, EventBus()), Site("test"), speech)
    regions = voice_activity.in_samples(voice_activity.regions(frames), speech.samples)
    found = []
    for start, stop in spans(MAX_WINDOW * RATIO, speech.samples, frames, regions):
        words = [
            word
            for line in job.film.truth.lines
            if start <= (line.start + line.stop) // 2 < stop
            for word in evenly(line.text, (line.start - start) / 48_000, (line.stop - start) / 48_000)
        ]
        found.append(Lesson(read_analysis(context.store, speech, start, stop), words))
    return found


@pytest.fixture(scope="module")
def taught(job: Job, lessons: list[Lesson]) -> bytes:
    """A checkpoint that was taught this film's windows, and lies in the data folder `data`."""
    data = overfit(lessons)
    place(job.folder / "data", FINE_TUNE, ("tiny.pt", data))
    return data


@pytest.fixture(scope="module")
def finished(job: Job, taught: bytes) -> tuple[RunResult, list[Event]]:
    return job.run(job.settings("data"))


@pytest.mark.parametrize(
    "said", ["東京Tokyoで10000円のKubernetesとMicrosoft Officeを", "カフェはcafé au laitです"]
)
def test_a_latin_word_or_number_stays_whole_in_a_language_without_spaces(said: str) -> None:
    """Of which the library makes a word of every token."""
    tokenizer = get_tokenizer(multilingual=True, num_languages=99, language="ja", task="transcribe")
    parts, _ = tokenizer.split_to_word_tokens([*tokenizer.encode(said), tokenizer.eot])
    words = [
        {"word": part, "start": place, "end": place + 1, "probability": 1 - place / 100}
        for place, part in enumerate(parts[:-1])
    ]
    whole = whole_words(words)
    assert len(whole) < len(words)
    texts = [word["word"].strip() for word in whole]
    found = [Word(text=text, start=0, stop=1, confidence=None) for text in texts]
    assert join_words(found, "ja") == said
    latin = next(word for word in whole if word["word"] in ("Tokyo", "café"))
    assert latin["end"] - latin["start"] > 1
    assert latin["probability"] == pytest.approx(1 - (latin["end"] - 1) / 100)


def test_a_film_is_dubbed_from_what_a_fine_tune_heard(
    job: Job, finished: tuple[RunResult, list[Event]]
) -> None:
    result, _ = finished
    assert result.error is None
    card = result.choices.card("transcribe", None)
    assert card is not None
    assert card.choice == "transcribe/whisper:mine"
    transcript: Transcript = job.walk(job.settings("data"), "transcribe")[1].value("transcript")
    said = " ".join(line.text for line in job.film.truth.lines)
    assert " ".join(segment.text for segment in transcript.segments) == said
    assert all((segment.confidence or 0) > 0.5 for segment in transcript.segments)
    for segment, line in zip(transcript.segments, job.film.truth.lines, strict=True):
        assert abs(segment.start - line.start) < 0.5 * 48_000
        taught = evenly(line.text, line.start / 48_000, line.stop / 48_000)
        for word, (text, start, _) in zip(segment.words, taught, strict=True):
            assert word.text == text
            assert word.start / 48_000 == pytest.approx(start, abs=0.3)
    (language,) = result.languages
    assert language.lines == len(job.film.truth.lines)
    assert language.targets is not None
    assert language.targets.video.is_file()


def test_song_that_was_written_down_is_not_dubbed(
    job: Job, lessons: list[Lesson], finished: tuple[RunResult, list[Event]]
) -> None:
    """In the same film, by a model that takes all of it for song."""
    sung = overfit([dataclasses.replace(lesson, sung=True) for lesson in lessons])
    place(job.folder / "singing", FINE_TUNE, ("tiny.pt", sung))
    settings = job.settings("singing", output=f"{job.folder / 'sung'}/")
    result, events = job.run(settings)
    assert result.exit_code is ExitCode.DONE, result.error
    assert "song-kept" in {event.code for event in events if isinstance(event, Notice)}
    transcript: Transcript = job.walk(settings, "transcribe")[1].value("transcript")
    assert transcript.segments == ()
    assert {item.reason for item in transcript.dropped} == {guard.SONG}
    said = " ".join(line.text for line in job.film.truth.lines)
    assert " ".join(item.text for item in transcript.dropped) == said
    for line in job.film.truth.lines:
        middle = (line.start + line.stop) // 2
        assert any(one.start < middle < one.stop for one in transcript.kept)
    (language,), (dubbed,) = result.languages, finished[0].languages
    assert language.targets is not None
    assert dubbed.targets is not None
    assert _alike(job.film.path, language.targets.video) > 0.95
    assert _alike(job.film.path, dubbed.targets.video) < 0.6


def _alike(one: Path, other: Path) -> float:
    """Correlation of the sound of two videos."""
    sounds = []
    for path in (one, other):
        with av.open(str(path)) as container:
            frames = [frame.to_ndarray().mean(axis=0) for frame in container.decode(audio=0)]
            sounds.append(np.concatenate(frames))
    length = min(map(len, sounds))
    return float(np.corrcoef(*(sound[:length] for sound in sounds))[0, 1])


def test_a_model_is_found_loaded_and_asked_without_a_socket(job: Job, taught: bytes, tmp_path: Path) -> None:
    variables, log = watched(tmp_path / "watch")
    command = [
        sys.executable, "-m", "cli", "run", str(job.film.path), "--lang", "es", "--from", "en",
        "--no-lipsync", "--backend", "transcribe=whisper", "--until", "transcribe",
        "--work-dir", str(tmp_path / "store"), "--data-dir", str(job.folder / "data"), "--json",
    ]  # fmt: skip
    done = subprocess.run(
        command, env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )
    assert done.returncode == ExitCode.DONE, done.stderr
    assert '"transcribe.window"' in done.stdout
    lines = log.read_text().splitlines()
    assert lines
    assert not [line for line in lines if "reached out" in line]


def test_other_weights_hear_again_and_the_same_do_not(
    job: Job, finished: tuple[RunResult, list[Event]], taught: bytes
) -> None:
    again, _ = job.run(job.settings("data"))
    assert again.misses == 0
    model = torch.load(job.folder / "data/weights/mine/tiny.pt", weights_only=True)
    model["model_state_dict"]["decoder.ln.bias"] += 1e-6
    torch.save(model, job.folder / "other.pt")
    place(job.folder / "changed", FINE_TUNE, ("tiny.pt", (job.folder / "other.pt").read_bytes()))
    changed, events = job.run(job.settings("changed"))
    assert changed.error is None
    made = {event.action for event in events if isinstance(event, ActionDone) and not event.hit}
    # It listens to the dub too, where it is good enough.
    assert made == {"transcribe.window", "dub.hear"}


def test_the_language_need_not_be_said(job: Job, finished: tuple[RunResult, list[Event]]) -> None:
    settings = job.settings("data", source_language=None)
    result, events = job.run(settings)
    assert result.error is None
    made = {event.action for event in events if isinstance(event, ActionDone) and not event.hit}
    assert made == {"transcribe.language"}
    translator = result.choices.resolutions["translate", "es"].request
    assert translator.source == "en"
    store, graph = WorkDir(settings.work_dir), load_graph()
    rows = plan(prepare(job.film.path, graph, store, settings, look=True), graph, store, settings)
    assert all(row.misses == 0 and row.problem is None for row in rows)
    prepared = prepare(job.film.path, graph, store, settings)
    with pytest.raises(UsageError, match="spoken in 'es' already"):
        with_language(prepared, graph, settings, "es")


def test_a_model_that_knows_nothing_is_refused_before_anything_is_spent(job: Job, taught: bytes) -> None:
    dims = dataclasses.replace(SMALL, n_text_ctx=24)
    place(job.folder / "random", FINE_TUNE, ("tiny.pt", checkpoint(blank(dims))))
    result, events = job.run(job.settings("random"))
    assert result.exit_code == ExitCode.INPUT
    assert result.error is not None
    assert "no transcript" in result.error.what
    assert "--transcript" in result.error.fix
    stages = {event.stage for event in events if isinstance(event, StageStarted)}
    assert "translate" not in stages


def test_a_file_that_does_not_fit_is_named(tmp_path: Path) -> None:
    model = blank()
    state = model.state_dict()
    wrong = {
        "missing": {k: v for k, v in state.items() if k != "decoder.ln.bias"},
        "surplus": {**state, "decoder.extra": torch.zeros(1)},
        "shape": {**state, "decoder.ln.bias": torch.zeros(7)},
    }
    for name, content in wrong.items():
        torch.save({"dims": dataclasses.asdict(SMALL), "model_state_dict": content}, tmp_path / "file")
        place(tmp_path / name, FINE_TUNE, ("tiny.pt", (tmp_path / "file").read_bytes()))
        recogniser = Recogniser(Host(Settings(data_dir=tmp_path / name), tmp_path), "mine")
        with pytest.raises(MissingError) as caught:
            recogniser.recognise(np.ones(16_000, np.float32), "en")
        assert FINE_TUNE.title in caught.value.what
        assert "decoder.extra" in caught.value.why or "decoder.ln.bias" in caught.value.why


def test_a_model_of_english_alone_tells_no_language(tmp_path: Path) -> None:
    english = blank(dataclasses.replace(SMALL, n_vocab=PUBLISHED_DIMS["tiny.en"].n_vocab))
    place(tmp_path / "data", FINE_TUNE, ("tiny.pt", checkpoint(english)))
    recogniser = Recogniser(Host(Settings(data_dir=tmp_path / "data"), tmp_path), "mine")
    assert recogniser.languages(np.ones(16_000, np.float32)) == {}
    place(tmp_path / "many", FINE_TUNE, ("tiny.pt", checkpoint(blank())))
    recogniser = Recogniser(Host(Settings(data_dir=tmp_path / "many"), tmp_path), "mine")
    assert sum(recogniser.languages(np.ones(16_000, np.float32)).values()) == pytest.approx(1.0)


def test_names_that_may_be_said_are_told_to_the_decoder_of_every_passage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(tmp_path, FINE_TUNE, ("tiny.pt", checkpoint(blank())))
    backend = Whisper(Host(Settings(data_dir=tmp_path), tmp_path, model="mine"))
    tokenizer: Any = get_tokenizer(True, num_languages=99, language="en", task="transcribe")
    begun: list[list[int]] = []
    run = DecodingTask.run

    def noted(self: Any, mel: Any) -> Any:
        begun.append(list(self.initial_tokens))
        return run(self, mel)

    monkeypatch.setattr(DecodingTask, "run", noted)
    sound = np.random.default_rng(0).normal(0, 0.1, 3 * 16_000).astype(np.float32)
    backend.recognise_with(sound, "en", "Tanaka, Shinjuku")
    told = [tokenizer.sot_prev, *tokenizer.encode(" Tanaka, Shinjuku")]
    assert begun
    assert all(tokens[: len(told)] == told for tokens in begun)
    begun.clear()
    backend.recognise(sound, "en")
    assert all(tokens[0] == tokenizer.sot for tokens in begun)
    backend.close()


def test_where_memory_ends_the_way_out_is_named_and_no_other_words_are_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(tmp_path, FINE_TUNE, ("tiny.pt", checkpoint(blank())))
    recogniser = Recogniser(Host(Settings(data_dir=tmp_path), tmp_path), "mine")
    tried: list[int] = []

    def decode(*_: Any) -> Any:
        tried.append(1)
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(module, "_decoded", decode)
    with pytest.raises(MissingError, match="windows") as caught:
        recogniser.recognise(np.ones(16_000, np.float32), "en")
    assert "--device cpu" in caught.value.fix
    assert "smaller model" in caught.value.fix
    assert len(tried) == 1
    recogniser.close()


def test_the_checkpoint_is_found_among_other_files(tmp_path: Path) -> None:
    files = (("README.md", b"mine"), ("config.json", b"{}"), ("sub/mine.pt", checkpoint(blank())))
    row = registered("mine", "whisper", *(name for name, _ in files), title="My own Whisper")
    place(tmp_path / "one", row, *files)
    audio = np.ones(16_000, np.float32)
    assert Recogniser(Host(Settings(data_dir=tmp_path / "one"), tmp_path), "mine").languages(audio)
    for folder, names in (("two", ("a.pt", "b.pt")), ("none", ("config.json", "model.safetensors"))):
        place(tmp_path / folder, registered("mine", "whisper", *names), *((name, b"") for name in names))
        recogniser = Recogniser(Host(Settings(data_dir=tmp_path / folder), tmp_path), "mine")
        with pytest.raises(InputError, match=", ".join(names)):
            recogniser.recognise(audio, "en")


def test_every_published_model_has_a_row_with_its_digest() -> None:
    rows = {row.source.place + row.files[0].path: row for row in published().values()
            if row.architecture == "whisper"}  # fmt: skip
    assert set(rows) == set(library._MODELS.values())
    for url, row in rows.items():
        assert row.files[0].sha256 == url.split("/")[-2]
        assert Path(url).stem in library._ALIGNMENT_HEADS


def test_the_dimensions_of_every_published_model_are_stated() -> None:
    assert {Path(url).stem for url in library._MODELS.values()} == set(PUBLISHED_DIMS)


@pytest.mark.parametrize("name", PUBLISHED_DIMS)
def test_the_library_builds_the_published_shapes(name: str) -> None:
    dims = PUBLISHED_DIMS[name]
    # In parts: the whole makes a sparse mask of its heads, which no meta tensor can be.
    with torch.device("meta"):
        ears = AudioEncoder(
            dims.n_mels, dims.n_audio_ctx, dims.n_audio_state, dims.n_audio_head, dims.n_audio_layer
        )
        mouth = TextDecoder(
            dims.n_vocab, dims.n_text_ctx, dims.n_text_state, dims.n_text_head, dims.n_text_layer
        )
    built = {
        f"{part}.{key}": tuple(tensor.shape)
        for part, module in (("encoder", ears), ("decoder", mouth))
        for key, tensor in module.state_dict().items()
    }
    assert built == published_shapes(dims)
    count = sum(item.numel() for part in (ears, mouth) for item in part.parameters()) / 1e6
    assert count == pytest.approx(MILLIONS[name.removesuffix(".en")], rel=0.05)
    # Its alignment heads are a mask over just these layers and heads.
    mask = gzip.decompress(base64.b85decode(library._ALIGNMENT_HEADS[name]))
    assert len(mask) == dims.n_text_layer * dims.n_text_head


def test_languages_are_those_of_the_models() -> None:
    known = LANGUAGES | {"yue"}
    assert {TO_WHISPER.get(tag, tag) for tag in known} == set(PUBLISHED_LANGUAGES)
    assert {FROM_WHISPER.get(tag, tag) for tag in PUBLISHED_LANGUAGES} <= known
    for name in ("whisper-large-v3", "whisper-turbo"):
        assert set(published()[name].languages.source) == known  # type: ignore[union-attr]


@pytest.mark.parametrize("tag", sorted(TO_WHISPER))
def test_a_tag_that_whisper_writes_otherwise_is_taken_and_asked_for_as_it_writes_it(
    tag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for card in cards_of(Whisper.card, list(published().values())):
        found = resolve(Request("transcribe", source=tag), [card], lambda need: True, Purpose.INTERNAL)
        assert (found.choice is None) == (card.languages.source == ("en",)), card.choice
    asked: list[str] = []

    def heard(*_args: Any, language: str, **_options: Any) -> dict[str, Any]:
        asked.append(language)
        return {"segments": []}

    monkeypatch.setattr(sys.modules["whisper.transcribe"], "transcribe", heard)
    module._decoded(None, np.zeros(1, np.float32), tag, "")
    assert asked[0] in PUBLISHED_LANGUAGES


def test_a_window_is_heard_without_the_text_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error would spread, and an edited minute cost all that follow."""
    asked: dict[str, Any] = {}

    def heard(*_args: Any, **options: Any) -> dict[str, Any]:
        asked.update(options)
        return {"segments": []}

    monkeypatch.setattr(sys.modules["whisper.transcribe"], "transcribe", heard)
    module._decoded(None, np.zeros(1, np.float32), "en", "Tanaka")
    assert asked["condition_on_previous_text"] is False
