"""What each family of models calls a language: BCP-47 primary tag -> the model's own code.

M2M100: the codes of its tokenizer, after Fan et al. 2020, table 1. MADLAD-400: its model card's list, whose
codes are the `<2xx>` tokens of the vocabulary, after Kudugunta et al. 2023, appendix A.
"""

from __future__ import annotations

_M2M100 = """
af am ar ast az ba be bg bn br bs ca ceb cs cy da de el en es et fa ff fi fr fy ga gd gl gu ha he hi
hr ht hu hy id ig ilo is it ja jv ka kk km kn ko lb lg ln lo lt lv mg mk ml mn mr ms my ne nl no oc
or pa pl ps pt ro ru sd si sk sl so sq sr ss su sv sw ta th tl tn tr uk ur uz vi wo xh yi yo zh zu
"""

M2M100: dict[str, str] = {**{tag: tag for tag in _M2M100.split()}, "nb": "no", "nso": "ns", "fil": "tl"}

_MADLAD = """
en ru es fr de it pt pl nl vi tr sv id ro cs zh hu ja th fi fa uk da el no bg sk ko ar lt ca sl he
et lv hi sq ms az sr ta hr kk is ml mr te af gl fil be mk eu bn ka mn bs uz ur sw yue ne kn gu si cy
eo la hy ky tg ga mt my km tt so ku ps pa rw lo ha dv fy lb mg gd am ug ht sd jv mi tk ceb yi ba fo
or xh su kl ny sm sn co zu ig yo st haw as oc cv br rm sa bo om se ce ilo lg ti ts ee av to tn nso
fj ak dz ln
"""

MADLAD: dict[str, str] = {**{tag: tag for tag in _MADLAD.split()}, "nb": "no", "tl": "fil"}
