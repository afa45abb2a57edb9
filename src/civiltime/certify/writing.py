"""Writing a certification where one of the same runs may lie.

The law: a certification's name is that of its runs, so a later one (an exception was approved,
another baseline was named) takes the place of the earlier.  What a freeze that stands rests on is
not replaced by anything else, and a page that was drawn of the earlier one goes with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from civiltime.errors import CivilTimeError
from civiltime.programme.lane import posture
from civiltime.programme.ledger import writing
from civiltime.workspace.config import Workspace
from civiltime.workspace.publish import replace_file

CERTIFICATION = "segment2a_certification"


def write_certification(workspace: Workspace, runset: str, files: Mapping[str, bytes]) -> Path:
    """Write the artefacts by dataset id, in their order; where the certification lies.

    2A-CT-006 where the lane is frozen on another certification of the same runs.
    """
    path = workspace.path(CERTIFICATION, runset=runset)
    with writing(workspace) as ledger:
        if path.is_file() and path.read_bytes() != files[CERTIFICATION]:
            stands = posture(workspace, ledger.records)
            name = workspace.relative(path)
            if stands.freeze and stands.frozen and stands.freeze["certification"]["path"] == name:
                raise CivilTimeError(
                    "2A-CT-006", f"the lane is frozen on {path.name} as it is", {"path": name}
                )
            for drawn in (
                workspace.path("segment2a_certification_page", runset=runset),
                *path.parent.glob(f"plots/segment2a_*_{runset}.*"),
            ):
                drawn.unlink(missing_ok=True)
        for dataset_id, data in files.items():
            replace_file(workspace.path(dataset_id, runset=runset), data)
    return path
