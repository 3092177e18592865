"""Subtitle files: read, written, and aligned in time.

SRT and WebVTT are read here rather than by pysubs2, which names no line when it fails, takes a last line that
is a number for a counter, and reads WebVTT's comments and cue names as text. ASS and SSA are read by pysubs2,
but for their text, in which it takes an escaped brace for a command. SRT and WebVTT are written here, ASS by
`titles`, which knows how it looks.

Times are samples at 48 kHz; a millisecond is exactly 48 of them.
"""

from __future__ import annotations

import bisect
import codecs
import html
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from loc.artifacts import SAMPLE_RATE, SpeakerMark
from loc.errors import InputError
from loc.media import sdh
from loc.media.wrapping import join_lines, wrap

SAMPLES_PER_MS = SAMPLE_RATE // 1000
"""48, without remainder: reading a time and writing it again changes nothing."""

LEAST_TURN_MS = 100
"""Each speaker's share of a cue, on average, under which it is not divided."""

Tell = Callable[[str, str], None]
"""Takes (code, message) of something a person should know; `Runner.notice` is one."""


@dataclass(frozen=True)
class Cue:
    """One subtitle, shown over samples `start` <= i < `stop`. `text` is plain, on one line or in the rows of
    `in_rows`; `below` is the same in another language, shown under it; `mark` is what a file says of its
    speaker."""

    start: int
    stop: int
    text: str
    below: str = ""
    mark: SpeakerMark | None = None


@dataclass(frozen=True)
class _Part:
    """A part of a cue's text, in its rows; with the name of who says it, where the format has one for it."""

    text: str
    name: str | None = None


@dataclass(frozen=True)
class _Block:
    """A cue as a file has it."""

    start: int
    stop: int
    parts: tuple[_Part, ...]

    @property
    def text(self) -> str:
        return "\n".join(part.text for part in self.parts)


def in_rows(cue: Cue, language: str | None, below: str | None = None) -> Cue:
    """A cue as it is displayed: all of its text in rows.

    Args:
        language: of the text.
        below: language of what is shown under it.
    """
    rows = [wrap(part, spoken) for part, spoken in ((cue.text, language), (cue.below, below)) if part]
    return Cue(cue.start, cue.stop, "\n".join(rows))


class Span(Protocol):
    """Anything with a place in time, in samples."""

    @property
    def start(self) -> int: ...
    @property
    def stop(self) -> int: ...


def _say_nothing(_code: str, _message: str) -> None:
    pass


def read_cues(data: bytes, name: str, tell: Tell = _say_nothing) -> list[Cue]:
    """The cues of an SRT, WebVTT, ASS or SSA file, sorted by time; cues without text are left out.

    Args:
        data: the file's bytes, in UTF-8, UTF-16, Shift-JIS or Windows-1252.
        name: what errors call it; the format is told by the content.
        tell: hears when the encoding had to be guessed and when cues without duration were left out.

    Raises:
        InputError: no such format, no cue in it, or a line that cannot be read, which it names.
    """
    blocks = _blocks(data, name, tell)
    return _shown([Cue(block.start, block.stop, block.text) for block in blocks], name, tell)


def read_said(data: bytes, name: str, tell: Tell = _say_nothing) -> list[Cue]:
    """What is said in a subtitle file: as `read_cues`, without the descriptions of sounds, the song and the
    names of speakers that subtitles for the deaf have.

    A cue in which two speak becomes two, which share its time by their letters. Names of speakers, in the
    text, of voices of WebVTT or actors of ASS, go into `mark`.

    Args:
        data, name: as `read_cues` takes them.
        tell: hears of what was left out, too.

    Raises:
        InputError: as in `read_cues`, or nothing in it is said.
    """
    blocks = _blocks(data, name, tell)
    found = iter(sdh.said([part.text for block in blocks for part in block.parts]))
    said = [[next(found) for _ in block.parts] for block in blocks]
    everything = [one for ones in said for one in ones]
    if left_out := sdh.summary(everything):
        if not any(one.turns for one in everything):
            raise InputError(
                f"{name} holds nothing that is said.",
                why=f"There is only what subtitles for the deaf tell besides: {left_out}.",
                fix="Check that it is the right file.",
            )
        first = next(
            block.text
            for block, ones in zip(blocks, said, strict=True)
            if any(one.descriptions or one.sung or one.names for one in ones)
        )
        tell("not-said", f"{name}: left out {left_out}, the first in {' '.join(first.split())!r}.")
    named = len({part.name for block in blocks for part in block.parts} - {None}) >= sdh.LEAST_NAMES
    cues: list[Cue] = []
    for block, ones in zip(blocks, said, strict=True):
        turns = [_called(one, part, named) for one, part in zip(ones, block.parts, strict=True)]
        cues += _shared(block, list(itertools.chain.from_iterable(turns)))
    return _shown(cues, name, tell)


