"""At home elsewhere: one file for each library, imported by who uses it."""
