"""A comparison as JUnit XML, which build servers read: a suite for each dub, a case for each measure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from xml.etree import ElementTree

from loc.app.regress.compare import Comparison, Finding

_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped."""


def write(comparison: Comparison) -> bytes:
    """The whole file, UTF-8."""
    findings = comparison.findings
    root = ElementTree.Element("testsuites", {"name": "loc regress", **_counts(findings)})
    for (sample, language), group in groupby(findings, lambda finding: (finding.sample, finding.language)):
        cases = list(group)
        name = _text(f"{sample} {language}" if language else sample)
        suite = ElementTree.SubElement(root, "testsuite", {"name": name, **_counts(cases)})
        for finding in cases:
            _case(suite, name, finding)
    ElementTree.indent(root, " ")
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _counts(findings: Sequence[Finding]) -> dict[str, str]:
    errors = sum(finding.measure == "run" for finding in findings)
    return {
        "tests": str(len(findings)),
        "failures": str(sum(finding.red for finding in findings) - errors),
        "errors": str(errors),
        "skipped": str(sum(finding.verdict == "skipped" for finding in findings)),
    }


def _case(suite: ElementTree.Element, name: str, finding: Finding) -> None:
    case = ElementTree.SubElement(suite, "testcase", classname=name, name=finding.measure)
    words = _text(in_words(finding))
    if finding.measure == "run":
        ElementTree.SubElement(case, "error", message=words, type="failed").text = words
    elif finding.red:
        ElementTree.SubElement(case, "failure", message=words, type=finding.verdict).text = words
    elif finding.verdict == "skipped":
        ElementTree.SubElement(case, "skipped", message=words)
    else:
        ElementTree.SubElement(case, "system-out").text = words


def in_words(finding: Finding) -> str:
    """A finding in a sentence: `timing.start worse: 0.200 s, accepted 0.000 s, tolerance 0.045 s (...)`."""
    words = f"{finding.measure} {finding.verdict}"
    if finding.now is not None or finding.was is not None:
        now, was, limit = map(finding.figure, (finding.now, finding.was, finding.tolerance))
        words += f": {now}, accepted {was}, tolerance {limit}"
    words += f" ({finding.title})" if finding.title else ""
    return f"{words}. {finding.detail}".rstrip(". ") + "." if finding.detail else f"{words}."


def _text(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
