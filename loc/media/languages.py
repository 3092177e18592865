"""Language codes as containers write them: three letters, for the two of BCP-47.

MP4 uses the terminological codes of ISO 639-2 (`deu`), Matroska's `Language` the bibliographic ones (`ger`).
"""

from __future__ import annotations

_TERMINOLOGICAL_TABLE = """
aa:aar ab:abk ae:ave af:afr ak:aka am:amh an:arg ar:ara as:asm av:ava ay:aym az:aze ba:bak be:bel bg:bul
bh:bih bi:bis bm:bam bn:ben bo:bod br:bre bs:bos ca:cat ce:che ch:cha co:cos cr:cre cs:ces cu:chu cv:chv
cy:cym da:dan de:deu dv:div dz:dzo ee:ewe el:ell en:eng eo:epo es:spa et:est eu:eus fa:fas ff:ful fi:fin
fj:fij fo:fao fr:fra fy:fry ga:gle gd:gla gl:glg gn:grn gu:guj gv:glv ha:hau he:heb hi:hin ho:hmo hr:hrv
ht:hat hu:hun hy:hye hz:her ia:ina id:ind ie:ile ig:ibo ii:iii ik:ipk io:ido is:isl it:ita iu:iku ja:jpn
jv:jav ka:kat kg:kon ki:kik kj:kua kk:kaz kl:kal km:khm kn:kan ko:kor kr:kau ks:kas ku:kur kv:kom kw:cor
ky:kir la:lat lb:ltz lg:lug li:lim ln:lin lo:lao lt:lit lu:lub lv:lav mg:mlg mh:mah mi:mri mk:mkd ml:mal
mn:mon mr:mar ms:msa mt:mlt my:mya na:nau nb:nob nd:nde ne:nep ng:ndo nl:nld nn:nno no:nor nr:nbl nv:nav
ny:nya oc:oci oj:oji om:orm or:ori os:oss pa:pan pi:pli pl:pol ps:pus pt:por qu:que rm:roh rn:run ro:ron
ru:rus rw:kin sa:san sc:srd sd:snd se:sme sg:sag si:sin sk:slk sl:slv sm:smo sn:sna so:som sq:sqi sr:srp
ss:ssw st:sot su:sun sv:swe sw:swa ta:tam te:tel tg:tgk th:tha ti:tir tk:tuk tl:tgl tn:tsn to:ton tr:tur
ts:tso tt:tat tw:twi ty:tah ug:uig uk:ukr ur:urd uz:uzb ve:ven vi:vie vo:vol wa:wln wo:wol xh:xho yi:yid
yo:yor za:zha zh:zho zu:zul
"""

_BIBLIOGRAPHIC_TABLE = """
bod:tib ces:cze cym:wel deu:ger ell:gre eus:baq fas:per fra:fre hye:arm isl:ice kat:geo mkd:mac mri:mao
msa:may mya:bur nld:dut ron:rum slk:slo sqi:alb zho:chi
"""

_TERMINOLOGICAL = dict(entry.split(":") for entry in _TERMINOLOGICAL_TABLE.split())
"""ISO 639-1 -> ISO 639-2/T."""

_BIBLIOGRAPHIC = dict(entry.split(":") for entry in _BIBLIOGRAPHIC_TABLE.split())
"""ISO 639-2/T -> ISO 639-2/B, where the two differ."""

_FROM_BIBLIOGRAPHIC = {bibliographic: code for code, bibliographic in _BIBLIOGRAPHIC.items()}

UNDETERMINED = "und"


def three_letters(tag: str, *, bibliographic: bool = False) -> str:
    """The ISO 639-2 code of a BCP-47 tag; `und` where there is none.

    Args:
        tag: `ja`, `pt-BR`, or a three-letter code of either kind.
        bibliographic: Matroska's codes instead of MP4's.
    """
    primary = tag.replace("_", "-").split("-")[0].lower()
    code = _TERMINOLOGICAL.get(primary, primary)
    code = _FROM_BIBLIOGRAPHIC.get(code, code)
    if len(code) != 3 or not (code.isascii() and code.isalpha()):
        return UNDETERMINED
    return _BIBLIOGRAPHIC.get(code, code) if bibliographic else code
