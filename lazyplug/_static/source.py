"""Where the source of a target lies and what it says: read, never imported."""

import ast
import os
import sys
import warnings
from _thread import RLock
from errno import EINVAL

from .._files import DIRECTORY, KIND, READ_FLAGS, REGULAR, Seam

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeAlias, TypeVar

    T = TypeVar("T")

    # the file of a module (None: a namespace package), and the folders in which
    # modules below it are looked for (None: it is no package)
    # "" for a file: it has one that cannot be read here
    Found = tuple[str | None, list[str] | None]
    # of a name that was looked for: how many path entries do not have it, the
    # directories in which it was looked for (None: the path entries), which third-party
    # finders were asked (BEFORE, AMONG or BEHIND), and their answer
    Way = tuple[int, list[str] | None, int, list[Any]]
    # Asks third-party finders, as `told` of `facts` does.
    Tell: TypeAlias = "Callable[[str, list[str] | None, int], list[Any] | None]"
    # how many dots, the module, the name in it (None: the module itself; "*": all)
    Import = tuple[int, str, str | None]
    # What a name is bound to: what can be read here, what is imported, another name
    # as its parts, the names in a literal `__all__`. None: it cannot be seen.
    Target: TypeAlias = "Scope | Import | list[str] | frozenset[str] | None"
    # the name ("*": those of a star import), its target, and if it surely is bound
    Binding = tuple[str, Target, bool]
    # the name of a module, and if it is a package
    Module = tuple[str, bool]

# How many imports and other names are followed.
HOPS = 5
# Parsing takes a second for each MiB, and no module that people write is so large.
SIZE_CAP = 1 << 20
# Nobody writes an import of so many parts; Python's parser joins them one by one, which
# takes a minute for 400,000.
PARTS = 1_000
_SOURCE = (".py", ".pyw")
# Which third-party finders are asked: those before Python's PathFinder, those of path
# entries as well, those after PathFinder as well.
BEFORE, AMONG, BEHIND = range(3)
# Stands for a module that exists and has no source here: built in, or in an archive.
_UNSEEN: "Found" = ("", None)
# Names in the source of a package that may add modules, or directories for them.
_MAKERS = (
    *(b"__path__", b"sys.modules", b"import modules", b"declare_namespace"),
    *(b"meta_path", b"path_hooks"),
)
# Warnings are silenced for the whole process: by one thread at a time, so that what
# was there before is put back. Nothing foreign is run meanwhile.
_parsing = RLock()


def _renew_after_fork() -> None:
    global _parsing  # noqa: PLW0603
    _parsing = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_after_fork)


class Sources:
    """What an answer came from: as long as all of it is as it was, the answer holds.

    :param clock: the time before the first of it was looked at.
    """

    __slots__ = ("clock", "files", "firm", "seen", "ways")

    def __init__(self, clock: int) -> None:
        self.clock = clock
        # Would what follows tell if the answer changed?
        self.firm = True
        # False if the system, or a finder, failed: it may answer the next time.
        self.seen = True
        # of each top-level name, and of each submodule that the directories do not have
        self.ways: dict[str, Way] = {}
        # the files and folders that were looked at: were they there?
        self.files: dict[str, bool] = {}

    def doubt(self) -> None:
        """Record that something could not be determined: nothing may be remembered."""
        self.seen = self.firm = False


class Scope:
    """What is kept of a module, a class or a function.

    :param doc: its docstring.
    :param bindings: what is bound in it, in order: the last one counts.
    :param number: the line of the file in which it begins.
    :param calls: the names of what it is decorated with, or of the call that made it,
        with the literal keywords of these calls; as `calls_of` has them.
    """

    __slots__ = ("bindings", "calls", "doc", "number")

    def __init__(
        self,
        doc: "str | None",
        bindings: "list[Binding]",
        number: int,
        calls: "dict[str, dict[str, Any]] | None" = None,
    ) -> None:
        self.doc = doc
        self.bindings = bindings
        self.number = number
        self.calls = calls or {}

    def binds(self, name: str) -> bool:
        """Is the name bound by itself, not by a star import?"""
        return any(bound == name for bound, _, _ in self.bindings)

    def exports(self, name: str) -> "bool | None":
        """Does a star import bring the name, if it is bound? None: nobody sees."""
        unseen = False
        for bound, target, _ in reversed(self.bindings):
            if bound == "__all__":
                if isinstance(target, frozenset):
                    return name in target or (None if unseen else False)
                unseen = True
        return None if unseen else not name.startswith("_")


