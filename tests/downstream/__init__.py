"""Run other projects' tests and programs on the drop-in: `tox run -e downstream`."""
