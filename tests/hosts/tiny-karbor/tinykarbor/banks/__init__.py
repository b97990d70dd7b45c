"""Where providers keep things."""
