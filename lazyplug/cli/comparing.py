"""Compare the facts of a plugin with the attributes of the loaded object."""

import marshal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._facts import Found


def differences(plugin: "Any", facts: "Found") -> "list[tuple[str, str]]":
    """Return the names of the facts that an object contradicts, with what it has.

    A declared fact is compared only if the object has a plain attribute of its name. It
    may come from a file, which has no tuples and sets: a list is equal to both.

    A process that imports nothing of lazyplug runs this, so it uses only builtins.
    """

    def is_same(fact: "Any", now: "Any", exact: bool) -> bool:
        if exact and type(fact) is not type(now):
            return False
        if isinstance(fact, (list, tuple)) and isinstance(now, (list, tuple)):
            pairs = zip(fact, now)
            return len(fact) == len(now) and all(is_same(*p, exact) for p in pairs)
        if isinstance(fact, dict) and isinstance(now, dict):
            return fact.keys() == now.keys() and all(
                is_same(each, now[key], exact) for key, each in fact.items()
            )
        if isinstance(fact, list) and isinstance(now, (set, frozenset)):
            return len(fact) == len(now) and all(each in now for each in fact)
        return bool(fact == now)

    missing = object()
    found = []
    for name, fact, kind in facts:
        exact = kind == "static"
        try:
            now = getattr(plugin, name, missing)
            if now is missing:
                if exact:
                    found.append((name, "no such attribute"))
                continue
            # A property or a method says nothing about the class.
            if not exact and hasattr(type(now), "__get__"):
                continue
            if not is_same(fact, now, exact):
                found.append((name, repr(now)[:500]))
        except Exception as error:
            found.append((name, type(error).__name__))
    return found


def to_text(value: "Any") -> str:
    """Return, as text, the code of a function, or the facts to be compared.

    The same version of Python reads it.
    """
    return marshal.dumps(value).hex()
