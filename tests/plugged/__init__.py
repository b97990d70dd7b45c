"""Run released hosts of pluggy with their plugins: `tox run -e pluggy`."""
