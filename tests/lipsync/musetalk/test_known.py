"""What `loc models verify --run` asks of MuseTalk: nets that know faces pass, seeded ones do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from loc.backend import Host, SelfChecking
from loc.settings import Settings
from stages.lipsync.musetalk import MuseTalk, known, model
from stages.lipsync.nets import whisper_features as ear
from tests.lipsync.musetalk import tiny


class Faithful:
    """In place of the nets: latents are the picture, and the lower half is as bright as the sound is loud."""

    def see(self, faces: model.Faces) -> torch.Tensor:
        whole = torch.from_numpy(faces.copy()).permute(0, 3, 1, 2)
        return torch.cat([torch.zeros_like(whole), whole], dim=1)

    def decode(self, latents: torch.Tensor) -> model.Faces:
        return latents.permute(0, 2, 3, 1).numpy()

    def hear(self, sound: ear.Floats) -> torch.Tensor:
        return torch.from_numpy(np.abs(sound)).reshape(-1, ear.ROW).amax(dim=1)[:, None, None]

    def draw(self, latents: torch.Tensor, tokens: torch.Tensor) -> model.Faces:
        out = self.decode(latents[:, 3:]).copy()
        out[:, 128:] = (out[:, 128:] * (0.5 + float(tokens.max()))).clip(0, 255)
        return out


def test_nets_that_know_faces_pass() -> None:
    done = list(known.tried(cast(Any, Faithful())))
    assert [one.ok for one in done] == [True] * 3, done


def never(text: str, language: str) -> Any:
    raise AssertionError("Nothing has to be said.")


def test_seeded_nets_are_found_out(tmp_path: Path) -> None:
    tiny.register(tmp_path / "data")
    backend = MuseTalk(Host(Settings(data_dir=tmp_path / "data", device="cpu"), tmp_path, model="tiny"))
    assert isinstance(backend, SelfChecking)
    done = list(backend.self_check(never))
    backend.close()
    assert len(done) == 3
    assert not all(one.ok for one in done)
    assert done[0].expected == "off by less than 20 levels"
