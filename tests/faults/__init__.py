"""Faults are injected and the answer is compared with the truth: see conftest."""
