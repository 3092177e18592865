"""MuseTalk: the lower half of the face, painted anew in one step from the face and what is heard.

Version 1.5, and 1.0, from the published files; see docs/how-to/draw-with-musetalk.md. Paper:
arXiv:2410.10122.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, ClassVar

from loc import packages
from loc.backend import Card, Host, LicensedPart, Need, Room, Speech, Tried
from loc.device import Device, needed, no_room
from loc.errors import InputError, LocError
from loc.media.durations import frames_lasting
from stages.lipsync.contract import CutView, Patch, Prepared, Profile, RedrawWindow, ShotView
from stages.lipsync.musetalk.knobs import Knobs, Version, knobs_of
from stages.lipsync.parts import FACES, NETS, VAE

if TYPE_CHECKING:
    from loc.device import Devices, Resident
    from loc.weights.shelf import Weights
    from stages.lipsync.musetalk.model import Model

EAR = "whisper-tiny-hf"
UNETS: Mapping[str, Version] = {"unet.pth": "1.5", "pytorch_model.bin": "1.0"}
"""What the net of each version is published as."""
STATES = (".pth", ".pt", ".bin", ".safetensors")
"""How files of tensors end."""

GPU_BATCH, CPU_BATCH = 32, 8
"""Faces drawn at once. A face is about 0.8e12 multiplications and additions (`bench/musetalk.py`), so 32 are
tens of milliseconds for the largest GPU of today, far over what starting them takes; a CPU gains nothing from
more than it needs to share out its cores, and holds less."""


class MuseTalk:
    """The draft of every cut where its weights are. Its methods may run on several threads."""

    card: ClassVar[Card] = Card(
        stage="lipsync",
        name="musetalk",
        version="4",
        summary="paints the lower half of the face from the sound, 256 pixels wide, in one step",
        family="neural",
        quality="good",
        runs="in-process",
        architecture="musetalk",
        needs=(
            *FACES.needs,
            *NETS.needs,
            Need("weights", EAR, f"loc models pull {EAR}"),
        ),
        licences=(
            LicensedPart("code", "loc's own renderer", "apache-2_0"),
            *NETS.licences,
            *FACES.licences,
        ),
    )

    follows_phones = False
    hears = True

    def __init__(self, host: Host) -> None:
        self._host = host
        self._resident: Resident[Model] | None = None
        self._fits: int | None = None
        """Faces at once that fit into what was free when the nets were loaded."""
        self._lock = Lock()

    @property
    def model(self) -> str:
        """Id of the UNet's weights."""
        return self._own().row.id

    @property
    def version(self) -> Version:
        """Of the model, told by the name of its file.

        Raises:
            InputError: its folder holds several.
        """
        return UNETS.get(Path(_named(self._own(), tuple(UNETS), STATES)).name, "1.5")

    @property
    def knobs(self) -> Knobs:
        return knobs_of(self._host.settings, self.version)

    def check(self) -> None:
        """See which files are the nets', and that the knobs make sense with their version."""
        self._parts()
        knobs_of(self._host.settings, self.version)

    def fingerprint(self) -> Mapping[str, str]:
        """What shapes a patch besides this package: weights, knobs, arithmetic, resampling."""
        return {
            **self._own().fingerprint(),
            **{f"vae {name}": digest for name, digest in self.sight().items()},
            **{f"ear {name}": digest for name, digest in self._host.weights(EAR).fingerprint().items()},
            "knobs": json.dumps(self.knobs.drawing, sort_keys=True),
            **_arithmetic(),
        }

    def prepared_by(self) -> Mapping[str, str]:
        """What shapes baked faces: the VAE, the knobs of boxes and masks, arithmetic, resampling."""
        return {
            **{f"vae {name}": digest for name, digest in self.sight().items()},
            "knobs": json.dumps(self.knobs.baking, sort_keys=True),
            **_arithmetic(),
        }

    def sight(self) -> Mapping[str, str]:
        """What shapes the latents of faces: the digests of the VAE."""
        return self._host.weights(VAE).fingerprint()

    @property
    def devices(self) -> Devices:
        """Where the nets run."""
        return self._host.devices

    def profile(self, shot: ShotView) -> Profile:  # noqa: ARG002 - as the protocol has it
        """Nothing is measured of a person: every frame is drawn from itself."""
        return {}

    def run_in(self, rate: Fraction) -> int:
        """Frames that its filters read before those of a chunk; none where nothing is held steady."""
        from stages.lipsync.musetalk.smoothing import RUN_IN_S

        return frames_lasting(RUN_IN_S, rate) if self.knobs.smoothing else 0

    def prepare(self, cut: CutView) -> Prepared:
        """Bake the faces of a cut."""
        from stages.lipsync.musetalk.baking import bake, joined, shown

        frames = shown(cut, self.knobs)
        cut.meter.device = self._host.devices.device.title
        with self.nets() as nets:
            made = bake(nets, frames, cut.video, self.knobs, self.batch, self._host.devices, cut.meter)
            return joined(made)

    def draw(self, window: RedrawWindow) -> Iterator[Patch]:
        """Draw every frame of the window, in order."""
        from stages.lipsync.musetalk.saying import patches

        window.meter.device = self._host.devices.device.title
        with self.nets() as nets:
            yield from patches(nets, window, self.knobs, self.batch, self._host.devices)

    @property
    def batch(self) -> int:
        """Faces at once, at first, by nets that are loaded: what was asked for, else what fills the device;
        as far as it fits."""
        wanted = self._wanted(self._host.devices.device)
        return min(wanted, self._fits or wanted)

    def room(self, *, wait: bool = False) -> Room:
        """See `loc.backend.Sized`: how many faces at once fit into what is free now."""
        from stages.lipsync.musetalk.room import in_words

        device, free, batch, needs = self._fitted(wait=wait)
        return Room(device.title, needs, free, in_words(batch))

    def _wanted(self, device: Device) -> int:
        asked: int | None = self._host.settings.musetalk_batch_size
        return asked or (GPU_BATCH if device.name.startswith("cuda") else CPU_BATCH)

    def _fitted(self, *, wait: bool = False) -> tuple[Device, int | None, int, int]:
        """(device, MiB that are free there, faces at once that fit, MiB that they take).

        Raises:
            MissingError: there is no room for one.
        """
        from stages.lipsync.musetalk import model, room

        device, free = self._host.devices.device, self._host.devices.free_mb(wait=wait)
        taken = model.taken_by(self._parts(), device.name, self.knobs.precision)
        batch = room.fitting(taken, free, self._wanted(device))
        if batch is None:
            assert free is not None
            raise no_room(self._own().row.title, device, needed(taken.memory_mb(1), free))
        return device, free, batch, taken.memory_mb(batch)

    def self_check(self, speech: Speech) -> Iterator[Tried]:  # noqa: ARG002 - nothing is heard
        """Draw a drawn face, silent and speaking."""
        from stages.lipsync.musetalk.known import tried

        with self.nets() as nets:
            yield from tried(nets)

    def close(self) -> None:
        """Forget the nets."""
        with self._lock:
            if self._resident is not None:
                self._resident.close()
                self._resident = None

    def nets(self) -> Resident[Model]:
        """The nets and their place on the device."""
        with self._lock:
            if self._resident is None:
                # What is free is asked with the lease in hand, when other models have left.
                self._resident = self._host.resident(self._own().row.title, 0, self._load)
            return self._resident

    def _load(self, device: str) -> Model:
        from stages.lipsync.musetalk import model

        self._fits = self._fitted()[2]
        return model.load(self._parts(), self.version, device, self.knobs.precision, self.devices.say)

    def _own(self) -> Weights:
        """The UNet's weights."""
        if self._host.model is None:
            raise LocError("MuseTalk was made without the name of its weights.")
        return self._host.weights(self._host.model)

    def _parts(self) -> dict[str, Path]:
        """The files, by what `model.load` calls them.

        Raises:
            InputError: which they are is not clear.
        """
        parts = {}
        for part, weights, states, config in (
            ("unet", self._own(), tuple(UNETS), "musetalk.json"),
            ("vae", self._host.weights(VAE), (), "config.json"),
            ("ear", self._host.weights(EAR), (), "config.json"),
        ):
            parts[part] = weights.files[_named(weights, states, STATES)]
            parts[f"{part}_config"] = weights.files[_named(weights, (config,), (".json",))]
        return parts


def _named(weights: Weights, names: tuple[str, ...], endings: tuple[str, ...]) -> str:
    """The path, inside its set, of the one file that has one of some names; where none has, that ends in one
    of some ways.

    Raises:
        InputError: there are several such files, or none.
    """
    paths = sorted(weights.files)
    found = [path for path in paths if Path(path).name in names] or [
        path for path in paths if path.endswith(endings)
    ]
    if len(found) == 1:
        return found[0]
    wanted = f"{' or '.join(names)}, or the only file that ends in {' or '.join(endings)}"
    raise InputError(
        f"{weights.row.title} cannot be loaded.",
        why=f"One file is read, {wanted}; its folder holds {', '.join(found) or 'none'}.",
        fix="Register a folder with the files of one model: its net, and its musetalk.json.",
    )


def _arithmetic() -> dict[str, str]:
    """What computes, by name."""
    found = {name: packages.version(name) for name in ("torch", "diffusers", "numpy")}
    return {**found, "opencv": packages.version("opencv-contrib-python")}