def first_line(text: "str | None") -> "str | None":
    r"""Return the first line of a docstring that says anything.

    >>> first_line("\n    Do it.  \n\n    Or not.\n"), first_line(" \n ")
    ('Do it.', None)
    """
    return (text or "").expandtabs().strip().partition("\n")[0].rstrip() or None


def first_paragraph(text: "str | None") -> "str | None":
    r"""Return what a docstring says before its first empty line, without indents.

    >>> first_paragraph("\n    Do it,\n    or not.\n   \n    Ever.\n")
    'Do it,\nor not.'
    """
    lines = [line.strip() for line in (text or "").strip().splitlines()]
    end = lines.index("") if "" in lines else len(lines)
    return "\n".join(lines[:end]) or None


def absolute(level: int, name: str, module: "Module") -> "str | None":
    """Return the module that an import means; None if there can be none.

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
    r"""Return what the source of a module says and binds.

    >>> module = parse(b"'Says.'\nclass A:\n  'Has.'\nfrom .x import y as z\n")
    >>> module.doc, [name for name, _, _ in module.bindings]
    ('Says.', ['A', 'z'])
    """
    return _scope(tree_of(data))


def tree_of(data: bytes) -> ast.Module:
    """Return the tree of a module. Raises SyntaxError, or ValueError for a NUL."""
    if data.count(b".") > PARTS and any(map(_is_endless, _lines_of(data))):
        raise SyntaxError("too many parts in an import")
    with _parsing, warnings.catch_warnings():
        # What is doubtful in a plugin's source is told when it is compiled.
        warnings.simplefilter("ignore")
        return ast.parse(data)


def _lines_of(data: bytes) -> "list[bytes]":
    """Return the lines of a source, with backslash continuations joined."""
    for end in (b"\r\n", b"\n", b"\r"):
        data = data.replace(b"\\" + end, b"")
    return data.splitlines()


def _is_endless(line: bytes) -> bool:
    return line.count(b".") > PARTS and b"import" in line


def _scope(node: "ast.Module | ast.ClassDef") -> Scope:
    bindings = list(_bindings(node.body, True))
    # A docstring that the code assigns (`__doc__ = …`) is computed.
    computed = any(name == "__doc__" for name, _, _ in bindings)
    doc = None if computed else ast.get_docstring(node, clean=False)
    number = 1 if isinstance(node, ast.Module) else node.lineno
    return Scope(doc, bindings, number)


def _bindings(body: "list[ast.stmt]", sure: bool) -> "Iterator[Binding]":
    """Yield what statements bind when they are run.

    Where only one of two is run, the usual one comes last: the body of a `try`
    behind its handlers.
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
                yield from _unseen(test)
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
                    yield from _unseen(item)
                yield from _bindings(node.body, sure)
            case ast.Assign(targets, value):
                yield from _unseen(value)
                for each in targets:
                    yield from _assigned(each, value, sure)
            case ast.AnnAssign(target=each, value=ast.expr() as value):
                yield from _unseen(value)
                yield from _assigned(each, value, sure)
            case ast.AnnAssign():
                pass  # it tells a type, and binds nothing
            case _:
                yield from _unseen(node)


