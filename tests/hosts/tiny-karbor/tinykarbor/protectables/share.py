"""A protectable whose call fails: it lacks what all must have."""

from .base import Protectable


class Share(Protectable):
    """A share, of which nobody wrote how it is found."""

    resource_type = "share"
