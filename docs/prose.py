"""Check that names, comments, docstrings and documents use the field's words.

`python docs/prose.py` prints each line with a word or phrase that this project used to
have for something that has a standard name, and what to say instead.
"""

import io
import re
import subprocess
import sys
import tokenize
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Each is a regular expression, and what to say instead.
WORDS = {
    r"(is|are|was|were|not|be) told|told (of|that|about|once)": "reported, logged",
    r"(not|no longer) true (any more|of)|still true": "fresh, stale",
    r"look(s|ed)? (at everything )?again|looks? anew": "rescan",
    r"too young|young stamps?|is young": "racy",
    r"calm|(?<!\")stamps?(?!\")": "reliable, stat signature",
    r"lent|donors?|lender": "borrowed, sibling indexes",
    r"(cold|warm|hot) rooms?|public doors?": "module, public names",
    r"stands? (several times|twice|more than once|in the)": "is declared",
    r"(is|are|was|were) left out": "is excluded, skipped",
    r"over (a |the )?bare( interpreter)?|half of the middle half": (
        "on top of `python -c pass`, half the interquartile range"
    ),
    r"folders?": "directory",
    r"foreign (finders?|distributions?)": "third-party finders",
    r"passed over|dropped in silence": "ignored, skipped",
    r"(on|at) (the )?first touch|touch(ed|es)? (it|the plugin)": "on first access",
    r"process(es)? that goe?s? on": "a long-running process",
    r"no object reference": "not a valid reference (expected `module:attr`)",
    r"believed without a look": "trusted without checking",
}
# Words that have no ordinary use in an identifier, and what to say instead.
NAMES = {
    "anew": "again",
    "beside": "next_to",
    "calm": "reliable",
    "donor": "source",
    "donors": "sources",
    "folder": "directory",
    "folders": "directories",
    "forgotten": "removed, invalidated",
    "lender": "source",
    "lent": "borrowed",
    "said": "message, output, error",
    "seam": "fs",
    "settled": "reliable",
    "stamp": "signature",
    "stamps": "signatures",
    "stands": "declares, contains",
    "tells": "reports, shows",
    "told": "message, output, error",
    "young": "racy",
}
# Names of other projects.
THEIRS = ("get_win_folder_from_env_vars",)
PATTERNS = [
    (re.compile(rf"\b({words})\b", re.IGNORECASE), say) for words, say in WORDS.items()
]
SUFFIXES = (".py", ".pyi", ".md", ".toml", ".ini")
# What was released is history, and what is quoted is somebody else's.
EXCLUDED = ("CHANGELOG.md", "changelog.d/", "docs/prose.py")


def prose(path: Path) -> "list[tuple[int, str]]":
    """Return the lines of prose in a file with their numbers: no code, no strings."""
    text = path.read_text(encoding="utf-8")
    if path.suffix not in (".py", ".pyi"):
        return [*enumerate(text.splitlines(), 1)]
    found = []
    starts = (tokenize.INDENT, tokenize.NEWLINE, tokenize.NL, tokenize.DEDENT)
    previous = tokenize.INDENT
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        is_docstring = token.type == tokenize.STRING and previous in starts
        if token.type == tokenize.COMMENT or is_docstring:
            found += [*enumerate(token.string.splitlines(), token.start[0])]
        if token.type != tokenize.COMMENT:
            previous = token.type
    return found


def names(path: Path) -> "list[tuple[int, str]]":
    """Return the words of the identifiers in a Python file, with their lines."""
    text = path.read_text(encoding="utf-8")
    return [
        (token.start[0], word)
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.NAME and token.string not in THEIRS
        for word in token.string.lower().split("_")
    ]


def main() -> int:
    """Print the lines that are to be changed; return 1 if there are any."""
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split("\n")
    count = 0
    for name in tracked:
        if not name.endswith(SUFFIXES) or name.startswith(EXCLUDED):
            continue
        for number, line in prose(ROOT / name):
            for pattern, say in PATTERNS:
                for match in pattern.finditer(line):
                    print(f"{name}:{number}: {match[0]!r}; say: {say}")
                    count += 1
        for number, word in names(ROOT / name) if name.endswith(".py") else ():
            if word in NAMES:
                print(f"{name}:{number}: {word!r} in a name; say: {NAMES[word]}")
                count += 1
    return int(bool(count))


if __name__ == "__main__":
    sys.exit(main())
