"""Show where the start of a program goes, and what the options of `run` gain."""

import argparse
import shlex
import statistics
import sys
import tempfile
from operator import add
from typing import Any

from .. import _messages as messages
from .._running.command import base_name
from .children import HAS_PROCESSES, no_processes
from .figures import Below, columns, median_and_spread, printed_row
from .output import (
    clean,
    complain,
    has_rich,
    print_json,
    print_sentence,
    print_table,
    progress,
    reason_of,
    save_picture,
    unwritable,
)
from .starts import (
    RELEASED,
    WAYS,
    Observation,
    Program,
    ProgramError,
    Start,
    count_starts,
    title,
)

_ROUNDS = 5
# How many plugins are named, the slowest first.
_NAMED = 5
# A gain of less than this part of a start is not worth a command.
_LEAST_GAIN = 0.02
# The output of starts, if it differs from start to start as released.
NOT_COMPARABLE = "not comparable"
# A spread of more than this part of a start may hide a gain.
_NOISE = 0.05


def bench_program(options: argparse.Namespace) -> int:
    """Print where the start of a program goes, and what each option of `run` gains.

    Runs the program many times. Returns 2 if that is refused or it is not found, and 1
    if its starts cannot be measured.
    """
    rounds = options.rounds or _ROUNDS
    fault = _reason_to_refuse(options, count_starts(rounds))
    if fault:
        complain(f"lazyplug bench: {fault}")
        return 2
    if not HAS_PROCESSES:
        complain(messages.NO_BENCH.format(reason=no_processes()))
        return 1
    with tempfile.TemporaryDirectory(
        prefix="lazyplug-bench-",
        ignore_cleanup_errors=True,  # what the program left running may write to it
    ) as directory:
        program = Program(options.program, directory)
        if not program.find():
            return 2
        complain(
            messages.RUNNING.format(
                program=title(options.program), count=count_starts(rounds)
            )
        )
        try:
            has_stevedore = program.observe().has_stevedore
            ways = [way for way in WAYS if has_stevedore or "stevedore" not in way]
            total = count_starts(rounds, len(ways)) - 1
            with progress("running", total, sys.stderr) as step:
                starts, observations = program.compare(ways, rounds, step)
            found = report(options.program, starts, observations, program.has_file)
        except ProgramError as error:
            complain(f"lazyplug bench: {error}")
            return 1
    if options.json:
        print_json(found)
    else:
        _print(found)
    if options.svg:
        try:
            _draw(found, options.svg)
        except OSError as error:
            reason = messages.CANNOT_BE.format(done="written", reason=reason_of(error))
            complain(f"lazyplug bench: {options.svg} {reason}")
            return 1
    return 0


def _reason_to_refuse(options: argparse.Namespace, count: int) -> str:
    """Return why the program is not run; "" if it is."""
    words = options.program
    if options.group:
        return messages.NOT_BOTH.format(one="GROUP", other="--program")
    if words in ([], ["-m"], ["--"]):
        argument = "MODULE" if words == ["-m"] else "PROGRAM"
        missing = messages.MISSING.format(argument=argument)
        return messages.SEE_HELP.format(reason=missing, command="bench")
    if options.svg is not None and not has_rich():
        return messages.NEEDS_RICH
    # After `--`, it would be an argument.
    is_option = words[1:] and "--" not in words[1:]
    is_harmless = is_option and words[-1] in {"--help", "--version"}
    if not options.yes and not is_harmless:
        return messages.NEEDS_YES.format(program=title(words), count=count)
    return "" if options.svg is None else unwritable(options.svg)


