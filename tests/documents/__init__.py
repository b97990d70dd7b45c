"""Run what the documents show: blocks of code, commands, and their distributions."""
