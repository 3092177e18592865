"""Apertium: rule-based translation, from English to four languages, on any machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from loc.backend import Card, Host, Languages, LicensedPart, Need
from loc.worker import Worker, python_module
from stages.translate.apertium_worker import VERSION, mode_path
from stages.translate.contract import Translated

_LINE_LIMIT_S = 60.0
"""A line takes milliseconds; only an engine that hangs takes this long."""

_MODES = {
    ("en", "es"): ("eng-spa", "apertium-eng-spa"),
    ("en", "ca"): ("eng-cat", "apertium-eng-cat"),
    ("en", "gl"): ("en-gl", "apertium-en-gl"),
    ("en", "eo"): ("en-eo", "apertium-eo-en"),
}
"""(source, target) -> (apertium's name of the direction, Debian package that brings it)."""


def _data(mode: str, package: str) -> tuple[Need, ...]:
    install = f"sudo apt-get install {package}"
    return (Need("data", package, install=install, path=str(mode_path(mode))),)


class Apertium:
    """Translates line by line in a worker.

    Of ten sentences about two come out good and four can be understood; words it does not know are counted.
    """

    card: ClassVar[Card] = Card(
        stage="translate",
        name="apertium",
        version=VERSION,
        summary="Rule-based translation from English to Spanish, Catalan, Galician and Esperanto.",
        family="embedded",
        quality="basic",
        runs="subprocess",
        needs=(Need("program", "apertium", install="sudo apt-get install apertium"),),
        languages=Languages(
            source=("en",),
            target=tuple(target for _, target in _MODES),
            pairs={pair: _data(*names) for pair, names in _MODES.items()},
        ),
        memory_mb=150,
        licences=(
            LicensedPart("code", "apertium", "gpl-2_0-or-later"),
            LicensedPart("data", "apertium-eng-spa", "gpl-2_0-or-later"),
            LicensedPart("data", "apertium-eng-cat", "gpl-3_0-or-later"),
            LicensedPart("data", "apertium-en-gl", "gpl-2_0-or-later"),
            LicensedPart("data", "apertium-eo-en", "gpl-2_0-or-later"),
        ),
    )

    def __init__(self, host: Host) -> None:  # noqa: ARG002 - every backend is given one
        module = "stages.translate.apertium_worker"
        self._worker = Worker(python_module(module), name="apertium", limit_s=_LINE_LIMIT_S)

    def fingerprint(self) -> Mapping[str, str]:
        """Versions of the programs that every pair uses."""
        return self._worker.hello().fingerprint

    def pair_fingerprint(self, source: str, target: str) -> Mapping[str, str]:
        """Digest of the rules, dictionaries and programs of one pair."""
        mode, package = _MODES[source, target]
        return {package: str(self._worker.call("data", mode=mode)["sha256"])}

    def translate(self, text: str, source: str, target: str) -> Translated:
        """Translate one line.

        Raises:
            ChildError: one of apertium's programs died or hung.
        """
        mode, _ = _MODES[source, target]
        reply = self._worker.call("translate", mode=mode, text=text)
        return Translated(text=str(reply["text"]), unknown_words=int(reply["unknown_words"]))

    def close(self) -> None:
        """End the worker and with it apertium's programs."""
        self._worker.close()
