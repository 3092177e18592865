"""Which definitions the result of an action rests on, found in the source without running it.

An action rests on the function that builds it and on whatever that refers to, in turn: functions, classes and
constants of `loc` and `stages`, imported at the top of a module or inside a function; a worker module that is
named by a string counts whole. A backend rests on its class in the same way, and so does a judge of lips.
What is not followed: packages (their versions stand in keys), the key itself (`Action(...)`, `Card(...)`,
fingerprints), and plumbing that carries results without shaping them. What is reached through an object whose
class nothing names is not seen; with every parameter annotated, as `mypy --strict` demands, that is the work
of backends and judges, which are protocols and base classes here and have versions of their own.

A definition counts as its syntax tree without comments, docstrings, annotations of functions and words of
errors: what can change a result, and little else.
"""

from __future__ import annotations

import ast
import copy
import functools
import hashlib
import symtable
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PACKAGES = ("loc", "stages")

PLUMBING = frozenset(
    {
        "loc.app",
        "loc.backend",
        "loc.device",
        "loc.errors",
        "loc.events",
        "loc.packages",
        "loc.policy",
        "loc.process",
        "loc.runner",
        "loc.settings",
        "loc.stage",
        "loc.store",
        "loc.worker",
    }
)
"""Modules, with all below them, through which data passes as it is. What is read of settings and jobs stands
in keys by value."""

KEYS = frozenset({"Action", "Card"})
"""Calls that make keys and cards; what is written there changes a key, never a result under one."""


