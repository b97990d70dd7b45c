"""Name the types of callbacks and options, for the annotations of hosts.

The annotations of lazyplug are strings, whose names are imported only for type
checkers: importing typing would take longer than a lookup. Importing this module makes
these names available, so that `typing.get_type_hints()` and
`inspect.signature(..., eval_str=True)` find them.
"""

import inspect

from . import _declared, _public, _tuples, _types
from ._types import ConflictResolver as ConflictResolver
from ._types import OnFailure as OnFailure
from ._types import OnLoadFailureCallback as OnLoadFailureCallback
from ._types import OnMissingEntrypointsCallback as OnMissingEntrypointsCallback
from ._types import Options as Options

__all__ = [
    "ConflictResolver",
    "OnFailure",
    "OnLoadFailureCallback",
    "OnMissingEntrypointsCallback",
    "Options",
]


def _complete_annotations() -> None:
    """Give the modules of public names the names that their annotations use."""
    names = {name: value for name, value in vars(_types).items() if name[0] != "_"}
    for module in [*vars(_public).values(), _declared, _tuples]:
        if getattr(module, "__name__", "").startswith(f"{__package__}."):
            own = vars(module)
            own.update({name: names[name] for name in names.keys() - own.keys()})
            for value in own.values():
                if isinstance(value, type) and value.__module__ == __package__:
                    _evaluate(value, names)


def _evaluate(kind: type, names: dict[str, object]) -> None:
    # The names of the package, where they would be looked up, are all public.
    found = inspect.get_annotations(kind, globals=names, eval_str=True)
    if found:
        kind.__annotations__ = found


_complete_annotations()