def _called(said: sdh.Said, part: _Part, named: bool) -> list[sdh.Turn]:
    """The turns of a part, which is one where its format names the speaker.

    Args:
        named: whether such names are to be believed.
    """
    if part.name is None or not named or not said.turns:
        return list(said.turns)
    return [sdh.Turn(said.text, said.turns[0].name or part.name, said.turns[0].changes)]


def _shared(block: _Block, turns: Sequence[sdh.Turn]) -> Iterator[Cue]:
    """The cues of a block: one for each turn, in whole milliseconds. Each is as long as its letters are many,
    but a quarter of an even share at least."""
    whole = (block.stop - block.start) // SAMPLES_PER_MS
    if len(turns) > 1 and whole < LEAST_TURN_MS * len(turns):
        turns = [replace(turns[0], text="\n".join(turn.text for turn in turns))]
    letters = [sum(char.isalnum() for char in turn.text) for turn in turns]
    least = max(1, sum(letters)) / (4 * max(1, len(turns)))
    upto = [0.0, *itertools.accumulate(max(count, least) for count in letters)]
    starts = [block.start + round(whole * part / upto[-1]) * SAMPLES_PER_MS for part in upto[:-1]]
    before: str | None = None
    for number, turn in enumerate(turns):
        stop = starts[number + 1] if number + 1 < len(turns) else block.stop
        changes = turn.changes or (number > 0 and turn.name != before)
        before = turn.name
        mark = SpeakerMark(name=turn.name, changes=changes) if turn.name or changes else None
        yield Cue(starts[number], stop, turn.text, mark=mark)


def _blocks(data: bytes, name: str, tell: Tell) -> list[_Block]:
    """Every cue as written."""
    blocks = list(_parse(_decode(data, name, tell), name))
    if not blocks:
        raise InputError(f"{name} holds no subtitles.", fix="Check that it is the right file.")
    return blocks


def _shown(cues: Iterable[Cue], name: str, tell: Tell) -> list[Cue]:
    """Those that have a text and a duration, on one line each, in order."""
    cues = [replace(cue, text=join_lines(cue.text.split("\n"))) for cue in cues]
    instant = sum(1 for cue in cues if cue.start == cue.stop and cue.text)
    if instant:
        empty = (
            f"{instant} cues that end when they begin" if instant > 1 else "a cue that ends when it begins"
        )
        tell("cue-without-duration", f"{name}: left out {empty}.")
    kept = [cue for cue in cues if cue.text and cue.start < cue.stop]
    return sorted(kept, key=lambda cue: (cue.start, cue.stop))


def time_unit(data: bytes, name: str) -> int:
    """Samples of the unit that the times of a subtitle file are in: a hundredth of a second in ASS and SSA,
    else a millisecond. For what `read_cues` has read."""
    return 10 * SAMPLES_PER_MS if _is_ass(_decode(data, name, _say_nothing)) else SAMPLES_PER_MS


# Encodings


def _decode(data: bytes, name: str, tell: Tell) -> str:
    encoding = _encoding(data, name)
    if encoding in ("cp932", "cp1252"):
        label = {"cp932": "Shift-JIS", "cp1252": "Windows-1252"}[encoding]
        tell("encoding-guessed", f"{name} is not UTF-8; it was read as {label}.")
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name} cannot be read as text.",
            why=f"It is not {encoding}: {error.reason}.",
            fix="Save it as UTF-8.",
        ) from error


