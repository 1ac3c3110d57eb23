"""The terms of every language of PyStemmer beside those of Lucene's analyser of it."""

import pytest
import Stemmer
from lucene import lucene_terms, needs_lucene

from colbench.retriever.analysis import Analyser, AnalyserSettings

# The same stemmer: all terms are equal.
SAME = {
    "armenian": (
        "hy.ArmenianAnalyzer",
        "Երեխաները հին գրքեր կարդացին քաղաքի գրադարանում և տուն վերադարձան։",
    ),
    "basque": (
        "eu.BasqueAnalyzer",
        "Haurrek liburu zaharrak irakurri zituzten hiriko liburutegian, eta etxera itzuli ziren.",
    ),
    "catalan": (
        "ca.CatalanAnalyzer",
        "L'home i els nens d'Eivissa llegien llibres vells a la biblioteca de l’escola.",
    ),
    "czech": (
        "cz.CzechAnalyzer",
        "Děti četly staré knihy v městské knihovně a pak se vrátily domů.",
    ),
    "danish": (
        "da.DanishAnalyzer",
        "Børnene læste gamle bøger på byens bibliotek og gik så hjem ad en våd å.",
    ),
    "english": (
        "en.EnglishAnalyzer",
        "The children read old books in the library and went home; naïve cafés.",
    ),
    "estonian": (
        "et.EstonianAnalyzer",
        "Lapsed lugesid linna raamatukogus vanu raamatuid ja läksid õhtul koju.",
    ),
    "finnish": (
        "fi.FinnishAnalyzer",
        "Lapset lukivat vanhoja kirjoja kaupungin kirjastossa ja lähtivät yöllä kotiin.",
    ),
    "german": (
        "de.GermanAnalyzer",
        "Die Kinder lasen große alte Bücher in der Bücherei am Fluß und gingen über "
        "die Brücke heim.",
    ),
    "hungarian": (
        "hu.HungarianAnalyzer",
        "A gyerekek régi könyveket olvastak a városi könyvtárban, és hazamentek a "
        "folyóhoz, ősszel.",
    ),
    "indonesian": (
        "id.IndonesianAnalyzer",
        "Anak-anak membaca buku-buku lama di perpustakaan kota dan kemudian pulang.",
    ),
    "irish": (
        "ga.IrishAnalyzer",
        "Léigh na páistí seanleabhair i leabharlann na cathrach; d'ól an t-athair "
        "uisce. bPáirc nÉireannach",
    ),
    "lithuanian": (
        "lt.LithuanianAnalyzer",
        "Vaikai skaitė senas knygas miesto bibliotekoje ir grįžo namo žiemą.",
    ),
    "nepali": (
        "ne.NepaliAnalyzer",
        "बालबालिकाले शहरको पुस्तकालयमा पुराना किताबहरू पढे र घर फर्के। दिन र दान २०५५",
    ),
    "norwegian": (
        "no.NorwegianAnalyzer",
        "Barna leste gamle bøker på byens bibliotek og gikk så hjem over åsen i snøværet.",
    ),
    "romanian": (
        "ro.RomanianAnalyzer",
        "Copiii au citit cărți vechi în biblioteca orașului și s au întors acasă.",
    ),
    "russian": (
        "ru.RussianAnalyzer",
        "Дети читали старые книги в городской библиотеке и вернулись домой вечером.",
    ),
    "serbian": (
        "sr.SerbianAnalyzer",
        "Деца су читала старе књиге у градској библиотеци. Školska deca čitaju đačke knjige.",
    ),
    "swedish": (
        "sv.SwedishAnalyzer",
        "Barnen läste gamla böcker på stadens bibliotek och gick sedan hem över ängen.",
    ),
    "tamil": (
        "ta.TamilAnalyzer",
        "குழந்தைகள் நகர நூலகத்தில் பழைய புத்தகங்களைப் படித்து வீட்டிற்குத் திரும்பினர். மழை மலை",
    ),
    "turkish": (
        "tr.TurkishAnalyzer",
        "Çocuklar İstanbul'daki kütüphanede eski kitapları okudu ve IŞIKLI evlerine döndü.",
    ),
    "dutch_porter": (
        "nl.DutchAnalyzer",
        "De kinderen lazen oude boeken en gingen naar huis; zeeën.",
    ),
    "porter": (
        "en.EnglishAnalyzer",
        "Relational databases were possible, hopefully; the ponies fly.",
    ),
}

# Lucene has a lighter stemmer of its own, or an older one: all words before it are equal.
WORDS = {
    "dutch": (
        "nl.DutchAnalyzer",
        "De kinderen lazen oude boeken in de bibliotheek en gingen naar huis; zeeën en "
        "coördinatie.",
    ),
    "french": (
        "fr.FrenchAnalyzer",
        "L'été, les enfants lisaient de vieux livres à la bibliothèque de l’école, "
        "jusqu'à la nuit.",
    ),
    "italian": (
        "it.ItalianAnalyzer",
        "I bambini leggevano vecchi libri nella biblioteca dell'università, poi "
        "tornarono all’albergo; perché?",
    ),
    "portuguese": (
        "pt.PortugueseAnalyzer",
        "As crianças leram livros antigos na biblioteca da cidade e voltaram para "
        "casa; coração, pão.",
    ),
    "spanish": (
        "es.SpanishAnalyzer",
        "Los niños leían libros antiguos en la biblioteca de la ciudad y volvieron a "
        "casa; ¿qué pingüino?",
    ),
}

