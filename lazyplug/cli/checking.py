"""Load each plugin in a child process, with a time limit, and print those that fail."""

import argparse
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from time import perf_counter
from typing import Any

from .. import _environment
from .. import _messages as messages
from .._exceptions import InvalidFacts
from .._facts import Facts, find_facts
from .._indexing.metadata import normalize
from .._inventory import all_rows, groups_of
from .._printable import counted
from .children import HAS_PROCESSES, no_processes
from .comparing import differences, to_text
from .earlier import EarlierChecks
from .failure import describe
from .host_facts import add_facts, companion_fault, import_facts, is_companion
from .listing import (
    EXCLUDED,
    NO_ENTRY_POINTS,
    label,
    list_extensions,
    no_such_plugin,
    nothing_of,
)
from .loading import Loadable, load_all
from .missing import need
from .output import (
    add_json,
    at_least,
    clean,
    complain,
    print_item,
    print_json,
    print_sentence,
    print_table,
    progress,
    unwritable,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._types import Owner

_DAY = 86_400.0
# Groups of programs, whose import may be the program itself, and of build backends,
# which run in environments of their own: they are checked if a GROUP names them.
_NOT_BY_DEFAULT = (
    *("console_scripts", "gui_scripts", "pipx.run", "distutils.*", "egg_info.*"),
    *("setuptools.*", "hatch", "hatch.*", "pdm", "pdm.*", "poetry.*"),
)
_FINE = {"ok", "excluded", "skipped"}
# How many lines of an error, and how many names, are printed of one failure.
_LINES, _NAMES = 3, 5
_INDENT = " " * 9


def add_to(_: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    formats = parser.add_mutually_exclusive_group()
    add_json(formats)
    formats.add_argument(
        "--github",
        action="store_true",
        help="print failures as annotations of GitHub Actions",
    )
    parser.add_argument(
        "groups",
        metavar="GROUP",
        nargs="*",
        help="the groups (default: all, but those of programs and build backends)",
    )
    parser.add_argument(
        "--exclude",
        action="append",
        default=[],
        metavar="GROUP",
        help="leave out a group, or the groups that match a pattern (repeatable)",
    )
    parser.add_argument(
        "--distribution",
        action="append",
        default=[],
        metavar="DISTRIBUTION",
        help="check the plugins of this distribution only (repeatable)",
    )
    parser.add_argument(
        "--exclude-distribution",
        action="append",
        default=[],
        metavar="DISTRIBUTION",
        help="leave out the plugins of this distribution (repeatable)",
    )
    parser.add_argument(
        "--all", action="store_true", help="print all plugins, not only failures"
    )
    parser.add_argument(
        "--traceback", action="store_true", help="print the tracebacks of failures"
    )
    parser.add_argument(
        "--again",
        action="store_true",
        help="also load what an earlier check has loaded",
    )
    parser.add_argument(
        "--isolate",
        action="store_true",
        help="load each plugin in a process of its own, also what was loaded before",
    )
    parser.add_argument(
        "--junit", metavar="FILE", help="also write the result as JUnit XML"
    )
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=30.0,
        metavar="SECONDS",
        help="the time limit for each plugin (default: 30)",
    )
    parser.add_argument(
        "--jobs",
        type=at_least(1),
        default=_processors(),
        metavar="N",
        help="how many processes run at the same time (default: one per processor)",
    )
    add_facts(
        parser,
        "compare the facts that this Facts object of the host asks for with what is"
        " loaded (with one GROUP)",
    )
    parser.set_defaults(command=check)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _DAY:
        raise argparse.ArgumentTypeError(
            messages.NOT_VALID.format(
                value=repr(text),
                what="timeout",
                expected=messages.A_TIMEOUT.format(limit=_DAY),
            )
        )
    return seconds


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1


def check(options: argparse.Namespace) -> int:
    """Load the plugins, and print those that fail; return 1 if any does.

    Runs the plugins' code, in child processes if the platform has processes; excluded
    plugins are not run. What an earlier check has loaded is not loaded again.
    """
    if options.facts and len(options.groups) != 1:
        text = messages.ONLY_WITH.format(option="--facts", other="one GROUP")
        complain(f"lazyplug check: {text}")
        return 2
    fault = options.junit and unwritable(options.junit)
    if fault:
        complain(f"lazyplug check: {fault}")
        return 2
    wanted = options.facts and import_facts(options.facts)
    groups, others = _choose_groups(options)
    # A family of groups may overlap with another GROUP.
    every = {
        each.key: each for group in groups for each in _plugins(group, options, wanted)
    }
    if wanted is not None:
        # Those of companion groups that a family has among its groups come last.
        for plugin in _without_plugin(wanted):
            every.pop(plugin.key, None)
            every[plugin.key] = plugin
    plugins = list(every.values())
    _load(plugins, options)
    rows = [row for plugin in plugins for row in plugin.rows()]
    if options.junit:
        from .junit import write_junit  # deferred: only for --junit

        write_junit([{**row, "message": _message(row)} for row in rows], options.junit)
    not_found = [*dict.fromkeys(_not_found(options))]
    if options.json:
        print_json(rows)
    elif rows or not not_found:
        _print(rows, others, options)
    for text in not_found:
        complain(text)
    failed = any(plugin.has_failed() for plugin in plugins)
    return 1 if failed or not_found else 0


def _not_found(options: argparse.Namespace) -> Iterator[str]:
    """Yield why a GROUP has no plugins, or a DISTRIBUTION none in any GROUP."""
    wanted = {name: normalize(name) for name in options.distribution}
    found = {group: _declaring(group) for group in options.groups or [""]}
    everywhere = set().union(*found.values())
    for group, keys in found.items():
        if group and not keys:
            yield no_such_plugin(group)
            continue
        has_any = not keys.isdisjoint(wanted.values())
        for name, key in wanted.items():
            if key not in (keys if not has_any else everywhere):
                yield nothing_of(name, group or None)


def _declaring(namespace: str) -> set[str]:
    """Return the keys of the distributions with plugins in a namespace; "" for all."""
    rows = all_rows(_environment.current())
    groups = groups_of(namespace) if namespace else rows
    return {owner[0] for group in groups for _, owner in rows.get(group, ())}


def _choose_groups(options: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Return the groups to be checked, and those that only a GROUP would check."""
    if options.groups:
        return [g for g in options.groups if not _matches(g, options.exclude)], []
    groups = [
        group
        for group, pairs in sorted(all_rows(_environment.current()).items())
        if not _matches(group, options.exclude)
        and any(_is_selected(owner, options) for _, owner in pairs)
    ]
    others = [each for each in groups if _matches(each, _NOT_BY_DEFAULT)]
    return [each for each in groups if each not in others], others


def _is_selected(owner: "Owner | None", options: argparse.Namespace) -> bool:
    """Return True if the options select the distribution with this owner."""
    key = "" if owner is None else owner[0]
    only = set(map(normalize, options.distribution))
    without = set(map(normalize, options.exclude_distribution))
    return (not only or key in only) and key not in without


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _plugins(
    namespace: str, options: argparse.Namespace, wanted: Facts | None
) -> "list[_Plugin]":
    """Return the plugins of a group, or of a family of groups, that are selected."""
    return [
        _Plugin(extension, note, wanted)
        for extension, note in list_extensions(namespace, thorough=False).items()
        if _is_selected(extension._owner, options)
        and not _matches(extension.group, options.exclude)
    ]


def _without_plugin(wanted: Facts) -> "Iterator[_Plugin]":
    """Yield the companion entry points whose distribution has no plugin of their name.

    Managers cannot notice that facts are lost because of a misspelled name: they look
    for the companions of their plugins only.
    """
    plugins = {
        (row[0], owner[0])
        for group, pairs in all_rows(_environment.current()).items()
        if not group.endswith(".facts")
        for row, owner in pairs
    }
    for group in wanted.companions:
        for extension, note in list_extensions(group, thorough=False).items():
            owner = extension._owner
            if owner is None or note.startswith(EXCLUDED):
                continue
            if is_companion(extension) and (extension.name, owner[0]) not in plugins:
                plugin = _Plugin(extension, note, wanted)
                error = messages.FACTS_WITHOUT_PLUGIN.format(
                    distribution=label(extension), name=extension.name
                )
                plugin.row |= {"state": "invalid", "error": error}
                yield plugin


class _Plugin:
    """A plugin to be checked.

    :param extension: its handle.
    :param note: why it cannot be loaded, or "".
    :param wanted: the facts to be compared; None: none.
    """

    def __init__(self, extension: Any, note: str, wanted: Facts | None) -> None:
        self.extension = extension
        self.is_loaded = False
        self.row = {
            "group": extension.group,
            "name": extension.name,
            "state": "ok",
            "seconds": 0.0,
            "mib": 0.0,
            "distribution": label(extension),
            "error": "",
            "traceback": "",
            "remembered": False,
        }
        self.key = extension.group, extension.name, self.row["distribution"]
        self.facts: list[tuple[str, Any, str]] = []
        # what is wrong with the facts, before anything is loaded
        self._faults: list[str] = []
        self._has_facts = wanted is not None
        # the names of the facts that the loaded object contradicts, with what it has
        self.differences: list[tuple[str, str]] = []
        if note.startswith(EXCLUDED):
            self.row |= {"state": "excluded", "error": note}
        elif extension._module is None:
            error = f"{extension.value!r} is {messages.INVALID_REFERENCE}"
            self.row |= {"state": "invalid", "error": error}
        elif is_companion(extension):
            error = companion_fault(extension)
            self.row |= {"state": "invalid" if error else "ok", "error": error}
        else:
            self.is_loaded = True
            if wanted is not None:
                self._read_facts(wanted)

    def _read_facts(self, wanted: Facts) -> None:
        self.facts, fault = find_facts(self.extension, wanted)
        self._faults += [fault] if fault else []
        try:
            self.extension._facts = wanted
            wanted._of(self.extension)
        except InvalidFacts as error:
            self._faults.append(str(error))

    def has_failed(self) -> bool:
        """Return True if the plugin cannot be used, or if one of its facts is wrong."""
        return any(row["state"] not in _FINE for row in self.rows())

    def request(self) -> tuple[str, str | None, str]:
        """Return what a child process loads and compares."""
        facts = to_text(self.facts) if self.facts else ""
        return self.extension._module or "", self.extension.attr, facts

    def complete(self, found: dict[str, Any]) -> None:
        """Take what was found when it was loaded, or when that failed."""
        found = dict(found)
        self.differences = found.pop("differences", [])
        reason = need(self.extension, found.pop("missing", ""))
        if reason:
            found |= {"state": "skipped", "error": reason}
        self.row |= found

    def recall(self, earlier: EarlierChecks) -> None:
        """Complete the row if an earlier check has loaded this plugin."""
        figures = earlier.recall(self.extension)
        if figures is not None:
            self.row["seconds"], self.row["mib"] = figures
            self.row["remembered"] = True

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the row of this plugin, and one for each failure of its facts."""
        fields = ("fact", "kind", "expected", "actual") if self._has_facts else ()
        yield self.row | dict.fromkeys(fields, "")
        own = self.row | {"seconds": 0.0, "mib": 0.0, "error": "", "traceback": ""}
        for fault in self._faults:
            row = {"state": "invalid", "error": fault}
            yield own | dict.fromkeys(fields, "") | row
        expected = {name: (kind, repr(value)) for name, value, kind in self.facts}
        for name, actual in self.differences:
            values = name, *expected[name], actual
            yield own | {"state": "differs"} | dict(zip(fields, values))


def _load(plugins: Sequence[_Plugin], options: argparse.Namespace) -> None:
    """Load what no earlier check has loaded, and complete the rows of all."""
    earlier = EarlierChecks()
    to_load = [plugin for plugin in plugins if plugin.is_loaded]
    if not (options.again or options.isolate or options.facts):
        for plugin in to_load:
            plugin.recall(earlier)
        to_load = [plugin for plugin in to_load if not plugin.row["remembered"]]
    if HAS_PROCESSES:
        _in_processes(to_load, options)
    else:
        _in_this_process(to_load)
    for plugin in to_load:
        if plugin.row["state"] == "ok":
            figures = plugin.row["seconds"], plugin.row["mib"]
            earlier.remember(plugin.extension, *figures)
        else:
            earlier.forget(plugin.extension)


def _in_this_process(plugins: Sequence[_Plugin]) -> None:
    """Load plugins one by one in this process, and complete their rows."""
    if plugins:
        complain(messages.CHECKED_IN_THIS_PROCESS.format(reason=no_processes()))
    for plugin in plugins:
        began = perf_counter()
        try:
            loaded = plugin.extension.plugin
            found: dict[str, Any] = {"differences": differences(loaded, plugin.facts)}
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            found = {"state": "failed", **describe(error)}
        plugin.complete(found | {"seconds": perf_counter() - began})


def _in_processes(plugins: Sequence[_Plugin], options: argparse.Namespace) -> None:
    """Load plugins in child processes, and complete their rows."""
    if not plugins:
        return
    batches: dict[Any, list[Loadable]] = {}
    for number, plugin in enumerate(plugins):
        owner = plugin.extension._owner
        key = number if options.isolate or owner is None else owner[0]
        batches.setdefault(key, []).append(plugin)
    # The longest first: none of them is left for the end.
    ordered = sorted(batches.values(), key=len, reverse=True)
    with progress("loading", len(plugins), sys.stderr) as step:
        shown = 0

        def show(done: int, slowest: Loadable | None) -> None:
            nonlocal shown
            name = slowest.request()[0] if slowest is not None else ""
            step(done - shown, name)
            shown = done

        load_all(ordered, options.jobs, options.timeout, show)


def _print(
    rows: list[dict[str, Any]], others: list[str], options: argparse.Namespace
) -> None:
    """Print the failures, or all rows, and a summary."""
    if options.all and rows:
        hidden = {"traceback"}
        print_table([{k: v for k, v in row.items() if k not in hidden} for row in rows])
    if not options.all or options.traceback or options.github:
        _print_failures(rows, options)
    if not all_rows(_environment.current()):
        print(NO_ENTRY_POINTS)
    else:
        print_sentence(_summary(rows))
    if others:
        names = ", ".join([clean(name) for name in others[:_NAMES]])
        more = f" and {len(others) - _NAMES} more" if len(others) > _NAMES else ""
        print_sentence(messages.CHECKED_BY_NAME.format(groups=names + more))


def _summary(rows: list[dict[str, Any]]) -> str:
    plugins: dict[tuple[str, str, str], set[str]] = {}
    for row in rows:
        key = row["group"], row["name"], row["distribution"]
        plugins.setdefault(key, set()).add(row["state"])
    states = list(plugins.values())
    numbers = {
        "failed": sum(1 for each in states if each - _FINE),
        "skipped": sum(1 for each in states if "skipped" in each),
        "excluded": sum(1 for each in states if "excluded" in each),
        "loaded before": sum(1 for row in rows if row["remembered"]),
    }
    text = counted(len(plugins) - numbers["excluded"], "plugin") + " checked"
    return text + "".join(
        f", {number} {name}"
        for name, number in numbers.items()
        if number or name == "failed"
    )


def _print_failures(rows: list[dict[str, Any]], options: argparse.Namespace) -> None:
    """Print each failure, and those with the same error of a distribution together."""
    alike: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in rows:
        if row["state"] not in _FINE:
            key = row["state"], row["distribution"], _message(row)
            alike.setdefault(key, []).append(row)
    for (state, distribution, message), found in alike.items():
        names: dict[str, list[str]] = {}
        for row in found[:_NAMES]:
            names.setdefault(clean(row["group"]), []).append(clean(row["name"]))
        text = "; ".join(f"{group}: {', '.join(own)}" for group, own in names.items())
        if len(found) > _NAMES:
            text += f" and {len(found) - _NAMES} more"
        title = f"{text} ({clean(distribution)})"
        trace = options.traceback and found[0]["traceback"]
        lines = [line for line in (trace or message).splitlines() if line.strip()]
        if not trace and len(lines) > _LINES:
            lines[_LINES:] = ["…"]
        lines = list(map(clean, lines))
        if options.github:
            print(_annotation([f"{state} {title}", *lines]))
            continue
        print_item(f"{state:<9}", title, state)
        for line in lines:
            text = line.lstrip()
            print_item(_INDENT + " " * (len(line) - len(text)), text)


def _annotation(lines: list[str]) -> str:
    """Return the workflow command with which GitHub Actions shows an error.

    >>> _annotation(["failed app: json", "100%"])
    '::error title=lazyplug check::failed app: json%0A100%25'
    """
    text = "\n".join(lines).replace("%", "%25").replace("\n", "%0A")
    return f"::error title=lazyplug check::{text}"


def _message(row: dict[str, Any]) -> str:
    """Return why a row is a failure, also if a fact is."""
    if row["state"] != "differs":
        return str(row["error"])
    return messages.FACT_DIFFERS.format(
        fact=row["fact"],
        kind=row["kind"],
        expected=row["expected"],
        actual=row["actual"],
    )
