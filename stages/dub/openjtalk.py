"""Japanese speech by Open JTalk: dictionary and voice inside the package, nothing to download.

The package is pyopenjtalk-plus (MIT); the voice is *mei* (MMDAgent, Nagoya Institute of Technology,
CC-BY 3.0). It is one voice: speakers are told apart by shifting it in half tones.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import threading
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from loc import packages
from loc.artifacts import Phone
from loc.backend import Card, Host, Languages, LicensedPart, Need
from loc.errors import InputError, MissingError
from loc.store.keys import digest_file
from stages.dub.contract import Spoken, Traits, VoiceRequest
from stages.dub.pace import settle_speed
from stages.dub.retime import carried

HALF_TONES = {"high": 0.0, "low": -5.0}
"""Shift of the (female) voice per voice class: five half tones down puts its 230 Hz at about 170 Hz, near the
line between the classes; further down it sounds slowed rather than low."""

VARIANTS = (0.0, 2.0, -2.0, 1.0, -1.0)
"""Further shift of the first, second, ... speaker of a class: heard as another person, still natural."""

SPEEDS = (0.5, 2.0)
"""Speed settings that sound like speech."""

_FULL_SCALE = 32768.0
_PACKAGES = ("pyopenjtalk-plus", "SudachiPy", "SudachiDict-core")


class OpenJTalk:
    """The backend `dub/openjtalk`."""

    card: ClassVar[Card] = Card(
        stage="dub",
        name="openjtalk",
        version="2",
        summary="Japanese voice by Open JTalk: clear, even, one voice shifted in pitch.",
        family="embedded",
        quality="basic",
        runs="in-process",
        needs=(Need("package", "pyopenjtalk", "pip install pyopenjtalk-plus"),),
        languages=Languages(target=frozenset({"ja"})),
        memory_mb=260,
        licences=(
            LicensedPart("code", "pyopenjtalk-plus", "mit"),
            LicensedPart("code", "Open JTalk and hts_engine", "bsd-3-clause"),
            LicensedPart("data", "Open JTalk dictionary", "bsd-3-clause"),
            LicensedPart("data", "Sudachi dictionary", "apache-2_0"),
            LicensedPart("voice", "mei, MMDAgent project, Nagoya Institute of Technology", "cc-by-3_0"),
        ),
    )

    traits: ClassVar[Traits] = Traits(times_phones=True)

    def __init__(self, host: Host) -> None:
        del host
        self._lock = threading.Lock()
        self._engine: _Engine | None = None

    def fingerprint(self) -> Mapping[str, str]:
        """Versions of the package and of the dictionary that settles readings, digest of the voice."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> Mapping[str, str]:
        versions = {name: packages.version(name) for name in _PACKAGES}
        return {**versions, "voice mei": digest_file(_voice_file())}

    def close(self) -> None:
        with self._lock:
            self._engine = None

    def speak(self, text: str, language: str, voice: VoiceRequest, rate: float, take: int = 0) -> Spoken:
        """Speak one line of Japanese; see `Synthesiser.speak`.

        Raises:
            InputError: the text holds nothing that can be read aloud.
        """
        del language, take
        half_tones = HALF_TONES[voice.voice_class] + VARIANTS[voice.variant % len(VARIANTS)]
        with self._lock, _c_stderr_muted():
            if self._engine is None:
                self._engine = _Engine()
            return self._engine.speak(text, half_tones, rate)


