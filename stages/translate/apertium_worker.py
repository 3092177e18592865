"""The apertium worker: keeps apertium's programs running and hands lines through them.

Apertium is GPL: it is only ever run as programs over pipes. A language pair is a pipeline of about a dozen of
them; kept alive and flushed by NUL bytes, a line costs milliseconds instead of a start of all of them.

Run as `python -m stages.translate.apertium_worker`. Methods, by the worker protocol:
    translate(mode, text) -> {"text", "unknown_words"}
    data(mode) -> {"sha256"}: of the pair's rules, dictionaries and programs
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from loc.errors import ChildError, MissingError
from loc.process import Child, run
from loc.worker import serve

VERSION = "1"
"""Raised when the code here changes what comes out."""

MODES = Path(os.environ.get("APERTIUM_DATADIR", "/usr/share/apertium")) / "modes"
"""Where installed pairs leave their pipelines; the variable is apertium's own."""

_GRACE_S = 2.0
_ENVIRONMENT = {**os.environ, "LC_ALL": "C.UTF-8"}
"""Apertium's programs read and write the encoding of the locale."""


def mode_path(mode: str) -> Path:
    """The file that describes a pair's pipeline, e.g. `eng-spa`."""
    return MODES / f"{mode}.mode"


# Text in and out of apertium's stream format

_STREAM_SIGNS = frozenset("^/[]{}\\<>@*#~")
"""Signs that mean something in the stream format (https://wiki.apertium.org/wiki/Apertium_stream_format).
They go as formatting, which passes untouched; only `$` is escaped, for it may be language ("$5")."""

_SEPARATOR = ".[][\n]"
"""What apertium's own deformatter ends a text with: a stop, without which the tagger waits for the rest of
the sentence, and an empty format mark by which the stop is known as not the text's."""

