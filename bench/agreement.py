"""What viseme agreement is worth: planted shifts and wrong lines, on filmed lips and on drawn ones.

    python bench/agreement.py CLIPS_FOLDER [-o OUT.json] [--kind filmed|drawn|voices] [--film NAME]

On each clip of the folder and on a drawn presenter:

- *filmed*: the lips as filmed against the clip's own speech, recognised and aligned; a clip without sound is
  given the `.flac` beside it, which nobody in the picture speaks: it must not agree.
- *drawn*: the lips that `warp` drew for lines of Spanish, tracked again in the composited pixels.

Then each with the speech 3 frames late and early (the sound shifted and aligned anew; the dub moved, and
drawn anew), and with 60 other lines in place of its own. A measure may gate only where on every clip the
shifts move its peak by 3 +- 1 frames, and its own line agrees beyond the stated significance and better than
the others.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from bench.contact_sheet import Film
from bench.machine import Result, machine, show
from loc.analysis.agreement import SIGNIFICANT, Lips, Spoken, agree, expect, lips
from loc.analysis.alignment import align_english
from loc.analysis.face_tracker import track_range
from loc.analysis.faces import upright_transform
from loc.analysis.phone_times import check_times
from loc.analysis.recognition import RECOGNISER_RATE, recognise_english
from loc.artifacts import (
    SAMPLE_RATE,
    Clip,
    DubTrack,
    Fit,
    FrameRange,
    LipSync,
    Loudness,
    Phone,
    Phones,
    Score,
    ScoreMeasure,
    Sound,
    Source,
    Stems,
    Transcript,
)
from loc.backend import Host
from loc.events import ActionDone, EventBus
from loc.media.arrays import load_arrays
from loc.media.probe import probe_source
from loc.media.sound import encode_flac
from loc.runner import Runner
from loc.settings import Settings
from loc.stage import Context, Job, Slot
from loc.store.keys import digest_file
from loc.store.workdir import WorkDir
from stages.dub.contract import Synthesiser, VoiceRequest
from stages.dub.espeak import Espeak
from stages.dub.openjtalk import OpenJTalk
from stages.ingest import stage as ingest
from stages.ingest.contract import Inputs as IngestInputs
from stages.lipsync import stage as lipsync
from stages.lipsync.contract import Inputs
from stages.lipsync.warp import Warp
from tests.presenter import MINA, Said, Script, Shot, shoot
from tests.presenter.samples import SAMPLE_JAPANESE
from tests.voices import SENTENCES

Samples = npt.NDArray[np.float32]
Edges = npt.NDArray[np.int64]

SHIFT = 3
"""Frames of the planted shift, either way."""
TOLERANCE = 1
OTHERS = 60
"""Wrong lines per clip."""

NOBODY = Transcript(language="en", origin="supplied", segments=(), dropped=(), speakers=())
"""What is said in the source does not matter where every face may speak."""

SPANISH = (
    "Buenos días a todos, y muchas gracias por venir esta mañana.",
    "Mi hermano compró un barco amarillo y lo pintó de azul.",
    "La música se escuchaba desde el otro lado del valle.",
    "Por favor, cierre la ventana antes de salir de la habitación.",
    "Primero abra la tapa y mire las tres ruedas pequeñas.",
    "Nadie me había hecho nunca una pregunta tan difícil.",
    "Todas las tardes lee un capítulo de un libro muy largo.",
    "Medio mercado se quedó sin manzanas antes de las ocho.",
)


@dataclass(frozen=True)
class Seen:
    """Lips over the frames of a film, the samples of its sound at which the frames appear and the last one
    ends, and where lips were looked for: everywhere, if that is None."""

    lips: Lips
    edges: Edges
    looked: npt.NDArray[np.bool_] | None = None

    @property
    def frame(self) -> int:
        """Samples of a frame."""
        return round(float(np.median(np.diff(self.edges))))

    def score(self, spoken: Sequence[Spoken], measure: ScoreMeasure) -> Score:
        return agree(self.lips, expect(spoken, self.edges), self.edges, measure, self.looked)


def said(engine: Synthesiser, text: str, language: str, rate: float = 1.0) -> tuple[Samples, Phones]:
    """A line as a voice of the dub speaks it: float32 [n] at 48 kHz, and its phones."""
    spoken = engine.speak(text, language, VoiceRequest("low", 0), rate)
    scale = SAMPLE_RATE / spoken.sample_rate
    phones = tuple(
        Phone(symbol=one.symbol, start=round(one.start * scale), stop=round(one.stop * scale))
        for one in spoken.phones
    )
    audio = soxr.resample(spoken.audio, spoken.sample_rate, SAMPLE_RATE)
    return np.asarray(audio, np.float32), Phones(alphabet=spoken.alphabet, phones=phones)


def wrong_lines(engine: Synthesiser, texts: Sequence[str], language: str, end: int) -> Iterator[list[Spoken]]:
    """Other speech of a film's length: lines in random order, at random paces, with random pauses."""
    rng = np.random.default_rng(0)
    for _ in range(OTHERS):
        place, spoken = -int(rng.uniform(0, 1.5) * SAMPLE_RATE), []
        while place < end:
            _, phones = said(engine, str(rng.choice(texts)), language, float(rng.uniform(0.9, 1.2)))
            spoken.append(Spoken(phones, place))
            place += phones.phones[-1].stop + int(rng.uniform(0, 0.5) * SAMPLE_RATE)
        yield spoken


