"""Segments in the shapes that the API shows."""

from libs.kernel.instants import iso
from libs.schemas.contacts.segments import SegmentView
from services.contacts.segments.read_models.segment import SegmentRow


def segment_view(row: SegmentRow, member_count: int) -> SegmentView:
    return SegmentView(
        id=row.id,
        name=row.name,
        slug=row.slug,
        description=row.description,
        type_=row.kind,
        condition=row.condition,
        track_membership=row.track_membership,
        member_count=member_count,
        created_at=iso(row.created_at),
        updated_at=iso(row.updated_at),
    )
