"""Learn about plugins from their source, without importing them."""
