"""What the tests of the hearing stages share: a source made of an array, and a context around a runner."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from loc.artifacts import Source
from loc.backend import Backend
from loc.errors import MissingError
from loc.media.sound import store_sound
from loc.runner import Runner
from loc.settings import Settings
from loc.stage import SPEAKERS, Context, Job
from loc.store.workdir import WorkDir


def source_of(store: WorkDir, audio: npt.NDArray[np.float32]) -> Source:
    """A source with this master, float32 [n] or [n, channels] at 48 kHz, and little else."""
    audio = audio[:, None] if audio.ndim == 1 else audio
    return Source.model_construct(master=store_sound(store, [audio], audio.shape[1]), samples=len(audio))


def silent_source(samples: int) -> Source:
    """A source without a sound track."""
    return Source.model_construct(master=None, samples=samples)


def context(
    runner: Runner,
    backends: Mapping[str, Backend] | None = None,
    settings: Settings | None = None,
    **job: Any,
) -> Context:
    """A context; `job` overrides fields of the job. A backend that is not given must not be asked for, but
    for one that tells speakers apart: there is none then."""
    fields: dict[str, Any] = {"languages": ("es",), "source_language": "en", **job}
    chosen = dict(backends or {})

    def backend(stage: str, _language: str | None) -> Backend:
        if stage == SPEAKERS and stage not in chosen:
            raise MissingError("There is no backend for speakers.")
        return chosen[stage]

    return Context(
        runner=runner,
        settings=settings or Settings(),
        job=Job(path=Path("film.mp4"), digest="0" * 64, size=1, **fields),
        backend=backend,
    )
