"""Which templates are cheap to render whatever they are given. Pure.

Conditions on variables, and variables with filters whose result is not much longer than what they are given, take time
in proportion to the template and its values: both are bounded. Loops, ranges, assignments and filters that multiply can
be put together to take for ever, and nobody can tell beforehand.
"""

from collections.abc import Iterable, Iterator

from liquid import BoundTemplate, RenderContext
from liquid.ast import BlockNode, ConditionalBlockNode, Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.case_tag import CaseNode, MultiExpressionBlockNode
from liquid.builtin.tags.comment_tag import CommentNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.unless_tag import UnlessNode
from liquid.expression import Expression

CHEAP_NODES = (
    BlockNode,
    CaseNode,
    CommentNode,
    ConditionalBlockNode,
    ContentNode,
    IfNode,
    MultiExpressionBlockNode,
    OutputNode,
    UnlessNode,
)
CHEAP_FILTERS = frozenset(
    (
        *("capitalize", "default", "downcase", "escape", "escape_once", "first", "last", "lstrip"),
        *("newline_to_br", "rstrip", "safe", "size", "squish", "strip", "strip_newlines", "truncate"),
        *("truncatewords", "upcase", "url_encode"),
    )
)
MAX_CHAINED = 3
"""Filters on one value: each may make it a few times as long."""

MAX_TESTS = 200
"""Conditions in one template: each may look through a value of 128 KiB."""


def is_cheap(template: BoundTemplate) -> bool:
    """Return whether rendering takes time and memory in proportion to the template and what it is given."""
    context = RenderContext(template)
    nodes = list(_nodes(template.nodes, context))
    if not all(isinstance(node, CHEAP_NODES) for node in nodes):
        return False
    if sum(isinstance(node, ConditionalBlockNode | IfNode | UnlessNode | CaseNode) for node in nodes) > MAX_TESTS:
        return False
    return all(_is_cheap(expression) for node in nodes for expression in node.expressions())


def _nodes(nodes: Iterable[Node], context: RenderContext) -> Iterator[Node]:
    for node in nodes:
        yield node
        yield from _nodes(node.children(context), context)


def _is_cheap(expression: Expression) -> bool:
    if isinstance(expression, RangeLiteral):
        return False
    if isinstance(expression, FilteredExpression) and not _are_cheap(expression):
        return False
    return all(map(_is_cheap, expression.children()))


def _are_cheap(expression: FilteredExpression) -> bool:
    filters = expression.filters or []
    return len(filters) <= MAX_CHAINED and all(each.name in CHEAP_FILTERS for each in filters)
