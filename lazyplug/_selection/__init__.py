"""Choose between extensions before any is imported."""
