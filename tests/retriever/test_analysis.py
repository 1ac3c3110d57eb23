import re
import unicodedata

import pytest
import Stemmer
from bm25s.stopwords import STOPWORDS_EN
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from colbench.errors import ConfigError
from colbench.retriever.analysis import Analyser, AnalyserSettings, stop_words
from colbench.retriever.languages import LANGUAGES, language_of
from colbench.retriever.registry import system_settings


def analyse(text, **settings):
    return Analyser(AnalyserSettings(**settings))(text)


def words(text, **settings):
    """The words as they are before stop words and stemmer."""
    return Analyser(AnalyserSettings(**settings)).words(text)


def test_words_are_lowercased_stopped_and_stemmed():
    assert analyse("The Runners were running, quickly!") == ["runner", "were", "run", "quick"]


def test_no_stop_words_and_no_stemmer_keeps_every_word():
    assert analyse("The runners", stop_words="none", stemmer=None) == ["the", "runners"]


def test_a_word_that_is_stemmed_to_nothing_is_no_term():
    assert analyse("it's", stop_words="none", stemmer="porter") == ["it"]


def test_a_pattern_that_matches_nothing_yields_no_empty_terms():
    assert analyse("one, two", pattern=r"\w*") == ["one", "two"]


@given(st.text(st.characters(max_codepoint=0x24F, exclude_characters="İ\u00ad")))
def test_english_terms_are_stemmed_matches_of_word_characters(text):
    text = unicodedata.normalize("NFC", text)
    found = [w for w in re.findall(r"\w+", text.lower()) if w not in STOPWORDS_EN]
    stemmed = Stemmer.Stemmer("english").stemWords(found)
    assert analyse(text) == [term for term in stemmed if term]


@pytest.mark.parametrize(
    "word",
    [
        "नदी", "किताब", "மழை", "புத்தகம்", "বৃষ্টি", "গ্রাম", "ఇల్లు", "ಮನೆ", "മഴ", "ගෙදර",
        "كِتَابٌ", "מִשְׁפָּחָה", "می‌خواهم", "naïve", "tiếng", "İzmir",
    ],
)  # fmt: skip
def test_a_word_keeps_its_marks_and_joiners(word):
    plain = word.replace("İ", "i")
    assert words(f"a {word}, b", stemmer=None, stop_words="none") == ["a", plain, "b"]


@pytest.mark.parametrize("stemmer", [None, "english", "french", "hindi", "tamil"])
def test_decomposed_text_has_the_terms_of_composed_text(stemmer):
    text = "Café crème à Málaga, की लड़की, 각, பொழுது"
    composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    assert composed != decomposed
    assert analyse(composed, stemmer=stemmer) == analyse(decomposed, stemmer=stemmer)


def test_compatible_characters_are_equal_on_demand():
    assert analyse("ﬁlm ½ x²") == ["ﬁlm", "½", "x²"]
    assert analyse("ﬁlm x²", normalisation="nfkc") == ["film", "x2"]
    assert analyse("ＦＩＬＭ ｶﾞｲﾄﾞ") == ["film", "ガイ", "イド"]
    assert analyse("e\u0301x", normalisation="none") == ["e\u0301x"]


def test_symbols_and_lone_marks_are_no_words():
    assert analyse("👩‍👩‍👧 ❤️ \u0301 – € \u200d") == []
    assert analyse("snake_case _ 3.5 don't") == ["snake_cas", "_", "3", "5", "don", "t"]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("東京都に行く。", ["東京", "京都", "都に", "に行", "行く"]),
        ("猫", ["猫"]),
        ("iPhone手机2024年", ["iphon", "手机", "2024", "年"]),
        ("학교에서 학교는", ["학교", "교에", "에서", "학교", "교는"]),
        ("データベース", ["デー", "ータ", "タベ", "ベー", "ース"]),
        ("น้ำตก", ["น้ำต", "ตก"]),
        ("ພາສາ", ["ພາ", "າສ", "ສາ"]),
    ],
)
def test_scripts_without_spaces_become_bigrams(text, terms):
    assert analyse(text) == terms


def test_runs_without_spaces_stay_whole_or_give_their_characters_on_demand():
    assert analyse("東京都 น้ำตก", unspaced="whole") == ["東京都", "น้ำตก"]
    assert analyse("東京 猫", unspaced="characters_too") == ["東", "京", "東京", "猫"]


@pytest.mark.parametrize(("word", "text"), [("သစ်ပင်", "သစ်ပင်ကြီး"), ("ទឹក", "ទឹកធ្លាក់")])
def test_a_word_is_found_inside_a_clause_without_spaces(word, text):
    assert set(analyse(word)) <= set(analyse(text))


