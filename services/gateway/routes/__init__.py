"""The routes, one module per resource. Each parses the request, calls one service or a few, and shapes the response.

A module only has to define its handlers: `discovery` finds them.
"""
