"""The sending domains of projects."""
