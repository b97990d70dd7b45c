"""Define Facts, which says what a host reads about plugins without importing them."""

from . import _environment
from ._index import digest, quote
from ._static.learned import UNKNOWN, learned_facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from ._description import Description
    from ._extension import Extension

    # the name of a fact, its value, and the kind: "declared" or "static"
    Found = list[tuple[str, Any, str]]


_PACKAGE = __package__ or ""
# A read-only view of a dict, without the import of types.
_read_only: "Any" = type(type.__dict__)


class Facts:
    """The facts that a host reads about its plugins without importing them.

    Every manager accepts a Facts object as `facts=`. Then `extension.facts` is a
    read-only mapping of the facts that are declared, or proven by the source. A fact
    that is absent is unknown. All parameters are optional.

    :param declared: where plugins declare facts: the name of a variable in the module
        that the entry point names, or the name of a companion group, which must end
        with ".facts"; or several of these. See docs/declared-facts.md.
    :param static: the names of class attributes. An attribute is a fact if the source
        proves that an import binds it to a literal. A declared fact of the same name
        takes precedence.
    :param vouched: modules and packages, usually of the host, whose metaclasses,
        `__init_subclass__` and decorators do not change the attributes in `static`, and
        which do not assign these attributes under computed names.
    :param schema: called with the facts as keyword arguments; `extension.facts` is what
        it returns. If it raises an exception, access to `extension.facts` raises
        InvalidFacts.
    :param describe: a function at the top level of a module, which is called with each
        plugin after it is loaded. `extension.remembered` is its last result, also in
        later processes. The result must be JSON. It is forgotten when the sources of
        the plugin, of its classes or of the function change, when a distribution is
        installed or removed, and when the version of Python changes. Other changes are
        noticed only at the next load, which replaces the result. So it is a hint, to be
        used for listing and ordering, not for excluding plugins. If the function fails,
        a warning is logged, once.
    :param depends: what else the result of `describe` depends on: a dict with any of
        the keys "distributions" (names of distributions whose metadata may change in
        place), "files" (absolute paths), "variables" (names of environment variables)
        and "language" (if True, the environment variables that select a language).

    Raises ValueError or TypeError if an argument is not valid.
    """

    __module__ = _PACKAGE
    __slots__ = (
        *("companions", "description", "kind", "schema", "static", "variables"),
        "vouched",
    )
    if TYPE_CHECKING:
        description: Description | None

    def __init__(
        self,
        *,
        declared: "str | Iterable[str]" = (),
        static: "Iterable[str]" = (),
        vouched: "Iterable[str]" = (),
        schema: "Callable[..., Any] | None" = None,
        describe: "Callable[[Any], Any] | None" = None,
        depends: "Mapping[str, Any] | None" = None,
    ) -> None:
        names = (declared,) if isinstance(declared, str) else declared
        names = _words("declared", names, _is_place)
        self.variables: tuple[str, ...] = tuple(
            each for each in names if _is_name(each)
        )
        self.companions: tuple[str, ...] = tuple(
            each for each in names if not _is_name(each)
        )
        self.static: tuple[str, ...] = _words("static", static, _is_public)
        self.vouched: tuple[str, ...] = _words("vouched", vouched, _is_module)
        if schema is not None and not callable(schema):
            from ._arguments import refuse  # deferred: only on failure

            refuse("schema", schema)
        self.schema = schema
        wanted = [self.variables, self.companions, self.static, self.vouched]
        text = "".join([f"[{','.join(map(quote, names))}]" for names in wanted])
        self.kind: str = f"facts {digest(text.encode())}"
        self.description = None
        if describe is not None:
            from ._description import Description  # deferred: few describe plugins

            self.description = Description(describe, depends)
        elif depends is not None:
            from . import _messages as messages  # deferred: only on failure

            text = messages.ONLY_WITH.format(option="depends=", other="describe=")
            text = f"Facts(): {text}"
            raise ValueError(text)

    def _of(self, extension: "Extension[Any]") -> "Any":
        """Return the facts of an extension, which are found once until `refresh()`.

        Every thread gets the same object. Imports nothing of the plugin.
        """
        try:
            facts = _mapping(extension, self)
            if self.schema is None:
                return facts
            key = "facts", _environment.generation
            known = extension._outcomes.get(key)
            if known is None:
                value = _value(extension, self, facts)
                known = extension._outcomes.setdefault(key, (value,))
            return known[0]
        except (ImportError, OSError):
            return {}  # this process can read no more files

    def __repr__(self) -> str:
        fields = ", ".join(
            f"{name}={value!r}"
            for name, value in (
                ("declared", (*self.variables, *self.companions)),
                ("static", self.static),
                ("vouched", self.vouched),
                ("schema", self.schema),
                ("describe", self.description and self.description.function),
            )
            if value
        )
        return f"Facts({fields})"


def _words(
    argument: str, value: "Any", is_valid: "Callable[[Any], bool]"
) -> "tuple[Any, ...]":
    """Return several words as a tuple; refuse a value that is something else."""
    if value.__class__ in {list, tuple} and all(map(is_valid, value)):
        return tuple(value)
    from ._arguments import words  # deferred: nearly all values are such a list

    return words(argument, value, is_valid)


def _is_name(word: "Any") -> bool:
    return isinstance(word, str) and word.isidentifier()


