"""Test each integration with the released library."""
