"""Inject faults, and compare each answer with the right one; see conftest."""
