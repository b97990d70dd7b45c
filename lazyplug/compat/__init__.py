"""Drop-in replacements for other plugin libraries."""
