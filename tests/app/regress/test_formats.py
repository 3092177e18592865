"""Findings for build servers and reviewers: JUnit XML and Markdown, of a comparison with everything in it."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from loc.app.regress import junit, markdown
from loc.app.regress.baseline import Cue, Work
from loc.app.regress.compare import Comparison, Failure, compare
from loc.app.regress.measures import tolerances
from loc.errors import ExitCode
from tests.app.regress.made_up import TEXTS, baseline, dub, line, sample

HARM = "</details>|`a`|<script>alert(1)</script>\x00\x1b[31m```"


@pytest.fixture
def troubled() -> Comparison:
    """A worse dub, a failed sample, a missing one, a new one, one that was found made; and harmful text."""
    cues = (Cue(start=0.5, text=TEXTS[0]), Cue(start=3.5, text=HARM), Cue(start=6.5, text=TEXTS[2]))
    worse = dub(cues=cues, lines=(line(1, pace=1.0), line(2, pace=1.0, start=3.7), line(3, pace=1.0)))
    accepted = baseline(
        samples={"talk.mp4": sample(), "gone.mp4": sample(), "bad.mp4": sample(), "kept.mp4": sample()}
    )
    measured = baseline(
        samples={
            "talk.mp4": sample(dubs={"es": worse, "ja": dub()}, work=Work(processor=19.0, peak_mb=490.0)),
            "fresh.mp4": sample(),
            "kept.mp4": sample(work=None),
        }
    )
    failures = {"bad.mp4": Failure(ExitCode.INPUT, "bad.mp4 is empty.", why="It has 0 bytes.")}
    return compare(accepted, measured, tolerances(()), failures)


def test_junit_counts_what_it_lists(troubled: Comparison) -> None:
    root = ElementTree.fromstring(junit.write(troubled))
    assert (root.tag, root.get("name")) == ("testsuites", "loc regress")
    for suite in (root, *root.findall("testsuite")):
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(attribute, "")) == len(suite.findall(f".//{tag}"))
        assert int(suite.get("tests", "")) == len(suite.findall(".//testcase"))
    assert int(root.get("failures", "")) == 3
    assert int(root.get("errors", "")) == 1
    names = [suite.get("name") for suite in root.findall("testsuite")]
    assert names == [
        "bad.mp4", "fresh.mp4", "gone.mp4", "kept.mp4 es", "kept.mp4 ja", "kept.mp4",
        "talk.mp4 es", "talk.mp4 ja", "talk.mp4",
    ]  # fmt: skip


def test_junit_says_what_is_wrong(troubled: Comparison) -> None:
    root = ElementTree.fromstring(junit.write(troubled))
    [start] = root.findall(".//testcase[@classname='talk.mp4 es'][@name='timing.start']/failure")
    assert start.get("type") == "worse"
    assert "0.200 s, accepted 0.000 s, tolerance 0.045 s" in str(start.get("message"))
    assert "line l0002" in str(start.text)
    [error] = root.findall(".//error")
    assert "It has 0 bytes." in str(error.get("message"))
    assert root.findall(".//testcase[@name='text']/failure")


def test_junit_holds_only_what_xml_can(troubled: Comparison) -> None:
    failure = Failure(ExitCode.INTERNAL, "It died.", why="\x00\x1b[31m\ud800")
    failed = compare(troubled.accepted, baseline(samples={}), tolerances(()), {"a\x00.mp4": failure})
    root = ElementTree.fromstring(junit.write(failed))
    assert root.findall("testsuite")[0].get("name") == "a\ufffd.mp4"


def test_markdown_shows_what_moved_first_and_everything_folded(troubled: Comparison) -> None:
    text = markdown.write(troubled)
    lines = text.splitlines()
    assert lines[0] == "## loc regress: 1 sample failed"
    rows = [row for row in lines if row.startswith("|")]
    assert [row.split("|")[1].strip() for row in rows[2:8]] == [
        "**worse**", "**missing**", "**worse**", "**worse**", "new", "better"
    ]  # fmt: skip
    assert all(row.count("|") - row.count("\\|") == 8 for row in rows)
    assert "Not judged: time and memory. It was measured with --cached" in text
    assert f"All {len(troubled.findings)} findings" in text
    assert len(rows) == 2 + 6 + 2 + len(troubled.findings)


def test_markdown_shows_what_is_said_otherwise_as_a_diff(troubled: Comparison) -> None:
    lines = markdown.write(troubled).splitlines()
    start = lines.index("````diff")
    assert lines[start + 1] == f"-{TEXTS[1]}"
    assert lines[start + 2].startswith("+</details>")
    assert lines[start + 3] == "````"
    outside = [row for row in (*lines[:start], *lines[start + 4 :]) if "<script" in row]
    assert outside == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [({}, "as accepted"), ({"silent": ("l0001",)}, "worse than accepted")],
)
def test_the_headline(changes: dict[str, object], words: str) -> None:
    now = baseline(samples={"talk.mp4": sample(dubs={"es": dub(**changes), "ja": dub()})})
    text = markdown.write(compare(baseline(), now, tolerances(())))
    assert text.startswith(f"## loc regress: {words}\n")


def test_the_headline_of_what_has_nothing_to_be_compared_with() -> None:
    text = markdown.write(compare(baseline(samples={}), baseline(), tolerances(())))
    assert text.startswith("## loc regress: not accepted yet\n")
