"""How data comes in: boundaries, the tz database, sites, and the demo upstream.

The law: whatever a person hands over is either taken exactly as it says, bit for bit, or
refused with the reason and the place.  Nothing is guessed, repaired or rounded, and the
same source gives the same bytes.
"""
