"""Find what is wrong with an environment, for `lazyplug doctor`. Imports no plugin."""
