"""How much of a project's expensive work a gateway does at once."""

from typing import Any

import msgspec

from libs.runtime.messaging.project_slots import ProjectSlots


class WorkSlots(msgspec.Struct, frozen=True):
    """The slots for each kind of work. Some of those for uploads are always left for other projects."""

    verifications: ProjectSlots
    exports: ProjectSlots
    uploads: ProjectSlots


def work_slots() -> WorkSlots:
    return WorkSlots(
        verifications=ProjectSlots("verifications", per_project=8, max_waiting=64, max_wait=5.0),
        exports=ProjectSlots("exports", per_project=2, max_waiting=4, max_wait=5.0),
        uploads=ProjectSlots("uploads", per_project=2, total=16, max_waiting=4, max_wait=5.0),
    )


def slots_of(app: Any) -> WorkSlots:
    """Return the slots of the application."""
    slots: WorkSlots = app.state.work_slots
    return slots
