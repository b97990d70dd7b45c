"""With the released libraries that each integration is for."""
