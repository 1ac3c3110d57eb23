"""What a precision costs: a whole run for each variant, and paired tests against the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.encode_speed.record import Effect
from benchmarks.encode_speed.settings import EncodeVariant
from colbench.config.compose import compose_run
from colbench.config.folder import quoted
from colbench.config.settings import RunSettings, SignificanceSettings
from colbench.errors import ColbenchError
from colbench.experiment.output import file_stem
from colbench.experiment.repeat import run_once
from colbench.measures.significance import compare_to_reference


class EffectRuns:
    """Runs of one system on one collection, a run for each variant.

    Args:
        system: that is run; its encoder is what varies.
        overrides: of the command line, the collection's among them.
        root: where the runs are kept, a folder each.
        measure: of the effectiveness.
        extra: further configuration folders.
    """

    def __init__(
        self,
        system: str,
        overrides: Sequence[str],
        root: Path,
        measure: str,
        extra: Sequence[Path] = (),
    ) -> None:
        self.system = system
        self.overrides = [
            *overrides,
            "task=systems",
            "encode_speed=null",
            "gate=null",
            "reference=null",
        ]
        self.root = root
        self.measure = measure
        self.extra = list(extra)

    def of(self, variant: EncodeVariant) -> tuple[Effect, dict[str, float]]:
        """Return the effectiveness of a variant, without its test, and the value of each query.

        A run that is there is not made again.

        Raises:
            ColbenchError: the run failed.
        """
        name = f"{self.system}, {variant.name}"
        overrides = [*self.overrides, f"# encode_speed, {variant.name}"]
        results = run_once(self._compose(variant), overrides, name)
        system = results.systems[0]
        if system.status != "ok" or system.per_query is None:
            raise ColbenchError(f"{system.name}, {variant.name}, was skipped: {system.reason}")
        values = system.per_query[self.measure]
        encoding = next(iter(system.encodings or []), None)
        effect = Effect(
            commit=results.environment.git_commit,
            value=sum(values) / len(values),
            cosine=encoding.cosine if encoding else None,
        )
        ids = [query.id for query in results.queries]
        return effect, dict(zip(ids, values, strict=True))

    def _compose(self, variant: EncodeVariant) -> RunSettings:
        name = f"{self.system} {variant.name}"
        return compose_run(
            [
                *self.overrides,
                f"systems=[{self.system}]",
                f"measures=[{self.measure}]",
                f"name={quoted(f'encode_speed {name}')}",
                f"output_dir={quoted(str(self.root / file_stem(name)))}",
                f"system.{self.system}.encoder.backend={variant.backend}",
                f"system.{self.system}.encoder.precision={variant.precision}",
            ],
            self.extra,
        )


def with_tests(
    first: str,
    effects: Mapping[str, Effect],
    values: Mapping[str, Mapping[str, float]],
    measure: str,
    significance: SignificanceSettings,
) -> dict[str, Effect]:
    """Return the effects with their tests against one of them; as they are where it did not run.

    Args:
        first: the variant that the others are tested against.
        effects: name of a variant → its effect.
        values: name → query → value.
        measure: of the values.
        significance: test and level; Holm's correction is over the variants.
    """
    if first not in values or len(values) < 2:
        return dict(effects)
    tests = compare_to_reference(
        first,
        {name: {measure: by_query} for name, by_query in values.items()},
        [measure],
        test=significance.test,
        alpha=significance.alpha,
    )
    return {
        name: effect.model_copy(update={"test": tests[name][measure]}) if name in tests else effect
        for name, effect in effects.items()
    }
