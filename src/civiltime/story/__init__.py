"""The whole programme as one story, told by running the real commands.

Start reading at :mod:`civiltime.story.told`, then the two cycles.
"""

from __future__ import annotations

from civiltime.story.page import ending, page
from civiltime.story.told import Step, Story
from civiltime.story.whole import tell_story

__all__ = ["Step", "Story", "ending", "page", "tell_story"]
