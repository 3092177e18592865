"""A speech engine of somebody else's: a worker that speaks with espeak-ng, and badly where it is told to.

It plays the part of a neural engine: its takes differ in pitch, it imitates a recording by its name alone,
and it does not know its phones unless started with `--phones`. Words between guillemets within a text make it
fail, on every take or, with `once`, on the first: `«cut once»`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from loc.errors import InputError
from loc.worker import serve
from stages.dub.espeak import VARIETIES, VOICES
from stages.dub.espeak_worker import Engine, in_fork

OTHER = "Esto no tiene nada que ver."
"""What it says in place of a line where it is told to say something wrong."""
FAULT = re.compile(r"«(\w+)( once)?»")


def digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def spoken(engine: Engine, text: str, language: str, voice: Mapping[str, Any], rate: float) -> Any:
    variants = VOICES[voice.get("class", "low")]
    name = VARIETIES.get(language, language) + variants[voice.get("variant", 0) % len(variants)]
    sound, phones = engine.speak(text, name, rate)
    return np.frombuffer(sound, dtype=np.int16).astype(np.float32) / 32768, phones


def spoilt(fault: str, audio: Any, rate: int) -> Any:
    """A sound with something wrong in it."""
    if fault == "silent":
        return audio * 1e-4
    if fault == "cut":
        loud = int(np.abs(audio).argmax())
        return audio[: max(loud, rate // 3)] if loud > rate // 5 else audio[: loud + rate // 5]
    if fault == "short":
        return audio[: rate // 10] * np.hanning(rate // 10)
    if fault == "long":
        return np.concatenate([audio] * 12)
    if fault == "clipped":
        return np.clip(20 * audio, -1, 1)
    if fault == "nan":
        return audio * np.nan
    return audio


def main() -> None:
    engine = Engine()
    with_phones = "--phones" in sys.argv
    log = os.environ.get("SPEAKING_ENGINE_LOG")

    def speak(
        text: str,
        language: str,
        voice: dict[str, Any],
        rate: float,
        take: int,
        file: str,
        paths: Mapping[str, str] | None = None,
        device: str = "",
    ) -> Mapping[str, Any]:
        if log:
            heard = digest(voice["reference"]) if "reference" in voice else ""
            given = [Path(path) for path in (paths or {}).values()]
            inside = [list(path.iterdir()) if path.is_dir() else [path] for path in given]
            weights = sorted(str(path) for one in inside for path in one)
            entry = {
                "language": language, "take": take, "rate": rate, "voice": voice, "heard": heard,
                "device": device, "files": {Path(path).name: digest(path) for path in weights},
            }  # fmt: skip
            with Path(log).open("a") as out:
                out.write(json.dumps(entry) + "\n")
        found = FAULT.search(text)
        fault = found[1] if found and not (found[2] and take) else ""
        if fault == "refuse":
            raise InputError("This engine does not say that.")
        if fault == "crash":
            os._exit(3)
        if fault == "hang":
            time.sleep(3600)
        if fault == "garbage":
            Path(file).write_bytes(b"no sound at all")
            return {"voice": "x"}

        def line() -> dict[str, Any]:
            said = OTHER if fault == "wrong" else FAULT.sub("", text)
            audio, phones = spoken(engine, said, language, voice, rate)
            audio = spoilt(fault, audio * (1 - 0.05 * take), engine.sample_rate)
            if "--noise" in sys.argv:
                audio = 0.1 * np.random.default_rng(0).standard_normal(len(audio))
            soundfile.write(file, audio, engine.sample_rate, subtype="FLOAT")
            reply: dict[str, Any] = {"voice": f"drawn {voice.get('name', voice.get('class', 'clone'))}"}
            if with_phones:
                reply |= {"phones": phones, "alphabet": "espeak"}
            if fault == "phones":
                reply |= {"phones": [["a", 0, 10**9]]}
            return reply

        return in_fork(line)

    fingerprint = {"espeak-ng": engine.version(), **({"phones": "told"} if with_phones else {})}
    serve("drawn", "1", fingerprint, {"speak": speak})


if __name__ == "__main__":
    main()
