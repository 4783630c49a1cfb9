"""Workflows: graphs of steps, and the executions of contacts that go through them.

Owns workflows with their steps and transitions, and executions with the delays that they wait for. Writes
`evt.workflows.<project>.*` (`workflow.*`, `execution.*`). Reads `cmd.workflows.>`, answers `qry.workflows.>`, and asks
contacts whether a contact matches a condition (`match-contact`) and for its address (`get-contact`). Follows the events
that can trigger a workflow: contacts' `event.tracked` and `contact.subscribed|unsubscribed`, delivery's `email.sent`,
and feedback's `email.delivered|opened|clicked|bounced|complained`; and `contact.deleted`, to forget the contact.
"""
