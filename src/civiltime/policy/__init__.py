"""The sealed policies: what people decide, in files that S0 seals before any row is read.

Each module turns the raw bytes of one policy into a frozen, typed model, or refuses
them with :class:`civiltime.errors.Invalid`.  The shape is the JSON Schema of
``contracts/schemas``; what a schema can't say (an active target stands once, a digest
recomputes) is checked here.
"""
