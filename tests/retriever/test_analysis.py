import pytest

from colbench.errors import ConfigError
from colbench.retriever.analysis import Analyser, AnalyserSettings


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


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"stemmer": "englsh"}, "did you mean 'english'"),
        ({"stop_words": "englih"}, "did you mean 'english'"),
        ({"pattern": "("}, "analyser pattern"),
    ],
)
def test_a_wrong_setting_is_named(values, message):
    with pytest.raises(ConfigError, match=message):
        Analyser(AnalyserSettings(**values))
