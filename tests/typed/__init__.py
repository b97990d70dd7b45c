"""Check documents, examples and hosts with type checkers, editors and help()."""
