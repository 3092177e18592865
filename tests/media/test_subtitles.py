"""Subtitle files as people and programs really write them."""

from __future__ import annotations

import pysubs2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loc.artifacts import SpeakerMark
from loc.errors import InputError
from loc.media.subtitles import (
    MICROSECONDS,
    Cue,
    align,
    in_rows,
    name_cues,
    read_cues,
    read_said,
    time_unit,
    write_srt,
    write_vtt,
)
from loc.media.titles import write_ass
from loc.media.wrapping import join_lines

SECOND = 48_000


def cue(start: float, stop: float, text: str = "x") -> Cue:
    return Cue(round(start * SECOND), round(stop * SECOND), text)


def texts(data: str | bytes, name: str = "a.srt") -> list[str]:
    return [item.text for item in read_cues(data.encode() if isinstance(data, str) else data, name)]


# Reading


def test_srt_as_it_should_be() -> None:
    data = "1\n00:00:01,500 --> 00:00:02,000\nHello\nthere.\n\n2\n01:00:00,001 --> 01:00:01,000\nBye.\n"
    assert read_cues(data.encode(), "a.srt") == [
        Cue(72_000, 96_000, "Hello there."),
        Cue(3600 * SECOND + 48, 3601 * SECOND, "Bye."),
    ]


EARLY, LATER = "00:00:01,000 --> 00:00:02,000", "00:00:03,000 --> 00:00:04,000"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("1\r\n00:00:01,0 --> 00:00:02,0\r\nHi\r\n\r\n", ["Hi"]),
        ("\ufeff1\n00:00:01.000-->00:00:02.000\nHi", ["Hi"]),
        (f"{EARLY} X1:10 Y1:20\nno counters\n\n{LATER}\n7", ["no counters", "7"]),
        (f"1\n{EARLY}\ncount\n42\n\n2\n{LATER}\n3\n4", ["count 42", "3 4"]),
        (f"1\n{EARLY}\nno empty line\n2\n{LATER}\nnext", ["no empty line", "next"]),
        (f"1\n{EARLY}\ntwo\n\nparts\n\n2\n{LATER}\nb", ["two parts", "b"]),
        (f"1\n{EARLY}\n\n\n2\n{LATER}\nb", ["b"]),
        (f"1\n\n{EARLY}\n\na\n\n2\n\n{LATER}\n\nb\n", ["a", "b"]),
        (f"1\r\r\n{EARLY}\r\r\na\r\r\n\r\r\n2\r\r\n{LATER}\r\r\nb\r\r\n", ["a", "b"]),
        (f"{EARLY}\n42\n\n{LATER}\nb", ["42", "b"]),
        (f"{EARLY}\na\n42\n\n{LATER}\nb", ["a 42", "b"]),
        (f"1\n{EARLY}\n{{\\an8}}<i>a</i> <font color=red>b</font> <3 {{c}}", ["a b <3 {c}"]),
        (f"1\n{EARLY}\n日本\n語です\nhello\nworld", ["日本語です hello world"]),
        (f"1\n{EARLY}\n10:30 -> 11:45", ["10:30 -> 11:45"]),
        (f"1\n{EARLY}\n-3:1 -> out", ["-3:1 -> out"]),
        (f"1\n{EARLY}\n12:30:05, that is > noon", ["12:30:05, that is > noon"]),
        (f"1\n{EARLY}\n2 -- > 1", ["2 -- > 1"]),
    ],
)
def test_srt_as_it_comes(data: str, expected: list[str]) -> None:
    assert texts(data) == expected


def test_cues_come_sorted_and_those_without_duration_are_told() -> None:
    data = (
        "1\n00:00:05,000 --> 00:00:06,000\nlate\n\n2\n00:00:01,000 --> 00:00:02,000\nearly\n\n"
        "3\n00:00:03,000 --> 00:00:03,000\nnever\n"
    )
    told: list[str] = []
    cues = read_cues(data.encode(), "a.srt", lambda code, _: told.append(code))
    assert [item.text for item in cues] == ["early", "late"]
    assert told == ["cue-without-duration"]


