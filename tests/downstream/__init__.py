"""Other people's tests and programs on the drop-in: `tox run -e downstream`."""
