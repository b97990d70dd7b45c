"""Work out the facts of a plugin: what it declares, and what its source proves."""

from .._files import fs
from .._printable import clean
from .class_facts import ClassFacts
from .declared import in_file, in_module
from .learned import learned_facts
from .learning import learn
from .names import Modules
from .source import Sources
from .targets import target_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._extension import Extension
    from .._facts import Facts, Found
    from .source import Search

    # the name of a fact, its value, the kind, and the file and line
    Placed = list[tuple[str, Any, str, str]]


def learn_facts(
    extension: "Extension[Any]", wanted: "Facts", companions: "list[str]"
) -> "tuple[Found, str]":
    """Work out and remember the facts of an extension; return what `find_facts` does.

    :param companions: the values of the entry points that name files of facts.
    """
    placed, fault, sources = _work_out_of(extension, wanted, companions)
    found = [(name, value, kind) for name, value, kind, _ in placed]
    answer = answer_of(companions, fault, found)
    learn(learned_facts(), extension, wanted.kind, answer, sources)
    return found, fault


def places_of(
    extension: "Extension[Any]", wanted: "Facts", companions: "list[str]"
) -> "dict[str, str]":
    """Return the file and line of each fact of an extension, by the name of the fact.

    They are not remembered. Imports nothing of the plugin.
    """
    placed, _, _ = _work_out_of(extension, wanted, companions)
    return {name: place for name, _, _, place in placed}


def answer_of(companions: "list[str]", fault: str, found: "Found") -> "list[Any]":
    """Return the answer that is remembered, as JSON: texts, if all values are texts."""
    values = [
        each for name, value, kind in found for each in (name, encode(value), kind)
    ]
    return [*companions, fault, *values]


def _work_out_of(
    extension: "Extension[Any]", wanted: "Facts", companions: "list[str]"
) -> "tuple[Placed, str, Sources]":
    sources = Sources(fs.clock())
    module, attr = target_of(extension)
    if module is None:
        sources.mark_incomplete()
        return [], "", sources
    search = learned_facts().search()
    placed, fault = work_out(search, sources, wanted, (module, attr or ""), companions)
    return placed, fault, sources


def work_out(
    search: "Search",
    sources: "Sources",
    wanted: "Facts",
    target: "tuple[str, str]",
    companions: "list[str]",
) -> "tuple[Placed, str]":
    """Return the facts of a target with their places, and what is wrong, or "".

    :param target: the module, and the attribute in it or "".
    :param companions: the values of the entry points that name files of facts.
    """
    module, attr = target
    modules = Modules(search, sources)
    found: dict[str, tuple[Any, str, str]] = {}
    if attr and wanted.static and "." not in attr:
        classes = ClassFacts(modules, wanted.vouched)
        for name, value in classes.prove(module, attr, wanted.static).items():
            found[name] = value, "static", classes.places[name]
    faults = []
    # A file goes before a variable.
    for facts, place, fault in (
        *(in_module(modules, module, variable) for variable in wanted.variables),
        *(in_file(search, sources, value) for value in companions if value),
    ):
        for name, value in facts.items():
            found[name] = value, "declared", place
        faults.append(fault)
    placed = [(name, *each) for name, each in found.items()]
    return placed, clean("; ".join(filter(None, faults)))


def encode(value: "Any") -> "Any":
    """Return a literal value as JSON, which has only lists and dicts of texts.

    >>> encode(("a", {1: b"b"})), encode(1e999)
    ({'tuple': ['a', {'dict': [[1, {'bytes': 'b'}]]}]}, {'float': 'inf'})
    """
    match value:
        case str() if any("\ud800" <= char <= "\udfff" for char in value):
            # JSON would join two surrogates to one character.
            return {"text": list(map(ord, value))}
        case float() if value - value != 0:  # infinite, or not a number
            return {"float": str(value)}
        case list():
            return list(map(encode, value))
        case tuple():
            return {"tuple": list(map(encode, value))}
        case set():
            return {"set": sorted(map(encode, value), key=repr)}
        case dict():
            return {
                "dict": [[encode(key), encode(each)] for key, each in value.items()]
            }
        case bytes():
            return {"bytes": value.decode("latin-1")}
    return value
