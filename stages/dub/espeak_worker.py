"""The espeak-ng library behind the worker protocol. Runs as a process of its own: espeak-ng is GPL-3.

The library's sound depends on what it said before (phases, noise, timing by a few milliseconds), and
starting it anew does not change that. So each line is spoken by a fork of the freshly started engine: the
same line always sounds the same, and a crash takes one line with it.

Method `speak`: text, voice, rate, file -> sample_rate, samples, phones. The sound goes to `file` as raw
16-bit mono in the machine's byte order; `phones` is a list of [symbol, start, stop] in samples.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import espeakng_loader

from loc.errors import ChildError, InputError
from loc.worker import serve
from stages.dub.pace import settle_speed

VERSION = "1"

NORMAL_WPM = 165
"""Words per minute at rate 1.0: espeak-ng's own default is 175, a little hasty for narration."""

SLOWEST_WPM, FASTEST_WPM = 80, 449
"""The range of the engine's own speed control; beyond it another algorithm takes over."""

NOISE_SEED = 1
"""Any fixed number: the same line has to sound the same tomorrow."""

LINE_LIMIT_S = 50
"""Seconds a line may take, in which the engine says a hundred thousand words: then it hangs."""

# From speak_lib.h.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_PHONEME_EVENTS = 0x0001
_INITIALIZE_DONT_EXIT = 0x8000
_EVENT_LIST_TERMINATED = 0
_EVENT_PHONEME = 7
_PARAMETER_RATE = 1
_POSITION_CHARACTER = 1
_CHARS_UTF8 = 1


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Engine:
    """The library, initialised for synchronous synthesis with phoneme events.

    Raises:
        ChildError: it refuses its data.
    """

    def __init__(self) -> None:
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self.sample_rate = int(
            self._library.espeak_Initialize(
                _AUDIO_OUTPUT_SYNCHRONOUS,
                0,
                espeakng_loader.get_data_path().encode(),
                _INITIALIZE_PHONEME_EVENTS | _INITIALIZE_DONT_EXIT,
            )
        )
        if self.sample_rate <= 0:
            raise ChildError("espeak-ng could not be started.", why="It does not accept its data.")
        # It seeds the noise of its consonants with the time of day.
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(NOISE_SEED))
        self._sound = bytearray()
        self._marks: list[tuple[str, int]] = []
        self._callback = _Callback(self._collect)
        self._library.espeak_SetSynthCallback(self._callback)

    def version(self) -> str:
        """The library's own version."""
        self._library.espeak_Info.restype = ctypes.c_char_p
        return str(self._library.espeak_Info(None).decode().split()[0])

    def _collect(self, wave: Any, count: int, events: Any) -> int:
        if count > 0:
            self._sound += ctypes.string_at(wave, 2 * count)
        index = 0
        while events[index].type != _EVENT_LIST_TERMINATED:
            event = events[index]
            if event.type == _EVENT_PHONEME:
                self._marks.append((event.id.string.decode("utf-8", "replace"), int(event.sample)))
            index += 1
        return 0

    def _synthesise(self, text: bytes, wpm: float) -> int:
        """Synthesise at a speed; returns the number of samples."""
        self._sound, self._marks = bytearray(), []
        self._library.espeak_SetParameter(_PARAMETER_RATE, round(wpm), 0)
        self._library.espeak_Synth(text, len(text), 0, _POSITION_CHARACTER, 0, _CHARS_UTF8, None, None)
        self._library.espeak_Synchronize()
        return len(self._sound) // 2

    def speak(self, text: str, voice: str, rate: float) -> tuple[bytes, list[tuple[str, int, int]]]:
        """One line as 16-bit sound and its phones (symbol, start, stop).

        Raises:
            InputError: no such voice, or nothing in the text can be read aloud.
        """
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise InputError(f"espeak-ng has no voice {voice!r}.")
        line = text.encode("utf-8") + b"\0"
        natural = self._synthesise(line, NORMAL_WPM)
        if rate != 1.0:
            settle_speed(
                lambda wpm: self._synthesise(line, wpm),
                natural / rate,
                NORMAL_WPM * rate,
                (SLOWEST_WPM, FASTEST_WPM),
            )
        phones = spans(self._marks, len(self._sound) // 2)
        if all(symbol.startswith("_") for symbol, _, _ in phones):
            raise InputError("A line holds nothing that can be read aloud in its language.")
        return bytes(self._sound), phones


def spans(marks: list[tuple[str, int]], end: int) -> list[tuple[str, int, int]]:
    """Phones from where each begins: it lasts to the next; what lasts no time is dropped.

    Sound before the first mark is a pause.
    """
    starts = [("_", 0), *marks]
    stops = [*(start for _, start in marks), end]
    return [
        (symbol, start, min(stop, end))
        for (symbol, start), stop in zip(starts, stops, strict=True)
        if start < min(stop, end)
    ]


def in_fork(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The result of `work`, done by a fork of this process, which must have one thread.

    Raises:
        InputError: `work` raised it.
        ChildError: the fork died or ran into `LINE_LIMIT_S`.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _answer_and_exit(work, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        reply = pipe.read()
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise ChildError("espeak-ng failed on a line.", why=_ending(os.waitstatus_to_exitcode(status)))
    answer: dict[str, Any] = json.loads(reply)
    if "refused" in answer:
        raise InputError(answer["refused"])
    return answer


def _answer_and_exit(work: Callable[[], dict[str, Any]], writer: int) -> NoReturn:
    """The fork's whole life. It must never return into the parent's code."""
    status = 1
    try:
        signal.alarm(LINE_LIMIT_S)
        try:
            answer = work()
        except InputError as error:
            answer = {"refused": error.what}
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(json.dumps(answer).encode())
        status = 0
    except BaseException:  # noqa: BLE001 - the boundary of the fork: its last words go to stderr
        traceback.print_exc()
    finally:
        os._exit(status)


def _ending(code: int) -> str:
    return f"Killed by signal {-code}." if code < 0 else f"Exit status {code}."


def main() -> None:
    """Serve until the parent closes the pipe."""
    engine = Engine()

    def speak(text: str, voice: str, rate: float, file: str) -> Mapping[str, Any]:
        def line() -> dict[str, Any]:
            sound, phones = engine.speak(text, voice, rate)
            Path(file).write_bytes(sound)
            return {"sample_rate": engine.sample_rate, "samples": len(sound) // 2, "phones": phones}

        return in_fork(line)

    serve("espeak-ng", VERSION, {"espeak-ng": engine.version()}, {"speak": speak})


if __name__ == "__main__":
    main()