def _assigned(target: ast.expr, value: ast.expr, sure: bool) -> "Iterator[Binding]":
    if not isinstance(target, ast.Name):
        yield from _unseen(target)
    elif target.id == "__all__" and isinstance(value, ast.List | ast.Tuple):
        names = [each.value for each in value.elts if isinstance(each, ast.Constant)]
        yield "__all__", frozenset(map(str, names)), sure
    elif isinstance(value, ast.Call):
        yield target.id, Scope(None, [], value.lineno, calls_of([value])), sure
    else:
        yield target.id, dotted(value), sure


def calls_of(nodes: "list[ast.expr]") -> "dict[str, dict[str, Any]]":
    """Return the last part of the name of each, with its literal keywords.

    "" stands for all others, names and keywords.

    >>> calls_of([ast.parse(text, mode="eval").body for text in (
    ...     "a.b(1, c=2, d=e)", "f[0]")])
    {'b': {'c': 2, '': None}, '': {}}
    """
    found: dict[str, dict[str, Any]] = {}
    for node in nodes:
        call = node if isinstance(node, ast.Call) else None
        names = dotted(call.func if call else node)
        said = found[names[-1] if names else ""] = {}
        for each in call.keywords if call else ():
            if each.arg and isinstance(each.value, ast.Constant):
                said[each.arg] = each.value.value
            else:
                said[""] = None
    return found


def dotted(node: ast.expr) -> "list[str] | None":
    """Return the parts of the dotted name that an expression is, if it is one."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return [node.id, *reversed(names)] if isinstance(node, ast.Name) else None


def _unseen(node: ast.AST) -> "Iterator[Binding]":
    """Yield the names that are bound, deleted or changed somewhere inside."""
    nodes = list(ast.walk(node))
    if any(map(_sets_doc, nodes)):
        for each in nodes:
            if isinstance(each, ast.Name):
                # Of what it may be the docstring, nothing more is known.
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
    """Return what a condition is while its module is imported; None: it depends.

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
    """Return what a function makes of a source, and if that may be believed.

    None is for what cannot be parsed. Where the system would not read it, or memory
    or stack were short, the next time may bring something else.
    """
    try:
        data = _bytes_of(file)
        return (None if data is None else of(data)), True
    except (SyntaxError, ValueError):
        return None, True  # ValueError: it holds a NUL
    except (OSError, RecursionError, MemoryError, ImportError, SystemError):
        # The last two: the codec that the source names could not be imported.
        return None, False


def _bytes_of(file: str) -> "bytes | None":
    """Return what is in a file; None if it is too large. Raises OSError."""
    descriptor = Seam.open(file, READ_FLAGS)
    try:
        if Seam.fstat(descriptor).st_mode & KIND != REGULAR:
            raise OSError(EINVAL, "not a file", file)
        data = b""
        while chunk := Seam.read(descriptor, SIZE_CAP + 1):
            data += chunk
            if len(data) > SIZE_CAP:
                return None
        return data
    finally:
        Seam.close(descriptor)


def kind_of(path: str, sources: "Sources") -> int:
    """Return the file type of a path, as in st_mode; 0 if nothing is there.

    If the system fails to say, that is recorded in `sources`.
    """
    try:
        kind: int = Seam.stat(path).st_mode & KIND
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return 0  # ValueError: it holds a NUL
    except OSError:
        sources.doubt()
        return 0
    return kind


def _makes_modules(file: str) -> bool:
    """Return True if the code of a package may add modules that no directory has."""
    found, _ = read(file, lambda data: any(each in data for each in _MAKERS))
    return found is not False or not file.endswith(_SOURCE)


def _archive(entry: str) -> "tuple[Any, bool]":
    """Return the importer of a path entry that is an archive, or in one.

    None if it is neither. The second is False if the system failed to read it.
    """
    from zipimport import ZipImportError, zipimporter

    try:
        return zipimporter(entry), True
    except ZipImportError as error:
        # zipimport raises the same for damage and failures; only the context differs.
        # A file too small for an archive is an invalid seek.
        cause = error.__context__
        return None, not isinstance(cause, OSError) or cause.errno == EINVAL
    except Exception:  # may be damage, or a lack of memory
        return None, False


