"""Modules of colcon-core's tests that its source distribution lacks."""
