"""The import contract that keeps pure modules free of I/O.

The pure modules are derived, so that none can be forgotten: every module that defines `decide` or `evolve`, every
module whose docstring says "Pure.", and every module of a pure package.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

MARK = "Pure."
DECIDES = {"decide", "evolve"}


class PureContract(Contract):
    """A contract that no pure module imports any of `forbidden_modules`, directly or indirectly.

    Imports by `harmless_modules` do not count: they import no more than a type.
    """

    type_name = "pure"

    forbidden_modules: Any = fields.ListField(subfield=fields.StringField())
    pure_packages: Any = fields.ListField(subfield=fields.StringField())
    harmless_modules: Any = fields.ListField(subfield=fields.StringField(), required=False, default=[])

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        for module in self.harmless_modules:
            for imported in graph.find_modules_directly_imported_by(module):
                graph.remove_import(importer=module, imported=imported)
        pure = {module for module in graph.modules if self._is_pure(module)}
        chains = sorted(
            chain
            for forbidden in self.forbidden_modules
            if forbidden in graph.modules
            for module in pure & graph.find_downstream_modules(forbidden)
            if (chain := graph.find_shortest_chain(importer=module, imported=forbidden))
        )
        return ContractCheck(kept=not chains, metadata={"chains": chains})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for chain in check.metadata["chains"]:
            output.print_error(f"{chain[0]} is pure and must not import {chain[-1]}: {' -> '.join(chain)}")

    def _is_pure(self, module: str) -> bool:
        return any(module == package or module.startswith(f"{package}.") for package in self.pure_packages) or any(
            _claims_purity(file) for file in _files(module)
        )


def _files(module: str) -> Iterator[Path]:
    path = Path(*module.split("."))
    yield from (file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file())


def _claims_purity(file: Path) -> bool:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    return bool(DECIDES & defined) or MARK in (ast.get_docstring(tree) or "")