def test_webvtt_with_everything_in_it() -> None:
    data = """WEBVTT - title

STYLE
::cue { color: red }

NOTE 00:00 --> is not a cue here

intro
00:01.000 --> 00:02.000 align:start
<v Ann>Rock &amp; <b>roll</b>
42

01:00:03.000 --> 01:00:04.000
<00:00:03.500>karaoke <ruby>漢<rt>かん</rt></ruby> &lt;b&gt;
"""
    assert read_cues(data.encode(), "a.vtt") == [
        cue(1, 2, "Rock & roll 42"),
        cue(3603, 3604, "karaoke 漢 <b>"),
    ]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("WEBVTT\n00:01.000 --> 00:02.000\na\n\n00:03.000 --> 00:04.000\nb\n", ["a", "b"]),
        ("WEBVTT\n\n1\n00:01.000 --> 00:02.000\na\n2\n00:03.000 --> 00:04.000\nb\n", ["a", "b"]),
        ("WEBVTT\r\r\n\r\r\n00:01.000 --> 00:02.000\r\r\na\r\r\n", ["a"]),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\na --> b\n", ["a --> b"]),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\n10:30 -> 11:45\n", ["10:30 -> 11:45"]),
    ],
)
def test_webvtt_as_it_comes(data: str, expected: list[str]) -> None:
    assert [item.text for item in read_cues(data.encode(), "a.vtt")] == expected


def test_ass_without_comments_and_drawings() -> None:
    data = r"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize
Style: Default,Arial,20

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:01.50,0:00:02.00,Default,,0,0,0,,{\i1}One,{\i0} two\Nthree
Comment: 0,0:00:01.50,0:00:02.00,Default,,0,0,0,,not shown
Dialogue: 0,0:00:01.50,0:00:02.00,Default,,0,0,0,,{\p1}m 0 0 l 10 10{\p0}
"""
    assert read_cues(data.encode(), "a.ass") == [cue(1.5, 2, "One, two three")]


def test_an_ass_line_that_ends_before_it_begins_is_refused() -> None:
    data = """[Script Info]