def report(
    words: list[str],
    starts: dict[str, list[Start]],
    observations: list[Observation],
    has_file: bool = True,
) -> dict[str, Any]:
    """Return the figures of a program, as `--json` prints them.

    Raises ProgramError if the program ended with several exit codes as released, or
    with another one while it was observed.

    :param has_file: if not, only `run` can start the program.
    """
    codes = sorted({start.exit_code for start in starts[RELEASED]})
    if len(codes) > 1:
        raise ProgramError(
            messages.EXIT_CODES_DIFFER.format(
                program=title(words), codes=", ".join(map(str, codes))
            )
        )
    figures = {
        way: median_and_spread([start.milliseconds for start in found])
        for way, found in starts.items()
    }
    total, _ = figures[RELEASED]
    for each in observations:
        if each.exit_code != codes[0]:
            raise ProgramError(
                messages.OBSERVED_EXIT.format(
                    program=title(words), code=each.exit_code, released=codes[0]
                )
            )
    finding, importing, rest = map(
        list, zip(*map(_divide, starts[RELEASED], observations))
    )
    parts = {"finding plugins": finding, "importing plugins": importing, "rest": rest}
    plugins = [
        (
            statistics.median(each.plugins.get(plugin, 0.0) for each in observations),
            plugin,
        )
        for plugin in {plugin for each in observations for plugin in each.plugins}
    ]
    outputs = {way: compare(starts[RELEASED], found) for way, found in starts.items()}
    usable = ("same", NOT_COMPARABLE)
    best = choose(
        {way: figures[way] for way in figures if outputs[way] in usable},
        statistics.median(map(add, finding, importing)),
    )
    gain = total - figures[best][0]
    return {
        "program": words,
        "python": sys.version.partition(" ")[0],
        "exit_code": codes[0],
        "rounds": len(observations),
        "parts": [
            {"part": part, **columns(median_and_spread(values), total, "share")}
            for part, values in parts.items()
        ],
        "plugins": [
            {
                "plugin": name,
                "value": value,
                "group": group,
                "milliseconds": round(median, 2),
            }
            for median, (name, value, group) in sorted(plugins, reverse=True)
        ],
        "starts": [
            {
                "start": way,
                **columns(figure, total, "ratio"),
                "output": "" if way == RELEASED else outputs[way],
            }
            for way, figure in figures.items()
        ],
        # what to type; "" if that gains nothing
        "command": "" if best == RELEASED else _command(best, words, has_file),
        "gain": round(gain, 2),
    }


def _divide(start: Start, observed: Observation) -> tuple[float, float, float]:
    """Return the milliseconds of finding plugins, of importing them, and of the rest.

    Threads may find and import at the same time, but not longer than the start takes.

    >>> observed = Observation(20.0, {("a", "plug:a", "app"): 90.0}, False)
    >>> _divide(Start(100.0, 0, (b"", b"")), observed)
    (20.0, 80.0, 0.0)
    """
    finding = min(observed.finding, start.milliseconds)
    importing = min(sum(observed.plugins.values()), start.milliseconds - finding)
    return finding, importing, start.milliseconds - finding - importing


def compare(released: list[Start], others: list[Start]) -> str:
    """Return whether starts ended and printed as they did as released, in words.

    >>> a, b = Start(1.0, 0, (b"a", b"")), Start(1.0, 0, (b"b", b""))
    >>> compare([a, a], [a, a]), compare([a, a], [b, a]), compare([a, b], [a, b])
    ('same', 'different', 'not comparable')
    >>> compare([a, a], [a, Start(1.0, 1, (b"a", b""))])
    'exit code 1'
    """
    for start in others:
        if start.exit_code != released[0].exit_code:
            return f"exit code {start.exit_code}"
    printed = {start.printed for start in released}
    if len(printed) > 1:
        return NOT_COMPARABLE
    return "same" if printed == {start.printed for start in others} else "different"


def choose(figures: dict[str, tuple[float, float]], most: float) -> str:
    """Return the simplest way that is as fast as the fastest, or the first way.

    The first way is returned if no other is faster by more than the spreads.

    :param figures: medians and spreads, by way, the simplest way first.
    :param most: what can be gained at most. More than that is noise.

    >>> found = {"plain": (100.0, 2.0), "simple": (70.0, 1.0), "complex": (69.0, 1.0)}
    >>> choose(found, 50.0), choose(found, 2.5)
    ('simple', 'plain')
    >>> choose({"plain": (100.0, 2.0), "simple": (99.0, 3.0)}, 50.0)
    'plain'
    """
    first = next(iter(figures))
    fastest = min(figures, key=lambda way: figures[way][0])
    least = _LEAST_GAIN * figures[first][0]

    def is_clear(saved: float, one: str, other: str) -> bool:
        return saved > max(least, figures[one][1] + figures[other][1])

    for way, (median, _) in figures.items():
        saved = min(figures[first][0] - median, most)
        lost = median - figures[fastest][0]
        if is_clear(saved, first, way) and not is_clear(lost, way, fastest):
            return way
    return first


