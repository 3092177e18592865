"""Mouths of films of every kind, through all of `loc run`: the output is tracked anew and measured."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.signal import correlate
from scipy.stats import spearmanr

from bench.lips import CLOSED_LIMIT, RANK_LIMIT, Run, Seen, closures, read_run, spoken
from cli.graph import load_graph
from loc.app.batch import run_all
from loc.app.outcome import overall
from loc.artifacts import SAMPLE_RATE
from loc.errors import ExitCode
from loc.media.audio import decode_track
from loc.media.probe import chosen_track, probe_source
from loc.settings import Settings
from tests.media.synth import copy, slowed
from tests.pictures import shown_times
from tests.presenter import SHORT, Film, shoot
from tests.presenter.samples import write_subtitles

SPANISH = "Mi mamá compra pan y mapas."
X264: Mapping[str, Any] = {"c:v": "libx264", "crf": 14, "preset": "veryfast"}


@dataclasses.dataclass(frozen=True)
class Kind:
    """How a kind of film is made of the drawn one.

    Args:
        rate: at which it is drawn.
        filters: of its pictures.
        coded: how they are coded.
        carried: options of a copy of the file, for what is said beside the pictures.
        late: seconds that are missing from the beginning of its sound.
        slower: how much longer the sound's timestamps take than its samples.
    """

    rate: Fraction = SHORT.fps
    filters: str = "null"
    coded: Mapping[str, Any] = dataclasses.field(default_factory=lambda: X264)
    suffix: str = ".mp4"
    carried: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    late: float = 0.0
    slower: Fraction = Fraction(1)


VP9 = {"c:v": "libvpx-vp9", "deadline": "realtime", "cpu-used": 8, "crf": 8, "b:v": 0, "pix_fmt": "yuv420p"}
KINDS = {
    "24000/1001": Kind(rate=Fraction(24000, 1001)),
    "24": Kind(rate=Fraction(24)),
    "30000/1001": Kind(rate=Fraction(30000, 1001)),
    "30": Kind(rate=Fraction(30)),
    "50": Kind(rate=Fraction(50)),
    "60000/1001": Kind(rate=Fraction(60000, 1001)),
    "60": Kind(rate=Fraction(60)),
    "15": Kind(rate=Fraction(15)),
    "variable rate": Kind(
        filters="settb=1/100,setpts=4*N+mod(N*N\\,5)", coded={**X264, "enc_time_base": "1/100"}
    ),
    "turned": Kind(filters="transpose=cclock", carried={"metadata:s:v:0": "rotate=270"}),
    "wide pixels": Kind(filters="scale=440:360,setsar=16/11"),
    "odd size": Kind(filters="format=yuv444p,crop=639:359:0:0", coded=VP9, suffix=".webm"),
    "ten bits": Kind(filters="format=yuv420p10le"),
    "portrait": Kind(filters="crop=240:360,scale=480:720"),
    "late sound": Kind(late=0.25),
    "drifting sound": Kind(slower=Fraction(103, 100)),
}
SLOW = {"24", "30", "50", "60"}
"""Rates beside which others like them are tried."""
LATE_MS = 10
"""By how much speech may be heard beside its place: a quarter of a frame; ffmpeg 5 writes Opus 7 ms early."""


@pytest.fixture(scope="module")
def drawn_films(short_film: Film, tmp_path_factory: pytest.TempPathFactory) -> Mapping[Fraction, Film]:
    """The short film, by the rate at which it is drawn; filled as rates are asked for."""
    folder = tmp_path_factory.mktemp("rates")

    class Films(dict[Fraction, Film]):
        def __missing__(self, rate: Fraction) -> Film:
            script = dataclasses.replace(SHORT, fps=rate)
            self[rate] = shoot(script, folder / f"{len(self)}.mp4")
            return self[rate]

    return Films({SHORT.fps: short_film})


def made_of(film: Film, kind: Kind, folder: Path) -> Path:
    """The film as one of the kind."""
    video = folder / f"film{kind.suffix}"

    def flat(options: Mapping[str, Any]) -> list[str]:
        return [part for name, value in options.items() for part in (f"-{name}", str(value))]

    sound = {"c:a": "libopus"} if kind.suffix == ".webm" else {"c:a": "copy"}
    straight = folder / f"straight{kind.suffix}"
    command = ["ffmpeg", "-v", "error", "-i", str(film.path)]
    if kind.late:
        command += ["-ss", f"{kind.late}", "-itsoffset", f"{kind.late}", "-i", str(film.path)]
        command += ["-map", "0:v", "-map", "1:a"]
        sound = {"c:a": "aac"}
    command += ["-vf", kind.filters, "-fps_mode", "passthrough"]
    subprocess.run([*command, *flat(kind.coded), *flat(sound), str(straight)], check=True)
    if kind.slower != 1:
        return slowed(straight, video, kind.slower)
    return copy(straight, video, {}, **kind.carried)


def late_ms(output: Path, seen: Seen, run: Run) -> list[float]:
    """By how many ms each clip of the dub is heard after its place, on the clock of the pictures shown."""
    timeline, track = seen.film.timeline, chosen_track(probe_source(output, Settings()).audio, None)
    assert track is not None
    begin = timeline.pts[0] * timeline.time_base
    pieces = decode_track(output, track, begin, timeline.sample(timeline.count), timeline.stretches())
    heard = np.concatenate(list(pieces)).mean(axis=1)
    found = []
    for clip, _, audio in run.lines:
        reach = SAMPLE_RATE // 5
        around = np.pad(heard, reach)[clip.place : clip.place + len(audio) + 2 * reach]
        found.append(1000 * (int(np.argmax(correlate(around, audio, "valid"))) - reach) / SAMPLE_RATE)
    return found


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in KINDS]
)
def test_the_mouth_speaks_the_dub_in_every_kind_of_film(
    name: str, drawn_films: Mapping[Fraction, Film], tmp_path: Path
) -> None:
    kind = KINDS[name]
    film = drawn_films[kind.rate]
    video, lines = made_of(film, kind, tmp_path), tmp_path / "lines.srt"
    write_subtitles(lines, film.truth.lines, [SPANISH])
    settings = Settings(
        languages=("es",),
        source_language="en",
        translation={"es": lines},
        work_dir=tmp_path / "store",
        preset="veryfast",
        page="none",
    )
    assert overall(run_all([video], load_graph(), settings, [])) == ExitCode.DONE
    output = tmp_path / "film.es.mp4"
    assert shown_times(output) == shown_times(video)
    run = read_run(video, settings)
    seen = Seen.look(output)
    dub = spoken(run, seen.film.timeline.samples())
    assert sum(one.count for one in run.lipsync.patches) >= 0.6 * film.truth.frames
    assert seen.faces.found.all()
    lags = late_ms(output, seen, run)
    assert len(lags) == len(film.truth.lines)
    assert max(map(abs, lags)) < LATE_MS
    found = closures(seen.share, dub)
    assert found["phones"] >= 5
    assert found["closed"] >= CLOSED_LIMIT
    assert spearmanr(seen.aperture[dub.drawn], dub.plan[dub.drawn]).statistic > RANK_LIMIT
