"""A frozen index in the real things: images, zip applications, bundles."""
