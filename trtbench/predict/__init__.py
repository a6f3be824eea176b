"""How long an engine takes on a named GPU, from its compiled layers alone. Evidence kind: predicted."""
