"""Stand-ins for other engines, for programs that were written for those."""
