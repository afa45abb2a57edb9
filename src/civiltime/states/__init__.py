"""The six states, S0 to S5, all of one shape, and the chain that runs them.

Read :mod:`civiltime.states.state` for the shape, then any state: who has read one has
read six.
"""
