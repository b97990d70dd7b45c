"""Combine the hot modules into one module of the wheel, `lazyplug/_hot.py`.

Each module costs a start 0.3 to 0.4 million instructions. Therefore the modules that
every program imports are several files in the sources and one in the wheel, like
SQLite's amalgamation. In the wheel, each hot module only replaces itself by `_hot`, and
has a stub for type checkers; all other modules import from `_hot`. A checkout and an
editable install run the sources.
"""

import ast
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "lazyplug"
# The hot modules: each imports only those before it.
HOT = (
    "_index",
    "_files",
    "_settings",
    "_environment",
    "_extension",
    "_manager",
    "_named",
)
BUILT = "_hot"
_HEAD = '''\
"""What every start imports, in one module: see hatch_build.py of the sources."""

{imports}
{aliases} = sys.modules[__name__]
'''
_REPLACED = '''\
"""In `_hot`, which this module is replaced by."""

import sys

from . import _hot

# Another thread may have got this module before it is replaced: importlib then looks
# again, since it seems to be still initializing; an import statement reads from it.
class _Initializing(type(__spec__)):
    _initializing = property(lambda spec: True, lambda spec, value: None)


__spec__.__class__ = _Initializing
__getattr__ = _hot.__getattribute__
# Its own name only: by another's, a second thread would run that one twice.
sys.modules[__name__] = _hot
'''


