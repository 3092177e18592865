"""A comparison as Markdown: for the summary of a pipeline, a comment on a change, or a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from loc.app.regress.compare import Comparison, Finding, text_changes

MOST_TEXT = 20
"""Lines of changed text that are shown for each dub: the whole of it is in the page."""

_HEADER = ("", "sample", "measure", "accepted", "now", "tolerance", "")


def write(comparison: Comparison) -> str:
    """The whole text, ending in a newline."""
    lines = [f"## {headline(comparison)}", "", *_summary(comparison)]
    told = [finding for finding in comparison.findings if finding.verdict not in ("same", "skipped")]
    if told:
        lines += ["", *_table(sorted(told, key=_red_first))]
    lines += _texts(comparison)
    lines += _skipped(comparison)
    if comparison.findings:
        lines += ["", "<details>", f"<summary>All {len(comparison.findings)} findings</summary>", ""]
        lines += [*_table(comparison.findings), "", "</details>"]
    return "\n".join(lines) + "\n"


def headline(comparison: Comparison) -> str:
    """The result in a few words."""
    if comparison.failures:
        count = len(comparison.failures)
        return f"loc regress: {count} sample{'s' * (count != 1)} failed"
    if comparison.red:
        return "loc regress: worse than accepted"
    verdicts = {finding.verdict for finding in comparison.findings}
    if verdicts == {"new"}:
        return "loc regress: not accepted yet"
    return "loc regress: better than accepted" if "better" in verdicts else "loc regress: as accepted"


def _summary(comparison: Comparison) -> Iterator[str]:
    samples = len({finding.sample for finding in comparison.findings})
    red = len(comparison.red)
    yield (
        f"{red} of {len(comparison.findings)} findings in {samples} sample{'s' * (samples != 1)} "
        f"{'is' if red == 1 else 'are'} red. Accepted with loc {comparison.accepted.loc_version}, "
        f"measured with {comparison.measured.loc_version}."
    )


def _red_first(finding: Finding) -> tuple[bool, str, str, str]:
    return not finding.red, finding.sample, finding.language or "", finding.verdict


def _table(findings: Iterable[Finding]) -> Iterator[str]:
    yield _row(_HEADER)
    yield _row(["---"] * len(_HEADER))
    for finding in findings:
        verdict = f"**{finding.verdict}**" if finding.red else finding.verdict
        where = f"{finding.sample} {finding.language}" if finding.language else finding.sample
        figures = [finding.figure(value) for value in (finding.was, finding.now, finding.tolerance)]
        cells = [where, f"{finding.measure}: {finding.title}", *figures, finding.detail]
        yield _row([verdict, *map(_cell, cells)])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    """Text that stays in its cell, and text."""
    escaped = re.sub(r"([\\`*_\[\]<>|~])", r"\\\1", text)
    return " ".join(escaped.split())


def _skipped(comparison: Comparison) -> Iterator[str]:
    """What was not judged, each reason once."""
    reasons: dict[str, dict[str, None]] = {}
    for finding in comparison.findings:
        if finding.verdict == "skipped":
            reasons.setdefault(finding.detail, {})[finding.measure] = None
    for reason, measures in reasons.items():
        yield from ("", f"Not judged: {' and '.join(measures)}. {_cell(reason)}".rstrip())


def _texts(comparison: Comparison) -> Iterator[str]:
    """What is said otherwise, dub by dub."""
    for finding in comparison.findings:
        if finding.measure == "text" and finding.red and finding.language is not None:
            was, now = (
                side.samples[finding.sample].dubs[finding.language]
                for side in (comparison.accepted, comparison.measured)
            )
            lines = [
                f"{sign}{text}"
                for before, after in text_changes(was, now)
                for sign, texts in (("-", before), ("+", after))
                for text in texts
            ]
            fence = "`" * max(3, 1 + max(map(len, re.findall("`+", " ".join(lines))), default=0))
            yield from ("", f"{_cell(finding.sample)} {finding.language} says something else:", "")
            yield from (f"{fence}diff", *lines[:MOST_TEXT], fence)
            if len(lines) > MOST_TEXT:
                yield from ("", f"And {len(lines) - MOST_TEXT} lines more.")