class Search:
    """Where the modules of a `sys.path` lie, and what they say.

    :param entries: the path entries.
    :param volatile: the numbers of those of which nothing may be remembered.
    :param clock: tells the time.
    :param told: asks third-party finders, as `told` of `facts` does.
    """

    def __init__(
        self,
        entries: "tuple[str, ...]",
        volatile: "frozenset[int]",
        clock: "Callable[[], int]",
        told: "Tell",
    ) -> None:
        from importlib.machinery import all_suffixes

        self._entries = entries
        self._volatile = volatile
        self._clock = clock
        self._told = told
        # Source comes first: where it lies beside what was compiled, it tells.
        self._suffixes = all_suffixes()
        # of each file that was read: when, and what `read` returned
        self._scopes: dict[str, tuple[int, Scope | None, bool]] = {}
        # of each path entry that is no directory, what `_archive` returned
        self._archives: dict[str, tuple[Any, bool]] = {}

    def target(
        self, module: str, attr: "str | None", sources: "Sources | None" = None
    ) -> "tuple[Scope | None, Sources]":
        """Return what the source says of a target, if anything, and where it is.

        Where it is is noted in `sources`, if they are given.
        """
        sources = sources or Sources(self._clock())
        names = attr.split(".") if attr else []
        try:
            return _Question(self, sources).target(module, names, HOPS), sources
        except RecursionError:  # asked at the bottom of the stack
            sources.firm = False
            return None, sources

    def place(self, module: str, attr: "str | None") -> "tuple[str, int] | None":
        """Return the file and the line of a target; None if its module has no file.

        It is the file of the module, and line 0, where the source does not say plainly
        what the target is.
        """
        sources = Sources(self._clock())
        question = _Question(self, sources)
        try:
            scope = question.target(module, attr.split(".") if attr else [], HOPS)
            if scope is not None and question.file is not None:
                return question.file, scope.number
            found = self.find(module, sources)
        except RecursionError:  # asked at the bottom of the stack
            return None
        if found is None or found == _UNSEEN:
            return None
        return found[0] or ", ".join(found[1] or ()), 0

    def is_missing(self, module: str) -> bool:
        """Return True if there certainly is no such module.

        That is not certain below a module whose code may add modules, as `os` adds
        `os.path`; nor if the system or a finder failed to answer.
        """
        sources = Sources(self._clock())
        if module in sys.modules:
            return False
        for name, found in self._walk(module, sources):
            if found is None:
                return sources.seen
            file, folders = found
            if name == module or folders is None:
                return False
            if file is not None and _makes_modules(file):
                return False
            if name in sys.modules and not _looks_in(sys.modules[name], folders):
                return False
        return False

    def scope(self, file: str, sources: Sources) -> "Scope | None":
        """Return what the source in a file says and binds; None if it has none."""
        if not file.endswith(_SOURCE):
            return None
        sources.files[file] = True
        if file not in self._scopes:
            self._scopes[file] = self._clock(), *read(file, parse)
        clock, scope, believed = self._scopes[file]
        sources.clock = min(sources.clock, clock)
        sources.firm &= believed
        return scope

    def find(self, module: str, sources: Sources) -> "Found | None":
        """Return where a module lies; None if it is nowhere."""
        *_, (name, found) = ("", None), *self._walk(module, sources)
        return found if name == module else None

    def _walk(
        self, module: str, sources: Sources
    ) -> "Iterator[tuple[str, Found | None]]":
        """Yield where each parent of a module lies, from the top, then the module.

        The walk ends at the first that does not exist, or is not a package.
        """
        name, path = "", None
        parts = module.split(".")
        for part in parts if all(parts) else ():
            name = f"{name}.{part}" if name else part
            found = self._look_for(name, part, path, sources)
            yield name, found
            if found is None or found[1] is None:
                return
            path = found[1]

    def _look_for(
        self, name: str, part: str, path: "list[str] | None", sources: Sources
    ) -> "Found | None":
        """Return the location of a module whose parent has this path (None: no parent).

        Directories are searched here, since their stat signatures show changes.
        Third-party finders are asked where an import would ask them.
        """
        if name in sys.builtin_module_names or name == "__main__":
            sources.firm = False  # nothing would tell if that changed
            return _UNSEEN
        found: Found | None = None
        place, asked = 0, BEFORE
        told = self._told(name, path, BEFORE)
        if told == []:
            if path is None:
                found, place = self._top(part, sources)
            else:
                found = self._below(path, part, sources)
            if found is None or found[0] is None:
                asked = BEHIND if found is None else AMONG
                told = self._told(name, path, asked)
        if told is None:
            sources.doubt()
            return _UNSEEN
        if path is None or asked or told:
            sources.ways[name] = place, path, asked, told
        if not told:
            return found
        file, folders = told
        if file is None:
            # A namespace package: the directories have other portions of it.
            portions = (found and found[1]) or []
            folders = [
                *portions,
                *(each for each in folders or () if each not in portions),
            ]
        return file, folders

    def _top(self, name: str, sources: Sources) -> "tuple[Found | None, int]":
        """Return where the path entries have a name, and how many do not have it."""
        portions: list[str] = []
        for place, entry in enumerate(self._entries):
            stable = place not in self._volatile
            if kind_of(entry, sources) != DIRECTORY:
                if self._in_archive(entry, name, sources):
                    sources.firm &= stable
                    return _UNSEEN, place + 1
                continue
            found = self._look(os.path.join(entry, name), sources, in_entry=True)
            if found is None:
                continue
            sources.firm &= stable
            if found[0] is not None:
                return found, place
            portions += found[1] or ()
        return (None, portions) if portions else None, len(self._entries)

    def _in_archive(self, entry: str, name: str, sources: Sources) -> bool:
        """Return True if an archive has a module. Its source is not read."""
        if entry not in self._archives:
            self._archives[entry] = _archive(entry)
        importer, seen = self._archives[entry]
        try:
            if importer is not None and importer.find_spec(name) is not None:
                return True
        except Exception:  # as in `_archive`
            seen = False
        if not seen:
            sources.doubt()
        return False

    def _below(
        self, folders: "list[str]", name: str, sources: Sources
    ) -> "Found | None":
        portions: list[str] = []
        for folder in folders:
            # Its stamp tells what comes and goes in it.
            sources.files[folder] = kind_of(folder, sources) != 0
            found = self._look(os.path.join(folder, name), sources, in_entry=False)
            if found is None:
                continue
            if found[0] is not None:
                return found
            portions += found[1] or ()
        return (None, portions) if portions else None

    def _look(self, path: str, sources: Sources, in_entry: bool) -> "Found | None":
        """Return the package or module of this path, without its suffix, if any.

        Note what would be found before it if it came, as far as a stamp of the
        folder does not tell: those of path entries move too often.
        """
        is_folder = kind_of(path, sources) == DIRECTORY
        if is_folder:
            for suffix in self._suffixes:
                file = os.path.join(path, f"__init__{suffix}")
                if kind_of(file, sources) == REGULAR:
                    if suffix not in _SOURCE:
                        sources.files[path] = True
                    return file, [path]
            # With an __init__ in it, it would be the package.
            sources.files[path] = True
        for suffix in self._suffixes:
            file = path + suffix
            if kind_of(file, sources) == REGULAR:
                if in_entry:
                    sources.files[path] = is_folder
                    # Not read where it hides a package behind it.
                    sources.files[file] = True
                    if suffix not in _SOURCE:
                        sources.files[f"{path}.py"] = False
                return file, None
        return (None, [path]) if is_folder else None


