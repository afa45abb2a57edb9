"""The tests: unit, properties, states, end to end."""
