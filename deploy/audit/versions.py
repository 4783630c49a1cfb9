"""Aggregates: each one has the version of its last event, and deleted ones are gone."""

from collections.abc import Iterator

from deploy.audit.figure import Check

COUNTED = """
select project, figure, stream as key, n
from (
    select distinct on (stream) project, stream, type, version from {service}.events
    where left(stream, {length}) = '{prefix}' order by stream, version desc
) as latest, lateral (values ('{table}s', 1), ('changes of {table}s', version)) as told (figure, n)
where type not like '%.deleted' and type not like '%.removed'
"""
SHOWN = """
select {project} as project, figure, '{prefix}' || {key} as key, n
from {service}.{table}, lateral (values ('{table}s', 1), ('changes of {table}s', version)) as told (figure, n)
"""

AGGREGATES = (
    ("contacts", "segment", "segment-"),
    ("contacts", "contact_job", "contact-job-"),
    ("campaigns", "campaign", "campaign-"),
    ("campaigns", "template", "template-"),
    ("workflows", "workflow", "workflow-"),
    ("delivery", "domain", "domain-"),
    ("delivery", "suppression_rule", "suppression-rule-"),
    ("feedback", "reputation", "reputation-"),
    ("gateway", "project", "project-"),
)
"""Service, table, and the prefix of its stream names."""


def _checks() -> Iterator[Check]:
    for service, table, prefix in AGGREGATES:
        names = {"service": service, "table": table, "prefix": prefix, "length": len(prefix)}
        key = "project" if table == "reputation" else "id"
        project = "id" if table == "project" else "project"
        yield Check(service, COUNTED.format(**names), SHOWN.format(**names, key=key, project=project))


CHECKS = tuple(_checks())
