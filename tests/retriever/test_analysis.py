import pytest
from pydantic import ValidationError

from colbench.errors import ConfigError
from colbench.retriever.analysis import Analyser, AnalyserSettings
from colbench.retriever.registry import system_settings


def test_words_are_lowercased_stopped_and_stemmed():
    assert Analyser(AnalyserSettings())("The Runners were running, quickly!") == [
        "runner",
        "were",
        "run",
        "quick",
    ]


def test_no_stop_words_and_no_stemmer_keeps_every_word():
    settings = AnalyserSettings(stop_words="none", stemmer=None)
    assert Analyser(settings)("The runners") == ["the", "runners"]


def test_a_word_that_is_stemmed_to_nothing_is_no_term():
    settings = AnalyserSettings(stop_words="none", stemmer="porter")
    assert Analyser(settings)("it's") == ["it"]


def test_a_pattern_that_matches_nothing_yields_no_empty_terms():
    assert Analyser(AnalyserSettings(pattern=r"\w*"))("one, two") == ["one", "two"]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("stemmer", "englsh", "did you mean 'english'"),
        ("stemmer", "", "choose from: arabic, "),
        ("stop_words", "englih", "did you mean 'english'"),
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
