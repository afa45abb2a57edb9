"""The lookup: which zones cover a point, exactly, boundary included.

* :mod:`~civiltime.zones.codes`: sets of zones as numbers
* :mod:`~civiltime.zones.world`: the sealed boundaries as zones and polygons
* :mod:`~civiltime.zones.plain`: the plain method, and the oracle of any faster one
* :mod:`~civiltime.zones.nearest`: the nearest zone of a country
"""
