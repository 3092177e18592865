"""A local instruction model, from a tiny checkpoint that knows its answers by heart."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("transformers")

import torch
from transformers import BloomConfig

from loc.backend import Host
from loc.device import Devices, Say
from loc.errors import InputError, LocError
from loc.settings import Settings
from loc.weights.table import Spoken, published
from stages.translate import instruct
from stages.translate.contract import SceneTranslator
from stages.translate.dialogue import Answer, shorten_messages, translate_messages
from stages.translate.instruct import Instruct
from stages.translate.scene import Long, Said, Scene
from tests.translate import tiny

SCENE = Scene("en", "es", (Said("A", "One dog."), Said("B", "Two cats.")))
LONG = Long("en", "es", "One dog.", "Hay un perro muy grande.", 10)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tiny.Tiny:
    """Forgets the second line at first, and shortens one."""
    talks = [
        (translate_messages(SCENE, (0, 1)), json.dumps({"1": "Un perro."})),
        (translate_messages(SCENE, (0,)), json.dumps({"1": "Un perro."})),
        (translate_messages(SCENE, (1,)), json.dumps({"2": "Dos gatos."})),
        (shorten_messages([LONG], (0,)), json.dumps({"1": "Un perro."})),
    ]
    return tiny.instruct(tmp_path_factory.mktemp("instruct") / "model", talks)


def opened(model: tiny.Tiny, tmp_path: Path, say: Say | None = None) -> Instruct:
    data = tmp_path / "data"
    model.register(data, "mine", languages=Spoken())
    run = None if say is None else Devices(data, "auto", say)
    return Instruct(Host(Settings(data_dir=data), tmp_path / "scratch", model="mine", run=run))


def test_it_is_asked_as_an_endpoint_is(model: tiny.Tiny, tmp_path: Path) -> None:
    backend = opened(model, tmp_path)
    assert isinstance(backend, SceneTranslator)
    for _ in range(2):
        made = backend.translate_scene(SCENE, (0, 1))
        assert [one.text for one in made.values() if isinstance(one, Answer)] == ["Un perro.", "Dos gatos."]
    [shorter] = backend.shorten([LONG]).values()
    assert isinstance(shorter, Answer)
    assert shorter.text == "Un perro."
    assert shorter.replies[0].tokens_out > 0
    backend.close()


def test_a_model_that_knows_nothing_fails_its_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instruct, "ROOM", 8)
    talks = [(translate_messages(SCENE, (0, 1)), "{}")]
    backend = opened(tiny.instruct(tmp_path / "model", talks, steps=0), tmp_path)
    assert all(isinstance(one, LocError) for one in backend.translate_scene(SCENE, (0, 1)).values())


def test_a_model_that_sees_too_is_asked_as_others_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instruct, "ROOM", 8)
    talks = [(translate_messages(SCENE, (0, 1)), "{}")]
    backend = opened(tiny.seeing(tmp_path / "model", talks), tmp_path)
    asked: list[list[int]] = []
    with backend._net as network:
        generate: Any = network.generate

        def note(**how: Any) -> Any:
            asked.append(how["generation_config"].eos_token_id)
            return generate(**how)

        monkeypatch.setattr(network, "generate", note)
        for _ in range(2):
            reply = backend.complete(translate_messages(SCENE, (0, 1)), ["1"])
            assert 0 < reply.tokens_out <= 8
    assert asked == [[1, 3]] * 2, "what the configuration of decoding names ends an answer, too"
    assert all(isinstance(one, LocError) for one in backend.translate_scene(SCENE, (0, 1)).values())


def test_a_model_that_does_not_say_how_much_it_reads_is_refused(
    model: tiny.Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bloom = SimpleNamespace(config=BloomConfig(), generation_config=None)
    monkeypatch.setattr(instruct, "load_model", lambda *_, **_how: bloom)
    with pytest.raises(InputError, match="cannot be used") as caught:
        opened(model, tmp_path).complete(translate_messages(SCENE, (0,)), ["1"])
    assert "max_position_embeddings" in caught.value.why


def test_a_model_without_a_chat_template_is_refused(model: tiny.Tiny, tmp_path: Path) -> None:
    backend = opened(model, tmp_path)
    for path in (tmp_path / "scratch", tmp_path / "data" / "weights" / "mine"):
        for file in path.rglob("chat_template.jinja"):
            file.write_text("")
    with pytest.raises(LocError):
        backend.complete(translate_messages(SCENE, (0,)), ["1"])


def test_a_scene_beyond_what_it_reads_is_an_error(
    model: tiny.Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instruct, "ROOM", 4096)
    with pytest.raises(InputError, match="too long"):
        opened(model, tmp_path).complete(translate_messages(SCENE, (0,)), ["1"])


def test_memory_that_ends_is_an_error_of_the_line(
    model: tiny.Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = opened(model, tmp_path)
    with backend._net as network:
        monkeypatch.setattr(network, "generate", out_of_memory)
        made = backend.translate_scene(SCENE, (0, 1))
    assert [str(one).split(".")[0] for one in made.values()] == ["Memory ended with the scene"] * 2


def test_where_memory_ends_a_scene_is_asked_for_in_halves_and_the_run_is_told(
    model: tiny.Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, str]] = []
    backend = opened(model, tmp_path, lambda code, message: told.append((code, message)))
    two = translate_messages(SCENE, (0, 1))
    with backend._net as network:
        generate: Any = network.generate

        def short_of_memory(**how: Any) -> Any:
            if how["input_ids"].tolist() == [backend._tokens(two)]:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return generate(**how)

        monkeypatch.setattr(network, "generate", short_of_memory)
        made = backend.translate_scene(SCENE, (0, 1))
    assert [one.text for one in made.values() if isinstance(one, Answer)] == ["Un perro.", "Dos gatos."]
    [(code, message)] = [one for one in told if one[0].startswith("memory")]
    assert code == "memory-halved"
    assert message == "Memory ended with 2 lines asked of mine; going on with half of them at a time."


def out_of_memory(**_: object) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory")


def test_a_published_row_names_every_file() -> None:
    [row] = [row for row in published().values() if row.architecture == "instruct"]
    names = {file.path for file in row.files}
    assert {"config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors.index.json"} <= names
    assert sum(name.endswith(".safetensors") for name in names) == 3