# Lucene has a stemmer of its own and folds in it: the terms that differ, ours and Lucene's.
FOLDED = {
    "arabic": (
        "ar.ArabicAnalyzer",
        "قَرَأَ الأطفالُ كُتُباً قديمةً في مكتبةِ المدينة سنة ١٩٩٨، ثم عـــادوا إلى البيت.",
    ),
    "greek": (
        "el.GreekAnalyzer",
        "Τα παιδιά διάβαζαν παλιά βιβλία στη βιβλιοθήκη της πόλης, και ο ΔΡΌΜΟΣ ήταν μακρύς. Μαΐου",
    ),
    "hindi": (
        "hi.HindiAnalyzer",
        "बच्चों ने शहर के पुस्तकालय में पुरानी किताबें पढ़ीं और १९९८ में हिन्दी सीखी। दिन में दान दिया।",
    ),
    "persian": (
        "fa.PersianAnalyzer",
        "بچه‌ها در کتابخانهٔ شهر کتاب‌های قدیمی می‌خواندند و به خانه رفتند.",
    ),
}
FOLDED_DIFFERENTLY = {
    "arabic": {"كتب": "كتبا", "سنة": "سن", "عاد": "عادوا", "الي": "ال"},
    # Mostly function words, which are stop words unless there are none, as here.
    "greek": {"πα": "παιδ", "στ": "στη", "τ": "τησ", "κα": "και"},
    "hindi": {"न": "ने", "क": "के", "म": "में"},
    # Lucene folds yeh and kaf to the Arabic letters, and stems little.
    "persian": {"کتابخ": "كتابخانه", "کتاب": "كتاب", "های": "هاي", "قدیمی": "قديمي", "می": "مي"},
}

# No analyser in Lucene: its words by Unicode's annex 29.
PLAIN = {
    "esperanto": "La infanoj legis malnovajn librojn en la urba biblioteko, ĉar ŝi ĝojis ĵaŭde.",
    "polish": "Dzieci czytały stare książki w bibliotece, a potem wróciły do domu; źrebię, łąka.",
    "sesotho": "Bana ba balile libuka tsa khale laebraring ea toropo, ’me ba khutlela hae.",
    "yiddish": "די קינדער האָבן געלייענט אַלטע ביכער אין דער שטאָטישער ביבליאָטעק.",
}

BIGRAMS = [
    "東京都の図書館で古い本を読んだ。カメラとＡＢＣ、猫 a 犬",
    "孩子们在城市图书馆里看旧书，然后回家了 2024年",
    "아이들은 도시 도서관에서 오래된 책을 읽었다",
]


def analyser(**settings):
    return Analyser(AnalyserSettings(stop_words="none", **settings))


def test_every_language_of_pystemmer_is_here():
    assert {*SAME, *WORDS, *FOLDED, *PLAIN} == {*Stemmer.algorithms()}


@needs_lucene
@pytest.mark.parametrize("stemmer", SAME)
def test_terms_are_those_of_lucenes_analyser(stemmer):
    name, text = SAME[stemmer]
    assert [analyser(stemmer=stemmer)(text)] == lucene_terms(name, [text], stop_words=())


@needs_lucene
@pytest.mark.parametrize("stemmer", WORDS)
def test_words_are_those_of_lucenes_analyser(stemmer):
    name, text = WORDS[stemmer]
    analyse = analyser(stemmer=stemmer)
    words = analyse.words(text)
    plain = lucene_terms("standard.StandardAnalyzer", [text])[0]
    left_alone = {"stop_words": (), "not_stemmed": {*words, *plain}}
    assert [words] == lucene_terms(name, [text], **left_alone)
    assert [analyse(text)] != lucene_terms(name, [text], stop_words=())


@needs_lucene
@pytest.mark.parametrize("stemmer", FOLDED)
def test_terms_that_differ_from_lucenes_are_known(stemmer):
    name, text = FOLDED[stemmer]
    ours, (lucene,) = analyser(stemmer=stemmer)(text), lucene_terms(name, [text], stop_words=())
    pairs = zip(ours, lucene, strict=True)
    assert {one: other for one, other in pairs if one != other} == FOLDED_DIFFERENTLY[stemmer]


@needs_lucene
@pytest.mark.parametrize("stemmer", PLAIN)
def test_words_are_those_of_annex_29_where_lucene_has_no_analyser(stemmer):
    text = PLAIN[stemmer]
    assert [analyser(stemmer=stemmer).words(text)] == lucene_terms(
        "standard.StandardAnalyzer", [text]
    )


@needs_lucene
@pytest.mark.parametrize("stemmer", [None, "english", "hindi"])
def test_bigrams_are_those_of_lucene(stemmer):
    ours = [analyser(stemmer=stemmer)(text) for text in BIGRAMS]
    assert ours == lucene_terms("cjk.CJKAnalyzer", BIGRAMS, stop_words=())
