"""Turn measured milliseconds into rows, and say what a figure in the noise is below."""

from math import ceil
from statistics import quantiles
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .output import Row


class Below(float):
    """The number that a figure is less than, if nothing else is known of the figure.

    >>> f"{Below(0.25):.2f}"
    '< 0.25'
    """

    def __format__(self, spec: str) -> str:
        return f"< {float(self):{spec}}"


def median_and_spread(values: list[float]) -> tuple[float, float]:
    """Return the median of two or more figures, and half the interquartile range.

    >>> median_and_spread([1.0, 2.0, 3.0])
    (2.0, 1.0)
    """
    low, middle, high = quantiles(values, n=4)
    return middle, (high - low) / 2


def columns(
    figure: tuple[float, float], total: float, ratio: str
) -> dict[str, float | None]:
    """Return a median in milliseconds, its spread and its ratio, as `--json` does.

    A median below 0, which is noise, is 0. The ratio to a total that is not above 0 is
    None.

    :param ratio: the name of the ratio's column.

    >>> columns((-0.4, 0.25), 20.0, "share")
    {'milliseconds': 0.0, 'spread': 0.25, 'share': 0.0}
    """
    median, spread = max(figure[0], 0.0), figure[1]
    return {
        "milliseconds": round(median, 2),
        "spread": round(spread, 2),
        ratio: round(median / total, 2) if total > 0 else None,
    }


def printed_row(row: "Row", total: float, ratio: str) -> dict[str, Any]:
    """Return a row with such columns as it is printed.

    A figure of 0 is in the noise, and less than its spread.

    >>> row = printed_row(columns((-0.4, 0.25), 20.0, "share"), 20.0, "share")
    >>> [f"{value:.2f}" for value in row.values()]
    ['< 0.25', '0.25', '< 0.02']
    """
    printed, spread = dict(row), row["spread"]
    if spread and not row["milliseconds"]:
        printed["milliseconds"] = Below(spread)
        if row[ratio] is not None:
            printed[ratio] = Below(ceil(100 * spread / total) / 100)
    return printed
