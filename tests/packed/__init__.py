"""Test frozen indexes in real images, zip applications and bundles."""
