"""The figures of workflows: how far the executions have come."""

from deploy.audit.figure import Check

EXECUTIONS = Check(
    "workflows",
    counted="""
    select project, figure, stream as key, n
    from (
        select distinct on (stream) project, stream, version, case type when 'execution.completed' then 'completed'
            when 'execution.exited' then 'exited' when 'execution.failed' then 'failed' else 'open' end as state
        from workflows.events where type like 'execution.%' order by stream, version desc
    ) as latest,
    lateral (values ('executions ' || state, 1), ('changes of executions', version)) as told (figure, n)
    """,
    shown="""
    select project, figure, 'execution-' || id as key, n
    from workflows.execution,
    lateral (
        values ('executions ' || case when status in ('RUNNING', 'WAITING') then 'open' else lower(status) end, 1),
            ('changes of executions', version)
    ) as told (figure, n)
    """,
)

CHECKS = (EXECUTIONS,)
