"""Check the arguments of Facts, and refuse those that are not valid."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn


def words(
    argument: str, value: "Any", is_valid: "Callable[[Any], bool]"
) -> "tuple[Any, ...]":
    """Return several words as a tuple; refuse a value that is something else.

    :param argument: the name of the argument.
    :param is_valid: returns True for a valid word.
    """
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        refuse(argument, value, several=True)
    found = tuple(value)
    for word in found:
        if not is_valid(word):
            refuse(argument, word)
    return found


def refuse(argument: str, value: "Any", several: bool = False) -> "NoReturn":
    """Raise the error for a value that is not valid: ValueError for a text.

    :param several: True if the argument takes several words.
    """
    from . import _messages as messages  # deferred: only on failure

    expected = {
        "declared": messages.A_VARIABLE_OR_GROUP,
        "static": messages.AN_ATTRIBUTE,
        "vouched": messages.A_MODULE,
        "schema": messages.A_CALLABLE,
        "describe": messages.A_STABLE_FUNCTION,
        "depends": messages.DEPENDENCIES,
        "depends['distributions']": messages.A_DISTRIBUTION_NAME,
        "depends['files']": messages.AN_ABSOLUTE_PATH,
        "depends['language']": messages.TRUE_OR_FALSE,
        "depends['variables']": messages.A_VARIABLE,
    }
    kind = TypeError if not isinstance(value, str) else ValueError
    text = messages.NOT_VALID.format(
        value=f"Facts(): {value!r}",
        what=f"{argument} argument",
        expected=messages.SEVERAL_WORDS if several else expected[argument],
    )
    raise kind(text)
