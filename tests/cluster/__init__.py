"""Send extensions to the workers of a cluster."""
