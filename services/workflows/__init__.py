"""Workflow graphs, and the executions of contacts who go through them.

Owns: workflows with their steps and transitions, executions, and the delays that executions wait for. Writes
`evt.workflows.<project>.*` (`workflow.*`, `execution.*`). Reads `cmd.workflows.>`, answers `qry.workflows.>`, asks
contacts whether a condition holds (`match-contact`) and for addresses (`get-contact`), and follows what can trigger a
workflow: contacts' `event.tracked`, `contact.subscribed|unsubscribed`, delivery's `email.sent`, and feedback's
`email.delivered|opened|clicked|bounced|complained`.
"""
