"""What the host's choice takes of the entry points of a namespace."""

from lazyplug import _environment
from lazyplug._entry_point import EntryPoint, entry_points
from lazyplug._selection.judging import judged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lazyplug import Choice


def left_out(
    choice: "Choice | None", namespace: str, points: "list[EntryPoint]"
) -> "dict[EntryPoint, str]":
    """Return those that are not taken, with the reasons. Imports no plugin.

    What several distributions declare in the same words is one entry point here. It is
    left out if none of them is taken.
    """
    # Equal ones of other distributions are judged beside them.
    asked = set(points)
    twins = [point for point in entry_points(group=namespace) if point in asked]
    kept, out = judged(choice, [namespace], [*points, *twins], _environment.rows)
    taken = set(kept)
    return {point: reason for point, reason in out.items() if point not in taken}
