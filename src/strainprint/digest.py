"""A digest of the code that a script runs, so that an edit re-runs exactly what uses it.

Hashed are syntax trees without docstrings: comments, layout and checkouts change nothing. Followed
are names, not whole modules: of a module that is imported for one function, only that function and
what it refers to counts, through any number of modules, with whatever the module does when it is
imported. Where names cannot be followed (a module passed around as a value), all of it counts.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

from strainprint.errors import BadInputError

_PACKAGE = Path(__file__).parent
_ROOT = "strainprint"
_WHOLE = "*"
_SCRIPT = ""

_PLUMBING = frozenset(
    {f"strainprint{module}" for module in ("", ".workflow", ".errors", ".records")}
)
"""Modules that decide how a job is run or how an error reads, never a result."""

_PURE_DECORATORS = frozenset(
    {"dataclass", "njit", "cache", "lru_cache", "contextmanager", "total_ordering"}
)
"""Decorators without side effects: an unused definition under them can be left out."""

_DATA_SUFFIXES = frozenset({".css", ".csv", ".html", ".js", ".json", ".mplstyle"})

Name = tuple[str, str]
"""A module of the package, and one of its names or ``*`` for all of it."""


def code_digest(script: str | Path, package: str | Path = _PACKAGE) -> str:
    """Return a SHA-256 of what a script runs: itself and all of the package that it reaches.

    Data files (style sheets, templates) count with the modules in their folder.

    Raises
    ------
    BadInputError
        A module uses relative or star imports, or code cannot be parsed.
    """
    script, package = Path(script), Path(package)
    reached = _reach(script, package)
    digest = hashlib.sha256()
    for module in sorted(reached):
        file = script if module == _SCRIPT else _existing(module, package)
        digest.update(module.encode())
        for statement in _code(file).statements_of(reached[module]):
            digest.update(statement.text.encode())
        if module != _SCRIPT:
            for data in sorted(file.parent.iterdir()):
                if data.suffix in _DATA_SUFFIXES and data.is_file():
                    digest.update(data.name.encode() + data.read_bytes())
    return digest.hexdigest()[:16]


def reached_names(script: str | Path, package: str | Path = _PACKAGE) -> dict[str, set[str]]:
    """Return the names of every module of the package that a script reaches, by module."""
    reached = _reach(Path(script), Path(package))
    return {module: names for module, names in reached.items() if module != _SCRIPT}


@dataclass
class _Statement:
    """One top-level statement without docstrings, and the names that it refers to."""

    node: ast.stmt
    refers: set[Name]

    @cached_property
    def text(self) -> str:
        return ast.dump(self.node)


@dataclass
class _Code:
    """One file: what runs on import, and definitions that count where they are referred to."""

    on_import: list[_Statement] = field(default_factory=list)
    definitions: dict[str, list[_Statement]] = field(default_factory=dict)
    imported: dict[str, Name] = field(default_factory=dict)
    imports: set[str] = field(default_factory=set)

    def statements_of(self, names: Iterable[str]) -> Iterator[_Statement]:
        """Yield what runs on import and the definitions of the names (all of them for ``*``).

        Definitions come by name: where a function stands in its file does not matter.
        """
        yield from self.on_import
        wanted = set(names)
        for name in sorted(self.definitions):
            if _WHOLE in wanted or name in wanted:
                yield from self.definitions[name]


def _reach(script: Path, package: Path) -> dict[str, set[str]]:
    reached: dict[str, set[str]] = {}
    codes = {_SCRIPT: _code(script)}
    waiting: list[Name] = [(_SCRIPT, _WHOLE)]
    while waiting:
        module, name = waiting.pop()
        if name in reached.get(module, ()) or module in _PLUMBING:
            continue
        if name not in ("", _WHOLE) and _source(f"{module}.{name}", package):
            waiting.append((f"{module}.{name}", _WHOLE))
            name = ""
        if module not in codes:
            file = _source(module, package)
            if file is None:
                continue
            codes[module] = _code(file)
        code = codes[module]
        if module not in reached:
            reached[module] = set()
            # Importing a module runs it and imports what it imports.
            waiting += [(other, "") for other in code.imports]
        reached[module].add(name)
        if name in code.imported:
            waiting.append(code.imported[name])
        for statement in code.statements_of([name]):
            waiting += _resolved(statement.refers, code, module, package)
    return reached


def _resolved(refers: set[Name], code: _Code, module: str, package: Path) -> Iterator[Name]:
    """Say which module of the package each name belongs to; no owner marks the file's own."""
    for owner, name in refers:
        base, _, attribute = name.partition(".")
        if owner:
            yield owner, name
        elif base in code.imported:
            of_module, imported = code.imported[base]
            is_module = attribute and _source(f"{of_module}.{imported}", package)
            yield (f"{of_module}.{imported}", attribute) if is_module else (of_module, imported)
        elif base in code.definitions:
            yield module, base


