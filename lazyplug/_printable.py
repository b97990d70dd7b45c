"""Make text of third parties safe to print and to log."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

# Python's own attributes: a class or metaclass may define others with these names.
TYPE_NAME: "Any" = type.__dict__["__name__"]
TRACEBACK: "Any" = BaseException.__dict__["__traceback__"]
CAUSE: "Any" = BaseException.__dict__["__cause__"]
CONTEXT: "Any" = BaseException.__dict__["__context__"]


def clean(text: str) -> str:
    r"""Return text that is safe to print and to log, whatever metadata contains.

    Control characters, line breaks, marks of text direction and all other characters
    that str.isprintable() rejects are escaped.

    >>> clean("json"), clean("a\x1b[2J\nb"), clean("\u202e"), clean("\udcff")
    ('json', 'a\\x1b[2J\\nb', '\\u202e', '\\udcff')
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in text
    )


def describe_error(error: BaseException, named: bool = True) -> str:
    """Return "Type: text" of an exception; without `named`, only the text.

    Return the name of the type if `__str__` raises or does not return a string. The
    class of the exception is third-party code: only KeyboardInterrupt propagates.
    """
    name: str = TYPE_NAME.__get__(type(error))
    try:
        # Joined, since str() may return an instance of a subclass.
        return "".join((name, ": ", str(error)) if named else ("", str(error)))
    except KeyboardInterrupt:
        raise
    except BaseException:
        return name


def repr_of(value: object) -> str:
    """Return the repr of a value, cleaned; if that fails, the name of its type."""
    try:
        return clean("".join(("", repr(value))))
    except KeyboardInterrupt:
        raise
    except BaseException:
        return f"<{TYPE_NAME.__get__(type(value))} object>"


def list_words(words: "Iterable[str]") -> str:
    """Return the words, quoted and separated by commas.

    >>> list_words(["json", "yaml"])
    "'json', 'yaml'"
    """
    return ", ".join([repr(word) for word in words])


def sentence(text: str) -> str:
    """Return a phrase as a sentence, with a capital letter and a period.

    >>> sentence("no module named 'json5'")
    "No module named 'json5'."
    """
    return f"{text[0].upper()}{text[1:]}."


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun, in the plural unless the number is 1.

    >>> counted(1, "file"), counted(0, "file"), counted(2, "entry", "entries")
    ('1 file', '0 files', '2 entries')
    """
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"
