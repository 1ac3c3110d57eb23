"""What each language asks of an analyser: what is cut off, how letters fold, its stop words.

One row a language. The rules are those of Lucene's analysers (Apache Lucene 10, package
`org.apache.lucene.analysis`), restated as replacements and tables of letters; where a Snowball
stemmer folds by itself the row repeats it, so that stop words are compared alike.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

import regex

Replacement = tuple["regex.Pattern[str]", str]

_APOSTROPHE = "['’ʼ＇]"


def _elision(*articles: str) -> Replacement:
    """Articles and pronouns that lost their vowel: `l'avion` is `avion`."""
    pattern = rf"\b(?:{'|'.join(articles)}){_APOSTROPHE}(?=\w)"
    return regex.compile(pattern, regex.IGNORECASE), ""


def _letters(folded: str) -> dict[int, str]:
    """Return a table for `str.translate`: `äa` stands for ä → a, `ß` alone would remove it."""
    return {ord(pair[0]): pair[1:] for pair in folded.split()}


def _codes(folded: str) -> dict[int, str]:
    """Return a table for `str.translate` from code points: `64a:6cc` replaces, `640` removes."""
    pairs = (pair.partition(":") for pair in folded.split())
    return {int(old, 16): chr(int(new, 16)) if new else "" for old, _, new in pairs}


# Decimal digits of Arabic, Devanagari, Bengali, Tamil and their neighbours as those of ASCII.
_DIGITS = {
    zero + value: str(value)
    for zero in (0x660, 0x6F0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66)
    for value in range(10)
}
_JOINERS = _codes("200c 200d")
# Tatweel and vowel signs go; alef with madda or hamza is alef.
_ARABIC = _DIGITS | _codes("622:627 623:627 625:627 640 64b 64c 64d 64e 64f 650 651 652")
# Heh stands for teh marbuta, and yeh for alef maksura, at the end of many a word; the stemmer needs
# to see which it is, and leaves it after an article.
_ARABIC_ENDING = (regex.compile("(?<=\\w{3})[\u0647\u0629\u0649\u064a]$"), "")
# Lucene goes from Persian to Arabic yeh and kaf; the Snowball stemmer needs the other direction.
_PERSIAN = _ARABIC | _codes("64a:6cc 649:6cc 6d2:6cc 643:6a9 629:647 6c0:647 6c1:647 654")
_HEBREW_POINTS = dict.fromkeys((*range(0x591, 0x5BE), 0x5BF, 0x5C1, 0x5C2, 0x5C4, 0x5C5), "")
# Devanagari spelling variants: nukta, virama and joiners go; candrabindu is anusvara; candra and
# long vowels are the short ones (Pingali & Varma; Larkey, Connell & Abduljaleel).
_DEVANAGARI = _codes(
    "901:902 93c 929:928 931:930 934:933 94d 945:947 946:947 949:94b 94a:94b 90d:90f 90e:90f "
    "911:913 912:913 972:905 906:905 908:907 90a:909 960:90b 961:90c 910:90f 914:913 940:93f "
    "942:941 944:943 963:962 948:947 94c:94b"
)
# Accents, breathings and dialytika go, and a final sigma is a sigma.
_GREEK = {
    code: unicodedata.normalize("NFD", chr(code))[0]
    for code in (*range(0x370, 0x400), *range(0x1F00, 0x2000))
    if chr(code).islower()
} | _letters("ςσ")
_GERMAN = _letters("äa öo üu ßss")
_SERBIAN = _letters("čc ćc šs žz đdj")


@dataclass(frozen=True)
class Language:
    """How text of one language is prepared.

    Attributes:
        code: of ISO 639-1: names the list of stop words.
        scripts: its scripts, as Unicode names them.
        turkic: lower-case I is ı, and İ is i.
        cuts: replacements in the text before words are looked for.
        folds: replacements in a lower-case word.
        letters: then letters → letters, a table for `str.translate`.
        term_folds: replacements in a stem, for what the stemmer needs as it is.
        term_letters: then letters → letters in a stem.
    """

    code: str
    scripts: tuple[str, ...] = ("Latin",)
    turkic: bool = False
    cuts: tuple[Replacement, ...] = ()
    folds: tuple[Replacement, ...] = ()
    letters: Mapping[int, str] = field(default_factory=dict)
    term_folds: tuple[Replacement, ...] = ()
    term_letters: Mapping[int, str] = field(default_factory=dict)


_INNER_APOSTROPHE = (regex.compile(rf"(?<=\w){_APOSTROPHE}(?=\w)"), "")
_GERSHAYIM = (regex.compile("(?<=\\w)[\"'\u05f3\u05f4](?=\\w)"), "")
_GEMINATE = (regex.compile("(?<=l)[·‧](?=l)", regex.IGNORECASE), "")
_TURKIC_SUFFIX = (regex.compile(rf"(?<=\w){_APOSTROPHE}\w*"), "")
_IRISH = (
    _elision("d", "m", "b"),
    (regex.compile(r"\b[hnt]-(?=\w)", regex.IGNORECASE), ""),
    (regex.compile(r"\b[nt](?=[AEIOUÁÉÍÓÚ])"), ""),
)
# Dead na is anusvara.
_DEAD_NA = (regex.compile("\u0928\u094d"), "\u0902")
# Written ä, ö, ü or ae, oe, ue; not where the u follows a vowel or q (neue, quelle).
_GERMAN_PAIRS = ((regex.compile("([ao])e"), r"\1"), (regex.compile("(?<![aeiouyqäöü])ue"), "u"))
_ITALIAN = [
    "c",
    "l",
    "all",
    "dall",
    "dell",
    "nell",
    "sull",
    "coll",
    "pell",
    "gl",
    "agl",
    "dagl",
    "degl",
    "negl",
    "sugl",
    "un",
    "m",
    "t",
    "s",
    "v",
    "d",
]
_FRENCH = ["l", "m", "t", "qu", "n", "s", "j", "d", "c", "jusqu", "quoiqu", "lorsqu", "puisqu"]

LANGUAGES: Mapping[str, Language] = {
    "arabic": Language(
        "ar",
        ("Arabic",),
        letters=_ARABIC,
        term_folds=(_ARABIC_ENDING,),
    ),
    "armenian": Language("hy", ("Armenian",)),
    "azerbaijani": Language("az", turkic=True, cuts=(_TURKIC_SUFFIX,)),
    "basque": Language("eu"),
    "bengali": Language("bn", ("Bengali",), letters=_DIGITS),
    "bulgarian": Language("bg", ("Cyrillic",)),
    "catalan": Language("ca", cuts=(_elision("d", "l", "m", "n", "s", "t"), _GEMINATE)),
    "czech": Language("cs"),
    "danish": Language("da"),
    "dutch": Language("nl"),
    "english": Language("en"),
    "esperanto": Language("eo"),
    "estonian": Language("et"),
    "finnish": Language("fi"),
    "french": Language("fr", cuts=(_elision(*_FRENCH),)),
    "german": Language("de", folds=_GERMAN_PAIRS, letters=_GERMAN),
    "greek": Language("el", ("Greek",), letters=_GREEK),
    "hebrew": Language("he", ("Hebrew",), cuts=(_GERSHAYIM,), letters=_HEBREW_POINTS),
    "hindi": Language(
        "hi", ("Devanagari",), folds=(_DEAD_NA,), letters=_DIGITS | _JOINERS | _DEVANAGARI
    ),
    "hungarian": Language("hu"),
    "indonesian": Language("id"),
    "irish": Language("ga", cuts=_IRISH),
    "italian": Language("it", cuts=(_elision(*_ITALIAN),)),
    "latvian": Language("lv"),
    "lithuanian": Language("lt"),
    "marathi": Language("mr", ("Devanagari",), letters=_DIGITS | _JOINERS),
    "nepali": Language("ne", ("Devanagari",), letters=_DIGITS | _JOINERS),
    "norwegian": Language("no"),
    "persian": Language(
        "fa", ("Arabic",), cuts=((regex.compile("\u200c"), " "),), letters=_PERSIAN
    ),
    "polish": Language("pl"),
    "portuguese": Language("pt"),
    "romanian": Language("ro", letters=_letters("şș ţț")),
    "russian": Language("ru", ("Cyrillic",), letters=_letters("ёе")),
    "serbian": Language("sr", ("Cyrillic", "Latin"), term_letters=_SERBIAN),
    "sesotho": Language("st"),
    "slovak": Language("sk"),
    "slovenian": Language("sl"),
    "spanish": Language("es"),
    "swedish": Language("sv"),
    "tamil": Language("ta", ("Tamil",), letters=_DIGITS | _JOINERS),
    "turkish": Language("tr", turkic=True, cuts=(_TURKIC_SUFFIX,)),
    "ukrainian": Language("uk", ("Cyrillic",), cuts=(_INNER_APOSTROPHE,)),
    "urdu": Language("ur", ("Arabic",), letters=_ARABIC),
    "yiddish": Language("yi", ("Hebrew",)),
}
"""Every language of PyStemmer, and some that have a list of stop words but no stemmer there."""

_ALIASES = {"porter": "english", "dutch_porter": "dutch"}


def language_of(stemmer: str) -> str:
    """Return the language of a Snowball algorithm.

    >>> language_of("porter")
    'english'
    """
    return _ALIASES.get(stemmer, stemmer)