def _existing(module: str, package: Path) -> Path:
    file = _source(module, package)
    assert file is not None, module
    return file


@cache
def _source(module: str, package: Path) -> Path | None:
    """Return the file of a module of the package, None where there is no such module."""
    parts = module.split(".")
    if parts[0] != _ROOT or not all(part.isidentifier() for part in parts):
        return None
    base = package.joinpath(*parts[1:])
    candidates = (base.with_name(f"{base.name}.py"), base / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)


def _code(file: Path) -> _Code:
    status = file.stat()
    return _parsed(file, status.st_mtime_ns, status.st_size)


@cache
def _parsed(file: Path, mtime_ns: int, size: int) -> _Code:
    try:
        tree = ast.parse(file.read_bytes(), filename=str(file))
    except SyntaxError as error:
        raise BadInputError(f"is not Python ({error})", where=file) from error
    code = _Code()
    for statement in _run_at_import(tree.body):
        if isinstance(statement, ast.Import | ast.ImportFrom):
            code.imported |= dict(_bindings(statement, file))
            code.imports |= set(_modules(statement))
            names = {name: _Statement(node, set()) for name, node in _foreign(statement)}
        elif _is_text(statement):
            continue
        else:
            found = _Statement(statement, set(_references(statement, file)))
            names = dict.fromkeys(_defined_names(statement), found)
            if not names:
                code.on_import.append(found)
        for name, defined in names.items():
            code.definitions.setdefault(name, []).append(defined)
    return code


def _is_text(node: ast.stmt) -> bool:
    """Tell a docstring, or a text in the place of a comment."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _run_at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield a module's statements, without those that only type checkers read."""
    for statement in body:
        if not (isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.dump(statement.test)):
            yield statement


def _defined_names(statement: ast.stmt) -> list[str]:
    """Return the names that a statement defines and does nothing else; [] where it may do more."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        pure = all(_last_name(node) in _PURE_DECORATORS for node in statement.decorator_list)
        return [statement.name] if pure else []
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    return names if len(names) == len(targets) else []


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _bindings(statement: ast.Import | ast.ImportFrom, file: Path) -> Iterator[tuple[str, Name]]:
    """Yield the names that an import of the package binds, with what they stand for."""
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            if alias.name.split(".")[0] == _ROOT:
                yield alias.asname or alias.name.split(".")[0], (alias.name, _WHOLE)
        return
    if statement.level or any(alias.name == "*" for alias in statement.names):
        raise BadInputError("the code digest follows absolute imports of names only", where=file)
    module = statement.module or ""
    if module.split(".")[0] == _ROOT:
        for alias in statement.names:
            yield alias.asname or alias.name, (module, alias.name)


def _foreign(statement: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, ast.stmt]]:
    """Yield the names that an import from outside the package binds, each with its import."""
    for alias in statement.names:
        if isinstance(statement, ast.Import):
            if alias.name.split(".")[0] != _ROOT:
                yield alias.asname or alias.name.split(".")[0], ast.Import([alias])
        elif (statement.module or "").split(".")[0] not in (_ROOT, "__future__"):
            only = ast.ImportFrom(statement.module, [alias], statement.level)
            yield alias.asname or alias.name, only


def _modules(statement: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names)
    elif statement.module:
        yield statement.module
        yield from (f"{statement.module}.{alias.name}" for alias in statement.names)


def _references(statement: ast.stmt, file: Path) -> Iterator[Name]:
    """Yield the names a statement refers to, and drop its docstrings on the way.

    Imports inside functions name their module; ``base.attribute`` stays together, since the base
    may be a module of the package.
    """
    bases: set[int] = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Name):
            if id(node) not in bases:
                yield "", node.id
        elif isinstance(node, ast.Attribute):
            if isinstance(node.value, ast.Name):
                bases.add(id(node.value))
                yield "", f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (name for _, name in _bindings(node, file))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            node.body = [inner for inner in node.body if not _is_text(inner)]
