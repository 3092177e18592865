"""The worker's side of an engine whose model speaks in an environment of its own.

Method `speak`: as `docs/reference/speech-workers.md`, with `paths`: where the model and its voice lie, and
`device`. One model is kept at a time. Nothing is fetched: the process has no network. Where CUDA fails the
process ends, so that the next call starts another: in this one every later call would fail too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from loc.worker import forbid_network, serve

Model = TypeVar("Model")

CUDA_FAILED = "CUDA error"
"""What torch says of an error by which a process loses the device, an assertion on it among them."""


@dataclass(frozen=True)
class Line:
    """What is to be said, as it was asked for; `paths`: of the model and the voice."""

    text: str
    language: str
    voice: Mapping[str, Any]
    rate: float
    take: int
    paths: Mapping[str, str]


@dataclass(frozen=True)
class Said:
    """A line's sound, float32 [n] at `sample_rate` Hz, full scale 1.0; `reply`: what else is answered."""

    audio: Any
    sample_rate: int
    reply: Mapping[str, Any] = field(default_factory=dict)


def serve_model(
    name: str,
    version: str,
    of_model: Collection[str],
    load: Callable[[Mapping[str, str], str], Model],
    say: Callable[[Model, Line], Said],
) -> None:
    """Serve until the parent closes the pipe.

    Args:
        name, version: of the worker.
        of_model: names of the paths that a model is loaded from.
        load: those paths and the device, as torch names it -> the model.
        say: a model and a line -> its sound.
    """
    forbid_network()
    held: dict[tuple[str, ...], Model] = {}

    def speak(
        text: str,
        language: str,
        voice: dict[str, Any],
        rate: float,
        take: int,
        file: str,
        paths: dict[str, str],
        device: str,
    ) -> Mapping[str, Any]:
        import soundfile

        own = {one: paths[one] for one in of_model}
        key = (*own.values(), device)
        try:
            if key not in held:
                held.clear()
                held[key] = load(own, device)
            said = say(held[key], Line(text, language, voice, rate, take, paths))
        except RuntimeError as error:
            if CUDA_FAILED in str(error):
                raise SystemExit(f"{name}: {error}") from error
            raise
        soundfile.write(file, said.audio, said.sample_rate, subtype="FLOAT")
        return said.reply

    serve(name, version, {}, {"speak": speak})
