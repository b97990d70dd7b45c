"""Find the source of a target, and parse it without importing anything."""

import _imp
import ast
import os
import sys
import warnings
from _thread import RLock
from errno import EINVAL

from .._files import DIRECTORY, KIND, READ_FLAGS, REGULAR, fs
from .imported import is_at, search_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, TypeAlias, TypeVar

    from .._site_path import Installation

    T = TypeVar("T")

    # the file of a module (None: a namespace package; "": it cannot be read here), and
    # the directories of its submodules (None: it is not a package)
    Location = tuple[str | None, list[str] | None]
    # how many path entries do not have a module, the directories that were searched for
    # it (None: the path entries), which third-party finders were asked (BEFORE, AMONG
    # or BEHIND), and their answer
    Lookup = tuple[int, list[str] | None, int, list[Any]]
    # as `ask_third_party_finders` of `finders`
    AskFinders: TypeAlias = "Callable[[str, list[str] | None, int], list[Any] | None]"
    # the number of dots, the module, the name in it (None: the module itself; "*": all)
    Import = tuple[int, str, str | None]
    # What a name is bound to: a definition in this file, an import, the parts of
    # another name, or the names in a literal `__all__`. None: unknown.
    Target: TypeAlias = "Scope | Import | list[str] | frozenset[str] | None"
    # the name ("*": a star import), its target, and whether it is certainly bound
    Binding = tuple[str, Target, bool]
    # the name of a module, and whether it is a package
    Module = tuple[str, bool]

# How many imports and aliases are followed.
HOPS = 5
# Parsing takes a second for each MiB, and nobody writes a module of that size.
SIZE_CAP = 1 << 20
# The sources, in bytes, of which the results are kept. A syntax tree takes 32 times the
# memory.
KEPT_SIZE = 1 << 18
# Nobody writes an import of so many dotted parts. Python's parser joins them one by
# one, which takes a minute for 400,000.
PARTS = 1_000
_SOURCE = (".py", ".pyw")
# Which third-party finders are asked: those before Python's PathFinder; also those of
# path entries; also those after PathFinder.
BEFORE, AMONG, BEHIND = range(3)
# The location of a module that has no readable source: built in, or in an archive.
_NO_SOURCE: "Location" = ("", None)
# Names in the source of a package that may add modules, or directories for them.
_MODULE_MAKERS = (
    *(b"__path__", b"sys.modules", b"import modules", b"declare_namespace"),
    *(b"meta_path", b"path_hooks"),
)
# Warnings are silenced for the whole process, by one thread at a time, so that the
# filters are restored correctly. No third-party code runs while the lock is held.
_parsing = RLock()


def _renew_after_fork() -> None:
    global _parsing  # noqa: PLW0603
    _parsing = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_after_fork)


class Sources:
    """The sources of an answer, which is valid until one of them changes.

    :param clock: the time before the first of them was accessed, in nanoseconds.
    """

    __slots__ = ("clock", "complete", "files", "lookups", "reliable")

    def __init__(self, clock: int) -> None:
        self.clock = clock
        # False if the answer may change without a change of these sources.
        self.reliable = True
        # False if the system or a finder failed: the next attempt may succeed.
        self.complete = True
        # the lookups of modules
        self.lookups: dict[str, Lookup] = {}
        # files and directories, and whether they existed
        self.files: dict[str, bool] = {}

    def mark_incomplete(self) -> None:
        """Record that the system or a finder failed: the answer is not remembered."""
        self.complete = self.reliable = False


