"""Print what a command has found, as text in columns or as JSON."""

import os
import sys

from .. import _messages as messages
from .._printable import clean as clean  # noqa: PLC0414 - for all commands

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import IO, Any

    Row = Mapping[str, Any]


def add_json(parser: "argparse.ArgumentParser") -> None:
    """Add the option `--json` to the parser of a command."""
    parser.add_argument(
        "--json", action="store_true", help="print JSON instead of text"
    )


def at_least(least: int) -> "Callable[[str], int]":
    """Return a function that parses an argument: an integer not below this one."""

    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            from argparse import ArgumentTypeError  # free: the parser imports it

            raise ArgumentTypeError(
                messages.NOT_VALID.format(
                    value=repr(text),
                    what="number",
                    expected=messages.AN_INTEGER.format(least=least),
                )
            )
        return int(text)

    return parse


def to_json(found: "Any") -> bytes:
    """Return JSON in UTF-8; surrogates, as in undecodable file names, are escaped."""
    try:
        import orjson  # deferred: 20 ms, only for --json
    except ImportError:  # some platforms have no wheel of it
        import json  # deferred: only without orjson

        text = json.dumps(_encodable(found), indent=2, ensure_ascii=False)
        return f"{text}\n".encode()
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    try:
        return orjson.dumps(found, option=options)
    except TypeError:
        return orjson.dumps(_encodable(found), option=options)


def print_json(found: "Any") -> None:
    """Print JSON in UTF-8, whatever the encoding of standard output is."""
    data = to_json(found)
    raw = getattr(sys.stdout, "buffer", None)
    if raw is None:
        print(data.decode(), end="")
    else:
        sys.stdout.flush()
        raw.write(data)
        raw.flush()


def _encodable(value: "Any") -> "Any":
    r"""Return a value whose strings can be encoded: surrogates are escaped.

    >>> _encodable({"a": ["\udcff", 1]})
    {'a': ['\\udcff', 1]}
    """
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return list(map(_encodable, value))
    return value


def print_table(rows: "Sequence[Row]", file: "IO[str] | None" = None) -> None:
    """Print rows below the names of their columns, without the empty columns.

    On a terminal, rich draws the table if it is installed.

    :param file: where to print; by default standard output.
    """
    where: IO[str] = sys.stdout if file is None else file
    names = [name for name in rows[0] if any(_cell_text(row[name]) for row in rows)]
    cells = [[_cell_text(row[name]) for name in names] for row in rows]
    headings = [name.replace("_", " ") for name in names]
    numeric = [all(type(row[name]) in {int, float} for row in rows) for name in names]
    if is_terminal(where) and has_rich():
        _draw(headings, cells, numeric, where)
        return
    for line in columns([headings, *cells], numeric):
        print(line, file=where)


def columns(
    lines: "Sequence[Sequence[str]]", numeric: "Sequence[bool]"
) -> "Iterable[str]":
    """Yield lines with aligned columns: text to the left, numbers to the right.

    >>> list(columns([["name", "n"], ["a", "10"], ["bcdef", "2"]], [False, True]))
    ['name    n', 'a      10', 'bcdef   2']
    """
    widths = [max(map(len, column)) for column in zip(*lines)]
    for line in lines:
        padded = [
            word.rjust(width) if right else word.ljust(width)
            for word, width, right in zip(line, widths, numeric)
        ]
        yield "  ".join(padded).rstrip()


def print_fields(fields: "Row") -> None:
    """Print one field per line, without the empty fields."""
    width = max(map(len, fields)) + 1
    for name, value in fields.items():
        if _cell_text(value):
            print(f"{name + ':':{width}} {_cell_text(value)}")


def complain(text: str) -> None:
    """Print a message to standard error, with control characters escaped."""
    print("\n".join(map(clean, text.splitlines())), file=sys.stderr)


