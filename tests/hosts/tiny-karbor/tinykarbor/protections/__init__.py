"""How a resource is copied."""