def judged(own: Score, late: Score, early: Score, others: Sequence[Score], *, speaks: bool = True) -> Result:
    """One row: what was found, and whether the conditions of a gate hold.

    Args:
        late, early: of speech that was shifted so that the lips come early and late by `SHIFT` frames.
    """
    values = np.array([other.value for other in others if other.value is not None])
    chances = np.array([other.p for other in others if other.p is not None])
    offsets = [score.offset for score in (early, own, late)]
    moved = None
    if early.offset is not None and own.offset is not None and late.offset is not None:
        moved = [early.offset - own.offset, late.offset - own.offset]
    shifts = moved is not None and all(
        abs(found - wanted) <= TOLERANCE for found, wanted in zip(moved, (SHIFT, -SHIFT), strict=True)
    )
    significant = own.p is not None and own.p <= SIGNIFICANT
    above = own.value is not None and len(values) > 0 and bool((values < own.value).mean() >= 0.99)
    return {
        "own": own.model_dump(mode="json", exclude={"picture", "measure"}),
        "offsets_shifted": offsets,
        "moved": moved,
        "others": {
            "n": len(values),
            "median": round(float(np.median(values)), 3) if len(values) else None,
            "highest": round(float(values.max()), 3) if len(values) else None,
            "share_p_at_most_0.05": round(float((chances <= 0.05).mean()), 3) if len(chances) else None,
            "share_p_at_most_0.01": round(float((chances <= SIGNIFICANT).mean()), 3)
            if len(chances)
            else None,
        },
        "speaks": speaks,
        "shifts_found": shifts,
        "significant": significant,
        "above_others": above,
        "could_gate": shifts and significant and above if speaks else not significant,
    }


def filmed(path: Path, sound: Path, engine: Synthesiser, *, speaks: bool) -> Result:
    """The lips as filmed against the speech of a sound track."""
    film = Film.open(path)
    whole = FrameRange(start=0, stop=film.timeline.count)
    faces = track_range(film.path, film.video, film.timeline, whole)[0]
    edges = film.timeline.samples()
    seen = Seen(lips(faces.points, upright_transform(film.video)), edges)
    audio = heard(sound)
    text = " ".join(word.text for word in recognise_english(audio))

    def aligned(frames: int) -> Score:
        shift = round(frames * seen.frame * RECOGNISER_RATE / SAMPLE_RATE)
        moved = np.pad(audio, (shift, 0)) if shift >= 0 else audio[-shift:]
        phones = align_english(moved.astype(np.float32), text)
        return seen.score([Spoken(phones, 0)] if phones else [], "viseme-agreement")

    others = [
        seen.score(spoken, "viseme-agreement")
        for spoken in wrong_lines(engine, SENTENCES, "en", int(edges[-1]))
    ]
    return judged(aligned(0), aligned(SHIFT), aligned(-SHIFT), others, speaks=speaks)


def heard(path: Path) -> Samples:
    """Mono at 16 kHz, float32 [n]."""
    if path.suffix == ".flac":
        audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    else:
        audio, rate = decoded(path)
    return np.asarray(soxr.resample(audio.mean(axis=1), rate, RECOGNISER_RATE), np.float32)


def decoded(path: Path) -> tuple[Samples, int]:
    """The first sound track of a film, float32 [n, channels], and its rate, from its first sample."""
    import av

    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        rate = int(stream.rate or 0)
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=rate)
        parts = [
            out.to_ndarray()[0] for frame in container.decode(stream) for out in resampler.resample(frame)
        ]
        start = float((stream.start_time or 0) * (stream.time_base or 0))
    lead = max(0, round(start * rate))
    return np.pad(np.concatenate(parts), (lead, 0))[:, None].astype(np.float32), rate


