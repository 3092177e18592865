"""The report as a page: one file that needs nothing else, for the person who decides whether a dub goes out.

`page.html.j2` on `base.html.j2`, with `page.css` and `page.js` put inside. The page loads nothing and sends
nothing: its content security policy allows its own style and script by their digests, images inside the page,
and nothing more. All text is escaped by the template engine, so what a file name or subtitle says stays text.
"""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loc.app.page.attention import (
    attention,
    cut_states,
    elsewhere,
    how_cast,
    line_flags,
    needs_eyes,
    picture_words,
    score_words,
)
from loc.app.report import Report
from loc.artifacts import PEAKS_PER_SECOND, Evidence, Ref, Still
from loc.errors import ExitCode
from loc.store.keys import digest_bytes, digest_value
from loc.store.workdir import WorkDir

if TYPE_CHECKING:
    import jinja2

MOST_OPEN = 48
"""Longer lists are folded when the page opens: those of a long film would bury what comes after them."""

_MARK = re.compile(rb'<meta name="loc-made-from" content="([0-9a-f]{64})">')
_MARK_WITHIN = 4096
"""Bytes at the start of a page in which its mark stands."""


@dataclass(frozen=True)
class Said:
    """What a line says in both languages."""

    text: str
    source: str


@dataclass(frozen=True)
class Subject:
    """What a page tells of besides the report: what the report's JSON does not hold.

    Args:
        name: the input's file name.
        said: line id -> its text; empty in a bare page.
        dropped: the text of each of the report's `dropped`; empty in a bare page.
        shots: where each shot begins, seconds.
    """

    name: str
    said: Mapping[str, Said] = field(default_factory=dict)
    dropped: Sequence[str] = ()
    shots: Sequence[float] = ()
    evidence: Evidence | None = None


def made_from(report: Report, subject: Subject) -> str:
    """Digest of all that a page shows but for the run that wrote it, its own templates included."""
    return digest_value(
        {
            "report": report.model_dump(mode="json", exclude={"run"}),
            "name": subject.name,
            "said": {line: [said.text, said.source] for line, said in subject.said.items()},
            "dropped": list(subject.dropped),
            "shots": list(subject.shots),
            "evidence": subject.evidence.model_dump(mode="json") if subject.evidence else None,
            "parts": [digest_bytes(_part(name).encode()) for name in _PARTS],
        }
    )


def is_current(path: Path, mark: str) -> bool:
    """Whether a page that is there already was made from the same."""
    try:
        with path.open("rb") as stream:
            found = _MARK.search(stream.read(_MARK_WITHIN))
    except OSError:
        return False
    return found is not None and found[1].decode() == mark


def build(report: Report, subject: Subject, store: WorkDir) -> bytes:
    """The whole page."""
    data = report.model_dump(mode="json")
    evidence = subject.evidence
    stills: dict[tuple[int, int, str | None], list[Still]] = {}
    for still in evidence.stills if evidence else ():
        stills.setdefault((still.frames.start, still.frames.stop, still.face), []).append(still)
    for cut, state in zip(data["cuts"], cut_states(data), strict=True):
        cut["state"], cut["flagged"], cut["score_words"] = state, needs_eyes(cut, state), score_words(cut)
        cut["picture_words"] = picture_words(cut)
        cut["stills"] = [
            {
                "frame": still.frame,
                "before": _image(store, still.before),
                "after": _image(store, still.after) if still.after else None,
            }
            for still in stills.get((*cut["frames"], cut["face"]), ())
        ]
    for line in data["lines"]:
        line["flags"] = line_flags(line)
    for one in data["cast"]:
        one["how"] = how_cast(one)
        one["elsewhere"] = elsewhere(one["face"], data["people"])
    return render(
        "page.html.j2",
        report=data,
        subject=subject,
        mark=made_from(report, subject),
        exit_code=ExitCode.DEFECTS if report.defects else ExitCode.DONE,
        attention=attention(data),
        speakers=_speakers(data),
        voices=voices(data),
        most_open=MOST_OPEN,
        timeline=_timeline(data, subject, store),
    )


def _speakers(data: Mapping[str, Any]) -> list[str]:
    return sorted({line["speaker"] for line in data["lines"] if line["speaker"]})


