"""A host in the pattern of OpenStack Nova: monitors of a compute node."""
