"""Fuzz what reads an entry_points.txt and METADATA: `fuzz_points.py CORPUS -runs=N`.

Beside the bytes of a file, the oracle judges: what importlib_metadata takes must be
taken, and mean the same.
"""

import sys
from typing import Any

import atheris  # type: ignore[import-untyped]

with atheris.instrument_imports(include=["lazyplug"]):
    from lazyplug._indexing import metadata, shadowing

from importlib_metadata import EntryPoints


def one(data: bytes) -> None:
    """Read bytes as any file of a distribution."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    points, problems = metadata.parse(text, "file")
    told = [(group, name, value) for group, (name, value, *_) in points]
    try:
        from_text: Any = EntryPoints._from_text
        found = from_text(text)
        expected = [(point.group, point.name, point.value) for point in found]
    except TypeError:
        assert problems
    else:
        assert told == expected, (told, expected)
    for _, (_, value, module, attr, _) in points:
        assert (module, attr) == metadata.split_value(value)
    name, version = metadata.headers(text)
    metadata.normalize(name)
    metadata.stem(text)
    shadowing.version_order(version)
    shadowing.version_order(text)


atheris.Setup(sys.argv, one)
atheris.Fuzz()