def _is_place(word: "Any") -> bool:
    if _is_name(word):
        return True
    return isinstance(word, str) and word[-6:] == ".facts" and word[:-6].strip() != ""


def _is_public(word: "Any") -> bool:
    return _is_name(word) and word[0] != "_"


def _is_module(word: "Any") -> bool:
    return isinstance(word, str) and all(map(_is_name, word.split(".")))


def check_usable(wanted: "Any") -> None:
    """Raise TypeError if the `facts` argument of a manager is not a Facts."""
    if not isinstance(wanted, Facts):
        from . import _messages as messages  # deferred: only on failure

        raise TypeError(
            messages.NOT_VALID.format(
                value=repr(wanted), what="facts argument", expected=messages.A_FACTS
            )
        )


def known_facts(extension: "Extension[Any]", option: str) -> "Mapping[str, Any]":
    """Return the facts of an extension as a read-only mapping, whatever the schema.

    Raises ValueError if its manager has no `facts=`.

    :param option: what needs the facts, for the error.
    """
    wanted = extension.__dict__.get("_facts")
    if wanted is None:
        from . import _messages as messages  # deferred: only on failure

        raise ValueError(messages.NEEDS_FACTS.format(option=option))
    return _mapping(extension, wanted)


def text_fact(extension: "Extension[Any]", name: "str | None") -> "str | None":
    """Return the fact that a host shows in its help; None if it is not a known text.

    :param name: the name of the fact; None: the host shows none.

    Raises ValueError if the host shows a fact, and its manager has no `facts=`.
    """
    if name is None:
        return None
    value = known_facts(extension, f"help_fact={name!r}").get(name)
    return value if isinstance(value, str) and value.strip() else None


def _mapping(extension: "Extension[Any]", wanted: "Facts") -> "Mapping[str, Any]":
    """Return the facts of an extension as a read-only mapping, found once as well."""
    key = "mapping", _environment.generation
    known = extension._outcomes.get(key)
    if known is None:
        found, problem = find_facts(extension, wanted)
        if problem:
            from ._faults.errors import report_facts  # deferred: only on failure

            report_facts(extension, problem)
        mapping = _read_only({name: value for name, value, _ in found})
        known = extension._outcomes.setdefault(key, mapping)
    facts: Mapping[str, Any] = known
    return facts


def _value(
    extension: "Extension[Any]", wanted: "Facts", facts: "Mapping[str, Any]"
) -> "Any":
    """Return what the schema makes of facts."""
    try:
        return wanted.schema(**facts)  # type: ignore[misc]
    except Exception as error:  # code of the host
        # deferred: only on failure
        from ._faults.errors import invalid_facts
        from ._static.plugin_facts import places_of

        places = places_of(extension, wanted, companions_of(extension, wanted)).values()
        raise invalid_facts(extension, error, places) from error


def find_facts(extension: "Extension[Any]", wanted: "Facts") -> "tuple[Found, str]":
    """Return the facts of an extension with their kinds, and what is wrong, or "".

    Imports nothing of the plugin.
    """
    found, fault = _find_facts(extension, wanted)
    if not learned_facts().proves():
        found = [each for each in found if each[2] != "static"]
    return found, fault


def _find_facts(extension: "Extension[Any]", wanted: "Facts") -> "tuple[Found, str]":
    try:
        companions = companions_of(extension, wanted) if wanted.companions else []
        answer = learned_facts().recall(extension, wanted.kind)
        if answer is not UNKNOWN:
            try:
                end = len(companions)
                if answer[:end] == companions:
                    found = [
                        (answer[at], decode(answer[at + 1]), answer[at + 2])
                        for at in range(end + 1, len(answer), 3)
                    ]
                    return found, f"{answer[end]}"
            except (LookupError, TypeError, ValueError):
                pass  # damaged: work it out again
        # deferred: imports ast, and most facts are known
        from ._static.plugin_facts import learn_facts

        return learn_facts(extension, wanted, companions)
    except RecursionError:  # called near the recursion limit
        return [], ""


def companions_of(extension: "Extension[Any]", wanted: "Facts") -> "list[str]":
    """Return the values of the entry points that name files of facts; "" if none.

    They have the same name as that of the plugin, and are of the same distribution.
    """
    return [
        next(
            (
                row[1]
                for row, owner in _environment.rows(group, [extension.name])
                if extension._owner is not None and owner[0] == extension._owner[0]
            ),
            "",
        )
        for group in wanted.companions
    ]


def decode(value: "Any") -> "Any":
    """Return a literal from the JSON of a remembered fact; its containers are new.

    It is the inverse of `encode` in `_static.plugin_facts`. Raises LookupError,
    TypeError or ValueError if the value is damaged.

    >>> decode({"tuple": ["a", {"dict": [[1, {"bytes": "b"}]]}]})
    ('a', {1: b'b'})
    """
    if isinstance(value, list):
        return list(map(decode, value))
    if isinstance(value, dict):
        ((kind, items),) = value.items()
        match kind:
            case "tuple":
                return tuple(map(decode, items))
            case "set":
                return set(map(decode, items))
            case "dict":
                return dict(map(decode, items))
            case "bytes":
                return items.encode("latin-1")
            case "text":
                return "".join(map(chr, items))
            case "float":
                return float(items)
        raise LookupError(kind)
    return value
