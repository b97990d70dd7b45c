"""Draw results as SVG with matplotlib, which the extra `bench` installs."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.report import Table, number

OURS, THEIRS = "#2a6f97", "#b8b8b8"


def _figure(rows: int, title: str) -> tuple[Any, Any]:
    try:
        import matplotlib as mpl  # deferred: optional, only for pictures
    except ImportError:
        sys.exit("matplotlib is not installed. Run `pip install --group bench`.")
    mpl.use("svg")
    # The same results give the same file, and text stays text.
    mpl.rcParams.update({"svg.hashsalt": "lazyplug", "svg.fonttype": "none"})
    from matplotlib import pyplot  # deferred: after the choice of the backend

    figure, axes = pyplot.subplots(figsize=(8, 0.8 + 0.38 * rows), layout="constrained")
    axes.spines[["top", "right"]].set_visible(False)
    title = f"{title[:1].upper()}{title[1:]}"
    figure.suptitle(title, x=0.01, horizontalalignment="left", fontsize=10)
    return figure, axes


def _save(figure: Any, file: Path) -> None:
    figure.savefig(file, metadata={"Date": None, "Creator": None})


def _plain(unit: str) -> str:
    return unit.replace("`", "")


def _is_ours(name: str) -> bool:
    return "lazyplug" in name or "drop-in" in name


def bars(tables: list[Table], file: Path) -> None:
    """Draw the first table: a bar for each figure, lazyplug's first and in color."""
    title, unit, figures = tables[0]
    figure, axes = _figure(len(figures), title)
    # Sorted, lazyplug's together.
    names = sorted(figures, key=lambda name: (not _is_ours(name), figures[name].median))
    medians = [figures[name].median for name in names]
    colors = [OURS if _is_ours(name) else THEIRS for name in names]
    drawn = axes.barh(names, medians, color=colors)
    axes.bar_label(drawn, [number(median) for median in medians], padding=4)
    axes.invert_yaxis()
    axes.set_xlabel(f"{_plain(unit)} (lower is better)")
    axes.margins(x=0.12)
    _save(figure, file)


def lines(tables: list[Table], file: Path) -> None:
    """Draw a line for each case over the sizes; names are "SIZE what: CASE"."""
    figure, axes = _figure(10, f"one driver, by the number of {tables[0].title}")
    found: dict[str, list[tuple[int, float]]] = {}
    for name, (median, _) in tables[0].figures.items():
        size, case = name.split(" ", 1)
        found.setdefault(case.partition(": ")[2], []).append(
            (int(size.replace(",", "")), median)
        )
    for case, points in found.items():
        style = "-" if _is_ours(case) else "--"
        axes.plot(*zip(*points, strict=True), style, marker="o", label=case)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(tables[0].title)
    axes.set_ylabel(f"{_plain(tables[0].unit)} (lower is better)")
    axes.legend(frameon=False)
    _save(figure, file)


def shares(ratios: Mapping[str, float], file: Path) -> None:
    """Draw a bar for the ratio of each name, the lowest first, and a line at 1."""
    figure, axes = _figure(len(ratios) // 2, "instructions, compared with as released")
    names = sorted(ratios, key=lambda name: ratios[name])
    axes.barh(names, [ratios[name] for name in names], color=OURS)
    axes.axvline(1, color=THEIRS, linestyle="--")
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=6)
    axes.set_xlabel("share of the instructions as released (lower is better)")
    axes.margins(y=0.01)
    _save(figure, file)


def shares_known(tables: list[Table], file: Path) -> None:
    """Draw a bar for each group: the share of the attributes that are known."""
    groups = [each for each in tables if f"{each.title}, values" in each.figures]
    figure, axes = _figure(len(groups), "what is known without an import")

    def count(table: Table, what: str) -> float:
        return table.figures[f"{table.title}, {what}"].median

    for what, color in (("known, vouched", THEIRS), ("known", OURS)):
        counts = [
            100 * count(each, what) / (count(each, "values") or 1) for each in groups
        ]
        axes.barh([each.title for each in groups], counts, color=color, label=what)
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=6)
    axes.set_xlabel("% of the attributes that hosts read (higher is better)")
    axes.legend()
    _save(figure, file)
