"""Conditions on contacts: their language, their validation, and their evaluation for one contact.

Segments, audiences and the CONDITION steps of workflows share them: contacts compiles conditions to SQL, workflows
evaluates them on the data that it has, and both follow these modules.
"""