class Stage:
    """The lip-sync stage on one film, with any dub."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path = path
        self.store = WorkDir(folder / "store")
        self.backend = Warp(Host(Settings(), folder))
        self.done: list[ActionDone] = []
        self.digest = digest_file(path)
        self.runner = Runner(self.store, EventBus(self._note), run="bench")
        self.context = Context(
            runner=self.runner,
            settings=Settings(quality="draft"),
            job=Job(path, self.digest, path.stat().st_size, ("es",), "en"),
            backend=lambda _stage, _language: self.backend,
            language="es",
        )
        self.source: Source = ingest.run(self.context, IngestInputs())

    def _note(self, event: Any) -> None:
        if isinstance(event, ActionDone):
            self.done.append(event)

    def clips(self, engine: Synthesiser, texts: Sequence[str], end: int) -> list[Clip]:
        """Lines one after another from a third of a second on, as far as the film goes."""
        place, clips = SAMPLE_RATE // 3, []
        for number, text in enumerate([*texts] * 4):
            audio, phones = said(engine, text, "es")
            if place + len(audio) > end:
                break
            clips.append(
                Clip(
                    line=str(number),
                    speaker="S1",
                    voice="espeak",
                    place=place,
                    samples=len(audio),
                    audio=self.store.put_bytes(encode_flac(audio)),
                    phones=self.store.put_bytes(phones.model_dump_json().encode()),
                    fit=Fit(
                        natural=len(audio), slot=len(audio), borrowed=0, rate=1.0, stretch=1.0, overrun=0
                    ),
                )
            )
            place += len(audio) + SAMPLE_RATE // 4
        return clips

    def draw(self, clips: Sequence[Clip]) -> tuple[LipSync, Seen]:
        """The stage's artifact, and the lips from the first drawn frame to the last."""
        self.done.clear()
        quiet = Loudness(integrated_lufs=None, true_peak_dbtp=None, speech_lufs=None, source_speech_lufs=None)
        dub = DubTrack(
            language="es",
            clips=tuple(clips),
            silent=(),
            mix=Sound(channels=1, samples=0, blocks=()),
            loudness=quiet,
        )
        silent = Stems(speech=None, background=None, speech_snr_db=None)
        made = lipsync.run(
            self.context,
            Inputs(
                source=Slot("ingest", self.source),
                stems=Slot("separate", silent),
                transcript=Slot("transcribe", NOBODY),
                dub=Slot("dub", dub),
            ),
        )
        return made, self._seen()

    def _seen(self) -> Seen:
        count = self.source.frames.count
        aperture, width = np.full(count, np.nan), np.full(count, np.nan)
        looked = np.ones(count, dtype=bool)
        for event in self.done:
            if event.action == "lipsync.watch":
                record = self.store.find_action(event.key)
                assert record is not None
                start = record.fields["inputs"]["pictures"]["frames"][0]
                arrays = load_arrays(self.store.open_object(record.outputs["seen"]))
                aperture[start : start + len(arrays["aperture"])] = arrays["aperture"]
                width[start : start + len(arrays["width"])] = arrays["width"]
                looked[start : start + len(arrays["looked"])] = arrays["looked"]
        edges = Film.open(self.path).timeline.samples()
        # Other lines are spoken where something was drawn.
        there = np.flatnonzero(np.isfinite(aperture))
        first, last = int(there[0]), int(there[-1])
        part = slice(first, last + 1)
        return Seen(Lips(aperture[part], width[part]), edges[first : last + 2], looked[part])


def drawn(path: Path, engine: Synthesiser, folder: Path) -> Result:
    """The lips that `warp` drew; what they cost."""
    stage = Stage(path, folder)
    count = stage.source.frames.count
    end = int(Film.open(path).timeline.samples()[-1])
    clips = stage.clips(engine, SPANISH, end)
    made, seen = stage.draw(clips)
    seconds = {
        action: round(sum(event.seconds for event in stage.done if event.action == action), 2)
        for action in ("faces.track", "lipsync.profile", "lipsync.draw", "lipsync.watch", "lipsync.score")
    }
    spoken = [Spoken(Phones.model_validate_json(stage.store.read_bytes(c.phones)), c.place) for c in clips]

    def redrawn(frames: int) -> Score:
        moved = [
            clip.model_copy(update={"place": clip.place + frames * seen.frame})
            for clip in clips
            if clip.place + frames * seen.frame >= 0
        ]
        return stage.draw(moved)[1].score(spoken, "renderer-obedience")

    others = [
        seen.score(other, "renderer-obedience")
        for other in wrong_lines(engine, SPANISH, "es", int(seen.edges[-1]))
    ]
    row = judged(seen.score(spoken, "renderer-obedience"), redrawn(-SHIFT), redrawn(SHIFT), others)
    stage.runner.close()
    pictures = [cut.score.picture.model_dump() for cut in made.cuts if cut.score and cut.score.picture]
    return {**row, "frames": count, "seconds": seconds, "cuts": len(made.cuts), "pictures": pictures}