def _encoding(data: bytes, name: str) -> str:
    """Byte order mark, else UTF-8 if it is valid, else UTF-16 by its zeros, else Shift-JIS if that is valid
    and gives kana (their lead bytes are rare signs in Windows-1252), else Windows-1252 if that is valid and
    gives mostly plain letters.

    Raises:
        InputError: none of these, or UTF-8 that is damaged.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    zeros = (data[0::2].count(0), data[1::2].count(0))
    if max(zeros) > len(data) // 8:
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    for encoding in ("utf-8", "cp932", "cp1252"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding == "cp932" and not any("\u3041" <= char <= "\u30fa" for char in text):
            continue
        if encoding == "cp1252":
            _check_latin(data, text, name)
        return encoding
    raise InputError(f"{name} is in an unknown encoding.", fix="Save it as UTF-8.")


def _check_latin(data: bytes, text: str, name: str) -> None:
    """Refuse what any bytes would be as Windows-1252: another script's letters, and UTF-8 with damage."""
    foreign = sum(char > "\x7f" for char in text)
    plain = sum(char.isascii() and char.isalpha() for char in text)
    whole = data.decode("utf-8", errors="ignore")
    in_utf8 = sum(char > "\x7f" for char in whole)
    bad = len(data) - len(whole.encode())
    if in_utf8 > bad:
        place = data.decode("utf-8", errors="replace").replace("\r\n", "\n").partition("\ufffd")[0]
        raise InputError(
            f"{name} is damaged: it is UTF-8 but for {bad} of its bytes.",
            why=f"The first is on line {place.count(chr(10)) + 1}.",
            fix="Mend the text there, and save it as UTF-8.",
        )
    if foreign > plain:
        raise InputError(
            f"{name} is in an unknown encoding.",
            why="It is neither Unicode nor Shift-JIS, and as Windows-1252 its letters make no words.",
            fix="Save it as UTF-8.",
        )


# Formats

_CLOCK = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})[,.](\d{1,9})"
_TIMING = re.compile(rf"\s*{_CLOCK}\s*-->\s*{_CLOCK}(?:\s.*)?$")
_LIKE_CLOCK = r"-?\d+(?:\s*[:;]\s*\d+)+\s*[,.:;]\s*\d+"
_LIKE_TIMING = re.compile(rf"\s*(?:\d+:\S*\s*-->|{_LIKE_CLOCK}[-\s=\u2010-\u2015\u2212]*[>\u2192])")
"""What begins a timing, or was meant to: an arrow behind three numbers that could be a time. Behind two of
them, or one, it may be said (`10:30 -> 11:45`)."""
_COUNTER = re.compile(r"\s*\d+\s*$")
_VTT_ASIDE = re.compile(r"(WEBVTT|NOTE|STYLE|REGION)(\s|$)")

_READING = re.compile(r"<rt>.*?</rt>", re.DOTALL)
"""Ruby text: how a word is read, beside the word itself."""
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?(?:\s([^>]*))?>|</v>")
"""Where a voice of WebVTT begins, with its name, or ends."""
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<\d[\d:.]*>|\{\\[^}]*\}")
"""HTML-like tags, WebVTT's times inside a cue, and ASS overrides that some SRT files carry."""


PARTED = "\u2060"
"""Behind a backslash that is none of ASS's escapes: parts it from the sign that would make it one."""

_ASS_SIGNS = re.compile(r"\\[{}hnN]|\{[^}]*\}")
"""Escapes and commands, the escapes first."""


def _is_ass(text: str) -> bool:
    head = next((line for line in text.splitlines() if line.strip()), "")
    return "[Script Info]" in text or head.strip().lower().startswith("[v4")


def _parse(text: str, name: str) -> Iterator[_Block]:
    # Line ends that were converted twice.
    text = text.replace("\r\r\n", "\n")
    lines = text.splitlines()
    if _is_ass(text):
        return _parse_ass(text, name)
    head = next((line for line in lines if line.strip()), "")
    if head.startswith("WEBVTT"):
        return _parse_vtt(lines, name)
    if any(_TIMING.match(line) or _LIKE_TIMING.match(line) for line in lines):
        return _parse_srt(lines, name)
    raise InputError(f"{name} is no subtitle file.", fix="SRT, WebVTT, ASS and SSA are read.")