_SEPARATOR_OUT = re.compile(r"\.?\s*\[\]\s*\[\s*\]\s*\Z")
_TOKEN = re.compile(
    r"\[(?P<format>(?:\\.|[^\]\\])*)\]|\\(?P<escaped>.)|(?P<mark>[*@#])(?=\w)|(?P<plain>.)", re.DOTALL
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_PRONOUN = re.compile(r"\bi\b(?=$|[\s',.!?’])")
_SENTENCE_SIGNS = frozenset(".,;:!?…")


@dataclass(frozen=True)
class Prepared:
    """A line ready for the pipeline."""

    stream: str
    bare: bool
    """The line came without capitals and punctuation, as recognisers write; its translation gets both."""
    raised: bool
    """The first letter was made a capital, which the line did not have."""


def prepare(text: str, english: bool) -> Prepared:
    """Write a line in the stream format, with the capital and the stop that apertium's rules expect."""
    text = " ".join(text.split())
    bare = text.islower() and not _SENTENCE_SIGNS.intersection(text)
    if english:
        text = _PRONOUN.sub("I", text)
    capital = _with_first_letter(text, str.upper)
    return Prepared("".join(map(_to_stream, capital)) + _SEPARATOR, bare, raised=capital != text)


def _with_first_letter(text: str, change: Callable[[str], str]) -> str:
    """The text with its first letter or digit changed, whatever signs stand before it."""
    for index, char in enumerate(text):
        if char.isalnum():
            return text[:index] + change(char) + text[index + 1 :]
    return text


def _to_stream(char: str) -> str:
    if char in _STREAM_SIGNS:
        return f"[\\{char}]"
    if char == "$":
        return "\\$"
    return char if char.isprintable() else " "


def restore(stream: str, prepared: Prepared) -> tuple[str, int]:
    """(plain text, words marked as unknown) of what came out for a prepared line.

    `*` marks a word the dictionary lacks, `@` one without translation, `#` one whose form could not be made.
    """
    parts: list[str] = []
    unknown = 0
    for match in _TOKEN.finditer(_SEPARATOR_OUT.sub("", stream)):
        if match["mark"]:
            unknown += 1
        elif match["format"] is not None:
            parts.append(_ESCAPED.sub(r"\1", match["format"]))
        else:
            parts.append(match["escaped"] or match["plain"])
    text = " ".join("".join(parts).split())
    if prepared.bare:
        text = _with_first_letter(text, str.upper) + "."
    elif prepared.raised:
        text = _with_first_letter(text, str.lower)
    return text, unknown


# Pipelines


class Pipeline:
    """A pair's programs, running.

    Raises:
        MissingError: the pair, or one of the programs, is not installed.
    """

    def __init__(self, mode: str) -> None:
        self._children: list[Child] = []
        try:
            for command in commands(mode):
                stdin = self._children[-1].stdout if self._children else True
                self._children.append(Child(command, stdin=stdin, stdout=True, env=_ENVIRONMENT))
        except BaseException:
            self.close()
            raise

    def send(self, stream: str) -> str:
        """Hand a text through.

        Raises:
            ChildError: one of the programs died; the pipeline is of no more use.
        """
        head, tail = self._children[0], self._children[-1]
        try:
            head.stdin.write(stream.encode("utf-8") + b"\0")
            head.stdin.flush()
            data = _read_to_nul(tail.stdout)
        except (OSError, EOFError) as error:
            raise self._fault() from error
        # At the end of their input programs flush what they have: half a line looks like a whole one.
        if any(child.poll() is not None for child in self._children):
            raise self._fault()
        return data.decode("utf-8", "replace")

    def _fault(self) -> ChildError:
        """The error of the program that failed: those before it die by SIGPIPE, those after it end well."""
        self._children[-1].end(_GRACE_S)
        dead = [child for child in self._children if child.poll() is not None]
        return next((child for child in dead if child.poll() not in (0, -signal.SIGPIPE)), dead[0]).error()

    def close(self) -> None:
        """End the programs; may be called twice."""
        for child in self._children:
            child.kill()
        for child in self._children:
            child.end(_GRACE_S)
        self._children = []


def _read_to_nul(pipe: IO[bytes]) -> bytes:
    data = bytearray()
    while (byte := pipe.read(1)) != b"\0":
        if not byte:
            raise EOFError
        data += byte
    return bytes(data)


def commands(mode: str) -> list[list[str]]:
    """The programs of a pair with their arguments, made to flush on NUL and to mark unknown words."""
    path = mode_path(mode)
    if not path.is_file():
        raise MissingError(f"The language pair {mode} of apertium is not installed.")
    text = run(["apertium-wblank-mode", "-z", str(path)]).decode("utf-8")
    return list(_split_pipeline(text))


def _split_pipeline(text: str) -> Iterator[list[str]]:
    """Words between the bars of a mode file. `$1` is the generator's option, `$2` the tagger's, here none."""
    words = shlex.shlex(text, posix=True, punctuation_chars="|")
    words.whitespace_split = True
    words.commenters = ""
    command: list[str] = []
    for word in words:
        if word == "|":
            yield command
            command = []
        elif word == "$1":
            command.append("-g")
        elif word != "$2":
            command.append(word)
    yield command


# Methods


class Engine:
    """The worker's state: one pipeline for each pair it was asked for."""

    def __init__(self) -> None:
        self._pipelines: dict[str, Pipeline] = {}

    def translate(self, mode: str, text: str) -> dict[str, Any]:
        """A line's translation and its count of unknown words."""
        prepared = prepare(text, english=mode.startswith("en"))
        if mode not in self._pipelines:
            self._pipelines[mode] = Pipeline(mode)
        try:
            stream = self._pipelines[mode].send(prepared.stream)
        except ChildError:
            self._pipelines.pop(mode).close()
            raise
        translation, unknown = restore(stream, prepared)
        return {"text": translation, "unknown_words": unknown}

    def data(self, mode: str) -> dict[str, Any]:
        """Digest of everything a pair's result rests on: its pipeline, and each file that is named in it."""
        digest = hashlib.sha256()
        for command in commands(mode):
            program = shutil.which(command[0])
            for word in [program or command[0], *command[1:]]:
                path = Path(word)
                digest.update(f"{path.name}\0".encode())
                if path.is_file():
                    digest.update(hashlib.sha256(path.read_bytes()).digest())
        return {"sha256": digest.hexdigest()}

    def close(self) -> None:
        """End every pipeline."""
        for pipeline in self._pipelines.values():
            pipeline.close()
        self._pipelines = {}


def versions() -> dict[str, str]:
    """Versions of apertium and of the dictionary library it stands on."""
    apertium = run(["apertium", "-V"]).decode("utf-8", "replace").split()
    lttoolbox = re.search(rb"\d[\d.]*", run(["lt-proc", "-v"]))
    return {
        "apertium": apertium[-1] if apertium else "?",
        "lttoolbox": lttoolbox[0].decode("ascii") if lttoolbox else "?",
    }


def main() -> None:
    """Serve until stdin ends."""
    engine = Engine()
    try:
        serve("apertium", VERSION, versions(), {"translate": engine.translate, "data": engine.data})
    finally:
        engine.close()


if __name__ == "__main__":
    main()
