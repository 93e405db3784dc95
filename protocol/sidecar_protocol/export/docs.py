"""Reads the docstrings of fields and enum members from the source.

Python does not keep them at run time.  Only the export parses the source.
"""

import ast
import inspect
import sys
from enum import Enum
from functools import cache

from sidecar_protocol.contract import Model


def field_docs(model: type[Model]) -> dict[str, str]:
    """Returns {field: docstring} of a model, including inherited fields."""
    docs: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, Model):
            docs |= _own_docs(base)
    return docs


def member_docs(enum: type[Enum]) -> dict[str, str]:
    """Returns {member: docstring} of the members that have one."""
    docs = _own_docs(enum)
    return {name: docs[name] for name in enum.__members__ if name in docs}


def _own_docs(cls: type) -> dict[str, str]:
    return _docs_of_module(cls.__module__).get(cls.__qualname__, {})


@cache
def _docs_of_module(name: str) -> dict[str, dict[str, str]]:
    """Returns {class: {attribute: docstring}} of the top-level classes of a module."""
    tree = ast.parse(inspect.getsource(sys.modules[name]))
    return {node.name: _attribute_docs(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _attribute_docs(node: ast.ClassDef) -> dict[str, str]:
    docs: dict[str, str] = {}
    for statement, follower in zip(node.body, node.body[1:], strict=False):
        match statement, follower:
            case (
                ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                docs[name] = inspect.cleandoc(text)
    return docs
