"""How far do the measures of `loc regress` move when nothing has changed? What its tolerances rest on.

    python bench/regress_noise.py SAMPLES [--repeats 5] [--clips FOLDER] [-o bench/results/regress_noise.json]

Costs: the samples are run again and again from nothing; time and memory against those of the first run.
Pictures and sound: each clip is encoded with the ffmpeg of a run, as a run does, and by others: the x264 and
AAC that PyAV brings, which are other versions of both, and other settings of x264; then the measures are
taken of each against the first. That is what another kind of machine does to a dub of the same pixels and
samples.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.machine import Result, machine, show

PRESET, CRF, BITRATE = "veryfast", 18, 192_000
"""The defaults of `loc run`."""

SECONDS = 4
"""Of each clip."""

LOOKED_AT = 6
"""Frames of each clip."""


def costs(samples: Path, repeats: int) -> Result:
    """Spread of time and memory over repeated cold runs, each over that of the first."""
    from cli.regress import loc_run
    from loc.app.regress.samples import find_samples
    from loc.app.regress.work import measure_samples
    from loc.settings import Settings

    runs: list[Result] = []
    with tempfile.TemporaryDirectory() as name:
        settings = Settings(work_dir=Path(name), source_language="en")
        files = find_samples(samples, print)
        for number in range(repeats):
            done = measure_samples(files, loc_run, settings, None).baseline.samples
            runs.append({key: sample.work.model_dump() for key, sample in done.items() if sample.work})
            print(number, runs[-1], file=sys.stderr)
    spread = {
        f"{key}, {field}": round(max(values) / min(values) - 1, 3)
        for key in runs[0]
        for field in ("processor", "peak_mb")
        for values in [[run[key][field] for run in runs]]
    }
    return {"runs": runs, "largest over smallest, less 1": spread}


def encode(source: Path, path: Path, *options: str) -> Path:
    """By the system's ffmpeg."""
    args = [
        "ffmpeg",
        "-v",
        "error",
        "-y",
        "-t",
        str(SECONDS),
        "-i",
        str(source),
        "-pix_fmt",
        "yuv420p",
        "-c:v",
        "libx264",
    ]
    subprocess.run([*args, *options, "-c:a", "aac", "-b:a", str(BITRATE), str(path)], check=True)
    return path


def encode_by_pyav(source: Path, path: Path) -> Path:
    """By the x264 and AAC inside PyAV, at the same settings."""
    import av

    with av.open(str(source)) as given, av.open(str(path), "w") as made:
        picture = made.add_stream("libx264", rate=given.streams.video[0].average_rate)
        picture.width, picture.height = given.streams.video[0].width, given.streams.video[0].height
        picture.pix_fmt, picture.options = "yuv420p", {"preset": PRESET, "crf": str(CRF)}
        sound = made.add_stream("aac", rate=48_000, layout="stereo") if given.streams.audio else None
        if sound:
            sound.bit_rate = BITRATE
        resampler = av.AudioResampler(format="fltp", layout="stereo", rate=48_000)
        for frame in given.decode(*given.streams.video[:1], *given.streams.audio[:1]):
            if not isinstance(frame, av.VideoFrame | av.AudioFrame) or (frame.time or 0) >= SECONDS:
                continue
            if isinstance(frame, av.VideoFrame):
                made.mux(picture.encode(frame.reformat(format="yuv420p")))
            elif sound:
                for part in resampler.resample(frame):
                    made.mux(sound.encode(part))
        made.mux(picture.encode())
        if sound:
            made.mux(sound.encode())
    return path


def others(source: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """The clip by every other encoder."""
    yield "PyAV's x264 and AAC", encode_by_pyav(source, folder / "pyav.mp4")
    for preset in ("superfast", "fast", "medium"):
        yield preset, encode(source, folder / f"{preset}.mp4", "-preset", preset, "-crf", str(CRF))
    yield "crf 20", encode(source, folder / "crf.mp4", "-preset", PRESET, "-crf", str(CRF + 2))


def perturbed(clip: Path, folder: Path) -> list[Result]:
    """What each encoder moves."""
    first = encode(clip, folder / "first.mp4", "-preset", PRESET, "-crf", str(CRF))
    was = look(first)
    return [
        {"clip": clip.name, "encoder": name, **differences(was, look(path))}
        for name, path in others(clip, folder)
    ]


def look(path: Path) -> Result:
    """Stills, loudness and envelope of a file."""
    from loc.app.regress import picture, sound
    from loc.app.regress.measure import track_of
    from loc.media.frames import scan_frames
    from loc.media.probe import probe_source
    from loc.settings import Settings

    facts = probe_source(path, Settings())
    scan = scan_frames(path, facts.video)
    video, count = facts.video, len(scan.pts)
    width, height = video.width, video.height
    middle = (
        width // 2 - width // 10,
        height // 2 - height // 10,
        width // 2 + width // 10,
        height // 2 + height // 10,
    )
    places = [
        picture.Place(frame, box)
        for frame in (count * (2 * i + 1) // (2 * LOOKED_AT) for i in range(LOOKED_AT))
        for box in ((0, 0, width, height), middle)
    ]
    taken, _ = picture.take(path, video, places)
    audio = sound.joined(track_of(path, facts, scan)) if facts.audio else None
    return {
        "stills": {(place.frame, place.box): webp for place, webp in taken.items()},
        "whole": (0, 0, width, height),
        "loudness": sound.loudness(audio) if audio is not None else None,
        "envelope": sound.envelope_of(audio) if audio is not None else None,
        "seconds": len(audio) / 48_000 if audio is not None else 0,
    }


def differences(was: Result, now: Result) -> Result:
    """The measures of one against the other."""
    from loc.app.regress import picture, sound
    from loc.app.regress.baseline import Line

    apart = {key: picture.distance(was["stills"][key], now["stills"][key]) for key in was["stills"]}
    found = {
        "picture.frame": round(max(value for (_, box), value in apart.items() if box == was["whole"]), 4),
        "picture.mouth": round(max(value for (_, box), value in apart.items() if box != was["whole"]), 4),
    }
    if was["envelope"] is not None and now["envelope"] is not None:
        parts = [
            Line(line="", start=start, seconds=1, pace=1, overrun=0)
            for start in range(int(was["seconds"]) - 1)
        ]
        lags = [sound.lag(was["envelope"], now["envelope"], part, part) for part in parts]
        found["timing.heard"] = round(max((abs(lag) for lag in lags if lag is not None), default=0), 4)
        if None not in (*was["loudness"], *now["loudness"]):
            found["loudness.integrated"] = round(now["loudness"][0] - was["loudness"][0], 3)
            found["loudness.peak"] = round(now["loudness"][1] - was["loudness"][1], 3)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("samples", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--clips", type=Path, nargs="*", default=[])
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    encoders: list[Result] = []
    for clip in options.clips:
        with tempfile.TemporaryDirectory() as name:
            encoders += perturbed(clip, Path(name))
            print(encoders[-5:], file=sys.stderr)
    measures = [key for key in (encoders[0] if encoders else {}) if "." in key]
    farthest = {key: max(abs(row.get(key, 0)) for row in encoders) for key in measures}
    middle = {key: round(statistics.median(abs(row.get(key, 0)) for row in encoders), 4) for key in measures}
    result = {"machine": machine(), "encoders": encoders, "farthest": farthest, "median": middle}
    if options.repeats:
        result["costs"] = costs(options.samples, options.repeats)
    show(result, options.output)


if __name__ == "__main__":
    main()
