"""Extensions that travel to the workers of a cluster."""