def refuse(as_json: bool, path: str, fault: str) -> int:
    """Print why a file or directory cannot be used; return the exit code 1."""
    if as_json:
        print_json({"path": path or None, "fault": fault})
    else:
        complain(fault)
    return 1


def unwritable(file: str) -> str:
    """Return why a file cannot be written, or "". Do not change or leave anything."""
    is_new = not os.path.lexists(file)
    try:
        open(file, "ab").close()
        if is_new:
            os.remove(file)
    except OSError as error:
        reason = messages.CANNOT_BE.format(done="written", reason=reason_of(error))
        return f"{file} {reason}"
    return ""


def reason_of(error: OSError) -> str:
    """Return the reason of a system error, without its number and path."""
    return error.strerror or str(error)


def is_terminal(file: "IO[str]") -> bool:
    """Return True if a file is a terminal that can do more than print lines."""
    return file.isatty() and os.environ.get("TERM") != "dumb"


def has_rich() -> bool:
    """Return True if rich is installed, which draws tables and pictures."""
    try:
        import rich  # noqa: F401
    except ImportError:
        return False
    return True


def progress(
    label: str, total: int, file: "IO[str]"
) -> "AbstractContextManager[Callable[..., None]]":
    """Return a context manager that shows a progress bar on a terminal.

    Its value is a function to be called after each step; or with a number of steps, and
    the name of what takes long. Without rich, the bar is a line that is rewritten.
    Nothing is left of it at the end.
    """
    from contextlib import contextmanager  # deferred: only for long commands

    @contextmanager
    def bar() -> "Iterator[Callable[..., None]]":
        if not is_terminal(file):
            yield lambda *_: None
        elif has_rich():
            from rich.console import Console  # deferred: only on a terminal
            from rich.progress import Progress

            with Progress(console=Console(file=file), transient=True) as shown:
                task = shown.add_task(label, total=total)

                def step(number: int = 1, slow: str = "") -> None:
                    text = _progress_text(label, slow).replace("[", r"\[")
                    shown.update(task, advance=number, description=text)

                yield step
        else:
            yield from _plain_bar(label, total, file)

    return bar()


def _plain_bar(
    label: str, total: int, file: "IO[str]"
) -> "Iterator[Callable[..., None]]":
    done, width = 0, len(f"{label} {total}/{total}")

    def step(number: int = 1, slow: str = "") -> None:
        nonlocal done, width
        done += number
        text = _progress_text(f"{label} {done}/{total}", slow)
        padding = " " * (width - len(text))
        width = max(width, len(text))
        print(f"\r{text}{padding if slow else ''}", end="", file=file, flush=True)

    step(0)
    try:
        yield step
    finally:
        print("\r" + " " * width, end="\r", file=file)
        file.flush()


def _progress_text(label: str, slow: str) -> str:
    """Return a label with the name of what takes long, of a length that fits.

    >>> _progress_text("loading 1/2", "json"), _progress_text("loading", "")
    ('loading 1/2: json', 'loading')
    """
    return f"{label}: {clean(slow)[:30]}" if slow else label


def save_picture(
    renderables: "Iterable[Any]", file: str, title: str, width: int
) -> None:
    """Draw what rich can print into an SVG file."""
    from rich.console import Console  # deferred: only for --svg

    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=width, file=nowhere)
        for each in renderables:
            console.print(each)
    console.save_svg(file, title=title)


def _cell_text(value: "Any") -> str:
    if value is None or value is False:
        return ""
    if value is True:
        return "yes"
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell_text, value))
    return clean(str(value))


def _draw(
    names: "Sequence[str]",
    cells: "Sequence[Sequence[str]]",
    numeric: "Sequence[bool]",
    file: "IO[str]",
) -> None:
    # deferred: only on a terminal
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name, right in zip(names, numeric):
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for row in cells:
        # Text, not str: a name may look like rich's markup.
        table.add_row(*map(Text, row))
    Console(highlight=False, file=file).print(table)