class _Engine:
    """Text analysis and vocoder, loaded. Not safe for use by two threads at once."""

    def __init__(self) -> None:
        pyopenjtalk = packages.import_quietly("pyopenjtalk")
        from pyopenjtalk.htsengine import HTSEngine
        from pyopenjtalk.openjtalk import OpenJTalk as Analyser

        self._labels = pyopenjtalk.extract_fullcontext
        # Named outright: the module's own default can be redirected by an environment variable.
        self._analyser = Analyser(dn_mecab=str(_package_file("dictionary")).encode())
        self._vocoder = HTSEngine(str(_voice_file()).encode())

    def speak(self, text: str, half_tones: float, rate: float) -> Spoken:
        labels = self._labels(
            " ".join(text.split()),
            jtalk=self._analyser,
            use_sudachi_kanji_yomi=True,
            # Needs onnxruntime, which may or may not be installed: a text must be read the same way always.
            predict_nani=False,
            # Half-width kana and full-width digits are read like their usual forms.
            normalize_mode="NFKC",
        )
        symbols = [_symbol(label) for label in labels]
        if all(symbol in ("sil", "pau") for symbol in symbols):
            raise InputError("A line holds nothing that can be read aloud in Japanese.")
        # The engine does not tell phone times. A label alone lasts exactly as long as within its line.
        lengths = [len(self._synthesise([label], half_tones, 1.0)) for label in labels]
        sample_rate = int(self._vocoder.get_sampling_frequency())
        audio = self._at_rate(labels, half_tones, rate, sum(lengths))
        edges = np.cumsum([0, *lengths])
        if len(audio) != edges[-1]:
            # Faster speech takes more from pauses and vowels than from consonants.
            natural = self._synthesise(labels, half_tones, 1.0)
            edges = carried(np.minimum(edges, len(natural)), natural, audio, sample_rate)
        edges = edges.tolist()
        return Spoken(
            audio=(audio / _FULL_SCALE).astype(np.float32),
            sample_rate=sample_rate,
            phones=tuple(
                Phone(symbol=symbol, start=start, stop=stop)
                for symbol, start, stop in zip(symbols, edges[:-1], edges[1:], strict=True)
            ),
            alphabet="openjtalk",
            voice=f"mei {half_tones:+g}",
        )

    def _at_rate(self, labels: list[str], half_tones: float, rate: float, natural: int) -> Any:
        audio: Any = None

        def length_at(speed: float) -> int:
            nonlocal audio
            audio = self._synthesise(labels, half_tones, speed)
            return len(audio)

        settle_speed(length_at, natural / rate, rate, SPEEDS)
        return audio

    def _synthesise(self, labels: list[str], half_tones: float, speed: float) -> Any:
        """float64 [n] at 16-bit scale. Speed and pitch are forgotten after each synthesis."""
        self._vocoder.set_speed(speed)
        self._vocoder.add_half_tone(half_tones)
        return self._vocoder.synthesize(labels)


def _symbol(label: str) -> str:
    """The phone of a full-context label, `p1^p2-p3+p4=p5/A:...`."""
    return label.split("-", 1)[1].split("+", 1)[0]


def _package_file(name: str) -> Path:
    """A file inside the package, without importing it.

    Raises:
        MissingError: the package is not installed.
    """
    spec = find_spec("pyopenjtalk")
    if spec is None or not spec.submodule_search_locations:
        raise MissingError("The package pyopenjtalk is missing.", fix="pip install pyopenjtalk-plus")
    return Path(spec.submodule_search_locations[0]) / name


def _voice_file() -> Path:
    return _package_file("htsvoice") / "mei_normal.htsvoice"


@contextlib.contextmanager
def _c_stderr_muted() -> Iterator[None]:
    """Send what C code prints to `stderr` to nowhere, and nothing else.

    Swaps libc's `stderr` stream; file descriptor 2 stays, so that Python's own messages, and those of other
    threads, still appear.
    """
    stream = ctypes.c_void_p.in_dll(ctypes.CDLL(None), "stderr")
    before, stream.value = stream.value, _nowhere()
    try:
        yield
    finally:
        stream.value = before


@functools.cache
def _nowhere() -> int:
    """A C stream that is never closed: libraries loaded meanwhile keep it, and write to it as they end."""
    libc = ctypes.CDLL(None)
    libc.fopen.restype = ctypes.c_void_p
    libc.fopen.argtypes = (ctypes.c_char_p, ctypes.c_char_p)
    stream: int | None = libc.fopen(os.devnull.encode(), b"w")
    if stream is None:
        raise OSError(f"{os.devnull} cannot be opened")
    return stream
