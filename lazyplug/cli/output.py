"""Print what a command has found, as text in columns or as JSON."""

import os
import sys

from .. import _messages as messages
from .._printable import clean as clean  # noqa: PLC0414 - for all commands
from . import terminal_width

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import IO, Any

    Row = Mapping[str, Any]


def add_json(parser: "argparse._ActionsContainer") -> None:
    """Add the option `--json` to the parser of a command."""
    parser.add_argument(
        "--json", action="store_true", help="print JSON instead of text"
    )


# The help of the option `--python`.
PYTHON = "the environment, or its interpreter, to look at (default: this one)"


def add_python(parser: "argparse.ArgumentParser") -> None:
    """Add the option `--python` to the parser of a command that only reads."""
    parser.add_argument("--python", dest="environment", metavar="PATH", help=PYTHON)


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

    On a terminal, no word is broken. If a line is too long, the last column is folded;
    if that is not enough, the first cell of a few rows has a line of its own; and if
    that is not enough either, each row is printed as a block, one field per line.

    :param file: where to print; by default standard output.
    """
    where: IO[str] = sys.stdout if file is None else file
    names = [name for name in rows[0] if any(_cell_text(row[name]) for row in rows)]
    cells = [[_cell_text(row[name]) for name in names] for row in rows]
    headings = [name.replace("_", " ") for name in names]
    numeric = [all(_is_number(row[name]) for row in rows) for name in names]
    widths = [_column_width([*column]) for column in zip(headings, *cells)]
    limit = _width_of(where)
    if limit and not _fit(widths, headings, cells, limit):
        for number, row in enumerate(cells):
            if number:
                print(file=where)
            print_fields(dict(zip(headings, row)), where)
        return
    colored = is_colored(where)
    lines = []
    for number, row in enumerate([headings, *cells]):
        for cells_of_line in _lines_of(row, widths) if limit else [row]:
            padded = _aligned(cells_of_line, widths, numeric)
            if colored and number:
                padded = [*map(_painted_cell, padded, names)]
            shown = "  ".join(padded).rstrip()
            lines.append(f"{BOLD}{shown}{_PLAIN}" if colored and not number else shown)
    print("\n".join(lines), file=where)


def _fit(
    widths: "list[int]",
    headings: "Sequence[str]",
    cells: "Sequence[Sequence[str]]",
    limit: int,
) -> bool:
    """Make the last column narrower, then the first one; return whether lines fit."""
    least = _column_width(
        [word for row in (headings, *cells) for word in _words(row[-1])]
    )
    left = limit - sum(widths[:-1]) - 2 * (len(widths) - 1)
    first = widths[0] + left - least
    if left >= least:
        widths[-1] = min(widths[-1], left)
        return True
    long_count = sum(display_width(row[0]) > first for row in cells)
    if len(widths) > 1 and first >= len(headings[0]) and long_count * 4 <= len(cells):
        widths[0], widths[-1] = first, least
        return True
    return False


def _lines_of(
    row: "Sequence[str]", widths: "Sequence[int]"
) -> "Iterator[Sequence[str]]":
    """Yield the cells of each line of a row, whose first or last cell may not fit.

    >>> [*_lines_of(["long", "1", "one two"], [2, 1, 3])]
    [['long', '', ''], ['', '1', 'one'], ['', '', 'two']]
    """
    empty = [""] * (len(row) - 1)
    if empty and display_width(row[0]) > widths[0]:
        yield [row[0], *empty]
        row = ["", *row[1:]]
    first, *rest = _fold(row[-1], widths[-1])
    yield [*row[:-1], first]
    for text in rest:
        yield [*empty, text]


def _aligned(
    line: "Sequence[str]", widths: "Sequence[int]", numeric: "Sequence[bool]"
) -> "list[str]":
    """Return cells that are as wide as their columns: numbers to the right.

    >>> _aligned(["a", "10"], [4, 3], [False, True])
    ['a   ', ' 10']
    """
    if not "".join(line).isascii():
        # The methods of strings count characters, which may be wider.
        lengths = zip(widths, line)
        widths = [width + len(word) - display_width(word) for width, word in lengths]
    return [
        word.rjust(width) if right else word.ljust(width)
        for word, width, right in zip(line, widths, numeric)
    ]


def _column_width(column: "Sequence[str]") -> int:
    is_ascii = "".join(column).isascii()
    return max(map(len if is_ascii else display_width, column))


def print_fields(fields: "Row", file: "IO[str] | None" = None) -> None:
    """Print one field per line, without the empty fields.

    On a terminal, long values are folded between words.

    :param file: where to print; by default standard output.
    """
    where: IO[str] = sys.stdout if file is None else file
    width = max(map(display_width, fields)) + 2
    limit, colored = _width_of(where), is_colored(where)
    for name, value in fields.items():
        text = _cell_text(value)
        if not text:
            continue
        (label,) = _aligned([f"{name}:"], [width], [False])
        first, *rest = _fold(text, limit - width) if limit else [text]
        if colored:
            first, label = _painted_cell(first, name), f"{BOLD}{label}{_PLAIN}"
        print(f"{label}{first}", file=where)
        for line in rest:
            print(f"{' ' * width}{line}", file=where)


def print_item(label: str, text: str, state: str = "") -> None:
    """Print a text after a label of fixed width, which has the color of a state.

    On a terminal, the text is folded between words, and the label is its margin.
    """
    limit = _width_of(sys.stdout)
    first, *rest = _fold(text, limit - len(label)) if limit else [text]
    start = painted(label, state) if is_colored(sys.stdout) else label
    print("\n".join([f"{start}{first}", *(" " * len(label) + each for each in rest)]))


def _folded(text: str, file: "IO[str]") -> "list[str]":
    """Return the lines of a text, which are folded only on a terminal."""
    limit = _width_of(file)
    return _fold(text, limit) if limit else [text]


def _fold(text: str, width: int) -> "list[str]":
    """Return a text as lines of some width, of which only long words exceed it.

    >>> _fold("one two three", 8), _fold("", 8), _fold("run `a b c`.", 8)
    (['one two', 'three'], [''], ['run', '`a b c`.'])
    """
    lines: list[str] = []
    for word in _words(text):
        if lines and display_width(lines[-1]) + 1 + display_width(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return [line.replace(_SPACE, " ") for line in lines]


def _words(text: str) -> "list[str]":
    """Return what is not to be broken into lines: words, and commands in backquotes.

    A command that is broken into lines cannot be copied. Its spaces are replaced.
    """
    parts = text.split("`")
    if len(parts) % 2:
        parts[1::2] = [each.replace(" ", _SPACE) for each in parts[1::2]]
    return "`".join(parts).split(" ")


# Printable texts have none.
_SPACE = "\0"


def display_width(text: str) -> int:
    r"""Return how many columns of a terminal a text takes.

    >>> display_width("json"), display_width("\u63d2\u4ef6"), display_width("e\u0301")
    (4, 4, 1)
    """
    if text.isascii():
        return len(text)
    # deferred: few texts are not ASCII
    from unicodedata import combining, east_asian_width

    return sum(
        0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1
        for char in text
    )


def _width_of(file: "IO[str]") -> int:
    """Return the width of the lines of a terminal; 0 for other files."""
    return terminal_width() if is_terminal(file) else 0


BOLD, _PLAIN, _GREEN, _YELLOW, _RED = (f"\33[{n}m" for n in (1, 0, 32, 33, 31))
# The words of the column `state`, and the first ones of `lazyplug why`.
_COLORS = {
    **dict.fromkeys(["ok", "on", "available", "loads"], _GREEN),
    **dict.fromkeys(["excluded", "note", "skipped", "stale", "warning"], _YELLOW),
    **dict.fromkeys(["crashed", "damaged", "differs", "error", "failed"], _RED),
    **dict.fromkeys(["invalid", "missing", "problem", "shadowed", "timeout"], _RED),
}


def painted(text: str, state: str) -> str:
    """Return a text in the color of a state; as it is if the state has no color."""
    color = _COLORS.get(state.rstrip(), "")
    return f"{color}{text}{_PLAIN}" if color else text


def _painted_cell(text: str, name: str) -> str:
    return painted(text, {"state": text, "note": "note"}.get(name, ""))


def is_colored(file: "IO[str]") -> bool:
    """Return True if a file shows colors.

    NO_COLOR, FORCE_COLOR and CLICOLOR_FORCE decide; otherwise, terminals do.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if any(os.environ.get(each, "0") not in {"", "0"} for each in _FORCING):
        return True
    return os.name == "posix" and is_terminal(file)


_FORCING = "FORCE_COLOR", "CLICOLOR_FORCE"


def print_sentence(text: str, states: "Mapping[str, str] | None" = None) -> None:
    """Print a sentence, folded between words on a terminal.

    :param states: by the words before a colon, the state whose color they have.
    """
    words = text.partition(":")[0]
    lines = _folded(clean(text), sys.stdout)
    state = (states or {}).get(words, "")
    if state and is_colored(sys.stdout) and lines[0].startswith(words):
        lines[0] = painted(words, state) + lines[0][len(words) :]
    print("\n".join(lines))


def complain(text: str) -> None:
    """Print a message to standard error, with control characters escaped."""
    for line in text.splitlines() or [""]:
        print("\n".join(_folded(clean(line), sys.stderr)), file=sys.stderr)


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
    """Return True if rich is installed, which shows progress and draws pictures."""
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


def _is_number(value: "Any") -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell_text(value: "Any") -> str:
    if type(value) is str:
        return clean(value)
    if type(value) is int:
        return str(value)
    if value is None or value is False:
        return ""
    if value is True:
        return "yes"
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell_text, value))
    return clean(str(value))
