"""When each sound of a known English text is spoken: forced alignment by pocketsphinx, without weights.

Words come from a transcript, their phones from the dictionary inside pocketsphinx's package (CMU's, in
ARPAbet); a word that it does not hold is read letter by letter, which is roughly right for names and enough
to keep the others in place. Other languages would be forced into English sounds, so callers must not ask.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt

from loc.analysis.recognition import BEAM, FRAME, RECOGNISER_RATE, SILENCE_PEAK, WORD_BEAM, to_pcm
from loc.analysis.voice_activity import RATIO
from loc.artifacts import Phone, Phones

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*|\d+")
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

_PAIRS = "sh:SH ch:CH th:TH ph:F ck:K ng:NG qu:K_W wh:W kn:N ee:IY ea:IY oo:UW ou:AW ow:OW ai:EY ay:EY ie:IY"
_SINGLES = (
    "a:AE b:B c:K d:D e:EH f:F g:G h:HH i:IH j:JH k:K l:L m:M n:N o:AA p:P q:K r:R s:S t:T u:AH v:V w:W x:K_S"
    " y:IY z:Z"
)
_LETTERS = {
    letters: phones.replace("_", " ")
    for letters, phones in (entry.split(":") for entry in f"{_PAIRS} {_SINGLES}".split())
}
"""How letters are read in words that the dictionary does not hold; pairs first."""


def words_of(text: str) -> list[str]:
    """The words of a text as the dictionary writes them: lower case, figures digit by digit."""
    found = []
    for word in _WORD.findall(text.lower().replace("\u2019", "'")):
        found += [_DIGITS[int(digit)] for digit in word] if word.isdecimal() else [word]
    return found


def spelt(word: str) -> str:
    """Phones of a word read by its letters, in ARPAbet."""
    phones: list[str] = []
    position = 0
    letters = word.replace("'", "")
    while position < len(letters):
        length = 2 if letters[position : position + 2] in _LETTERS else 1
        phones.append(_LETTERS[letters[position : position + length]])
        position += length
    return " ".join(phones)


def align_english(audio: npt.NDArray[np.float32], text: str) -> Phones | None:
    """The phones of a line of English, in samples at 48 kHz; None where they do not fit the sound.

    A decoder is made for each line: it adapts to what it has heard. Safe to call from several threads.

    Args:
        audio: float32 [n], mono, 16 kHz.
        text: what is said in it.
    """
    from pocketsphinx import Decoder

    words = words_of(text)
    if not words or len(audio) < FRAME or np.abs(audio).max() < SILENCE_PEAK:
        return None
    # The search for the best path through the word lattice fails on a third of real lines; without it the
    # first pass ends on its best word, which is all the second one needs.
    decoder = Decoder(
        samprate=RECOGNISER_RATE,
        loglevel="FATAL",
        cmn="batch",
        beam=BEAM,
        wbeam=WORD_BEAM,
        bestpath=False,
        lm=None,
    )
    for word in dict.fromkeys(words):
        if decoder.lookup_word(word) is None:
            decoder.add_word(word, spelt(word), True)
    pcm = to_pcm(audio)
    try:
        decoder.set_align_text(" ".join(words))
        _listen(decoder, pcm)
        if decoder.hyp() is None:
            return None
        decoder.set_alignment()
        _listen(decoder, pcm)
        # To ask for a hypothesis here would end the process where this pass has failed; iterating does not.
        entries = [phone for word in decoder.get_alignment() or () for phone in word]
    except RuntimeError:
        return None
    phones = tuple(
        Phone(
            symbol=entry.name,
            start=entry.start * FRAME * RATIO,
            stop=(entry.start + entry.duration) * FRAME * RATIO,
        )
        for entry in entries
        if entry.duration > 0
    )
    return Phones(alphabet="arpabet", phones=phones) if phones else None


def _listen(decoder: Any, pcm: bytes) -> None:
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()