def voices(espeak: Synthesiser, open_jtalk: Synthesiser) -> list[Result]:
    """Phone times of the dub's voices against their sound alone."""
    rows = []
    for name, engine, language, texts in (
        ("espeak-ng", espeak, "es", SPANISH),
        ("espeak-ng", espeak, "en", SENTENCES),
        ("Open JTalk", open_jtalk, "ja", SAMPLE_JAPANESE),
    ):
        for rate in (1.0, 1.15, 1.3):
            checks = [check_times(*said(engine, text, language, rate)) for text in texts]
            row: Result = {"voice": name, "language": language, "rate": rate, "lines": len(texts)}
            for trace, all_of in (
                ("loudness", [check.loudness for check in checks]),
                ("friction", [check.friction for check in checks if check.friction.n >= 2]),
            ):
                offsets = [one.offset_ms for one in all_of if one.offset_ms is not None]
                row[trace] = {
                    "lines": len(offsets),
                    "median_ms": float(np.median(offsets)),
                    "range_ms": [min(offsets), max(offsets)],
                    "median_correlation": round(float(np.median([one.correlation for one in all_of])), 3),
                }
            rows.append(row)
    return rows


def presenter(folder: Path) -> Path:
    """A drawn presenter who speaks six lines, about 22 s."""
    lines = tuple(Said(MINA, text, pause=0.3) for text in SENTENCES[:6])
    script = Script(lines=lines, shots=(Shot(0, "close", "plain"),), size=(640, 360), music=False)
    return shoot(script, folder / "presenter.mp4").path


KINDS = ("filmed", "drawn", "voices")


def measured(clips: Path, folder: Path, kinds: Sequence[str], names: Sequence[str]) -> Result:
    """Rows of some kinds, of the films named or of all."""
    espeak = Espeak(Host(Settings(), folder))
    films = {path.stem: path for path in sorted(clips.glob("*.mp4"))}
    wanted = names or [*films, "presenter"]
    if "presenter" in wanted:
        films["presenter"] = presenter(folder)
    narration = clips / "narration_en.flac"
    found: Result = {kind: {} for kind in KINDS[:2]}
    for name in wanted:
        path = films[name]
        speaks = bool(probe_source(path, Settings()).audio)
        if "filmed" in kinds:
            found["filmed"][name] = filmed(path, path if speaks else narration, espeak, speaks=speaks)
        if "drawn" in kinds:
            found["drawn"][name] = drawn(path, espeak, folder / name)
    if "voices" in kinds:
        found["voices"] = voices(espeak, OpenJTalk(Host(Settings(), folder)))
    espeak.close()
    return found


def joined(earlier: Result, found: Result) -> Result:
    """What was measured now, beside what was measured before."""
    rows = {kind: {**earlier.get(kind, {}), **found[kind]} for kind in KINDS[:2]}
    films = {name for own in rows.values() for name in own}
    return {
        "machine": machine(),
        "shift_frames": SHIFT,
        "tolerance_frames": TOLERANCE,
        "significance": SIGNIFICANT,
        **rows,
        "may_gate": {
            kind: own.keys() == films and all(row["could_gate"] for row in own.values())
            for kind, own in rows.items()
        },
        "voices": found.get("voices", earlier.get("voices", [])),
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", type=Path)
    parser.add_argument("-o", "--output", type=Path, help="written; rows that are in it already stay")
    parser.add_argument("--kind", choices=KINDS, action="append", help="measure this alone")
    parser.add_argument("--film", action="append", help="measure this alone: a clip's stem, or presenter")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measured(args.clips, Path(folder), args.kind or KINDS, args.film or ())
    there = args.output is not None and args.output.exists()
    earlier = json.loads(args.output.read_text(encoding="utf-8")) if there else {}
    show(joined(earlier, found), args.output)


if __name__ == "__main__":
    main()