def _command(way: str, words: list[str], has_file: bool = True) -> str:
    """Return the command that speeds up each start of a program, or one start.

    >>> _command("run --as-stevedore --lazy", ["/v/bin/openstack", "--help"])
    'lazyplug on --as-stevedore --lazy --for openstack'
    >>> _command("run --accelerate", ["-m", "http.server"])
    'lazyplug on --for http.server'
    >>> _command("run --accelerate", ["tool", "--help"], has_file=False)
    'lazyplug run --accelerate tool --help'
    """
    if not has_file:
        return shlex.join(["lazyplug", "run", *WAYS[way], *words])
    # It has no option --accelerate: that is what it always does.
    options = [option for option in WAYS[way] if option != "--accelerate"]
    is_prefixed = words[0] in {"-m", "--"}
    name = words[1] if words[0] == "-m" else base_name(words[is_prefixed])
    return shlex.join(["lazyplug", "on", *options, "--for", name])


def _print(found: dict[str, Any]) -> None:
    print_sentence(
        f"{title(found['program'])}: exit code {found['exit_code']}, Python"
        f" {found['python']}."
    )
    print_sentence(
        f"Milliseconds, medians of {found['rounds']} interleaved rounds, ± half the"
        " interquartile range."
    )
    plugins = [{**row, "value": ""} for row in found["plugins"][:_NAMED]]
    parts, starts = _printed_rows(found)
    for rows in parts, plugins, starts:
        if not rows:
            continue
        print()
        print_table(rows)
    print()
    for line in _advice(found).splitlines():
        # A command is not folded: it is to be copied.
        (print if line == clean(found["command"]) else print_sentence)(line)


def _printed_rows(found: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """Return the rows of the parts of a start, and those of the starts."""
    total = found["starts"][0]["milliseconds"]
    return [
        [printed_row(row, total, ratio) for row in rows]
        for rows, ratio in ((found["parts"], "share"), (found["starts"], "ratio"))
    ]


def _advice(found: dict[str, Any]) -> str:
    total, spread = (found["starts"][0][key] for key in ("milliseconds", "spread"))
    if not found["command"]:
        finding, importing, _ = (part["share"] for part in found["parts"])
        is_possible = finding + importing > _LEAST_GAIN
        is_hidden = is_possible and spread > _NOISE * total
        return messages.NOISE if is_hidden else messages.NO_GAIN
    gain = messages.GAIN.format(
        milliseconds=found["gain"],
        share=found["gain"] / total,
        command=clean(found["command"]),
    )
    is_compared = all(start["output"] != NOT_COMPARABLE for start in found["starts"])
    return gain if is_compared else f"{gain}\n{messages.COMPARE_OUTPUT}"


def _draw(found: dict[str, Any], file: str) -> None:
    """Draw the parts of a start, and the starts, as bars into an SVG file."""
    # deferred: only for --svg
    from rich.bar import Bar
    from rich.box import SIMPLE_HEAD
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    end = max(start["milliseconds"] for start in found["starts"])
    tables = []
    parts, starts = _printed_rows(found)
    for rows in (parts, starts):
        name, *_, ratio = [key for key in rows[0] if key not in {"spread", "output"}]
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        table.add_column(name, min_width=31)
        table.add_column("milliseconds", justify="right")
        table.add_column(ratio, justify="right", min_width=5)
        table.add_column(f"0 to {end:.0f} ms")
        begin = 0.0
        for row in rows:
            took = row["milliseconds"]
            long = 0.0 if isinstance(took, Below) else took
            bar = Bar(end, begin, begin + long, width=40)
            table.add_row(Text(row[name]), f"{took:.1f}", f"{row[ratio]:.2f}", bar)
            begin += long if rows is parts else 0.0
        tables.append(table)
    advice = Padding(Text(_advice(found)), (0, 1, 1, 1))
    heading = f"lazyplug bench --program {clean(shlex.join(found['program']))}"
    save_picture([*tables, advice], file, heading, 104)