class HotModuleBuildHook(BuildHookInterface[Any]):
    """Put the built module into a wheel, without writing into the checkout."""

    _directory = ""

    def initialize(self, version: str, build_data: "dict[str, Any]") -> None:
        """Write the built files, and let them replace those of the checkout."""
        if self.target_name != "wheel" or version == "editable":
            return
        self._directory = tempfile.mkdtemp()
        for name, text in built_files(Path(self.root) / PACKAGE).items():
            file = Path(self._directory, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            build_data["force_include"][str(file)] = f"{PACKAGE}/{name}"

    def finalize(
        self, version: str, build_data: "dict[str, Any]", artifact_path: str
    ) -> None:
        """Remove the built files."""
        if self._directory:
            shutil.rmtree(self._directory)


def built_files(package: Path) -> "dict[str, str]":
    """Return the files of the wheel that differ from those of a package's directory.

    Raises ValueError if the hot modules cannot be combined.
    """
    sources = {
        path.relative_to(package).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(package.rglob("*.py"))
    }
    hot = {name: sources.pop(f"{name}.py") for name in HOT}
    found = {f"{BUILT}.py": fingerprint(hot), f"{BUILT}.pyi": stub(hot)}
    for name, text in hot.items():
        found[f"{name}.py"] = _REPLACED
        found[f"{name}.pyi"] = text
    for name, text in sources.items():
        rewritten = importing_built(text, name.count("/"))
        if rewritten != text:
            found[name] = rewritten
    return found


def fingerprint(hot: "dict[str, str]") -> str:
    """Return the text of the built module; names and formatting of the parts stay.

    Raises ValueError if two parts bind the same name, if a part imports a name as
    another one, or if a part imports a module of the package that is not hot.
    """
    imports: dict[str, None] = {"import sys": None}
    aliases: dict[str, None] = {}
    owners: dict[str, str] = {}
    parts = []
    for name, text in hot.items():
        lines = text.splitlines()
        for node in reversed(ast.parse(text).body):
            _reduce(node, lines)
        tree = ast.parse("\n".join(lines))
        own = []
        for node in tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                _drop(node, lines)
                if isinstance(node, ast.Import) or not node.level:
                    imports[ast.unparse(node)] = None
                    continue
                for alias in node.names:
                    if alias.asname or (node.module or alias.name) not in hot:
                        raise ValueError(f"{name}: {ast.unparse(node)}")
                    if not node.module:
                        aliases[alias.name] = None
                continue
            own += _bound(node)
        for each in own:
            if owners.setdefault(each, name) != name:
                raise ValueError(f"{name} and {owners[each]} both define {each}")
        body = "\n".join(lines).strip("\n")
        # Dropped imports and blocks for type checkers leave too many empty lines.
        body = re.sub(r"\n{4,}", "\n\n\n", body)
        parts.append(f"\n\n# {'-' * 20} {name}.py\n\n{body}\n")
    head = _HEAD.format(
        imports="\n".join(sorted(imports, key=lambda line: (line[:1] == "f", line))),
        aliases=" = ".join(aliases),
    )
    return head + "".join(parts)


def _bound(node: ast.stmt) -> "list[str]":
    """Return the names that a statement at module level binds."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.If):
        return [name for each in [*node.body, *node.orelse] for name in _bound(each)]
    return [
        each.id
        for each in ast.walk(node)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    ]


def _reduce(node: ast.stmt, lines: "list[str]") -> None:
    """Remove the lines of a statement that only type checkers or readers need."""
    if isinstance(node, ast.ClassDef):
        for each in reversed(node.body):
            _reduce(each, lines)
    elif isinstance(node, ast.Assign) and ast.unparse(node) == "TYPE_CHECKING = False":
        _drop(node, lines)
    elif isinstance(node, ast.If) and ast.unparse(node.test) in {
        "TYPE_CHECKING",
        "not TYPE_CHECKING",
    }:
        kept = node.orelse if isinstance(node.test, ast.Name) else node.body
        text = []
        if kept:
            first, last = kept[0].lineno - 1, kept[-1].end_lineno
            # Comments above the block belong to it.
            while lines[first - 1].lstrip().startswith("#"):
                first -= 1
            if any("\n" in str(each.value) for each in _constants(kept)):
                raise ValueError(f"line {first}: text of several lines in a block")
            text = [line[4:] for line in lines[first:last]]
        _drop(node, lines)
        lines[node.lineno - 1 : node.lineno - 1 + len(text)] = text
    elif isinstance(node, ast.Expr) and node.lineno == 1:
        _drop(node, lines)  # the docstring of the module


def _constants(nodes: "list[ast.stmt]") -> "Iterator[ast.Constant]":
    for node in nodes:
        for each in ast.walk(node):
            if isinstance(each, ast.Constant):
                yield each


def _drop(node: ast.stmt, lines: "list[str]") -> None:
    # Emptied, so that the line numbers of other statements stay valid.
    for number in range(node.lineno - 1, node.end_lineno or node.lineno):
        lines[number] = ""


def stub(hot: "dict[str, str]") -> str:
    """Return the stub of the built module, with the names of all hot modules."""
    lines = []
    for name, text in hot.items():
        body = ast.parse(text).body
        # Type variables are defined for type checkers only.
        own = {name for node in body for name in _bound(node)}
        own.discard("TYPE_CHECKING")
        lines += [f"from .{name} import {each} as {each}" for each in sorted(own)]
        lines.append(f"from . import {name} as {name}")
    return "\n".join(lines) + "\n"


def importing_built(text: str, depth: int) -> str:
    """Return the text of a module that imports the built module instead of hot ones.

    Imports for type checkers stay. No statement moves to another line.

    :param depth: the number of directories between the package and the module.
    """
    lines = text.splitlines(keepends=True)
    for node in _statements(ast.parse(text).body):
        if not isinstance(node, ast.ImportFrom):
            continue
        inside = node.module or ""
        if node.level == 0 and inside.split(".")[0] == PACKAGE:
            inside = inside.partition(".")[2]
        elif node.level != depth + 1:
            continue
        first = node.lineno - 1
        if inside in HOT:
            lines[first] = re.sub(rf"\b{inside}\b", BUILT, lines[first], count=1)
        elif not inside:
            for number in range(first, node.end_lineno or node.lineno):
                lines[number] = _as_built(lines[number])
    return _public_names("".join(lines))


def _as_built(line: str) -> str:
    """Return a line of an import with the hot modules replaced by the built one.

    >>> _as_built("from .. import _files, _log, _index as index")
    'from .. import _hot as _files, _log, _hot as index'
    """
    names = "|".join(HOT)
    line = re.sub(rf"\b({names})\b(?= as )", BUILT, line)
    return re.sub(rf"(?<! as )\b({names})\b", rf"{BUILT} as \1", line)


def _statements(body: "list[ast.stmt]") -> "Iterator[ast.stmt]":
    """Yield all statements that run, including those in functions."""
    for node in body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from _statements(node.orelse)
            continue
        yield node
        for part in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(node, part, []))
        for each in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            yield from _statements(each.body)


def _public_names(text: str) -> str:
    r"""Return the text of `__init__`, whose table of names has the built module.

    >>> _public_names("Extension _extension\nload _load\n")
    'Extension _hot\nload _load\n'
    """
    return re.sub(
        rf"^(\w+) ({'|'.join(HOT)})$", rf"\1 {BUILT}", text, flags=re.MULTILINE
    )
