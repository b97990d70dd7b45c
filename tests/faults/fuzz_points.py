"""Fuzz the parsers of entry_points.txt and METADATA: `fuzz_points.py CORPUS -runs=N`.

The oracle is importlib_metadata: lazyplug must accept what it accepts, with the same
result.
"""

import sys
from typing import Any

import atheris  # type: ignore[import-untyped]

with atheris.instrument_imports(include=["lazyplug"]):
    from lazyplug._indexing import metadata, shadowing

from importlib_metadata import EntryPoints


def run_one(data: bytes) -> None:
    """Parse bytes as each file of a distribution."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    points, problems = metadata.parse(text, "file")
    declared = [(group, name, value) for group, (name, value, *_) in points]
    try:
        from_text: Any = EntryPoints._from_text
        found = from_text(text)
        expected = [(point.group, point.name, point.value) for point in found]
    except TypeError:
        assert problems
    else:
        assert declared == expected, (declared, expected)
    for _, (_, value, module, attr, _) in points:
        assert (module, attr) == metadata.split_value(value)
    name, version = metadata.headers(text)
    metadata.normalize(name)
    metadata.stem(text)
    shadowing.version_order(version)
    shadowing.version_order(text)


atheris.Setup(sys.argv, run_one)
atheris.Fuzz()