class Scope:
    """The docstring and the bindings of a module, class or function.

    :param doc: its docstring.
    :param bindings: its bindings, in order: the last binding of a name counts.
    :param line: the line of the file in which it begins.
    :param calls: its decorators, or the call that made it, as `calls_of` returns them.
    """

    __slots__ = ("bindings", "calls", "doc", "line")

    def __init__(
        self,
        doc: "str | None",
        bindings: "list[Binding]",
        line: int,
        calls: "dict[str, dict[str, Any]] | None" = None,
    ) -> None:
        self.doc = doc
        self.bindings = bindings
        self.line = line
        self.calls = calls or {}

    def binds(self, name: str) -> bool:
        """Return True if a name is bound, not counting star imports."""
        return any(bound == name for bound, _, _ in self.bindings)

    def exports(self, name: str) -> "bool | None":
        """Return True if a star import includes a bound name; None if unknown."""
        unknown = False
        for bound, target, _ in reversed(self.bindings):
            if bound == "__all__":
                if isinstance(target, frozenset):
                    return name in target or (None if unknown else False)
                unknown = True
        return None if unknown else not name.startswith("_")


def first_line(text: "str | None") -> "str | None":
    r"""Return the first line of a docstring that is not blank; None if all are.

    >>> first_line("\n    Do it.  \n\n    Or not.\n"), first_line(" \n ")
    ('Do it.', None)
    """
    return (text or "").expandtabs().strip().partition("\n")[0].rstrip() or None


def absolute(level: int, name: str, module: "Module") -> "str | None":
    """Return the absolute name of an imported module; None if it is invalid.

    >>> absolute(0, "x", ("a.b", False)), absolute(1, "x", ("a.b", False))
    ('x', 'a.x')
    >>> absolute(1, "", ("a.b", True)), absolute(2, "x", ("a", True))
    ('a.b', None)
    """
    if not level:
        return name
    parts = module[0].split(".")
    above = parts[: len(parts) + module[1] - level]
    if not above or level > len(parts):
        return None
    return ".".join([*above, name] if name else above)


def parse(data: bytes) -> Scope:
    r"""Return the scope of a module, parsed from its source.

    >>> module = parse(b"'Says.'\nclass A:\n  'Has.'\nfrom .x import y as z\n")
    >>> module.doc, [name for name, _, _ in module.bindings]
    ('Says.', ['A', 'z'])
    """
    return _scope(tree_of(data))


def tree_of(data: bytes) -> ast.Module:
    """Return the syntax tree of a module.

    Raises SyntaxError, or ValueError if the source contains a NUL.
    """
    if data.count(b".") > PARTS and any(map(_has_too_many_parts, _lines_of(data))):
        raise SyntaxError("too many parts")
    with _parsing, warnings.catch_warnings():
        # Python warns about a plugin's source when it compiles it.
        warnings.simplefilter("ignore")
        return ast.parse(data)


def _lines_of(data: bytes) -> "list[bytes]":
    """Return the lines of a source, with backslash continuations joined."""
    for end in (b"\r\n", b"\n", b"\r"):
        data = data.replace(b"\\" + end, b"")
    return data.splitlines()


def _has_too_many_parts(line: bytes) -> bool:
    return line.count(b".") > PARTS and b"import" in line


def _scope(node: "ast.Module | ast.ClassDef") -> Scope:
    bindings = list(_bindings(node.body, True))
    # Code that assigns `__doc__` may compute it.
    computed = any(name == "__doc__" for name, _, _ in bindings)
    doc = None if computed else ast.get_docstring(node, clean=False)
    line = 1 if isinstance(node, ast.Module) else node.lineno
    return Scope(doc, bindings, line)


