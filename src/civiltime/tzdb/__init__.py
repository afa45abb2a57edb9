"""The tz database: from an archive's bytes to a timetable, and arithmetic on it.

* :mod:`~civiltime.tzdb.archive`: an archive's zones as TZif files
* :mod:`~civiltime.tzdb.tzif`: one TZif file
* :mod:`~civiltime.tzdb.posix`: the rule in a TZif footer, expanded over years
* :mod:`~civiltime.tzdb.timetable`: every zone compiled to (instant, offset minutes)
* :mod:`~civiltime.tzdb.codec`: the TZC1 bytes
* :mod:`~civiltime.tzdb.civil`: gaps, folds and offsets on arrays

The host's own tz database is never consulted.
"""
