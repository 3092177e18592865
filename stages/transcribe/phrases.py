"""From speech to windows for the recogniser, and from words to lines. Pure functions on samples at 48 kHz."""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter

from loc.artifacts import SAMPLE_RATE, Dropped, Word
from loc.media.line_rules import LineRules, line_rules

Range = tuple[int, int]

BREAK_GAP = round(0.45 * SAMPLE_RATE)
"""A pause between words that ends a line: longer than a stop or a breath within a phrase."""
MIN_SENTENCE = SAMPLE_RATE * 5 // 6
"""A sentence that ends sooner is no line of its own: a subtitle is shown at least as long."""
MIN_PART = SAMPLE_RATE
"""A long line is not broken closer to its ends than this, where there is a choice."""

WINDOW_PAUSE = 2 * SAMPLE_RATE
"""Regions this close are heard in one window: the recogniser's language model spans the pause."""
WINDOW_PAD = SAMPLE_RATE // 5
"""Silence heard on each side of a window: recognisers expect it, and soft onsets lie there."""
SEAM = SAMPLE_RATE
"""Heard by both windows on each side of a cut where there is no pause: a word on it is whole in both, few
words being longer than this."""

MIN_VOICED_SHARE = 0.3
"""Share of a word that must lie in speech: word times are rough, but music alone has none."""
MIN_UNHEARD = SAMPLE_RATE // 2
"""Speech without a word is listed from this length: shorter is a breath or an "um"."""

NO_VOICE = "no voice where the word was heard"
NO_WORDS = "voice, but no word was recognised"


def windows(regions: Sequence[Range], limit: int, quietest: Callable[[int, int], int]) -> list[Range]:
    """What the recogniser is given to hear: regions joined while they fit, cut in pauses. Windows overlap by
    `SEAM` on each side where a region had to be cut.

    Args:
        regions: speech, in order and apart.
        limit: longest window.
        quietest: (start, stop) -> a sample between them where a region too long for one window may be cut.
    """
    room = limit - 2 * max(WINDOW_PAD, SEAM)
    parts = [part for region in regions for part in _fitting(region, room, quietest)]
    joined: list[Range] = []
    for start, stop in parts:
        if joined and start - joined[-1][1] <= WINDOW_PAUSE and stop - joined[-1][0] <= room:
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((start, stop))
    return _padded(joined)


def _fitting(region: Range, room: int, quietest: Callable[[int, int], int]) -> list[Range]:
    """A region in parts of at most `room`, halved where it is quietest around the middle."""
    start, stop = region
    if stop - start <= room:
        return [region]
    quarter = (stop - start) // 4
    cut = quietest(start + quarter, stop - quarter)
    return _fitting((start, cut), room, quietest) + _fitting((cut, stop), room, quietest)


