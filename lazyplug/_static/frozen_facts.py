"""Find the facts of plugins that are put into a frozen index.

They follow the records of the index, in the format of a file of learned facts, but
without what they depend on: they are valid as long as the index is trusted.
"""

from .._files import fs
from .learning import encode, make_fact
from .plugin_facts import answer_of, work_out
from .source import Sources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .._facts import Facts
    from .._index import Index
    from .learned import FactTable, Part
    from .source import Search


def freeze_facts(
    index: "Index", asked: "Iterable[tuple[str, Facts]]", search: "Search"
) -> "tuple[bytes, list[tuple[str, str]]]":
    """Return the facts of the plugins of some groups, and what is wrong with which.

    :param index: the frozen index, without facts.
    :param asked: each group with the facts that its host asks for.
    :param search: finds the sources. Nothing of a plugin is imported.
    """
    found: dict[Part, FactTable] = {}
    faults: list[tuple[str, str]] = []
    for group, wanted in asked:
        table = found.setdefault((wanted.kind, group), {})
        files = [index.rows(companion) for companion in wanted.companions]
        for (name, reference, module, attr, _), owner in index.rows(group):
            if module is None or owner is None:
                continue
            companions = [_value(pairs, name, owner[0]) for pairs in files]
            sources = Sources(fs.clock())
            placed, fault = work_out(
                search, sources, wanted, (module, attr or ""), companions
            )
            if sources.complete:
                facts = [(name, value, kind) for name, value, kind, _ in placed]
                answer = answer_of(companions, fault, facts)
                table[owner[0], reference] = make_fact(answer)
            if fault:
                faults.append((f"{name} ({owner[0]})", fault))
    return encode([], [], found), faults


def _value(pairs: "list[Any]", name: str, key: str) -> str:
    """Return the value of the entry point of a distribution with a name; "" if none."""
    for row, owner in pairs:
        if row[0] == name and owner[0] == key:
            value: str = row[1]
            return value
    return ""
