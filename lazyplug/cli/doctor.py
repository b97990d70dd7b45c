"""Check the environment for problems, and say what to do. Imports no plugin."""

from .._printable import counted
from .diagnosis.cache import check_cache, check_file_systems
from .diagnosis.findings import (
    ERROR,
    FIELDS,
    SEVERITIES,
    WARNING,
    Finding,
    finding,
    ignore_file,
    ignored_in_file,
    is_ignored,
    unknown_code,
)
from .diagnosis.index import check_frozen_index, check_index
from .diagnosis.paths import check_path, check_startup, check_switch
from .diagnosis.plugins import (
    check_metadata,
    check_names,
    check_targets,
    count_plugins,
    extensions_by_group,
)
from .diagnosis.settings import check_settings
from .output import add_json, add_python, clean, print_item, print_json, print_sentence

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence
    from typing import Any

# How many findings of one code are printed; `--json` has all.
_MOST = 10
_INDENT = " " * 8


def add_to(_: str, parser: "argparse.ArgumentParser") -> None:
    """Add the arguments of the command to its parser."""
    add_json(parser)
    add_python(parser)
    parser.add_argument(
        "--strict", action="store_true", help="fail if there are warnings, too"
    )
    parser.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="CODE",
        type=_code,
        help="ignore what has this code, or with CODE=WHAT only that of one"
        " distribution, variable, group or path; may be repeated. The file"
        f" {ignore_file()} has more such codes, one a line.".replace("%", "%%"),
    )
    parser.set_defaults(command=doctor)


def _code(text: str) -> str:
    from argparse import ArgumentTypeError  # free: the parser imports it

    fault = unknown_code(text)
    if fault:
        raise ArgumentTypeError(fault)
    return text


def doctor(options: "argparse.Namespace") -> int:
    """Print what was checked and found; return 1 if the user should correct something.

    With `--strict`, also if there are warnings. Imports no plugin.
    """
    ignored = [*options.ignore]
    found = [*_ignore_file(ignored), *_check()]
    shown = [each for each in found if not (each.code and is_ignored(each, ignored))]
    counts = {
        severity: sum(each.severity == severity for each in shown)
        for severity in SEVERITIES[1:]
    }
    ignored_count = len(found) - len(shown)
    if options.json:
        print_json(_to_json(found, shown, counts))
    else:
        _print(shown)
        print_sentence(_summary(counts, ignored_count))
    return int(counts[ERROR] > 0 or (options.strict and counts[WARNING] > 0))


def _check() -> "Iterator[Finding]":
    """Yield all findings, by subject."""
    # First: other checks rewrite the index.
    index = [*check_index()]
    groups = extensions_by_group()
    yield from check_settings()
    yield from check_cache()
    yield from check_file_systems()
    yield from index
    yield from check_frozen_index()
    yield from check_switch()
    yield from check_startup()
    yield from check_path()
    yield from check_metadata(groups)
    yield from check_names(groups)
    yield from check_targets(groups)


def _ignore_file(ignored: "list[str]") -> "Iterator[Finding]":
    """Add the codes in the file of ignored codes; yield the lines that are not one."""
    path = ignore_file()
    for line, text in ignored_in_file(path):
        fault = unknown_code(text)
        if fault:
            message = f"{path}, line {line}: {fault}"
            yield finding("ignore-unknown", message, path=path, line=line)
        else:
            ignored.append(text)


def _to_json(
    found: "Sequence[Finding]", shown: "Sequence[Finding]", counts: "dict[str, int]"
) -> "dict[str, Any]":
    return {
        "summary": {
            **{f"{severity}s": count for severity, count in counts.items()},
            "ignored": len(found) - len(shown),
            **count_plugins(extensions_by_group()),
        },
        "findings": [
            {**_base(each), "ignored": each not in shown} for each in found if each.code
        ],
        "passed": [_base(each) for each in found if not each.code],
    }


def _base(found: Finding) -> "dict[str, Any]":
    fields = {
        "code": found.code or None,
        "severity": found.severity,
        "subject": found.subject,
        "message": found.message,
        "advice": found.advice or None,
    }
    return fields | dict.fromkeys(FIELDS) | found.fields


def _print(found: "Sequence[Finding]") -> None:
    """Print findings, the errors last; on a terminal, break lines between words."""
    by_code: dict[str, list[Finding]] = {}
    for each in sorted(found, key=lambda each: SEVERITIES.index(each.severity)):
        by_code.setdefault(each.code, []).append(each)
    for code, several in by_code.items():
        most = _MOST if code else len(several)
        suffix = f" [{code}]" if code else ""
        for each, following in zip(several[:most], [*several[1:most], None]):
            text = f"{each.subject}: {clean(each.message)}{suffix}"
            print_item(f"{each.severity:8}", text, each.severity)
            is_last = following is None or following.advice != each.advice
            if is_last and len(several) > most:
                print_item(_INDENT, f"and {len(several) - most} more: see --json")
            if is_last and each.advice:
                print_item(_INDENT, clean(each.advice))


def _summary(counts: "dict[str, int]", ignored: int) -> str:
    """Return the last line.

    >>> _summary({"note": 3, "warning": 2, "error": 0}, 1)
    'no errors found, 2 warnings, 3 notes, 1 ignored'
    """
    errors = counted(counts[ERROR], "error") if counts[ERROR] else "no errors"
    rest = [counted(counts[each], each) for each in (WARNING, SEVERITIES[1])]
    rest += [f"{ignored} ignored"] if ignored else []
    return f"{errors} found, {', '.join(rest)}"
