"""Finds the routes: every route handler that a module in this package defines."""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages

from litestar.handlers import HTTPRouteHandler

from services.gateway import routes
from services.gateway.docs.documentation import DocumentedOperation


def route_handlers() -> list[HTTPRouteHandler]:
    """Return the handlers of all modules, each with its docstring as its documentation."""
    handlers = list(_handlers())
    for handler in handlers:
        handler.operation_class = DocumentedOperation
    return handlers


def _handlers() -> Iterator[HTTPRouteHandler]:
    for found in walk_packages(routes.__path__, f"{routes.__name__}."):
        module = import_module(found.name)
        for value in vars(module).values():
            if isinstance(value, HTTPRouteHandler) and value.fn.__module__ == module.__name__:
                yield value
