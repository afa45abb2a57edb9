"""The performance set: what a run costs, where, and whether a change really made it cheaper.

From a run to a lock (specification 5.7): :mod:`baseline` reads what runs reported,
:mod:`hotspots` ranks it against :mod:`budgets`; :mod:`sitting` measures two builds in turn,
:mod:`pairs` decides what differs, :mod:`compare` judges the change and :mod:`lock` the run that
it ends in.  Timings are evidence, never identity: no digest of a run covers one.
"""
