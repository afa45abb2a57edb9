"""civiltime gives sites their civil time and proves it."""

__version__ = "0.1.0"
