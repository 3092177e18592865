"""Speech in about a hundred languages by espeak-ng: robotic, quick, with exact phone times.

espeak-ng is GPL-3, so the library is loaded by a worker process only (`espeak_worker`); this module talks to
it over pipes.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import numpy as np

from loc import packages
from loc.artifacts import Phone
from loc.backend import Card, Host, Languages, LicensedPart, Need
from loc.errors import MissingError
from loc.store.keys import digest_file, digest_value
from loc.worker import Worker, python_module
from stages.dub.contract import Spoken, Traits, VoiceRequest

_TAGS = """
af am an ar as az ba be bg bn bs ca chr cmn cs cv cy da de el en eo es et eu fa fi fo fr ga gd gn gu hak
haw he hi hr ht hu hy ia id io is it jbo ka kaa kk kl kn ko kok ku ky la lb lfn lt ltg lv mi mk ml mr ms
mt my nb ne nl no nog om or pa pap pl pt qu ro ru sd shn si sk sl smj sq sr sv sw ta te th ti tk tn tr tt
ug uk ur uz vi yue zh
"""

LANGUAGES = frozenset(_TAGS.split())
"""Primary tags of the languages of espeak-ng 1.52, without fictional ones and without Japanese, whose kanji
it cannot read."""

VARIETIES = {"en": "en-us", "es": "es-419", "pt": "pt-br", "zh": "cmn", "no": "nb"}
"""Which voice speaks a tag that has several: the variety with the most speakers."""

VOICES = {
    "low": ("+m3", "+m7", "+m1", "+m4", "+m6"),
    "high": ("+f3", "+f2", "+f5", "+f1", "+f4"),
}
"""Voice variants of the first, second, ... speaker of a class. Their median F0: 84..102 Hz and 174..204 Hz,
each next to unlike neighbours."""

CALL_LIMIT_S = 60.0
"""A line takes milliseconds; a minute means that the engine hangs."""

_FULL_SCALE = 32768.0


class Espeak:
    """The backend `dub/espeak`."""

    card: ClassVar[Card] = Card(
        stage="dub",
        name="espeak",
        version="1",
        summary="About 100 languages by espeak-ng: intelligible and robotic.",
        family="embedded",
        quality="basic",
        runs="subprocess",
        needs=(Need("package", "espeakng_loader", "pip install espeakng-loader"),),
        languages=Languages(target=LANGUAGES, except_target=frozenset({"ja"})),
        memory_mb=40,
        licences=(
            LicensedPart("code", "espeak-ng", "gpl-3_0-or-later"),
            LicensedPart("data", "espeak-ng voices and dictionaries", "gpl-3_0-or-later"),
        ),
    )

    traits: ClassVar[Traits] = Traits(times_phones=True)

    def __init__(self, host: Host) -> None:
        self._scratch = host.scratch
        self._numbers = itertools.count()
        self._worker = Worker(
            python_module("stages.dub.espeak_worker"), name="espeak-ng", limit_s=CALL_LIMIT_S
        )

    def fingerprint(self) -> Mapping[str, str]:
        """Version of the package, digests of the library and of all its data. Starts nothing."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> Mapping[str, str]:
        folder = _package_folder()
        data = folder / "espeak-ng-data"
        files = sorted(path for path in data.rglob("*") if path.is_file())
        return {
            "espeakng-loader": packages.version("espeakng-loader"),
            "libespeak-ng": digest_file(folder / "libespeak-ng.so"),
            "espeak-ng-data": digest_value(
                {path.relative_to(data).as_posix(): digest_file(path) for path in files}
            ),
        }

    def close(self) -> None:
        self._worker.close()

    def speak(self, text: str, language: str, voice: VoiceRequest, rate: float, take: int = 0) -> Spoken:
        """Speak one line; see `Synthesiser.speak`. Safe to call from several threads.

        Raises:
            InputError: the text holds nothing that can be read aloud.
            ChildError: the worker died or hung.
        """
        del take
        variants = VOICES[voice.voice_class]
        name = VARIETIES.get(language, language) + variants[voice.variant % len(variants)]
        file = self._scratch / f"espeak-{id(self):x}-{next(self._numbers)}.s16"
        try:
            reply = self._worker.call(
                "speak", text=" ".join(text.split()), voice=name, rate=rate, file=str(file)
            )
            audio = np.fromfile(file, dtype=np.int16)
        finally:
            file.unlink(missing_ok=True)
        return Spoken(
            audio=(audio / _FULL_SCALE).astype(np.float32),
            sample_rate=int(reply["sample_rate"]),
            phones=tuple(Phone(symbol=symbol, start=a, stop=b) for symbol, a, b in reply["phones"]),
            alphabet="espeak",
            voice=f"espeak-ng {name}",
        )


def _package_folder() -> Path:
    """Folder of the package that carries the library, without importing it.

    Raises:
        MissingError: it is not installed.
    """
    spec = find_spec("espeakng_loader")
    if spec is None or not spec.submodule_search_locations:
        raise MissingError("The package espeakng_loader is missing.", fix="pip install espeakng-loader")
    return Path(spec.submodule_search_locations[0])
