"""The clients of other services: each module that is put here is one."""