@dataclass(frozen=True, order=True)
class Definition:
    """A function, class or constant at the top of a module."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}:{self.name}"


JUDGE = Definition("loc.analysis.sync.judge", "Judge")
"""What every judge of lips is."""


@dataclass(frozen=True)
class Subject:
    """An action, a backend or a judge: something with a version, and what its closure starts from."""

    name: str
    version: int | str
    root: Definition


@dataclass
class Module:
    """A module, parsed.

    `nodes`: the statements that bind each name. `aliases`: names that stand for a module or for a definition
    of another one, as dotted paths.
    """

    name: str
    tree: ast.Module
    table: symtable.SymbolTable
    nodes: dict[str, list[ast.stmt]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)


class Code:
    """The packages of a source tree.

    Args:
        root: the folder that holds `loc` and `stages`.
    """

    def __init__(self, root: Path, packages: tuple[str, ...] = PACKAGES) -> None:
        self.modules = {
            module.name: module
            for package in packages
            for path in sorted((root / package).rglob("*.py"))
            for module in [_parse(root, path)]
        }

    def closure(self, root: Definition) -> list[Definition]:
        """Everything `root` rests on, itself included, in order."""
        found = {root}
        waiting = [root]
        while waiting:
            new = self.references(waiting.pop()) - found
            found |= new
            waiting += new
        return sorted(found)

    def digest(self, definition: Definition) -> str:
        """12 hex digits of what a definition says."""
        return self._digests(definition)

    @functools.cache  # noqa: B019 - one `Code` lives as long as the process
    def _digests(self, definition: Definition) -> str:
        nodes = self.modules[definition.module].nodes[definition.name]
        return hashlib.sha256("\n".join(map(written, nodes)).encode()).hexdigest()[:12]

    @functools.cache  # noqa: B019
    def references(self, definition: Definition) -> frozenset[Definition]:
        """The definitions that a definition names, plumbing left out."""
        module = self.modules[definition.module]
        paths = {path for node in module.nodes[definition.name] for path in self._named(module, node)}
        return frozenset().union(*map(self._resolve, paths)) - {definition}

    def _named(self, module: Module, node: ast.stmt) -> Iterator[str]:
        """Dotted paths of what a statement refers to."""
        kept = _Pruned().visit(node)
        aliases = dict(module.aliases)
        for each in ast.walk(kept):
            if isinstance(each, (ast.Import, ast.ImportFrom)):
                inner = _aliases(each)
                yield from (path for path in inner.values() if path not in self.modules)
                aliases |= inner
        names = _outer_names(module, node) | (aliases.keys() - module.aliases.keys())
        of_modules: set[int] = set()
        for each in ast.walk(kept):
            if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name):
                owner = aliases.get(each.value.id, "")
                if owner in self.modules and each.value.id in names:
                    of_modules.add(id(each.value))
                    yield f"{owner}.{each.attr}"
            elif isinstance(each, ast.Name) and each.id in names and id(each) not in of_modules:
                yield aliases.get(each.id, f"{module.name}.{each.id}")
            elif isinstance(each, ast.Constant) and each.value in self.modules:
                yield each.value

    def _resolve(self, path: str) -> frozenset[Definition]:
        """The definitions a dotted path stands for: all of a module, one of it, or none of ours."""
        owner, _, name = path.rpartition(".")
        if _is_plumbing(path):
            return frozenset()
        if path in self.modules:
            return frozenset(Definition(path, each) for each in self.modules[path].nodes)
        if owner not in self.modules:
            return frozenset()
        module = self.modules[owner]
        if name in module.nodes:
            return frozenset({Definition(owner, name)})
        return self._resolve(module.aliases[name]) if name in module.aliases else frozenset()

    def subjects(self) -> list[Subject]:
        """Every action that is built anywhere, in order of its name."""
        found = [
            Subject(_text(call, "name"), self._value(module, _argument(call, "version")), where)
            for module in self.modules.values()
            for name, nodes in module.nodes.items()
            for where in [Definition(module.name, name)]
            for node in nodes
            for call in _calls(node, "Action")
        ]
        return sorted(found, key=lambda subject: subject.name)

    def backends(self, entry_points: Mapping[str, str]) -> list[Subject]:
        """Every backend of an entry-point table, in order of its id."""
        found = []
        for place in entry_points.values():
            module, _, name = place.partition(":")
            where = Definition(module, name)
            [card] = [call for node in self.modules[module].nodes[name] for call in _calls(node, "Card")]
            version = self._value(self.modules[module], _argument(card, "version"))
            found.append(Subject(f"{_text(card, 'stage')}/{_text(card, 'name')}", version, where))
        return sorted(found, key=lambda subject: subject.name)

    def judges(self) -> list[Subject]:
        """Every judge of lips, in order: no entry point names them, and actions know what they are alone."""
        module = self.modules[JUDGE.module]
        found = []
        for name, [node, *_] in module.nodes.items():
            if isinstance(node, ast.ClassDef) and JUDGE.name in map(ast.unparse, node.bases):
                own = {
                    target.id: statement.value
                    for statement in node.body
                    if isinstance(statement, ast.Assign)
                    for target in statement.targets
                    if isinstance(target, ast.Name)
                }
                called = f"judge/{self._value(module, own['measure'])}"
                found.append(
                    Subject(called, self._value(module, own["version"]), Definition(module.name, name))
                )
        return sorted(found, key=lambda subject: subject.name)

    def _value(self, module: Module, node: ast.expr) -> Any:
        """A literal, or the literal that a name stands for."""
        if isinstance(node, ast.Constant):
            return node.value
        assert isinstance(node, ast.Name), ast.dump(node)
        if node.id in module.aliases:
            owner, _, name = module.aliases[node.id].rpartition(".")
            return self._value(self.modules[owner], ast.Name(name))
        [assignment] = module.nodes[node.id]
        assert isinstance(assignment, (ast.Assign, ast.AnnAssign))
        assert assignment.value is not None
        return self._value(module, assignment.value)


def entry_points(root: Path) -> dict[str, str]:
    """The built-in backends: entry point -> `module:class`."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    table: dict[str, str] = project["entry-points"]["loc.backends"]
    return table


def docstring(code: Code, subject: Subject) -> str:
    """What the builder of an action says of itself."""
    [node] = code.modules[subject.root.module].nodes[subject.root.name]
    assert isinstance(node, (ast.FunctionDef, ast.ClassDef))
    return ast.get_docstring(node) or ""


# One module


def _parse(root: Path, path: Path) -> Module:
    parts = path.relative_to(root).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    text = path.read_text(encoding="utf-8")
    module = Module(name, ast.parse(text), symtable.symtable(text, str(path), "exec"))
    for node in module.tree.body:
        for statement in node.body if isinstance(node, ast.If) else [node]:
            _bind(module, statement)
    return module


