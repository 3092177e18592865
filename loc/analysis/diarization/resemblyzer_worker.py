"""Resemblyzer behind the worker protocol, in an environment of its own: its package needs others that clash
with ours.

Method `embed`: `file`, a WAV file, mono, 16 kHz. Answer: `vector`, 256 numbers of unit length, and `parts`,
the same for windows of 1.6 s, one each 0.8 s, all of which lie in the sound but for the last. Nothing is
fetched: the weights are inside the package, and the process has no network.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loc.errors import InputError
from loc.worker import forbid_network, serve

VERSION = "1"

RATE_HZ = 16_000
WINDOWS_PER_SECOND = 1.25
"""Of the vectors of parts: windows of 1.6 s, each half over the next."""
LEVEL_DBFS = -30.0
"""To which sound is raised, never lowered, as the model's makers do before they embed."""


def main() -> None:
    """Serve until the parent closes the pipe."""
    forbid_network()
    made: list[Any] = []

    def encoder() -> Any:
        if not made:
            from resemblyzer import VoiceEncoder

            made.append(VoiceEncoder("cpu", verbose=False))
        return made[0]

    def embed(file: str) -> Mapping[str, Any]:
        import numpy as np
        import soundfile

        audio, rate = soundfile.read(file, dtype="float32")
        if rate != RATE_HZ or audio.ndim != 1:
            raise InputError(f"{Path(file).name} is not mono sound at {RATE_HZ} Hz.")
        power = float(np.mean(np.square(audio, dtype=np.float64))) if len(audio) else 0.0
        if power <= 0:
            raise InputError("There is nothing to be heard in a sound whose voice is asked for.")
        gain = max(1.0, 10 ** (LEVEL_DBFS / 20) / power**0.5)
        whole, parts, _ = encoder().embed_utterance(
            audio * np.float32(gain), return_partials=True, rate=WINDOWS_PER_SECOND
        )
        return {"vector": whole.astype(float).tolist(), "parts": parts.astype(float).tolist()}

    serve("resemblyzer", VERSION, {}, {"embed": embed})


if __name__ == "__main__":
    main()