def _padded(parts: Sequence[Range]) -> list[Range]:
    """Parts with up to `WINDOW_PAD` on each side; neighbours share a shorter pause, and where there is none
    both hear as much as there is of `SEAM`."""
    padded = []
    for index, (start, stop) in enumerate(parts):
        before = start - parts[index - 1][1] if index else 2 * start
        after = parts[index + 1][0] - stop if index + 1 < len(parts) else 2 * WINDOW_PAD
        first = start - min(WINDOW_PAD, before // 2)
        last = stop + min(WINDOW_PAD, after // 2)
        if index and not before:
            first = max(parts[index - 1][0], start - SEAM)
        if index + 1 < len(parts) and not after:
            last = min(parts[index + 1][1], stop + SEAM)
        padded.append((first, last))
    return padded


UNSPACED = frozenset({"ja", "zh", "yue", "th", "lo", "my", "km", "bo"})
"""Languages written without spaces between words."""

_CLOSING = "\"'”’»)]」』）"
"""Signs that may stand behind the end of a sentence."""

_LATIN = re.compile(r"[0-9A-Za-zÀ-ÖØ-öø-ɏ]")


def join_words(words: Sequence[Word], language: str | None) -> str:
    """The text of words: with spaces, or in languages that have none, only between words in Latin letters."""
    if language not in UNSPACED:
        return " ".join(word.text for word in words)
    text = ""
    for word in words:
        gap = text and word.text and _LATIN.match(text[-1]) and _LATIN.match(word.text)
        text += f" {word.text}" if gap else word.text
    return text


def likeliest(shares: Sequence[Mapping[str, float]], weights: Sequence[int]) -> list[tuple[str, float]]:
    """Languages and their probabilities over several windows, which count by their weights; best first."""
    total = max(1, sum(weights))
    mean: dict[str, float] = {}
    for window, weight in zip(shares, weights, strict=True):
        for tag, share in window.items():
            mean[tag] = mean.get(tag, 0.0) + share * weight / total
    return sorted(mean.items(), key=lambda item: (-item[1], item[0]))


def voiced(
    words: Sequence[Word], regions: Sequence[Range], sung: Sequence[Range] = ()
) -> tuple[list[Word], list[Dropped]]:
    """The words that lie in speech; and what did not match, words without voice and voice without words.

    Args:
        words: in order of time.
        regions: where voice was found, in order and apart.
        sung: where the words of the voice are song, in order and apart.
    """
    kept, dropped = [], []
    for word in words:
        share = overlap((word.start, word.stop), regions) / max(1, word.stop - word.start)
        if share >= MIN_VOICED_SHARE:
            kept.append(word)
        else:
            dropped.append(Dropped(start=word.start, stop=word.stop, reason=NO_VOICE, text=word.text))
    spoken = [(word.start, word.stop) for word in kept]
    for start, stop in regions:
        heard = overlap((start, stop), spoken) + overlap((start, stop), sung)
        if stop - start >= MIN_UNHEARD and not heard:
            dropped.append(Dropped(start=start, stop=stop, reason=NO_WORDS))
    return kept, sorted(dropped, key=lambda item: (item.start, item.stop))


def overlap(part: Range, regions: Sequence[Range]) -> int:
    """How much of a part lies in regions, which are in order and apart."""
    total = 0
    for index in range(bisect.bisect_right(regions, part[0], key=itemgetter(1)), len(regions)):
        start, stop = regions[index]
        if start >= part[1]:
            break
        total += min(part[1], stop) - max(part[0], start)
    return total


def lines(words: Sequence[Word], language: str | None = None) -> list[list[Word]]:
    """Words in lines: broken at pauses and where sentences end; a line that is longer than a subtitle holds,
    where a clause ends, else before a word that begins one, else at its longest gap; last of all behind a
    word that belongs to the next one."""
    rule = line_rules(language)
    grouped: list[list[Word]] = []
    for word in words:
        line = grouped[-1] if grouped else []
        if line and word.start - line[-1].stop < BREAK_GAP and not _sentence_over(line, word, rule):
            line.append(word)
        else:
            grouped.append([word])
    return [part for line in grouped for part in _short_enough(line, rule, language)]


def _sentence_over(line: Sequence[Word], after: Word, rule: LineRules) -> bool:
    """Whether a sentence ends between a line and a word, and the line is long enough to be read alone."""
    last = line[-1].text
    if not last.rstrip(_CLOSING).endswith(tuple(rule.ends)) or last.lower() in rule.short:
        return False
    if after.text[:1].islower() or line[-1].stop - line[0].start < MIN_SENTENCE:
        return False
    # An initial: "J. Smith".
    return not re.fullmatch(r"\w\.", last)


def _short_enough(line: list[Word], rule: LineRules, language: str | None) -> list[list[Word]]:
    start, stop = line[0].start, line[-1].stop
    fits = len(join_words(line, language)) <= rule.row * rule.rows
    if (stop - start <= rule.seconds * SAMPLE_RATE and fits) or len(line) == 1:
        return [line]
    places = range(1, len(line))
    inner = [
        place
        for place in places
        if line[place - 1].stop - start >= MIN_PART and stop - line[place].start >= MIN_PART
    ]

    def worth(place: int) -> tuple[int, int, int]:
        gap = line[place].start - line[place - 1].stop
        return _clause(line, place, rule), gap, -abs(line[place].start + line[place - 1].stop - start - stop)

    cut = max(inner or places, key=worth)
    return _short_enough(line[:cut], rule, language) + _short_enough(line[cut:], rule, language)


def _clause(line: Sequence[Word], place: int, rule: LineRules) -> int:
    """How well the language lets a line break before `place`: 3 a sentence ends, 2 a clause does, 1 one
    begins, 0 neither, -1 the word before belongs to the next one."""
    before = line[place - 1].text.rstrip(_CLOSING)
    if before.endswith(tuple(rule.ends)) and before.lower() not in rule.short:
        return 3
    if before.endswith(tuple(rule.pauses)):
        return 2
    if line[place - 1].text.lower() in rule.holds:
        return -1
    return int(line[place].text.lower() in rule.before)


def written(grouped: Sequence[Sequence[Word]], language: str | None) -> list[str]:
    """The text of each line. Where no word has a capital or punctuation of its own, in a script that has
    capitals, lines become sentences: translators take an uncapitalised fragment for something else."""
    texts = [join_words(line, language) for line in grouped]
    return [_sentence(text, language) for text in texts] if _bare(grouped, language) else texts


def _bare(grouped: Sequence[Sequence[Word]], language: str | None) -> bool:
    """Whether words are those of a recogniser that knows neither capitals nor punctuation."""
    rule = line_rules(language)
    # A full stop tells nothing: dictionaries have "a.m." and "corp.".
    signs = tuple({*rule.ends, *rule.pauses} - {"."})
    words = [word.text for line in grouped for word in line]
    letters = "".join(filter(str.isalpha, "".join(words)))
    # The title case of a letter: a Georgian one has a capital, but none for the start of a sentence.
    cased = sum(letter != letter.title() for letter in letters)
    return (
        letters == letters.lower()
        and 2 * cased > len(letters)
        and not any(word.rstrip(_CLOSING).endswith(signs) for word in words)
    )


def _sentence(text: str, language: str | None) -> str:
    """Bare words with a capital, a full stop, and in English a capital "I"."""
    if not text or not text[-1].isalnum():
        return text
    if language == "en":
        text = re.sub(r"\bi\b", "I", text)
    return f"{text[0].title()}{text[1:]}."
