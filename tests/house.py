"""Who may import whom in the package, as a check that can be tried on any sources."""

import ast
from functools import lru_cache

PACKAGE = "repic_plugin"
# From the ground up: a room may use the floors below its own. CONTRIBUTING.md draws them.
FLOORS = (
    {"__init__", "arguments", "bibtex", "compiled", "constants", "lazy", "objects", "plugin"}
    | {"wording"},
    {"classification", "consensus", "evaluation", "iteration", "simulation", "template_picking"},
    {"formats"},
    {"convert", "pickers", "plots", "workflow"},
    {"reports"},
    {"protocols"},
    {"viewers"},
    {"wizards"},
    {"commands"},
    {"cli"},
    {"tests"},
)
# Within a floor, these only.
SIDEWAYS = {
    ("__init__", "lazy"),
    ("__init__", "plugin"),
    ("classification", "consensus"),
    ("evaluation", "consensus"),
    ("iteration", "consensus"),
    ("iteration", "evaluation"),
    ("simulation", "classification"),
    ("simulation", "consensus"),
    ("template_picking", "classification"),
    ("template_picking", "consensus"),
}
PURE = FLOORS[1]
NUMERICAL = {"numpy", "scipy", "networkx", "numba", "gurobipy", "threadpoolctl"}
STANDARD = {"__future__", "concurrent", "collections", "contextlib", "copy", "dataclasses"}
STANDARD |= {"functools", "glob", "importlib", "itertools", "math", "os", "pathlib", "re"}
STANDARD |= {"threading", "time", "typing", "warnings"}
ALLOWED_IN_PURE = {PACKAGE, *STANDARD, *NUMERICAL}
SCIPION = {"pwem", "pyworkflow"}
KNOWS_SCIPION = {"plugin", "convert", "pickers", "protocols", "viewers", "wizards", "objects"}
KNOWS_SCIPION |= {"reports", "tests", "workflow"}
KNOWS_TK = {"viewers", "wizards"}
IMPORTERS = {"import_module", "__import__"}
# Commands load Scipion in files of this ending, each imported by one other when it is run.
PROJECTS = "_project"


def room_of(module):
    """The first name below the package; the package itself is the room ``__init__``."""
    return [*module.split("."), "__init__"][1]


def floor_of(room):
    return next((n for n, rooms in enumerate(FLOORS) if room in rooms), None)


def imports_of(module, source, modules):
    """What a file imports, at whatever place in it and in whatever way: (line, name)."""
    for node in _nodes(source):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield node.lineno, "." * node.level + (node.module or "")
                continue
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                is_seen = full in modules or _is_private(alias.name)
                yield node.lineno, full if is_seen else node.module
        elif isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == PACKAGE:
            if f"{PACKAGE}.{node.attr}" in modules:
                yield node.lineno, f"{PACKAGE}.{node.attr}"
        elif isinstance(node, ast.Call) and _called(node) in IMPORTERS:
            names = (one.value for one in node.args[:1] if isinstance(one, ast.Constant))
            yield from ((node.lineno, str(name)) for name in names)
    for line, name in _behind_lazy_door(module, source):
        if name in modules:
            yield line, name


@lru_cache(maxsize=None)  # the same sources are looked at again and again
def _nodes(source):
    """What may import something, or name a module, in a file."""
    kinds = (ast.Attribute, ast.Call, ast.Constant, ast.Import, ast.ImportFrom)
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]


def _is_private(name):
    return name.startswith("_") and not name.startswith("__")


def _called(node):
    """Name of the function that is called, without what it belongs to."""
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def _behind_lazy_door(module, source):
    """Texts of a package with a lazy door, as the modules of it that they may name."""
    for node in _nodes(source) if "lazy_door(" in source else ():
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, f"{module}.{node.value}"


def import_problems(sources):
    """Imports that break a rule of the house, each as one line.

    Parameters
    ----------
    sources : dict of str to str
        Text of each module of the package, by its full name.
    """
    problems, graph = [], {}
    for module, source in sorted(sources.items()):
        graph[module] = set()
        for line, name in sorted(set(imports_of(module, source, sources))):
            problem = _problem(module, name)
            if problem:
                problems.append(f"{module}, line {line}: {problem}")
            if name in sources and name != module:
                graph[module].add(name)
    problems += [f"circle: {' -> '.join(circle)}" for circle in circles(graph)]
    return problems


def _problem(module, name):
    """What is wrong with an import, None where it may be."""
    room, target = room_of(module), name.split(".")[0]
    other, floor = room_of(name), floor_of(room_of(name))
    is_ours = target == PACKAGE and name != PACKAGE and other != room
    rules = (
        (name.startswith("."), "write the full name"),
        (floor_of(room) is None, f"the room {room} stands on no floor, see FLOORS"),
        (target in SCIPION and not _may_load_scipion(module), f"{room} knows no Scipion"),
        (target == "tkinter" and room not in KNOWS_TK, f"{room} opens no windows"),
        (is_ours and _is_private(name.split(".")[-1]), f"it is private to {other}"),
        (room in PURE and target not in ALLOWED_IN_PURE, f"{room} is a pure room"),
        (is_ours and floor is None, f"{other} stands on no floor, see FLOORS"),
        (is_ours and (floor or 0) > (floor_of(room) or 0), f"it is of a floor above {room}"),
        (
            is_ours and 0 < (floor or 0) == floor_of(room) and (room, other) not in SIDEWAYS,
            f"{room} and {other} are on one floor, see SIDEWAYS",
        ),
        (is_ours and name.count(".") > 1, f"it is behind the door, {PACKAGE}.{other}"),
    )
    return next((f"imports {name}: {rule}" for broken, rule in rules if broken), None)


def _may_load_scipion(module):
    return room_of(module) in KNOWS_SCIPION or module.endswith(PROJECTS)


def circles(graph):
    """One circle of imports of each strongly connected part (networkx says which they are)."""
    import networkx

    whole = networkx.DiGraph((one, other) for one in graph for other in graph[one])
    for part in networkx.strongly_connected_components(whole):
        if len(part) > 1:
            edges = networkx.find_cycle(whole.subgraph(part))
            yield [*(one for one, _ in edges), edges[0][0]]
