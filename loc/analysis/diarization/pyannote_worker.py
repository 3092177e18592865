"""A diarization pipeline of pyannote.audio behind the worker protocol, in an environment of its own.

Method `turns`: `file`, a WAV file, mono, 16 kHz; `least`, `most` speakers; `folder` of the pipeline, as it is
published; `device`. Answer: `turns`, each with start and stop in seconds and the speaker's label; turns may
sound together. Nothing is fetched or sent: the process has no network, and the library's telemetry is off.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from loc.errors import InputError
from loc.worker import forbid_network, serve

VERSION = "1"


def main() -> None:
    """Serve until the parent closes the pipe."""
    forbid_network()
    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    # The library would read checkpoints as programs: they are read as tensors and the plain records below.
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
    loaded: dict[tuple[str, str], Any] = {}

    def pipeline(folder: str, device: str) -> Any:
        import torch
        from pyannote.audio import Pipeline
        from pyannote.audio.core.task import Problem, Resolution, Specifications

        records = [torch.torch_version.TorchVersion, Problem, Resolution, Specifications]
        torch.serialization.add_safe_globals(records)
        if (folder, device) not in loaded:
            loaded.clear()
            found = Pipeline.from_pretrained(folder)
            if found is None:
                raise InputError("The folder of weights holds no pipeline of pyannote.audio.")
            loaded[folder, device] = found.to(torch.device(device))
        return loaded[folder, device]

    def turns(file: str, least: int, most: int, folder: str, device: str) -> Mapping[str, Any]:
        import soundfile
        import torch

        audio, rate = soundfile.read(file, dtype="float32", always_2d=True)
        # Read here: the library's own reader needs libraries of ffmpeg that may not be on the machine.
        heard = {"waveform": torch.from_numpy(audio.T.copy()), "sample_rate": rate}
        found = pipeline(folder, device)(heard, min_speakers=least, max_speakers=most)
        spoken = found.speaker_diarization.itertracks(yield_label=True)
        return {"turns": [[turn.start, turn.end, label] for turn, _, label in spoken]}

    serve("pyannote", VERSION, {}, {"turns": turns})


if __name__ == "__main__":
    main()
