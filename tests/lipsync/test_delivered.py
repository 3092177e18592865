"""What of a face reaches the delivered file, through all of `loc run`."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from cli.graph import load_graph
from loc.app.batch import run_all
from loc.app.outcome import overall
from loc.artifacts import SAMPLE_RATE
from loc.errors import ExitCode
from loc.settings import Settings
from tests.pictures import shown_times
from tests.presenter import MINA, OTTO, Film, Said, Script, Shot, shoot, write_subtitles

PAIR = Script(
    lines=(Said(MINA, "Maybe my mum baked an apple pie, and maybe people move the map.", pause=0.3),),
    shots=(Shot(0, "pair", "plain", (MINA, OTTO)),),
    tail=0.3,
    size=(640, 360),
)
"""Two people in one shot, of whom one speaks, for long enough to be told from the other."""


def localized(video: Path, **changes: Any) -> Path:
    """The Spanish version; what it is to say lies beside the video."""
    settings = Settings(
        languages=("es",), source_language="en", work_dir=video.parent / "store", page="none", **changes
    )
    assert overall(run_all([video], load_graph(), settings, [])) == ExitCode.DONE
    return video.with_suffix(".es.mp4")


def planes(path: Path) -> npt.NDArray[np.uint8]:
    """Luma over both chroma planes of every frame, as decoded: [n, h * 3 / 2, w]."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="yuv420p") for frame in container.decode(video=0)])


def test_of_two_faces_the_one_that_does_not_speak_is_the_sources_to_the_bit(tmp_path: Path) -> None:
    """The picture is coded without loss, so that nothing but drawing can change it."""
    film = shoot(PAIR, tmp_path / "film.mp4")
    write_subtitles(tmp_path / "film.es.srt", film.truth.lines, ["Mi mamá hace pan y mermelada."])
    before, after = planes(film.path), planes(localized(film.path, crf=0, preset="ultrafast"))
    assert before.shape == after.shape
    changed = np.flatnonzero((before != after).any(axis=(1, 2)))
    assert len(changed) > film.truth.frames / 2
    luma, chroma = np.split((before != after).any(axis=0), [PAIR.size[1]])
    # A row of the array holds two of a chroma plane, of half the width each.
    across = luma.any(axis=0) | np.repeat(chroma.any(axis=0).reshape(2, -1).any(axis=0), 2)
    columns = np.flatnonzero(across)
    speaks, listens = (
        np.array(next(face.box for face in film.truth.faces if face.presenter == who.name))
        for who in (MINA, OTTO)
    )
    assert speaks[:, 0].min() <= columns.min() < columns.max() <= speaks[:, 2].max()
    assert columns.max() < listens[:, 0].min() or listens[:, 2].max() < columns.min()


def test_a_fifth_of_a_second_of_a_face_is_drawn(short_film: Film, tmp_path: Path) -> None:
    line = short_film.truth.lines[0]
    start = (line.start + line.stop) / 2 / SAMPLE_RATE
    video = tmp_path / "film.mp4"
    command = ["ffmpeg", "-v", "error", "-ss", f"{start}", "-i", str(short_film.path), "-frames:v", "5"]
    subprocess.run([*command, "-t", "0.2", "-crf", "10", str(video)], check=True)
    video.with_suffix(".es.srt").write_text("1\n00:00:00,000 --> 00:00:00,200\nAh.\n", encoding="utf-8")
    output = localized(video, crf=0, preset="ultrafast")
    assert shown_times(output) == shown_times(video)
    before, after = planes(video), planes(output)
    assert len(before) == 5
    assert (before != after).any(axis=(1, 2)).all()
