"""Scores how realistic runs are, judges them, explains the verdict (specification 4).

From the rows to the verdict: :mod:`observed` counts, :mod:`evidence` proves, :mod:`metrics`
scores, :mod:`gates` judges, :mod:`certification` puts the seeds together; :mod:`hotspots`,
:mod:`attainability`, :mod:`coupling` and :mod:`movement` explain.  :mod:`certify` is the edge.
"""
