"""The monitors of tinynova that ask a machine's own sensors."""
