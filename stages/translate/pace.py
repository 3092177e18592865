"""How fast the voices of a dub speak: measured once for each engine, voice and language, and frozen.

Action `translate.pace`. The engine is the dub stage's; all that is asked of it is to speak a fixed text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from loc.artifacts import Frozen
from loc.backend import Backend
from loc.runner import Action, Make, Out
from loc.stage import Context
from stages.translate.contract import Voice
from stages.translate.fitting import counting, units

PACE_VERSION = 2

SAMPLES: Mapping[str, tuple[str, ...]] = {
    "de": (
        "Am Abend gingen wir noch einmal hinunter zum Fluss.",
        "Sie hat mir gestern erzählt, dass der Laden bald schließt.",
        "Was machst du, wenn es morgen den ganzen Tag regnet?",
    ),
    "en": (
        "In the evening we walked down to the river again.",
        "She told me yesterday that the shop will close soon.",
        "What will you do if it rains all day tomorrow?",
    ),
    "es": (
        "Por la tarde bajamos otra vez hasta el río.",
        "Ayer me contó que la tienda va a cerrar pronto.",
        "¿Qué vas a hacer si mañana llueve todo el día?",
    ),
    "fr": (
        "Le soir, nous sommes redescendus jusqu'à la rivière.",
        "Elle m'a dit hier que le magasin allait bientôt fermer.",
        "Que feras-tu s'il pleut toute la journée demain ?",
    ),
    "hi": (
        "शाम को हम फिर से नदी तक टहलने गए।",
        "उसने कल मुझे बताया कि दुकान जल्द ही बंद हो जाएगी।",
        "अगर कल दिन भर बारिश हुई तो तुम क्या करोगे?",
    ),
    "it": (
        "La sera siamo scesi di nuovo fino al fiume.",
        "Ieri mi ha detto che il negozio chiuderà presto.",
        "Che cosa farai se domani piove tutto il giorno?",
    ),
    "ja": (
        "夕方、私たちはもう一度川まで歩いて行きました。",
        "店がもうすぐ閉まると、昨日彼女から聞きました。",
        "明日一日中雨が降ったら、あなたはどうしますか。",
    ),
    "ko": (
        "저녁에 우리는 다시 강가로 내려갔습니다.",
        "가게가 곧 문을 닫는다고 어제 그녀가 말했습니다.",
        "내일 하루 종일 비가 오면 어떻게 할 거예요?",
    ),
    "nl": (
        "In de avond liepen we nog een keer naar de rivier.",
        "Ze vertelde me gisteren dat de winkel binnenkort sluit.",
        "Wat ga je doen als het morgen de hele dag regent?",
    ),
    "pl": (
        "Wieczorem zeszliśmy jeszcze raz nad rzekę.",
        "Wczoraj powiedziała mi, że sklep wkrótce zostanie zamknięty.",
        "Co zrobisz, jeśli jutro będzie padać cały dzień?",
    ),
    "pt": (
        "À tarde descemos outra vez até ao rio.",
        "Ela contou-me ontem que a loja vai fechar em breve.",
        "O que vais fazer se amanhã chover o dia todo?",
    ),
    "ru": (
        "Вечером мы ещё раз спустились к реке.",
        "Вчера она сказала мне, что магазин скоро закроется.",
        "Что ты будешь делать, если завтра весь день будет дождь?",
    ),
    "zh": (
        "傍晚我们又一次走到了河边。",
        "她昨天告诉我，那家店很快就要关门了。",
        "如果明天下一整天雨，你打算怎么办？",
    ),
}
"""What is spoken: a statement, a report and a question. Of other languages no pace is known, and no line of
theirs is shortened."""

EDGE = 10 ** (-48 / 20)
"""Level, of the peak, under which the edges of an utterance are silence."""


class Pace(Frozen):
    """What the action stores."""

    units_per_second: float


@runtime_checkable
class Speaks(Backend, Protocol):
    """An engine of the dub stage, as far as it is asked here."""

    def speak(self, text: str, language: str, voice: Any, rate: float) -> Any:
        """`audio` (float32 [n], mono) at `sample_rate`."""
        ...


def measure(context: Context, engine: Speaks, unit: str, voice: Voice) -> tuple[Action, Make]:
    """Measure how fast a voice speaks.

    Reads: a fixed text in the language of the lines; the recording that is imitated, where one is.
    Leaves out: every line; which speakers have the voice.
    """
    language = context.language
    assert language is not None

    def make(out: Out) -> None:
        if voice.recording is not None:
            # Verified before somebody else reads it.
            context.store.open_object(voice.recording)
        seconds, said = 0.0, 0
        for text in SAMPLES[language]:
            spoken = engine.speak(text, language, voice, 1.0)
            seconds += _sounding(spoken.audio) / spoken.sample_rate
            said += units(text, language)
        out.model("pace", Pace(units_per_second=round(said / max(seconds, 0.1), 2)))

    action = Action(
        name="translate.pace",
        version=PACE_VERSION,
        site=context.site("translate", unit),
        inputs={"reference": voice.recording} if voice.recording is not None else {},
        params={"language": language, **voice.params()},
        backend=(engine.card.id, engine.card.version),
        programs={**engine.fingerprint(), **counting(language)},
    )
    return action, make


def _sounding(audio: npt.NDArray[np.float32]) -> int:
    """Samples between the first and the last that can be heard."""
    level = np.abs(audio)
    heard = np.flatnonzero(level > EDGE * float(level.max(initial=0.0)))
    return int(heard[-1] - heard[0] + 1) if len(heard) else 0