def _looks_in(module: "Any", folders: "list[str]") -> bool:
    """Return True if submodules of an imported module are searched only in these."""
    try:
        return [*module.__path__] == folders
    except Exception:  # any object may be in sys.modules
        return False


class _Question:
    """One name, followed through the modules that pass it on.

    :param search: finds and reads them.
    :param sources: notes what was looked at.
    """

    def __init__(self, search: Search, sources: Sources) -> None:
        self._search = search
        self._sources = sources
        # Does a star import of this module bring this name? Found out once: modules
        # that import all of each other have many ways to go in circles.
        self._brought: dict[tuple[str, str], bool | None] = {}
        # the file that what was found stands in
        self.file: str | None = None

    def target(
        self, module: str, names: "list[str]", hops: int, until: "int | None" = None
    ) -> "Scope | None":
        """Return what a dotted name in a module is; None if it cannot be seen.

        `until` is how many bindings of the module are made already; None: all.
        """
        found = self._search.find(module, self._sources)
        if found is None:
            return None
        file, folders = found
        if file is not None:
            scope = self._search.scope(file, self._sources)
            self.file = file
            if scope is None or not names:
                return scope
            here = module, folders is not None
            place = self._place(scope, names[0], until, here, hops)
            if place is None:
                return None
            if place >= 0:
                return self._followed(scope, place, here, names, hops)
            if scope.binds("__getattr__"):
                return None
        if folders is None or not names:
            return None
        # What a package does not bind may be a module of it.
        return self.target(f"{module}.{names[0]}", names[1:], hops)

    def _place(
        self, scope: Scope, name: str, until: "int | None", here: "Module", hops: int
    ) -> "int | None":
        """Return which binding of a scope makes a name what it is.

        -1 if it is not bound; None if it cannot be seen.
        """
        found = -1
        bindings = scope.bindings[:until]
        for place in range(len(bindings) - 1, -1, -1):
            bound, target, sure = bindings[place]
            if bound == "*":
                brings = self._brings(target, name, here, hops)
                if brings is None:
                    return None
                if not brings:
                    continue
            elif bound != name:
                continue
            if found >= 0:
                return None  # one of two
            if sure:
                return place
            found = place
        return found

    def _followed(
        self, scope: Scope, place: int, here: "Module", names: "list[str]", hops: int
    ) -> "Scope | None":
        """Return what a dotted name is whose first part this binding binds."""
        first, *rest = names
        target = scope.bindings[place][1]
        if isinstance(target, Scope):
            # Of what a class binds, only what can be read in it counts.
            return self._inside(target, None, here, rest, 0) if rest else target
        if hops == 0 or target is None or isinstance(target, frozenset):
            return None
        if isinstance(target, list):
            return self._inside(scope, place, here, [*target, *rest], hops - 1)
        module = absolute(target[0], target[1], here)
        if module is None:
            return None
        if target[2] is not None:
            rest = [first if target[2] == "*" else target[2], *rest]
        # A package that imports from itself sees what it has bound so far.
        until = place if module == here[0] else None
        return self.target(module, rest, hops - 1, until)

    def _inside(
        self,
        scope: Scope,
        until: "int | None",
        here: "Module",
        names: "list[str]",
        hops: int,
    ) -> "Scope | None":
        """Return what a dotted name in a scope is; None if it cannot be seen."""
        place = self._place(scope, names[0], until, here, hops)
        if place is None or place < 0:
            return None
        return self._followed(scope, place, here, names, hops)

    def _brings(
        self, target: "Target", name: str, here: "Module", hops: int
    ) -> "bool | None":
        """Does this star import bring the name? None: it cannot be seen."""
        if hops == 0 or not isinstance(target, tuple):
            return None
        module = absolute(target[0], target[1], here)
        if module is None:
            return None
        key = module, name
        if key not in self._brought:
            self._brought[key] = self._exported(module, name, hops - 1)
        return self._brought[key]

    def _exported(self, module: str, name: str, hops: int) -> "bool | None":
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
        place = self._place(scope, name, None, here, hops)
        if place is None or place >= 0:
            return None if place is None else exports
        # It may be a module of a package, or come from a __getattr__.
        return None if scope.binds("__all__") else False
