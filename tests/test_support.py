"""Test that test modules import from `tests.support`, not from each other."""

import re
from pathlib import Path

IMPORT = re.compile(
    r"^ *(?:from|import) +\S*(?:conftest|\btest_\w+) *(?:import|$)", re.MULTILINE
)
FROM_PACKAGE = re.compile(
    r"^ *from +(?:tests\S*|\.+) +import.*\b(?:conftest|test_)", re.MULTILINE
)


def test_no_test_module_imports_from_another_or_from_a_conftest() -> None:
    for file in Path(__file__).parent.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert not IMPORT.search(text), file
        assert not FROM_PACKAGE.search(text), file