@pytest.mark.parametrize(
    ("stemmer", "one", "other"),
    [
        ("turkish", "IŞIK", "ışık"),
        ("turkish", "İzmir'de", "izmir"),
        ("turkish", "I\u0307ZMI\u0307R", "izmir"),
        ("french", "l’école d'été", "école été"),
        ("italian", "dell'acqua", "acqua"),
        ("catalan", "l'home", "home"),
        ("irish", "tUisce", "uisce"),
        ("irish", "d'athair nAthair n-athair", "athair athair athair"),
        ("greek", "ΔΡΌΜΟΣ δρόμος", "δρομοσ δρομος"),
        ("german", "Straße Größe Groesse", "strasse grosse grosse"),
        ("arabic", "كِتَابٌ أحمد المكتبة", "كتاب احمد المكتبه"),
        ("arabic", "كـتـاب ١٢", "كتاب 12"),
        ("persian", "كتابي", "کتابی"),
        ("hindi", "ज़मीन हिन्दी", "जमीन हिंदी"),
        ("nepali", "१२", "12"),
        ("romanian", "şarpe", "șarpe"),
        ("russian", "ёжик", "ежик"),
        ("serbian", "школа", "skola"),
        ("yiddish", "שׁ", "ש\u05c1"),
        ("catalan", "col·legi", "collegi"),
        ("greek", "ἄνθρωπος", "ανθρωπος"),
        ("english", "co\u00adoperate 1\ufe0f\u20e3 葛\U000e0100飾", "cooperate 1 葛飾"),
    ],
)
def test_spellings_of_one_word_are_one_term(stemmer, one, other):
    settings = {"stemmer": stemmer, "stop_words": "none"}
    assert analyse(one, **settings) == analyse(other, **settings)
    assert analyse(one, **settings)


@pytest.mark.parametrize(
    ("settings", "one", "other"),
    [
        ({"stemmer": "hindi"}, "नाम", "नमक"),
        ({"stemmer": "turkish"}, "ılık", "ilik"),
        ({"stemmer": "german"}, "Quelle", "Qulle"),
        ({"stemmer": "german"}, "neue", "neu"),
        ({}, "résumé", "resume"),
    ],
)
def test_different_words_stay_different(settings, one, other):
    assert words(one, **settings) != words(other, **settings)


def test_a_language_without_a_stemmer_has_its_rules():
    azerbaijani = {"language": "azerbaijani", "stemmer": None}
    assert analyse("BAKI'nın İSTİ", **azerbaijani) == ["bakı", "isti"]
    assert analyse("שָׁלוֹם צה״ל", language="hebrew", stemmer=None) == ["שלום", "צהל"]
    assert analyse("п'ять пʼять", language="ukrainian", stemmer=None) == ["пять", "пять"]


def test_a_language_and_another_ones_stemmer_are_refused():
    with pytest.raises(ValidationError, match=r"azerbaijani .* english: set analyser.stemmer=null"):
        AnalyserSettings(language="azerbaijani")
    with pytest.raises(ValidationError, match=r"set analyser\.stemmer=french"):
        AnalyserSettings(language="french")
    with pytest.raises(ValidationError, match="did you mean 'hebrew'"):
        AnalyserSettings(language="hebrow")
    assert AnalyserSettings(stemmer="porter", language="english").resolved_language == "english"


@pytest.mark.parametrize(
    ("stemmer", "text", "terms"),
    [
        ("english", "der the und", ["der", "und"]),
        ("german", "der the und für", ["the"]),
        ("hindi", "और गाँव में the", ["गांव", "the"]),
        ("greek", "και ΚΑΙ πόλη", ["πολ"]),
        ("turkish", "ve şehir için", ["şehir"]),
        ("french", "l'école et la mer", ["écol", "mer"]),
        (None, "the der", ["der"]),
    ],
)
def test_stop_words_are_those_of_the_stemmers_language(stemmer, text, terms):
    assert analyse(text, stemmer=stemmer) == terms


def test_stop_words_of_a_language_can_be_named():
    assert analyse("der hund the", stop_words="german", stemmer=None) == ["hund", "the"]
    assert analyse("other the hund", stop_words="english_long", stemmer=None) == ["hund"]


def test_every_stemmer_has_a_language_and_nearly_all_have_stop_words():
    languages = {language_of(name) for name in Stemmer.algorithms()}
    assert languages <= set(LANGUAGES)
    without = {name for name in languages if not stop_words(name)}
    assert without == {"nepali", "serbian", "tamil", "yiddish"}
    assert len(stop_words("english")) == 33
    assert not stop_words("none")


def test_a_pattern_of_ones_own_sees_marks_as_part_of_words():
    assert analyse("नदी river, x", pattern=r"\w{2,}", stemmer=None) == ["नदी", "river"]
    assert analyse("Ångström-42", pattern=r"\p{Lu}?\p{Ll}+", stemmer=None) == ["ångström"]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("stemmer", "englsh", "did you mean 'english'"),
        ("stemmer", "", "choose from: arabic, "),
        ("stop_words", "englih", "did you mean 'english'"),
        ("normalisation", "nfd", "'nfc', 'nfkc' or 'none'"),
        ("pattern", "(", "not a regular expression: missing"),
        ("pattern", "a{9999999999}", "not a regular expression"),
        ("pattern", r"(\w)(\w+)", "more than one group"),
    ],
)
def test_a_wrong_setting_is_refused_and_named(key, value, message):
    with pytest.raises(ValidationError, match=message):
        AnalyserSettings(**{key: value})
    with pytest.raises(ConfigError) as caught:
        system_settings("x", {"kind": "bm25", "analyser": {key: value}})
    assert str(caught.value).startswith(f"'system.x.analyser.{key}' is {value!r}: ")
    assert message in str(caught.value)