def _bindings(body: "list[ast.stmt]", sure: bool) -> "Iterator[Binding]":
    """Yield the bindings that statements make when they run.

    Of alternatives, the usual one comes last: the body of a `try` follows its handlers.

    :param sure: False if the statements may not run.
    """
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                doc = ast.get_docstring(node, clean=False)
                calls = calls_of(node.decorator_list)
                yield node.name, Scope(doc, [], node.lineno, calls), sure
            case ast.ClassDef():
                yield node.name, _scope(node), sure
            case ast.Import(names):
                for alias in names:
                    top = alias.name.partition(".")[0]
                    module = alias.name if alias.asname else top
                    yield alias.asname or top, (0, module, None), sure
            case ast.ImportFrom():
                for alias in node.names:
                    target = node.level, node.module or "", alias.name
                    yield alias.asname or alias.name, target, sure
            case ast.If(test, then, otherwise):
                truth = _truth(test)
                yield from _unknown_bindings(test)
                if truth is not True:
                    yield from _bindings(otherwise, sure and truth is False)
                if truth is not False:
                    yield from _bindings(then, sure and truth is True)
            case ast.Try() | ast.TryStar():
                for handler in node.handlers:
                    yield from _bindings(handler.body, False)
                for part in (node.body, node.orelse, node.finalbody):
                    yield from _bindings(part, sure)
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    yield from _unknown_bindings(item)
                yield from _bindings(node.body, sure)
            case ast.Assign(targets, value):
                yield from _unknown_bindings(value)
                for each in targets:
                    yield from _assigned(each, value, sure)
            case ast.AnnAssign(target=each, value=ast.expr() as value):
                yield from _unknown_bindings(value)
                yield from _assigned(each, value, sure)
            case ast.AnnAssign():
                pass  # an annotation alone binds nothing
            case _:
                yield from _unknown_bindings(node)


def _assigned(target: ast.expr, value: ast.expr, sure: bool) -> "Iterator[Binding]":
    if not isinstance(target, ast.Name):
        yield from _unknown_bindings(target)
    elif target.id == "__all__" and isinstance(value, ast.List | ast.Tuple):
        names = [each.value for each in value.elts if isinstance(each, ast.Constant)]
        yield "__all__", frozenset(map(str, names)), sure
    elif isinstance(value, ast.Call):
        yield target.id, Scope(None, [], value.lineno, calls_of([value])), sure
    else:
        yield target.id, dotted(value), sure


def calls_of(nodes: "list[ast.expr]") -> "dict[str, dict[str, Any]]":
    """Return the literal keywords of calls, by the last part of each call's name.

    A name without a call has no keywords. The key "" stands for every other expression,
    and for every other keyword and for arguments after the first.

    >>> calls_of([ast.parse(text, mode="eval").body for text in (
    ...     "a.b(1, c=2, d=e)", "f[0]")])
    {'b': {'c': 2, '': None}, '': {}}
    """
    found: dict[str, dict[str, Any]] = {}
    for node in nodes:
        call = node if isinstance(node, ast.Call) else None
        names = dotted(call.func if call else node)
        keywords = found[names[-1] if names else ""] = {}
        for each in call.keywords if call else ():
            if each.arg and isinstance(each.value, ast.Constant):
                keywords[each.arg] = each.value.value
            else:
                keywords[""] = None
        if call and (
            call.args[1:] or any(isinstance(a, ast.Starred) for a in call.args)
        ):
            keywords[""] = None
    return found


def has_several_arguments(call: ast.Call) -> bool:
    """Return True if a call may have more than one positional argument."""
    return len(call.args) > 1 or any(isinstance(a, ast.Starred) for a in call.args)


