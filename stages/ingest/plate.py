"""The plate: where the input is pictures and a sound, the video made of them."""

from __future__ import annotations

from pathlib import Path

from loc import packages
from loc.artifacts import Ref
from loc.media import ffmpeg
from loc.runner import Action, Out
from loc.stage import Context, Pictures

STAGE = "ingest"


def make_plate(ctx: Context, pictures: Pictures) -> Ref:
    """`ingest.plate`: one picture held, or many in sequence, with the sound.

    Reads: the pictures and the sound file.
    Leaves out: names and dates.

    Raises:
        InputError: a picture or the sound cannot be used, or changed meanwhile.
    """
    from loc.media.plate import make_plate as write

    def make(out: Out) -> None:
        scratch = out.folder / "sound"
        scratch.mkdir()
        target: Path = out.file("plate", ".mkv")
        out.detail["frames"] = write(
            pictures.paths,
            pictures.sound,
            pictures.rate,
            pictures.motion,
            scratch,
            target,
            ctx.settings.ffmpeg,
        )
        ctx.job.require_unchanged()

    action = Action(
        name="ingest.plate",
        version=2,
        site=ctx.site(STAGE, "plate"),
        inputs={"pictures": list(pictures.digests), "sound": pictures.sound_digest},
        params={"rate": pictures.rate, "motion": pictures.motion},
        programs={
            "ffmpeg": ffmpeg.fingerprint(ctx.settings.ffmpeg),
            "opencv": packages.version("opencv-contrib-python"),
        },
    )
    return ctx.runner.do(action, make).ref("plate")