[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:01.50,0:00:02.00,Default,,0,0,0,,ok
Comment: 0,0:00:04.00,0:00:03.00,Default,,0,0,0,,not shown
Dialogue: 0,0:00:05.00,0:00:04.50,Default,,0,0,0,,lost
"""
    with pytest.raises(InputError, match="ends before it begins") as caught:
        read_cues(data.encode(), "a.ass")
    assert caught.value.why == "It is shown from 00:00:05.00 to 00:00:04.50 and says 'lost'."


@pytest.mark.parametrize(
    ("text", "encoding", "told"),
    [
        ("café — 日本語", "utf-8", []),
        ("café — 日本語", "utf-8-sig", []),
        ("café — 日本語", "utf-16", []),
        ("plain text of some length", "utf-16-le", []),
        ("plain text of some length", "utf-16-be", []),
        ("こんにちは、世界。", "cp932", ["encoding-guessed"]),
        ("¿Qué? Ça coûte 5 € — «señor»", "cp1252", ["encoding-guessed"]),
    ],
)
def test_encodings(text: str, encoding: str, told: list[str]) -> None:
    data = f"1\n00:00:01,000 --> 00:00:02,000\n{text}\n".encode(encoding)
    heard: list[str] = []
    assert [item.text for item in read_cues(data, "a.srt", lambda code, _: heard.append(code))] == [text]
    assert heard == told


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no subtitle file"),
        (b"Just a letter to a friend.", "no subtitle file"),
        (b"\x00\x01\x02\x03" * 100, "no subtitle file"),
        (b"\x81\x8d\x8f\x90\x9d\xff", "unknown encoding"),
        ("1\n00:00:01,000 --> 00:00:02,000\nПривет, как дела?".encode("cp1251"), "unknown encoding"),
        ("1\n00:00:01,000 --> 00:00:02,000\n你好,今天怎么样?".encode("gbk"), "unknown encoding"),
        ("1\n00:00:01,000 --> 00:00:02,000\n안녕하세요, 어떻게".encode("euc-kr"), "unknown encoding"),
        (b"1\n00:00:01,000 --> 00:00:02,000\n\xc3\x87a va tr\xc3\xa8s b\xffen", "first is on line 3"),
        (b"WEBVTT\n\nNOTE nothing else\n", "no subtitles"),
        (b"1\n00:00:01,000 --> 00:00:02,000\nok\n\n2\n00:00:0x,000 --> 00:00:04,000\nbad", "line 6"),
        (b"1\n00:00:05,000 --> 00:00:04,000\nbackwards", "line 2"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_cues(data, "a.srt")


@pytest.mark.parametrize(
    "timing",
    [
        "00:00:03,000 -> 00:00:04,000",
        "00:00:03,000 –> 00:00:04,000",
        "00:00:03,000 —> 00:00:04,000",
        "00:00:03,000 -- > 00:00:04,000",
        "00:00:03,000 → 00:00:04,000",
        "00:00:03 -> 00:00:04",
        "00:00:03, 000 --> 00:00:04,000",
        "00: 00: 03,000 --> 00:00:04,000",
        "00;00;03,000 --> 00:00:04,000",
        "-00:00:01,000 --> 00:00:04,000",
        "-00:01.000 --> 00:04.000",
        "00:03.000 -> 00:04.000",
    ],
)
@pytest.mark.parametrize("head", ["1\n00:00:01,000 --> 00:00:02,000\nok\n\n2\n", "WEBVTT\n\n\n\ncue\n"])
def test_times_that_are_almost_right_are_neither_said_nor_lost(head: str, timing: str) -> None:
    with pytest.raises(InputError, match="line 6: the times cannot be read") as caught:
        read_cues(f"{head}{timing}\nnext\n".encode(), "a.srt")
    assert timing in caught.value.why


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        cues = read_cues(data, "a.srt")
    except InputError:
        return
    assert all(item.text and item.start < item.stop for item in cues)


# Who speaks

CHANGE = SpeakerMark(changes=True)


def marks(data: str, name: str = "a.srt") -> list[tuple[str, SpeakerMark | None]]:
    return [(item.text, item.mark) for item in read_said(data.encode(), name)]


def test_what_two_say_in_one_cue_shares_its_time_by_letters() -> None:
    data = "1\n00:00:01,000 --> 00:00:04,000\n- Good morning, all.\n- Hello.\n"
    assert read_said(data.encode(), "a.srt") == [
        Cue(SECOND, SECOND + 2211 * 48, "Good morning, all.", mark=None),
        Cue(SECOND + 2211 * 48, 4 * SECOND, "Hello.", mark=CHANGE),
    ]
    assert read_cues(data.encode(), "a.srt") == [cue(1, 4, "- Good morning, all. - Hello.")]


def test_a_cue_too_short_for_two_stays_one() -> None:
    data = "1\n00:00:01,000 --> 00:00:01,150\n- Hi.\n- Hello.\n"
    assert read_said(data.encode(), "a.srt") == [cue(1, 1.15, "Hi. Hello.")]


def test_names_are_kept_as_marks() -> None:
    data = f"{EARLY}\nANNA: Who?\n\n{LATER}\n- BOB: Me.\n- Who?\n"
    assert marks(data) == [
        ("Who?", SpeakerMark(name="ANNA")), ("Me.", SpeakerMark(name="BOB")), ("Who?", CHANGE),
    ]  # fmt: skip


def test_voices_of_webvtt_are_names() -> None:
    data = (
        "WEBVTT\n\n00:01.000 --> 00:02.000\n<v.loud Anna &amp; Co>Who?</v> <v Bob>Me,\nBob.\n\n"
        "00:03.000 --> 00:04.000\n<v Bob>- He said.\n- I said.</v>\n\n00:05.000 --> 00:06.000\nOh.\n"
    )
    assert marks(data, "a.vtt") == [
        ("Who?", SpeakerMark(name="Anna & Co")),
        ("Me, Bob.", SpeakerMark(name="Bob", changes=True)),
        ("He said. I said.", SpeakerMark(name="Bob")),
        ("Oh.", None),
    ]
    assert texts(data, "a.vtt") == ["Who? Me, Bob.", "- He said. - I said.", "Oh."]


def test_actors_of_ass_are_names() -> None:
    subtitles = pysubs2.SSAFile()
    for place, actor in enumerate(("Anna", "Bob", "")):
        start = 1000 * place
        subtitles.append(pysubs2.SSAEvent(start=start, end=start + 900, text=f"Line {place}.", name=actor))
    told = [SpeakerMark(name="Anna"), SpeakerMark(name="Bob"), None]
    assert [mark for _, mark in marks(subtitles.to_string("ass"), "a.ass")] == told


def test_one_name_on_every_cue_says_nothing() -> None:
    data = "WEBVTT\n\n00:01.000 --> 00:02.000\n<v NTP>A.\n\n00:03.000 --> 00:04.000\n<v NTP>B.\n"
    assert marks(data, "a.vtt") == [("A.", None), ("B.", None)]


# Writing

WORDS = st.text(st.sampled_from("abc é日本語かなッー、。「」　한 .,-"), min_size=1, max_size=120).map(
    lambda text: join_lines([text])
)


def test_srt_written_byte_for_byte() -> None:
    cues = [cue(3661.5, 3662, "two"), Cue(23, 24, "one"), cue(5, 6, "")]
    assert write_srt(cues).decode() == (
        "1\n00:00:00,000 --> 00:00:00,001\none\n\n2\n01:01:01,500 --> 01:01:02,000\ntwo\n"
    )


@given(st.lists(st.tuples(st.integers(0, 10**10), st.integers(1, 10**7), WORDS), max_size=8))
def test_microseconds_are_read_back_to_the_sample(items: list[tuple[int, int, str]]) -> None:
    cues = sorted(
        (Cue(start, start + length, text) for start, length, text in items if text),
        key=lambda item: (item.start, item.stop),
    )
    if cues:
        assert read_cues(write_srt(cues, MICROSECONDS), "a.srt") == cues


@given(st.integers(0, 10**7), st.integers(1, 10**6))
def test_milliseconds_are_kept_exactly(start: int, length: int) -> None:
    given_cue = [Cue(start * 48, (start + length) * 48, "x")]
    assert read_cues(write_srt(given_cue), "a.srt") == given_cue


MARKED = st.text(st.sampled_from("ab <>&{}\\nNh/i-;日、:"), min_size=1, max_size=40).map(
    lambda text: join_lines([text])
)
"""Texts of what the formats make markup of."""

SPOKEN = st.lists(
    st.tuples(st.integers(0, 10**6), st.integers(1, 10**4), WORDS | MARKED), min_size=1, max_size=8
)


@given(SPOKEN)
def test_webvtt_and_ass_are_read_back_whatever_stands_in_them(items: list[tuple[int, int, str]]) -> None:
    cues = [Cue(480 * start, 480 * (start + length), text) for start, length, text in items if text]
    ordered = sorted(cues, key=lambda item: (item.start, item.stop))
    if cues:
        assert read_cues(write_vtt(cues), "a.vtt") == ordered
        ass = write_ass(cues, (None, None), "Noto Sans", (1280, 720), "bottom")
        assert read_cues(ass, "a.ass") == ordered
        assert (time_unit(ass, "a.ass"), time_unit(write_vtt(cues), "a.vtt")) == (480, 48)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 10**4), WORDS), min_size=1, max_size=8))
def test_other_programs_read_the_same(items: list[tuple[int, int, str]]) -> None:
    cues = [Cue(480 * start, 480 * (start + length), text, "below") for start, length, text in items if text]
    rows = [in_rows(cue, None, "en") for cue in cues]
    times = sorted((cue.start // 48, cue.stop // 48) for cue in cues)
    files = [
        ("srt", write_srt(rows)),
        ("vtt", write_vtt(rows)),
        ("ass", write_ass(cues, (None, "en"), "Noto Sans", (1280, 720), "bottom")),
    ]
    for form, data in files if cues else ():
        read = pysubs2.SSAFile.from_string(data.decode(), format_=form)
        assert sorted((event.start, event.end) for event in read) == times
        texts = sorted(join_lines(event.plaintext.splitlines()) for event in read)
        assert texts == sorted(join_lines([cue.text, cue.below]) for cue in cues)


def test_webvtt_written_byte_for_byte() -> None:
    cues = [cue(3661.5, 3662, "a < b & c\n\n--> d"), Cue(23, 24, "one"), cue(5, 6, "")]
    assert write_vtt(cues).decode() == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:00.001\none\n\n"
        "01:01:01.500 --> 01:01:02.000\na &lt; b &amp; c\n--&gt; d\n"
    )


def test_ass_says_how_it_looks_and_lasts_as_long_as_a_reader_can_see() -> None:
    cues = [Cue(10, 20, "one", "two, smaller"), cue(3661.5, 3662, "last")]
    ass = write_ass(cues, ("en", "de"), "A, Font", (1920, 1080), "top").decode()
    read = pysubs2.SSAFile.from_string(ass)
    style = read.styles["Default"]
    assert (read.info["PlayResX"], read.info["PlayResY"]) == ("1920", "1080")
    assert (style.fontname, style.alignment, style.bold) == ("A  Font", pysubs2.Alignment.TOP_CENTER, True)
    assert [(event.start, event.end) for event in read] == [(0, 10), (3_661_500, 3_662_000)]
    assert read[0].plaintext == "one\ntwo, smaller"
    size = float(read[0].text.partition("\\fs")[2].partition("}")[0])
    assert 0.5 < size / style.fontsize < 1


def test_rows_are_written_as_they_are_and_empty_ones_left_out() -> None:
    assert write_srt([cue(1, 2, "a b\n \n c")]).decode().endswith("a b\nc\n")
    text, below = (
        "この動画は、別の言語で話すために作られました。",
        "This video was made to speak another language.",
    )
    both = in_rows(Cue(0, 1, text, below), "ja", "en")
    assert both.text.splitlines() == [
        "この動画は、別の言語で",
        "話すために作られました。",
        "This video was made",
        "to speak another language.",
    ]
    assert not both.below


# Alignment

PAIRS = [((0,), (0,)), ((1,), (1,)), ((2,), (2,))]


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ([(0, 1), (2, 3)], [(0, 1), (2, 3)], [((0,), (0,)), ((1,), (1,))]),
        ([(0, 4)], [(0, 2), (2, 4)], [((0,), (0, 1))]),
        ([(0, 2), (2, 4)], [(0, 4)], [((0, 1), (0,))]),
        # Subtitles that stay on into the next line do not tie the lines together.
        ([(0, 2.3), (2.3, 4.2), (4.2, 6)], [(0, 2), (2, 4), (4, 6)], PAIRS),
        # Late by half a line, which could go either way, pairs up and never becomes one heap.
        ([(1, 3), (3, 5), (5, 7)], [(0, 2), (2, 4), (4, 6)], PAIRS),
        ([(0, 1)], [(5, 6)], [((0,), ()), ((), (0,))]),
        # A line alone hangs on the one it overlaps most, if the overlap is more than a lingering subtitle's.
        ([(0, 2), (2, 3)], [(0, 2.3)], [((0, 1), (0,))]),
        ([(0, 2), (2, 4)], [(0, 2.1)], [((0,), (0,)), ((1,), ())]),
        # 3:2, with all of it one exchange.
        ([(0, 2), (2, 4), (4, 6)], [(0, 3.1), (3.1, 6)], [((0, 1), (0,)), ((2,), (1,))]),
        ([], [(0, 1)], [((), (0,))]),
        ([], [], []),
    ],
)
def test_alignment(
    left: list[tuple[float, float]],
    right: list[tuple[float, float]],
    expected: list[tuple[tuple[int, ...], tuple[int, ...]]],
) -> None:
    assert align([cue(*span) for span in left], [cue(*span) for span in right]) == expected


SPANS = st.lists(st.tuples(st.integers(0, 400), st.integers(1, 60)), max_size=12).map(
    lambda spans: [cue(start, start + length) for start, length in sorted(spans)]
)


@given(SPANS, SPANS)
def test_every_span_is_in_exactly_one_group(left: list[Cue], right: list[Cue]) -> None:
    groups = align(left, right)
    assert sorted(i for lefts, _ in groups for i in lefts) == list(range(len(left)))
    assert sorted(j for _, rights in groups for j in rights) == list(range(len(right)))


@given(SPANS)
def test_a_list_without_overlaps_is_aligned_with_itself_one_to_one(spans: list[Cue]) -> None:
    apart = [Cue(index * 100 * SECOND, index * 100 * SECOND + item.stop - item.start, "x")
             for index, item in enumerate(spans)]  # fmt: skip
    assert align(apart, apart) == [((index,), (index,)) for index in range(len(apart))]


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (PAIRS, ["l1", "l2", "l3"]),
        ([((0, 1), (0,)), ((2,), (1, 2))], ["l1", "l1-2", "l2"]),
        ([((0,), ()), ((1,), (0,)), ((2,), ()), ((3,), (2,))], ["l0+1", "l1", "l1+1", "l3"]),
        ([((0, 1, 2), (0, 1)), ((3,), (2,))], ["l1", "l2", "l2-2", "l3"]),
    ],
)
def test_names_follow_the_lines(
    groups: list[tuple[tuple[int, ...], tuple[int, ...]]], expected: list[str]
) -> None:
    assert name_cues(groups, ["l1", "l2", "l3"], "l0") == expected
