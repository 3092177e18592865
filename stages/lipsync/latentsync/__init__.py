"""`latentsync`: LatentSync 1.6 and 1.5, a latent diffusion model, as the finals of chosen cuts.

Aligned faces, with the mouth and jaw taken out, are denoised in windows of sixteen pictures by a network
that hears the dub; what was drawn goes back as patches of the mask alone. Its faces are aligned by our own
tracker: the detector it was published with may not be used commercially.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from loc import packages
from loc.artifacts import FrameRange
from loc.backend import Card, Host, LicensedPart, Room, Speech, Tried
from loc.device import Device, Resident, needed, no_room
from stages.lipsync.contract import Patch, Profile, RedrawWindow, ShotView
from stages.lipsync.parts import FACES, NETS, VAE

if TYPE_CHECKING:
    from stages.lipsync.latentsync.model import Model
    from stages.lipsync.latentsync.room import Layout
    from stages.lipsync.latentsync.sampler import Sampling

RETRY_STEPS = 1.5
"""A second try takes this many times the steps, from another noise."""


class LatentSync:
    """The final mouth renderer. Its methods may run on several threads."""

    card: ClassVar[Card] = Card(
        stage="finals",
        name="latentsync",
        version="5",
        summary="redraws mouth and jaw by latent diffusion, window by window, from what is heard",
        family="neural",
        quality="best",
        runs="in-process",
        needs=(*FACES.needs, *NETS.needs),
        architecture="latentsync",
        checkpoint=("latentsync_unet.pt",),
        beside=("latentsync_unet.pt", "whisper/tiny.pt", "config.json"),
        memory_mb=18_000,
        licences=(
            LicensedPart("code", "loc's own implementation; mask and template by LatentSync", "apache-2_0"),
            *NETS.licences,
            *FACES.licences,
        ),
    )

    follows_phones = False
    hears = True

    def __init__(self, host: Host) -> None:
        self._host = host
        self._model: Resident[Model] | None = None
        self._again = False

    def check(self) -> None:
        """See that what is loaded is among its files, and that its network is used at the resolution it was
        trained on."""
        from stages.lipsync.latentsync.model import RESOLUTIONS

        row = self._host.weights(self.model).row
        row.checkpoint(self.card.checkpoint, self.card.beside if row.id not in RESOLUTIONS else ())
        self.unverified()

    def fingerprint(self) -> Mapping[str, str]:
        """What shapes a patch besides this package: weights, how they are sampled, what computes."""
        sampling, seed = self._sampling()
        return {
            **self._host.weights(self.model).fingerprint(),
            **{f"vae {name}": digest for name, digest in self._host.weights(VAE).fingerprint().items()},
            "torch": packages.version("torch"),
            "diffusers": packages.version("diffusers"),
            "opencv": packages.version("opencv-contrib-python"),
            "sampling": f"{sampling.steps} steps, guidance {sampling.guidance:g}, reuse {sampling.reuse}",
            "seed": str(seed),
        }

    def profile(self, shot: ShotView) -> Profile:  # noqa: ARG002
        """Nothing: the model knows no person."""
        return {}

    def reads(self, frames: FrameRange, cut: FrameRange, fps: float) -> FrameRange:
        """The frames of a cut that are read so that some of them can be drawn."""
        from stages.lipsync.latentsync.drawing import read_for

        return read_for(frames, cut, fps)

    def draw(self, window: RedrawWindow) -> Iterator[Patch]:
        """Draw every wanted frame of the window, in order."""
        from stages.lipsync.latentsync.drawing import draw

        sampling, seed = self._sampling()
        window.meter.device = self._host.devices.device.title
        with self._resident() as model:
            yield from draw(window, model, sampling, seed)

    def room(self, *, wait: bool = False) -> Room:
        """See `loc.backend.Sized`: how its windows will be computed in what is free now."""
        from stages.lipsync.latentsync.room import in_words

        device, free, layout, needs = self._fitted(wait=wait)
        return Room(device.title, needs, free, in_words(layout))

    def unverified(self) -> str | None:
        """What of its weights cannot be verified, in words.

        Raises:
            MissingError: they are known not to belong to the resolution they are to be used at.
        """
        from stages.lipsync.latentsync.model import UNET, check_resolution

        held = self._host.weights(self.model)
        return check_resolution(self.model, held.files, held.digests[UNET])

    def second_try(self) -> LatentSync:
        """The same model with more steps and another noise, for cuts whose lips do not follow."""
        other = LatentSync(self._host)
        other._again, other._model = True, self._resident()
        return other

    def self_check(self, speech: Speech) -> Iterator[Tried]:  # noqa: ARG002 - a computed vowel is heard
        """Find the noise over a drawn face."""
        from stages.lipsync.latentsync.known import tried

        with self._resident() as model:
            yield from tried(model)

    def close(self) -> None:
        """Let go of the model."""
        if self._model is not None:
            self._model.close()

    @property
    def model(self) -> str:
        """Id of its weights."""
        assert self._host.model is not None
        return self._host.model

    def _sampling(self) -> tuple[Sampling, int]:
        from stages.lipsync.latentsync.sampler import Sampling

        said = self._host.settings
        sampling = Sampling(said.finals_steps, said.finals_guidance, said.finals_reuse)
        if not self._again:
            return sampling, said.finals_seed
        return Sampling(round(sampling.steps * RETRY_STEPS), sampling.guidance, reuse=1), said.finals_seed + 1

    def _fitted(self, *, wait: bool = False) -> tuple[Device, int | None, Layout, int]:
        """(device, MiB that are free there, the fastest layout that fits, MiB that it takes).

        Raises:
            MissingError: there is no room.
        """
        from stages.lipsync.latentsync import model, room

        device, free = self._host.devices.device, self._host.devices.free_mb(wait=wait)
        taken = model.taken_by(self.model, self._files(self.model), self._files(VAE), device.name)
        shared = not device.name.startswith("cuda")
        layout = room.fitting(taken, free, shared=shared)
        if layout is None:
            assert free is not None
            title = self._host.weights(self.model).row.title
            raise no_room(title, device, needed(room.least_mb(taken, shared=shared), free))
        return device, free, layout, taken.memory_mb(layout)

    def _files(self, weights_id: str) -> Mapping[str, Path]:
        return self._host.weights(weights_id).files

    def _resident(self) -> Resident[Model]:
        if self._model is None:

            def load(device: str) -> Model:
                from stages.lipsync.latentsync import model

                # What is free is asked with the lease in hand, when other models have left.
                layout = self._fitted()[2]
                halving = self._host.devices.halving
                return model.load(
                    self.model, self._files(self.model), self._files(VAE), device, halving, layout
                )

            self._model = self._host.resident(self._host.weights(self.model).row.title, 0, load)
        return self._model
