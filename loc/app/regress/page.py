"""A comparison as a page: one file that needs nothing else, what was accepted beside what there is now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from loc.app.page import render
from loc.app.regress.baseline import Dub
from loc.app.regress.compare import Comparison, Finding, paired_stills, text_changes
from loc.app.regress.markdown import headline
from loc.app.regress.measures import MEASURES


@dataclass(frozen=True)
class Pair:
    """A still as accepted and as it is now; `worse`: farther apart than is allowed."""

    frame: int
    of: str
    was: str
    now: str
    distance: float
    worse: bool


@dataclass(frozen=True)
class Section:
    """One dub, or what concerns a sample as a whole (`language` None)."""

    sample: str
    language: str | None
    findings: list[Finding]
    texts: list[tuple[list[str], list[str]]]
    pairs: list[Pair]

    @property
    def red(self) -> bool:
        return any(finding.red for finding in self.findings)

    @property
    def verdicts(self) -> str:
        """`13 same, 2 better`."""
        counts = Counter(finding.verdict for finding in self.findings)
        return ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())


def build(comparison: Comparison) -> bytes:
    """The whole page."""
    sections = list(_sections(comparison))
    return render(
        "regress.html.j2",
        title=headline(comparison).removeprefix("loc regress: "),
        comparison=comparison,
        sections=sections,
        red=comparison.red,
        measures=MEASURES,
        code=int(comparison.code),
    )


def _sections(comparison: Comparison) -> Iterator[Section]:
    places = list(dict.fromkeys((finding.sample, finding.language) for finding in comparison.findings))
    for sample, language in places:
        findings = [
            finding
            for finding in comparison.findings
            if (finding.sample, finding.language) == (sample, language)
        ]
        was, now = _dub(comparison, sample, language)
        both = was is not None and now is not None
        yield Section(
            sample,
            language,
            findings,
            [(list(a), list(b)) for a, b in text_changes(was, now)] if was and now else [],
            list(_pairs(was, now, findings)) if both and was and now else [],
        )


def _dub(comparison: Comparison, sample: str, language: str | None) -> tuple[Dub | None, Dub | None]:
    """(as accepted, as measured)."""
    found = []
    for side in (comparison.accepted, comparison.measured):
        known = side.samples.get(sample)
        found.append(known.dubs.get(language) if known and language else None)
    return found[0], found[1]


def _pairs(was: Dub, now: Dub, findings: list[Finding]) -> Iterator[Pair]:
    limits = {finding.measure: finding.tolerance or 0.0 for finding in findings}
    for before, after, distance in paired_stills(was, now):
        worse = distance > limits.get("picture.mouth" if before.of == "mouth" else "picture.frame", 1.0)
        yield Pair(before.frame, before.of, before.webp, after.webp, distance, worse)