def _bind(module: Module, statement: ast.stmt) -> None:
    """Note the names that a statement at the top of a module binds."""
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        module.aliases |= _aliases(statement)
    elif isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        module.nodes.setdefault(statement.name, []).append(statement)
    elif isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            for part in ast.walk(target):
                if isinstance(part, ast.Name):
                    module.nodes.setdefault(part.id, []).append(statement)


def _aliases(statement: ast.Import | ast.ImportFrom) -> dict[str, str]:
    """Local name -> dotted path. Imports are absolute, and a plain one of ours has a name of its own."""
    if isinstance(statement, ast.ImportFrom):
        assert statement.level == 0
        return {item.asname or item.name: f"{statement.module}.{item.name}" for item in statement.names}
    return {item.asname: item.name for item in statement.names if item.asname}


def _is_plumbing(path: str) -> bool:
    parts = path.split(".")
    return any(".".join(parts[:count]) in PLUMBING for count in range(1, len(parts) + 1))


def _outer_names(module: Module, node: ast.stmt) -> set[str]:
    """Names in a statement that are not the statement's own."""
    names = {
        each.id for part in _outside_scopes(node) for each in ast.walk(part) if isinstance(each, ast.Name)
    }
    for table in module.table.get_children():
        if (table.get_name(), table.get_lineno()) == (getattr(node, "name", None), node.lineno):
            names |= _global_names(table)
    return names


def _outside_scopes(node: ast.stmt) -> Iterator[ast.AST]:
    """Parts of a statement whose names are looked up in the module, and what symbol tables leave out."""
    if not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        yield node
        return
    yield from node.decorator_list
    yield from node.bases if isinstance(node, ast.ClassDef) else [node.args]
    for each in ast.walk(node):
        for name in ("annotation", "returns"):
            if isinstance(part := getattr(each, name, None), ast.AST):
                yield part


def _global_names(table: symtable.SymbolTable) -> set[str]:
    """Names that are referred to in a scope or one inside it, and bound in none of them."""
    own = {
        symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced() and symbol.is_global()
    }
    return own.union(*map(_global_names, table.get_children()))


def _calls(node: ast.AST, name: str) -> list[ast.Call]:
    return [
        each
        for each in ast.walk(node)
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id == name
    ]


def _argument(call: ast.Call, name: str) -> ast.expr:
    [value] = [keyword.value for keyword in call.keywords if keyword.arg == name]
    return value


def _text(call: ast.Call, name: str) -> str:
    value = _argument(call, name)
    assert isinstance(value, ast.Constant), f"{name} of line {call.lineno} is to be written out"
    return str(value.value)


class _Pruned(ast.NodeTransformer):
    """A copy without keys, cards, fingerprints and the words of errors."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        # Transformers work in place, and trees are shared.
        return super().generic_visit(copy.copy(node))

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id in KEYS:
            return ast.Constant(None)
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST | None:
        return None if node.name.endswith("fingerprint") else self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        said = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return ast.Raise(exc=said)


def written(node: ast.stmt) -> str:
    """A statement as text that is the same for the same code, whatever Python reads it."""
    return _written(_Pruned().visit(node), in_class=False)


def _written(value: Any, *, in_class: bool) -> str:
    if isinstance(value, ast.Constant):
        return repr(value.value)
    if isinstance(value, list):
        return "[" + ",".join(_written(item, in_class=in_class) for item in value if not _is_text(item)) + "]"
    if not isinstance(value, ast.AST):
        return repr(value)
    if isinstance(value, (ast.ClassDef, ast.FunctionDef, ast.Lambda)):
        in_class = isinstance(value, ast.ClassDef)
    fields = [
        f"{name}={_written(part, in_class=in_class)}"
        for name, part in ast.iter_fields(value)
        if part not in (None, []) and not _is_unsaid(value, name, in_class)
    ]
    return f"{type(value).__name__}({','.join(fields)})"


def _is_text(node: Any) -> bool:
    """A docstring, wherever it stands."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _is_unsaid(node: ast.AST, name: str, in_class: bool) -> bool:
    """Fields that say nothing about what is done. The annotations of a class do: they are its fields."""
    if name == "annotation":
        return not (in_class and isinstance(node, ast.AnnAssign))
    return name in ("ctx", "kind", "returns", "type_comment", "type_params")
