"""Apply the host's choice, and the user's lists, to the entry points of a namespace."""

from lazyplug import _environment
from lazyplug._entry_point import EntryPoint, entry_points
from lazyplug._selection.judging import judge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lazyplug import Choice


def excluded_entry_points(
    choice: "Choice | None", namespace: str, points: "list[EntryPoint]"
) -> "dict[EntryPoint, str]":
    """Return the excluded entry points with the reasons. Imports no plugin.

    Equal entry points of several distributions count as one, which is excluded only if
    the choice excludes all of them.
    """
    # The equal entry points of other distributions, which `points` lacks.
    requested = set(points)
    twins = [point for point in entry_points(group=namespace) if point in requested]
    kept, excluded = judge(choice, [namespace], [*points, *twins], _environment.rows)
    enabled = set(kept)
    return {point: reason for point, reason in excluded.items() if point not in enabled}