def voices(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Who says lines in which voice: one row for each speaker, engine and voice, the most used of a speaker
    first, and those that stood in for it last.

    Args:
        data: a report as JSON.
    """
    fell = {one["unit"] for one in data["defects"] if one["code"] == "other-engine"}
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for line in data["lines"]:
        stood_in = f"line {line['line']}" in fell
        named = (line[name] or "" for name in ("backend", "model", "voice"))
        key = (line["speaker"] or "", stood_in, *named)
        row = rows.setdefault(key, {"lines": 0, "seconds": 0.0})
        row["lines"] += 1
        row["seconds"] += line["seconds"]
    heard = {one["id"]: one for one in data["speakers"]}
    found: list[dict[str, Any]] = []
    for key in sorted(rows, key=lambda key: (*key[:2], -rows[key]["lines"], key)):
        speaker, stood_in, backend, model, voice = key
        found.append(
            {
                **rows[key],
                "speaker": speaker or None,
                "voice": voice,
                "engine": " ".join(part for part in (backend.partition("/")[2], model) if part),
                "heard": heard.get(speaker),
                "bank": heard[speaker]["bank_voice"] if speaker in heard and not stood_in else None,
                "stood_in": stood_in,
                "first": not found or found[-1]["speaker"] != (speaker or None),
            }
        )
    return found


def _timeline(data: Mapping[str, Any], subject: Subject, store: WorkDir) -> dict[str, Any]:
    """What `page.js` draws: numbers and names; the words are in the page's tables."""
    evidence, speakers = subject.evidence, _speakers(data)
    rows: dict[int, list[str | None]] = {}
    for cut in sorted(data["cuts"], key=lambda cut: cut["face"] or ""):
        faces = rows.setdefault(cut["shot"], [])
        faces += [cut["face"]] if cut["face"] not in faces else []
    slowed = data["slowed"]
    longer = sum(one["seconds"] - one["source_seconds"] for one in slowed)
    ends = [part["start"] + part["seconds"] for part in (*data["lines"], *data["cuts"])]
    return {
        "seconds": data["source"]["seconds"] + longer if data["source"] else max(ends, default=0),
        "shots": [round(start, 3) for start in subject.shots],
        "peaksPerSecond": PEAKS_PER_SECOND,
        "sourcePeaks": _coded(as_shown(_peaks(store, evidence.source_peaks if evidence else ()), slowed)),
        "dubPeaks": _coded(_peaks(store, evidence.dub_peaks if evidence else ())),
        "lines": [
            {
                "name": line["line"],
                "start": line["start"],
                "seconds": line["seconds"],
                "slot": line["slot_seconds"],
                "rate": line["rate"],
                "stretch": line["stretch"],
                "over": line["overrun_seconds"],
                "speaker": speakers.index(line["speaker"]) if line["speaker"] else 0,
                "flagged": bool(line["flags"]),
            }
            for line in data["lines"]
        ],
        "silent": [
            {"name": line["line"], "start": line["start"], "seconds": line["seconds"]}
            for line in data["silent"]
        ],
        "cuts": [
            {
                "start": cut["start"],
                "seconds": cut["seconds"],
                "state": cut["state"],
                "flagged": cut["flagged"],
                "why": "; ".join(cut["reasons"]),
                "row": rows[cut["shot"]].index(cut["face"]),
                "rows": len(rows[cut["shot"]]),
            }
            for cut in data["cuts"]
        ],
    }


def render(template: str, **values: Any) -> bytes:
    """A page from one of the templates of this folder, which may build on `base.html.j2`."""
    style, script = _part("page.css"), _part("page.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_source_hash(style)}'; "
        f"script-src '{_source_hash(script)}'; base-uri 'none'; form-action 'none'"
    )
    text = _environment().get_template(template).render(style=style, script=script, policy=policy, **values)
    return text.encode()


_PARTS = ("base.html.j2", "page.html.j2", "page.css", "page.js")


def _part(name: str) -> str:
    return resources.files(__name__).joinpath(name).read_text("utf-8")


@functools.cache
def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__name__, ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(clock=clock, bytes=_bytes)
    return environment


def clock(seconds: float | None) -> str:
    """`1:02:03.4` or `2:03.4`."""
    if seconds is None:
        return "?"
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{head}:{rest // 10:02}.{rest % 10}"


def _bytes(size: int) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size = size / 1000  # type: ignore[assignment]
    return f"{size:.3g} GB"


def _source_hash(text: str) -> str:
    import hashlib

    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _image(store: WorkDir, ref: Ref) -> str:
    return "data:image/webp;base64," + base64.b64encode(store.read_bytes(ref)).decode()


def _peaks(store: WorkDir, blocks: Iterable[Ref]) -> bytes:
    return b"".join(store.read_bytes(ref) for ref in blocks)


def _coded(peaks: bytes) -> str:
    return base64.b64encode(peaks).decode()


def as_shown(peaks: bytes, slowed: Sequence[Mapping[str, Any]]) -> bytes:
    """Peaks of the source where its picture is shown in the output: in slowed stretches some stand twice.

    Args:
        slowed: as in the report.
    """
    shown = bytearray()
    taken = 0
    for one in slowed:
        # Counted in the output from its beginning, so that roundings do not add up.
        before = round(one["start"] * PEAKS_PER_SECOND) - len(shown)
        shown += peaks[taken : taken + before]
        taken += before
        count, long = (round(one[name] * PEAKS_PER_SECOND) for name in ("source_seconds", "seconds"))
        stretch = peaks[taken : taken + count]
        shown += bytes(stretch[at * len(stretch) // long] for at in range(long) if stretch)
        taken += count
    return bytes(shown + peaks[taken:])
