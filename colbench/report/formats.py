"""How numbers are written, the same in every report."""

from __future__ import annotations

from colbench.printing import visible


def clean(value: str) -> str:
    r"""Return `value` as one line whose control characters, which ids and texts may hold, show.

    >>> print(clean("two\nlines, \x1b[31mred"))
    two lines, \x1b[31mred
    """
    return visible(" ".join(value.split()))


def shortened(text: str, longest: int = 90) -> str:
    """Return text as one line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def three_digits(value: float) -> str:
    """Three significant digits, at most three decimals.

    >>> three_digits(0.01234), three_digits(3.456), three_digits(123.4)
    ('0.012', '3.46', '123')
    """
    if value < 1:
        return f"{value:.3f}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def number(value: float) -> str:
    """One decimal below a hundred, else none.

    >>> number(8.25), number(1234.5)
    ('8.2', '1,234')
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def size(count: float) -> str:
    """Bytes in the largest decimal unit that keeps the number above one.

    >>> size(999), size(35_600_000)
    ('999 B', '35.6 MB')
    """
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def count(value: float) -> str:
    """A whole number, its thousands apart.

    >>> count(5183)
    '5,183'
    """
    return f"{value:,.0f}"


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun.

    Args:
        number: how many.
        one: the noun.
        many: its plural; `one` with an s where empty.

    >>> counted(1, "query", "queries"), counted(5183, "document")
    ('1 query', '5,183 documents')
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def fraction(value: float) -> str:
    """Four decimals: effectiveness, overlap, similarity.

    >>> fraction(0.70724)
    '0.7072'
    """
    return f"{value:.4f}"


def ratio(value: float) -> str:
    """Two decimals: so many times as much.

    >>> ratio(1.254)
    '1.25'
    """
    return f"{value:.2f}"


def percent(value: float) -> str:
    """A share as whole per cent.

    >>> percent(0.254)
    '25 %'
    """
    return f"{100 * value:.0f} %"


def points(difference: float) -> str:
    """A difference of fractions in points (× 100), with its sign.

    >>> points(0.0572), points(-0.01234), points(-0.00001)
    ('+5.72', '-1.23', '0.00')
    """
    shown = round(100 * difference, 2)
    return f"{shown:+.2f}" if shown else "0.00"


def unsigned_points(fraction: float) -> str:
    """A fraction in points (× 100), such as a tolerance.

    >>> unsigned_points(0.0005)
    '0.05'
    """
    return f"{abs(round(100 * fraction, 2)):.2f}"


def p_value(value: float) -> str:
    """Three significant digits.

    >>> p_value(0.0123456), p_value(0.00001)
    ('0.0123', '1e-05')
    """
    return f"{value:.3g}"
