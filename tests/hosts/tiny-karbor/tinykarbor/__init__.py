"""A host in the pattern of OpenStack Karbor: protection of what runs in a cloud."""
