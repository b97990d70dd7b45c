"""What does lazyplug's pytest plugin cost a run of pytest that makes no use of it?

One test that does nothing, in the real environment, without its other pytest plugins.
"""

from benchmarks.environment import build, default_folder
from benchmarks.pictures import bars
from benchmarks.processes import Case, side_by_side
from benchmarks.report import Options, Table, main

CODE = "import pytest; raise SystemExit(pytest.main({0}))"
ARGUMENTS = ["-q", "-p", "no:cacheprovider", "test_nothing.py"]
PLUGIN = ["-p", "lazyplug.integrations.pytest"]


def measure(options: Options) -> list[Table]:
    """Measure the run with the plugin and without."""
    python = build(default_folder())
    (options.scratch / "test_nothing.py").write_text("def test() -> None: ...\n")
    alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    found = {
        "without the plugin": Case(CODE.format(ARGUMENTS), alone),
        "with the plugin": Case(CODE.format([*PLUGIN, *ARGUMENTS]), alone),
    }
    figures = side_by_side(python, found, options.scratch, options.rounds)
    return [Table("pytest, one test that does nothing", "ms over bare", figures)]


if __name__ == "__main__":
    main("testing", __doc__, measure, 25, bars)
