"""Conditions on contacts: the language, what is wrong with a condition, and what it says of one contact. Pure.

Segments, audiences and the CONDITION steps of workflows mean the same by it: contacts compiles conditions to SQL,
workflows judges what it holds itself, and both go by these modules.
"""
