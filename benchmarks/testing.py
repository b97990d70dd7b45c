"""Measure what lazyplug's pytest plugin adds to a run of pytest that does not use it.

One empty test, in the real environment, without its other pytest plugins.
"""

from benchmarks.environment import build, default_directory
from benchmarks.pictures import bars
from benchmarks.processes import Case, side_by_side
from benchmarks.report import Options, Table, main

CODE = "import pytest; raise SystemExit(pytest.main({0}))"
ARGUMENTS = ["-q", "-p", "no:cacheprovider", "test_nothing.py", "-p"]


def measure(options: Options) -> list[Table]:
    """Measure the run with the plugin, and with an empty one in its place."""
    python = build(default_directory())
    (options.scratch / "test_nothing.py").write_text("def test() -> None: ...\n")
    # Without it, pytest would use the configuration of a parent directory.
    (options.scratch / "pytest.ini").write_text("[pytest]\n")
    # pytest looks up a name after -p in all metadata, which takes ten times as long. So
    # the baseline loads a plugin, too.
    (options.scratch / "empty.py").touch()
    alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    empty = Case(CODE.format([*ARGUMENTS, "empty"]), alone)
    plugin = Case(CODE.format([*ARGUMENTS, "lazyplug.integrations.pytest"]), alone)
    figures = side_by_side(
        python, {"an empty plugin": empty}, options.scratch, options.rounds
    )
    found = {"lazyplug's": plugin, "an empty plugin, once more": empty}
    more = side_by_side(python, found, options.scratch, options.rounds, empty)
    return [
        Table(
            "pytest, one test that does nothing",
            "ms on top of `python -c pass`",
            figures,
        ),
        Table("pytest with another plugin", "ms on top of an empty plugin", more),
    ]


if __name__ == "__main__":
    main("testing", __doc__, measure, 75, bars)
