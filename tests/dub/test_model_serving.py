"""The worker's side of engines whose models speak in environments of their own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from loc.errors import ChildError
from loc.worker import Worker
from stages.dub.contract import VoiceRequest
from stages.dub.worker_speech import WorkerSpeech

SERVER = """
import os
import numpy
from stages.dub.model_serving import Said, serve_model

broken = []

def say(model, line):
    if broken or "CUDA" in line.text:
        broken.append(line)
        raise RuntimeError("CUDA error: device-side assert triggered")
    if "fails" in line.text:
        raise RuntimeError("no such luck")
    return Said(numpy.full(2400, 0.5, numpy.float32), 24000, {"voice": str(os.getpid())})

def load(paths, device):
    if device != "cpu":
        raise RuntimeError("CUDA error: out of reach")

serve_model("toy", "1", (), load, say)
"""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[WorkerSpeech]:
    script = tmp_path / "server.py"
    script.write_text(SERVER)
    speech = WorkerSpeech(Worker([sys.executable, str(script)], name="toy"), tmp_path)
    yield speech
    speech.worker.close()


def process(engine: WorkerSpeech, text: str, device: str = "cpu") -> str:
    """Which process says a text."""
    said = engine.speak(text, "es", VoiceRequest("low", 0), 1.0, 0, paths={}, device=device)
    assert np.all(said.audio == 0.5)
    return said.voice


def test_a_worker_that_lost_its_device_starts_again(engine: WorkerSpeech) -> None:
    first = process(engine, "Papá baila.")
    with pytest.raises(ChildError, match="died") as died:
        process(engine, "CUDA")
    assert "device-side assert" in died.value.why
    assert process(engine, "Papá baila.") != first


def test_a_worker_that_loses_its_device_while_it_loads_starts_again(engine: WorkerSpeech) -> None:
    first = process(engine, "Papá baila.")
    with pytest.raises(ChildError, match="died") as died:
        process(engine, "Papá baila.", "cuda")
    assert "out of reach" in died.value.why
    assert process(engine, "Papá baila.") != first


def test_a_worker_survives_what_concerns_one_line_alone(engine: WorkerSpeech) -> None:
    first = process(engine, "Papá baila.")
    with pytest.raises(ChildError, match="failed"):
        process(engine, "fails")
    assert process(engine, "Papá baila.") == first