def _parse_ass(text: str, name: str) -> Iterator[_Block]:
    import pysubs2

    try:
        events = pysubs2.SSAFile.from_string(text, format_="ass")
    except (pysubs2.Pysubs2Error, ValueError, LookupError) as error:
        raise InputError(f"{name} cannot be read as ASS.", why=str(error)) from error
    for event in events:
        if event.is_text:
            rows = _ass_rows(event.text)
            if event.end < event.start:
                begins, ends = (_clock(ms // 10, HUNDREDTHS, ".") for ms in (event.start, event.end))
                raise InputError(
                    f"{name}: a subtitle ends before it begins.",
                    why=f"It is shown from {begins} to {ends} and says {' '.join(rows)!r}.",
                )
            start, stop = event.start * SAMPLES_PER_MS, event.end * SAMPLES_PER_MS
            yield _Block(start, stop, (_Part("\n".join(rows), event.name.strip() or None),))


def _ass_rows(text: str) -> list[str]:
    """The rows of an ASS text as they are shown: without commands, escaped braces and backslashes as such."""

    def shown(found: re.Match[str]) -> str:
        said = found[0]
        return {r"\{": "{", r"\}": "}", r"\h": " ", r"\n": "\n", r"\N": "\n"}.get(said, "")

    return _ASS_SIGNS.sub(shown, text).replace(f"\\{PARTED}", "\\").splitlines()


def _parse_srt(lines: Sequence[str], name: str) -> Iterator[_Block]:
    """Text runs to the next timing line, less the counter right above that: empty lines inside a cue, which
    editors leave behind, lose nothing."""
    timings = [index for index, line in enumerate(lines) if _is_timing(line, index, name)]
    for index, following in itertools.pairwise([*timings, len(lines)]):
        body = lines[index + 1 : following]
        if following < len(lines):
            body = _without_counter(body)
        yield _block(lines[index], index, (_Part(_untag("\n".join(body))),), name)


def _without_counter(body: Sequence[str]) -> Sequence[str]:
    """The lines up to the next timing without the counter of that: a number right above, or between empty
    lines, as in files whose every line is followed by one."""
    end = len(body)
    while end and not body[end - 1].strip():
        end -= 1
    parted = end < len(body)
    counts = end > 0 and _COUNTER.match(body[end - 1]) and not (parted and (end < 2 or body[end - 2].strip()))
    return body[: end - 1] if counts else body


def _parse_vtt(lines: Sequence[str], name: str) -> Iterator[_Block]:
    """Blocks stand between empty lines: an optional name, the timing, the text; or an aside to skip. A timing
    ends the block before it, as the standard's parser has it, and that of the header."""
    index = 0
    while index < len(lines):
        stop = next((i for i in range(index, len(lines)) if not lines[i].strip()), len(lines))
        block = lines[index:stop]
        aside = block and _VTT_ASIDE.match(block[0]) and not block[0].startswith("WEBVTT")
        if block and not aside:
            _refuse_likeness(block[:2], index, name)
            timings = [place for place, line in enumerate(block) if _TIMING.match(line)]
            for place, following in itertools.pairwise([*timings, len(block)]):
                body = block[place + 1 : following]
                if following < len(block):
                    body = _without_counter(body)
                parts = tuple(_voices("\n".join(body)))
                yield _block(block[place], index + place, parts, name)
        index = stop + 1


def _voices(body: str) -> Iterator[_Part]:
    """The text of a WebVTT cue by its voices, `<v Anna>`; always one part, if an empty one."""
    edges = [0, *(edge for found in _VOICE.finditer(body) for edge in found.span()), len(body)]
    texts = [html.unescape(_untag(body[edges[at] : edges[at + 1]])) for at in range(0, len(edges), 2)]
    names = [None, *(html.unescape(found[1] or "").strip() or None for found in _VOICE.finditer(body))]
    parts = [_Part(text, name) for text, name in zip(texts, names, strict=True) if text.strip()]
    yield from parts or [_Part("")]


def _is_timing(line: str, index: int, name: str) -> bool:
    _refuse_likeness([line], index, name)
    return _TIMING.match(line) is not None


def _refuse_likeness(lines: Sequence[str], first: int, name: str) -> None:
    """Refuse a line that looks like a timing and is none.

    Args:
        first: index of the first line in the file.
    """
    for index, line in enumerate(lines, start=first + 1):
        if _LIKE_TIMING.match(line) and not _TIMING.match(line):
            raise InputError(
                f"{name}, line {index}: the times cannot be read.",
                why=f"It says {line.strip()!r}.",
                fix="Write them like 00:01:02,345 --> 00:01:04,000.",
            )


def _block(timing: str, index: int, parts: tuple[_Part, ...], name: str) -> _Block:
    match = _TIMING.match(timing)
    assert match is not None
    clock = match.groups()
    start, stop = _samples(*clock[:4]), _samples(*clock[4:])
    if stop < start:
        raise InputError(f"{name}, line {index + 1}: the subtitle ends before it begins.", why=timing.strip())
    return _Block(start, stop, parts)


def _samples(hours: str | None, minutes: str, seconds: str, fraction: str) -> int:
    whole = (int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)
    unit: int = 10 ** len(fraction)
    return whole * SAMPLE_RATE + (int(fraction) * SAMPLE_RATE + unit // 2) // unit


def _untag(text: str) -> str:
    return _TAG.sub("", _READING.sub("", text))


HUNDREDTHS = 2
MILLISECONDS = 3
MICROSECONDS = 6
"""Digits of a second. ASS has two, other players want three; six are read back to the very sample, which has
20.8 of them."""


def write_srt(cues: Iterable[Cue], digits: int = MILLISECONDS) -> bytes:
    """An SRT file: UTF-8, LF, in time order, in the rows that the texts have; cues without are left out.

    Times are rounded to the nearest unit of `digits`, halves up, and last at least one.
    """
    blocks = []
    for number, (start, stop, cue) in enumerate(timed(cues, 10**digits), start=1):
        times = f"{_clock(start, digits, ',')} --> {_clock(stop, digits, ',')}"
        blocks.append(f"{number}\n{times}\n{_tidy(cue.text)}\n")
    return "\n".join(blocks).encode("utf-8")


def write_vtt(cues: Iterable[Cue]) -> bytes:
    """A WebVTT file, as `write_srt`; what its text could be taken for markup by is written as references."""
    blocks = ["WEBVTT\n"]
    for start, stop, cue in timed(cues, 10**MILLISECONDS):
        times = f"{_clock(start, MILLISECONDS, '.')} --> {_clock(stop, MILLISECONDS, '.')}"
        # What begins like a command of ASS would be taken for one.
        text = html.escape(_tidy(cue.text), quote=False).replace("{\\", "&lcub;\\")
        blocks.append(f"{times}\n{text}\n")
    return "\n".join(blocks).encode("utf-8")


def timed(cues: Iterable[Cue], unit: int) -> Iterator[tuple[int, int, Cue]]:
    """(start, stop, cue) of each cue that has text, in time order, times rounded to a unit; none is shorter.

    Args:
        unit: how many of them a second has.
    """
    for cue in sorted(cues, key=lambda cue: (cue.start, cue.stop)):
        if cue.text.strip():
            start = _ticks(cue.start, unit)
            yield start, max(_ticks(cue.stop, unit), start + 1), cue


def _tidy(text: str) -> str:
    """Rows without blanks around them, and without empty ones, which would end a cue."""
    return "\n".join(row.strip() for row in text.splitlines() if row.strip())


def _ticks(samples: int, unit: int) -> int:
    return max(0, (samples * unit + SAMPLE_RATE // 2) // SAMPLE_RATE)


def _clock(ticks: int, digits: int, point: str) -> str:
    seconds, fraction = divmod(ticks, 10**digits)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{point}{fraction:0{digits}d}"


# Alignment

ENOUGH_OVERLAP = 0.5
"""Two spans belong together when more than this share of the shorter lies in the other: then a span that
straddles two of the other side goes with one of them, whatever the lengths."""

LEAST_OVERLAP = 0.15
"""A span with no such partner goes with the one it overlaps most, down to this share of the shorter; below,
the overlap is a subtitle that stays on a little."""

Group = tuple[tuple[int, ...], tuple[int, ...]]
"""Indices on the left and on the right that belong together; one side is empty where nothing matches."""


def align(left: Sequence[Span], right: Sequence[Span]) -> list[Group]:
    """Group two lists of spans by overlap in time, n:m, in time order; each index is in exactly one group."""
    pairs = sorted(_overlaps(left, right), key=lambda pair: (-pair[0], pair[1], pair[2]))
    links = [(i, j) for share, i, j in pairs if share > ENOUGH_OVERLAP]
    # What is left over pairs up, then hangs itself on one partner each: so it never ties two groups together.
    lone_left = set(range(len(left))) - {i for i, _ in links}
    lone_right = set(range(len(right))) - {j for _, j in links}
    for _, i, j in pairs:
        if i in lone_left and j in lone_right:
            links.append((i, j))
            lone_left.remove(i)
            lone_right.remove(j)
    for _, i, j in pairs:
        if i in lone_left or j in lone_right:
            links.append((i, j))
            lone_left.discard(i)
            lone_right.discard(j)
    groups = _connected(len(left), len(right), links)
    return sorted(groups, key=lambda group: _first_start(group, left, right))


def _overlaps(left: Sequence[Span], right: Sequence[Span]) -> Iterator[tuple[float, int, int]]:
    """(share of the shorter, left index, right index) of pairs that overlap by `LEAST_OVERLAP` or more."""
    order = sorted(range(len(right)), key=lambda j: right[j].start)
    starts = [right[j].start for j in order]
    # The latest stop so far never falls, so what ends too early for a span is a prefix, found by bisection.
    stops = list(itertools.accumulate((right[j].stop for j in order), max))
    for i, span in enumerate(left):
        for place in range(bisect.bisect_right(stops, span.start), bisect.bisect_left(starts, span.stop)):
            j = order[place]
            shared = min(span.stop, right[j].stop) - max(span.start, right[j].start)
            share = shared / max(1, min(span.stop - span.start, right[j].stop - right[j].start))
            if share >= LEAST_OVERLAP:
                yield share, i, j


def _connected(left: int, right: int, links: Sequence[tuple[int, int]]) -> list[Group]:
    """Connected components of the graph whose nodes are `left` + `right` indices."""
    parent = list(range(left + right))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for i, j in links:
        parent[root(i)] = root(left + j)
    members: dict[int, tuple[list[int], list[int]]] = {}
    for node in range(left + right):
        sides = members.setdefault(root(node), ([], []))
        if node < left:
            sides[0].append(node)
        else:
            sides[1].append(node - left)
    return [(tuple(lefts), tuple(rights)) for lefts, rights in members.values()]


def _first_start(group: Group, left: Sequence[Span], right: Sequence[Span]) -> int:
    return min([left[i].start for i in group[0]] + [right[j].start for j in group[1]])


def name_cues(groups: Sequence[Group], names: Sequence[str], first: str) -> list[str]:
    """Names for the left side of an alignment after those of the right, so that a cue put in, taken out or
    split renames no other.

    The cues of a group take its names in turn; further ones are `l0012-2`, `l0012-3`. A cue that stands alone
    is `l0012+1`, after the one before it.

    Args:
        groups: as from `align`; every cue is in one.
        names: of the right side, each once.
        first: what a cue that stands alone before all others is named after.
    """
    taken = set(names)

    def unused(base: str, sign: str, number: int) -> str:
        while f"{base}{sign}{number}" in taken:
            number += 1
        taken.add(f"{base}{sign}{number}")
        return f"{base}{sign}{number}"

    named: dict[int, str] = {}
    for cues, partners in groups:
        for place, cue in enumerate(cues if partners else ()):
            own = place < len(partners)
            named[cue] = names[partners[place]] if own else unused(names[partners[-1]], "-", 2)
    before = first
    for cue in sorted(cue for cues, _ in groups for cue in cues):
        if cue not in named:
            named[cue] = unused(before, "+", 1)
        else:
            before = named[cue]
    return [named[cue] for cue in sorted(named)]
