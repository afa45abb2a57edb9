"""Consumers: verify a run from disk, and read what it published.

No PASS, no read: there is no switch to skip it (specification 1.4 and 3.6).
"""
