"""Draw docs/layers.svg: the layers of pyproject.toml and the imports between them.

`python docs/layers.py` writes the file; `--check` reports whether it is out of date.
The imports are those that import-linter checks, also inside functions. An import is
drawn unless other imports of the same module lead to the same target.
"""

import ast
import sys
import tomllib
from html import escape
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
FILE = Path(__file__).with_suffix(".svg")
PACKAGE = "lazyplug"
# The modules that every start imports. The build hook is parsed, not imported, because
# importing it needs hatchling.
(HOT,) = (
    ast.literal_eval(node.value)
    for node in ast.parse((ROOT / "hatch_build.py").read_text(encoding="utf-8")).body
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "HOT"
)
# The rows of the picture, from the top down; the layers of pyproject.toml are finer.
ROWS = (
    ("programs", ["cli", "__main__", "_running"]),
    ("around it", ["compat", "integrations", "testing"]),
    (
        "public",
        ["_accelerate", "_load_by_reference", "_filtered", "_hook", "_use_index"],
    ),
    ("answers", ["_answers"]),
    (
        "managers",
        [
            *("_named", "_manager", "_objects", "_registration", "_mapping"),
            *("_refresh", "_other_extensions"),
        ],
    ),
    (
        "extensions",
        [
            *(
                "_extension",
                "_attributes",
                "_declared",
                "_facts",
                "_description",
                "_calling",
            ),
            *("_protocol", "_pickling"),
        ],
    ),
    ("choosing", ["_selection", "_entry_point"]),
    ("failures", ["_faults"]),
    ("knowledge", ["_static", "_inventory", "_distribution"]),
    ("environment", ["_environment", "_other_environment", "_fallback"]),
    (
        "indexing",
        [
            *("_indexing", "_site_path", "_startup_files", "_frozen_index", "_content"),
        ],
    ),
    (
        "files",
        [
            *("_import_target", "_import_hooks", "_preload", "_settings", "_files"),
            "_log",
        ],
    ),
    (
        "base",
        [
            *("_index", "_exceptions", "_printable", "_tuples", "_json_text", "_fork"),
            *("_arguments", "_cache_home", "_messages"),
        ],
    ),
)
# `_public` lists the modules of the public names; the others are for annotations only.
NOT_DRAWN = ("_public", "_types", "annotations")
WIDTH, HEIGHT, LABEL, GAP = 960, 66, 110, 14
BOX = 26


def picture() -> str:
    """Return the picture as SVG. Raises ValueError if it lacks a module."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = config["tool"]["importlinter"]["contracts"][0]["layers"]
    modules = {name.strip() for layer in layers for name in layer.split("|")}
    missing = modules.symmetric_difference(
        [*NOT_DRAWN, *(name for _, names in ROWS for name in names)]
    )
    if missing:
        raise ValueError(f"docs/layers.py and pyproject.toml differ in {missing}")
    graph = grimp.build_graph(PACKAGE, exclude_type_checking_imports=True)
    places = {}
    boxes = []
    for row, (label, names) in enumerate(ROWS):
        y = row * HEIGHT + GAP
        boxes.append(f'<text class="label" x="8" y="{y + 17}">{escape(label)}</text>')
        widths = [7 * len(name) + 20 for name in names]
        x = LABEL + (WIDTH - LABEL - sum(widths) - GAP * len(names)) // 2
        for name, width in zip(names, widths, strict=True):
            kind = "hot" if name in HOT else "directory" if is_package(name) else "cold"
            places[name] = x + width / 2, y
            boxes.append(
                f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{BOX}"'
                f' rx="4"/><text x="{x + width / 2}" y="{y + 17}">{name}</text>'
            )
            x += width + GAP
    lines = []
    for one, two in sorted(reduced(between(graph))):
        (x1, y1), (x2, y2) = places[one], places[two]
        if y1 == y2:
            middle = (x1 + x2) / 2
            lines.append(
                f'<path d="M{x1:.0f},{y1} Q{middle:.0f},{y1 - 24} {x2:.0f},{y2}"/>'
            )
            continue
        lines.append(
            f'<path d="M{x1:.0f},{y1 + BOX} C{x1:.0f},{y1 + BOX + 30}'
            f' {x2:.0f},{y2 - 30} {x2:.0f},{y2}"/>'
        )
    height = len(ROWS) * HEIGHT
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}">',
            "<style>",
            "rect { stroke: #8894a8 }",
            "text { font: 12px sans-serif; text-anchor: middle; fill: #1c2333 }",
            ".hot { fill: #ffd9a8 } .cold { fill: #eef2f8 }",
            ".directory { fill: #cfe3ff }",
            ".label { text-anchor: start; fill: #6b7486 }",
            "path { fill: none; stroke: #3b4a66; stroke-opacity: 0.5 }",
            "</style>",
            f'<rect width="{WIDTH}" height="{height}" fill="#fff" stroke="none"/>',
            *lines,
            *boxes,
            "</svg>\n",
        ]
    )


def is_package(name: str) -> bool:
    """Return True if a module is a package, which is a directory."""
    return (ROOT / PACKAGE / name).is_dir()


def between(graph: "grimp.ImportGraph") -> "set[tuple[str, str]]":
    """Return the imports between top-level modules and packages as pairs of names."""
    found = set()
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            one, two = (f"{each}.".split(".")[1] for each in (module, imported))
            if one and two and one not in {two, *NOT_DRAWN}:
                found.add((one, two))
    return found


def reduced(edges: "set[tuple[str, str]]") -> "set[tuple[str, str]]":
    """Return the edges of a graph without those that others imply.

    >>> sorted(reduced({("a", "b"), ("b", "c"), ("a", "c")}))
    [('a', 'b'), ('b', 'c')]
    """
    below: dict[str, set[str]] = {}

    def reach(name: str) -> "set[str]":
        if name not in below:
            next_ones = {two for one, two in edges if one == name}
            below[name] = next_ones.union(*map(reach, next_ones))
        return below[name]

    return {
        (one, two)
        for one, two in edges
        if not any(
            two in reach(other) for name, other in edges if name == one and other != two
        )
    }


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    drawn = picture()
    if "--check" not in sys.argv:
        FILE.write_text(drawn, encoding="utf-8")
    elif FILE.read_text(encoding="utf-8") != drawn:
        sys.exit("docs/layers.svg is out of date: run python docs/layers.py")