def dotted(node: ast.expr) -> "list[str] | None":
    """Return the parts of a dotted name; None if the expression is not one."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return [node.id, *reversed(names)] if isinstance(node, ast.Name) else None


def _unknown_bindings(node: ast.AST) -> "Iterator[Binding]":
    """Yield the names that are bound, deleted or changed anywhere in a node."""
    nodes = list(ast.walk(node))
    if any(map(_sets_doc, nodes)):
        for each in nodes:
            if isinstance(each, ast.Name):
                # The docstring of any of these names may change.
                everything = each.id in ("globals", "vars", "locals")
                yield "*" if everything else each.id, None, False
    for each in nodes:
        match each:
            case ast.Name(name, ast.Store() | ast.Del()):
                yield name, None, True
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield each.name, None, True
            case ast.alias(name, asname):
                yield asname or name.partition(".")[0], None, True
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name, None, True
            case ast.MatchMapping(rest=str(name)):
                yield name, None, True
            case ast.Attribute(ast.Name("__all__")):
                yield "__all__", None, True  # as by `__all__.append("x")`


def _sets_doc(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(attr="__doc__", ctx=ast.Store() | ast.Del()):
            return True
        case ast.Constant("__doc__"):
            return True  # as by `setattr(x, "__doc__", text)`
    return False


def _truth(test: ast.expr) -> "bool | None":
    """Return the truth of a condition during an import of its module; None if unknown.

    >>> [_truth(ast.parse(text, mode="eval").body) for text in (
    ...     "TYPE_CHECKING", "not typing.TYPE_CHECKING", "1", "name", "not name",
    ...     "__name__ == '__main__'")]
    [False, True, True, None, None, False]
    """
    match test:
        case ast.Constant(value):
            return bool(value)
        case ast.Name("TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"):
            return False
        case ast.UnaryOp(ast.Not(), operand):
            truth = _truth(operand)
            return None if truth is None else not truth
        case ast.Compare(ast.Name("__name__"), [ast.Eq()], [ast.Constant("__main__")]):
            return False
    return None


def read(file: str, of: "Callable[[bytes], T]") -> "tuple[T | None, bool]":
    """Return the result of a function for a source, and whether it is reliable.

    The result is None if the source cannot be parsed or is too large. It is not
    reliable if the file could not be read, or memory or stack were short: the next
    attempt may succeed.

    :param of: the function, which takes the content of the file.
    """
    try:
        data = _bytes_of(file)
        return (None if data is None else of(data)), True
    except (SyntaxError, ValueError):
        return None, True  # ValueError: the source contains a NUL
    except (OSError, RecursionError, MemoryError, ImportError, SystemError):
        # The last two: the codec that the source declares could not be imported.
        return None, False


def _bytes_of(file: str) -> "bytes | None":
    """Return the content of a file; None if it is too large. Raises OSError."""
    descriptor = fs.open(file, READ_FLAGS)
    try:
        if fs.fstat(descriptor).st_mode & KIND != REGULAR:
            raise OSError(EINVAL, "not a file", file)
        data = b""
        while chunk := fs.read(descriptor, SIZE_CAP + 1):
            data += chunk
            if len(data) > SIZE_CAP:
                return None
        return data
    finally:
        fs.close(descriptor)


def kind_of(path: str, sources: "Sources") -> int:
    """Return the file type of a path, as in st_mode; 0 if it does not exist.

    A failure of the system is recorded in `sources`.
    """
    try:
        kind: int = fs.stat(path).st_mode & KIND
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return 0  # ValueError: the path contains a NUL
    except OSError:
        sources.mark_incomplete()
        return 0
    return kind


def _may_add_modules(file: str) -> bool:
    """Return True if the code of a package may add modules that no directory has."""
    found, _ = read(file, lambda data: any(each in data for each in _MODULE_MAKERS))
    return found is not False or not file.endswith(_SOURCE)


def _archive_importer(entry: str) -> "tuple[Any, bool]":
    """Return the importer of a path entry, and whether that is reliable.

    The importer is None if the path entry is neither an archive nor in one. That is not
    reliable if the system failed to read the archive.
    """
    from zipimport import ZipImportError, zipimporter  # deferred: few are archives

    try:
        return zipimporter(entry), True
    except ZipImportError as error:
        # zipimport raises the same for damage and failures; only the context differs.
        # A file too small for an archive is an invalid seek.
        cause = error.__context__
        return None, not isinstance(cause, OSError) or cause.errno == EINVAL
    except Exception:  # damage, or a lack of memory
        return None, False


class Search:
    """Find the modules of a `sys.path`, and read their sources.

    :param entries: the path entries.
    :param volatile: the positions of the path entries about which nothing is
        remembered.
    :param clock: returns the time in nanoseconds.
    :param ask_finders: asks third-party finders, as `ask_third_party_finders` of
        `facts`.
    :param python: the Python that imports them; None: this process.
    """

    def __init__(
        self,
        entries: "tuple[str, ...]",
        volatile: "frozenset[int]",
        clock: "Callable[[], int]",
        ask_finders: "AskFinders",
        python: "Installation | None" = None,
    ) -> None:
        # deferred: not used to parse
        from importlib.machinery import BYTECODE_SUFFIXES, SOURCE_SUFFIXES

        self._entries = entries
        self._volatile = volatile
        self._clock = clock
        self._ask_finders = ask_finders
        # Another Python has imported nothing yet.
        self._modules: Mapping[str, Any] = sys.modules if python is None else {}
        # the directory of the standard library
        self.library: str = (
            os.path.dirname(os.__file__) if python is None else python.library
        )
        self.compiled_suffixes: list[str] = (
            _imp.extension_suffixes() if python is None else python.compiled_suffixes()
        )
        # Source suffixes come first: a source next to a compiled module is read.
        self._suffixes = [
            *(*SOURCE_SUFFIXES, *BYTECODE_SUFFIXES, *self.compiled_suffixes)
        ]
        # by file: when it was read, and the result of `read`
        self._scopes: dict[str, tuple[int, Scope | None, bool]] = {}
        # by file, and what `parsed` calls its home, the last used last: its
        # signature and size, and the result of `read`
        self._kept: dict[tuple[str, tuple[str, bool]], tuple[str, int, Any]] = {}
        # by path entry that is not a directory: the result of `_archive_importer`
        self._archives: dict[str, tuple[Any, bool]] = {}

    def target(
        self, module: str, attr: "str | None", sources: "Sources | None" = None
    ) -> "tuple[Scope | None, Sources]":
        """Return the scope of a target, and the sources it comes from.

        The scope is None if the source does not show it.

        :param sources: the sources to add to; None: new ones.
        """
        sources = sources or Sources(self._clock())
        names = attr.split(".") if attr else []
        try:
            return _Resolver(self, sources).target(module, names, HOPS), sources
        except RecursionError:  # called near the recursion limit
            sources.reliable = False
            return None, sources

    def place(
        self, module: str, attr: "str | None"
    ) -> "tuple[tuple[str, int] | None, Sources]":
        """Return the file and the line of a target, and the sources they come from.

        The file is that of the module, and the line 0, if the source does not show the
        target. The place is None if the module has no file.
        """
        sources = Sources(self._clock())
        resolver = _Resolver(self, sources)
        try:
            scope = resolver.target(module, attr.split(".") if attr else [], HOPS)
            if scope is not None and resolver.file is not None:
                return (resolver.file, scope.line), sources
            found = self.find(module, sources)
        except RecursionError:  # called near the recursion limit
            sources.mark_incomplete()
            return None, sources
        if found is None or found == _NO_SOURCE:
            return None, sources
        return (found[0] or ", ".join(found[1] or ()), 0), sources

    def is_missing(self, module: str) -> bool:
        """Return True if a module certainly does not exist.

        This is not certain below a module whose code may add modules, as `os` adds
        `os.path`, nor if the system or a finder failed.
        """
        sources = Sources(self._clock())
        if module in self._modules:
            return False
        for name, found in self._walk(module, sources):
            if found is None:
                return sources.complete
            file, directories = found
            if name == module or directories is None:
                return False
            if file is not None and _may_add_modules(file):
                return False
            live = self._modules.get(name)
            if live is not None and search_path(live) != directories:
                return False
        return False

    def scope(self, file: str, sources: Sources) -> "Scope | None":
        """Return the scope of the module in a file; None if the source has none."""
        if not file.endswith(_SOURCE):
            return None
        sources.files[file] = True
        if file not in self._scopes:
            self._scopes[file] = self._clock(), *read(file, parse)
        clock, scope, reliable = self._scopes[file]
        sources.clock = min(sources.clock, clock)
        sources.reliable &= reliable
        return scope

    def parsed(
        self,
        file: str,
        home: "tuple[str, bool]",
        of: "Callable[[bytes], T]",
        sources: Sources,
    ) -> "T | None":
        """Return the result of a function for a source; None if it cannot be parsed.

        Plugins of one host have the same base classes, so the last results are kept.
        They are used for as long as the signature of the file stays the same.

        :param home: the name of the module, and True if it is a package.
        :param of: the function, which is the same for all files.
        """
        sources.files[file] = True
        key = file, home
        signature, size = self._signature_of(file)
        kept = self._kept.pop(key, None)
        if kept is None or kept[0] != signature:
            found, reliable = read(file, of)
            sources.reliable &= reliable
            if not signature or not reliable:
                return found
            kept = signature, size, found
        self._kept[key] = kept
        total = sum(size for _, size, _ in [*self._kept.values()])
        for oldest in [*self._kept]:  # other threads may change the dict
            if total <= KEPT_SIZE:
                break
            _, size, _ = self._kept.pop(oldest, ("", 0, None))
            total -= size
        result: T | None = kept[2]
        return result

    def _signature_of(self, file: str) -> "tuple[str, int]":
        """Return the signature of a file, "" if it is not reliable, and the size."""
        # deferred: most processes read no sources
        from .._content import signature
        from .._indexing.reading import is_reliable

        clock = self._clock()
        try:
            status = fs.stat(file)
            if is_reliable(status, False, clock):
                return signature(file, status), status.st_size
        except (OSError, ValueError):
            pass  # reading it fails as well, and records that
        return "", 0

    def find(self, module: str, sources: Sources) -> "Location | None":
        """Return the location of a module; None if it does not exist."""
        *_, (name, found) = ("", None), *self._walk(module, sources)
        return found if name == module else None

    def _walk(
        self, module: str, sources: Sources
    ) -> "Iterator[tuple[str, Location | None]]":
        """Yield the name and location of each parent of a module, then of the module.

        The walk ends at the first module that does not exist or is not a package.
        """
        name, path = "", None
        parts = module.split(".")
        for part in parts if all(parts) else ():
            name = f"{name}.{part}" if name else part
            found = self._find_module(name, part, path, sources)
            yield name, found
            if found is None or found[1] is None:
                return
            path = found[1]

    def _find_module(
        self, name: str, part: str, path: "list[str] | None", sources: Sources
    ) -> "Location | None":
        """Return the location of a module whose parent has this path (None: no parent).

        If a module of that name was imported from elsewhere, an import returns it.
        """
        found = self._search_module(name, part, path, sources)
        if found is None or name not in self._modules:
            return found
        file, directories = found
        if file and not is_at(self._modules[name], file):
            sources.mark_incomplete()
            return _NO_SOURCE
        if directories is not None:
            live = search_path(self._modules[name])
            if live != directories:
                sources.mark_incomplete()
                return file, live
        return found

    def _search_module(
        self, name: str, part: str, path: "list[str] | None", sources: Sources
    ) -> "Location | None":
        """Return the location of a module, as if it were not imported.

        Directories are searched here, since their stat signatures show changes.
        Third-party finders are asked where an import would ask them.
        """
        # setuptools replaces distutils by a finder that imports setuptools when asked.
        if name in sys.builtin_module_names or name in ("__main__", "distutils"):
            sources.reliable = False  # a change would not be noticed
            return _NO_SOURCE
        found: Location | None = None
        passed, stage = 0, BEFORE
        answer = self._ask_finders(name, path, BEFORE)
        if answer == []:
            if path is None:
                found, passed = self._find_top_level(part, sources)
            else:
                found = self._find_submodule(path, part, sources)
            if found is None or found[0] is None:
                stage = BEHIND if found is None else AMONG
                answer = self._ask_finders(name, path, stage)
        if answer is None:
            sources.mark_incomplete()
            return _NO_SOURCE
        sources.lookups[name] = passed, path, stage, answer
        if not answer:
            return found
        file, directories = answer
        if file is None:
            # A namespace package: path entries may have other portions of it.
            portions = (found and found[1]) or []
            directories = [
                *portions,
                *(each for each in directories or () if each not in portions),
            ]
        return file, directories

    def _find_top_level(
        self, name: str, sources: Sources
    ) -> "tuple[Location | None, int]":
        """Return the location of a top-level module, and how many entries lack it."""
        portions: list[str] = []
        for place, entry in enumerate(self._entries):
            stable = place not in self._volatile
            if kind_of(entry, sources) != DIRECTORY:
                if self._in_archive(entry, name, sources):
                    sources.reliable &= stable
                    return _NO_SOURCE, place + 1
                continue
            found = self._find_at(os.path.join(entry, name), sources, in_entry=True)
            if found is None:
                continue
            sources.reliable &= stable
            if found[0] is not None:
                return found, place
            portions += found[1] or ()
        return (None, portions) if portions else None, len(self._entries)

    def _in_archive(self, entry: str, name: str, sources: Sources) -> bool:
        """Return True if an archive has a module; its source is not read."""
        if entry not in self._archives:
            self._archives[entry] = _archive_importer(entry)
        importer, reliable = self._archives[entry]
        try:
            if importer is not None and importer.find_spec(name) is not None:
                return True
        except Exception:  # as in `_archive_importer`
            reliable = False
        if not reliable:
            sources.mark_incomplete()
        return False

    def _find_submodule(
        self, directories: "list[str]", name: str, sources: Sources
    ) -> "Location | None":
        portions: list[str] = []
        for directory in directories:
            # The signature of a directory shows which files are added and removed.
            sources.files[directory] = kind_of(directory, sources) != 0
            found = self._find_at(
                os.path.join(directory, name), sources, in_entry=False
            )
            if found is None:
                continue
            if found[0] is not None:
                return found
            portions += found[1] or ()
        return (None, portions) if portions else None

    def _find_at(
        self, path: str, sources: Sources, in_entry: bool
    ) -> "Location | None":
        """Return the location of the package or module at a path without a suffix.

        Record the files that would take precedence if they appeared. Directories of
        packages show that by their signatures; those of path entries change too often.
        """
        is_directory = kind_of(path, sources) == DIRECTORY
        if is_directory:
            for suffix in self._suffixes:
                file = os.path.join(path, f"__init__{suffix}")
                if kind_of(file, sources) == REGULAR:
                    if suffix not in _SOURCE:
                        sources.files[path] = True
                    return file, [path]
            # If an __init__ file appears in it, this is the package.
            sources.files[path] = True
        for suffix in self._suffixes:
            file = path + suffix
            if kind_of(file, sources) == REGULAR:
                if in_entry:
                    sources.files[path] = is_directory
                    # It is not read if it only hides a package of a later path entry.
                    sources.files[file] = True
                    if suffix not in _SOURCE:
                        sources.files[f"{path}.py"] = False
                return file, None
        return (None, [path]) if is_directory else None


class _Resolver:
    """Follow a name through the modules that import it from each other.

    :param search: finds and reads the modules.
    :param sources: records what was accessed.
    """

    def __init__(self, search: Search, sources: Sources) -> None:
        self._search = search
        self._sources = sources
        # By module and name: the result of `_is_exported`. It is computed once, since
        # modules that star-import each other form many cycles.
        self._star_imports: dict[tuple[str, str], bool | None] = {}
        # the file of the last module that was followed
        self.file: str | None = None

    def target(
        self, module: str, names: "list[str]", hops: int, until: "int | None" = None
    ) -> "Scope | None":
        """Return the scope of a dotted name in a module; None if it is unknown.

        :param hops: how many more imports and aliases are followed.
        :param until: how many bindings of the module already exist; None: all.
        """
        found = self._search.find(module, self._sources)
        if found is None:
            return None
        file, directories = found
        if file is not None:
            scope = self._search.scope(file, self._sources)
            self.file = file
            if scope is None or not names:
                return scope
            here = module, directories is not None
            place = self._find_binding(scope, names[0], until, here, hops)
            if place is None:
                return None
            if place >= 0:
                return self._follow(scope, place, here, names, hops)
            if scope.binds("__getattr__"):
                return None
        if directories is None or not names:
            return None
        # A name that a package does not bind may be a submodule.
        return self.target(f"{module}.{names[0]}", names[1:], hops)

    def _find_binding(
        self, scope: Scope, name: str, until: "int | None", here: "Module", hops: int
    ) -> "int | None":
        """Return the position of the binding of a name in a scope.

        It is -1 if the name is not bound, and None if it is unknown.
        """
        found = -1
        bindings = scope.bindings[:until]
        for place in range(len(bindings) - 1, -1, -1):
            bound, target, sure = bindings[place]
            if bound == "*":
                binds = self._star_import_binds(target, name, here, hops)
                if binds is None:
                    return None
                if not binds:
                    continue
            elif bound != name:
                continue
            if found >= 0:
                return None  # either of two bindings
            if sure:
                return place
            found = place
        return found

    def _follow(
        self, scope: Scope, place: int, here: "Module", names: "list[str]", hops: int
    ) -> "Scope | None":
        """Return the scope of a dotted name whose first part has this binding."""
        first, *rest = names
        target = scope.bindings[place][1]
        if isinstance(target, Scope):
            # Without hops: in a class, only definitions count.
            return self._resolve_inside(target, None, here, rest, 0) if rest else target
        if hops == 0 or target is None or isinstance(target, frozenset):
            return None
        if isinstance(target, list):
            return self._resolve_inside(scope, place, here, [*target, *rest], hops - 1)
        module = absolute(target[0], target[1], here)
        if module is None:
            return None
        if target[2] is not None:
            rest = [first if target[2] == "*" else target[2], *rest]
        # A package that imports from itself has only the bindings made so far.
        until = place if module == here[0] else None
        return self.target(module, rest, hops - 1, until)

    def _resolve_inside(
        self,
        scope: Scope,
        until: "int | None",
        here: "Module",
        names: "list[str]",
        hops: int,
    ) -> "Scope | None":
        """Return the scope of a dotted name in a scope; None if it is unknown."""
        place = self._find_binding(scope, names[0], until, here, hops)
        if place is None or place < 0:
            return None
        return self._follow(scope, place, here, names, hops)

    def _star_import_binds(
        self, target: "Target", name: str, here: "Module", hops: int
    ) -> "bool | None":
        """Return True if a star import binds a name; None if it is unknown."""
        if hops == 0 or not isinstance(target, tuple):
            return None
        module = absolute(target[0], target[1], here)
        if module is None:
            return None
        key = module, name
        if key not in self._star_imports:
            self._star_imports[key] = self._is_exported(module, name, hops - 1)
        return self._star_imports[key]

    def _is_exported(self, module: str, name: str, hops: int) -> "bool | None":
        found = self._search.find(module, self._sources)
        if found is None or found[0] is None:
            return None
        scope = self._search.scope(found[0], self._sources)
        if scope is None:
            return None
        exports = scope.exports(name)
        if exports is False:
            return False
        here = module, found[1] is not None
        place = self._find_binding(scope, name, None, here, hops)
        if place is None or place >= 0:
            return None if place is None else exports
        # A name in `__all__` may be a submodule, or come from `__getattr__`.
        return None if scope.binds("__all__") else False
