"""An invented subject of the probes, with its companions: a few modules on numbers alone, and variants of how it is called."""

from __future__ import annotations

COMPANIONS = {
    "numpy.py": "ndarray = generic = float\n",
    "jax/__init__.py": """
from jax import numpy, tree_util

Array = float


def grad(function):
    return lambda value: (function(value + 0.5) - function(value - 0.5)) / 1.0
""",
    "jax/numpy.py": "array = float\nzeros = lambda count: 0.0\nsum = float\n",
    "jax/tree_util.py": """
def tree_leaves(tree, is_leaf=lambda node: False):
    if isinstance(tree, list) and not is_leaf(tree):
        return [leaf for node in tree for leaf in tree_leaves(node, is_leaf)]
    return [tree]
""",
    "optax.py": """
from collections import namedtuple

GradientTransformation = namedtuple("GradientTransformation", "init update")


def adam(rate):
    def update(slope, state, params=None):
        count, mean, square = state
        count, mean, square = count + 1, 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
        step = (mean / (1 - 0.9**count)) / ((square / (1 - 0.999**count)) ** 0.5 + 1e-8)
        return -rate * step, (count, mean, square)

    return GradientTransformation(lambda params: (0, 0.0, 0.0), update)


def apply_updates(params, updates):
    return params + updates
""",
}

SUBJECT = """
import functools
from typing import NamedTuple


class Variable:
    def __init__(self, value):
        self.held = value

    def get_value(self):
        return self.held

    def set_value(self, value):
        self.held = value

    value = property(get_value, set_value)

    def __getitem__(self, index):
        return self.held

    def __setitem__(self, index, value):
        self.held = value


class Param(Variable):
    pass


class Module:
    pass


class DiffState(NamedTuple):
    argnum: int
    filter: type


def variables(thing, kind):
    held = [thing] if isinstance(thing, Variable) else list(vars(thing).values())
    return [one for one in held if isinstance(one, kind)]


def grad(function, argnums=DiffState(0, Param)):
    def slopes(model, *rest):
        found = []
        for var in variables(model, argnums.filter):
            start = var.held
            var.held = start + 0.5
            above = function(model, *rest)
            var.held = start - 0.5
            found.append(above - function(model, *rest))
            var.held = start
        return found

    return slopes


def value_and_grad(function):
    return lambda *arguments: (function(*arguments), grad(function)(*arguments))


class Optimizer:
    def __init__(self, model, tx, *, wrt):
        if isinstance(model, Variable) and not LIFTED:
            raise IndexError("tuple index out of range")
        self.tx, self.wrt = tx, wrt
        self.state = [tx.init(var.held) for var in variables(model, wrt)]

    def update(self, model, grads):
        for number, (var, slope) in enumerate(zip(variables(model, self.wrt), grads)):
            step, self.state[number] = self.tx.update(slope, self.state[number], var.held)
            var.held += step
"""

VARIANTS = {
    "as it is": "",
    "**kwargs": """
real = Optimizer.__init__
def __init__(self, model, tx, **kwargs): real(self, model, tx, **kwargs)
Optimizer.__init__ = __init__
""",
    "*args, **kwargs": """
real = Optimizer.__init__
def __init__(self, model, tx, *args, **kwargs): real(self, model, tx, *args, **kwargs)
Optimizer.__init__ = __init__
""",
    "decorated without wraps": """
def decorated(function): return lambda *args, **kwargs: function(*args, **kwargs)
Optimizer.__init__, Optimizer.update = decorated(Optimizer.__init__), decorated(Optimizer.update)
grad = decorated(grad)
""",
    "decorated with wraps": """
def decorated(function): return functools.wraps(function)(lambda *args, **kwargs: function(*args, **kwargs))
Optimizer.__init__, Optimizer.update = decorated(Optimizer.__init__), decorated(Optimizer.update)
grad = decorated(grad)
""",
    "partial methods": """
Optimizer.__init__ = functools.partialmethod(Optimizer.__init__)
Optimizer.update = functools.partialmethod(Optimizer.update)
""",
    "a partial in the place of the class": "Optimizer = functools.partial(Optimizer)\n",
    "unreadable": """
class Unreadable:
    __signature__ = "no signature"
    def __init__(self, function): self.function = function
    def __call__(self, *args, **kwargs): return self.function(*args, **kwargs)
    def __get__(self, instance, owner=None): return self if instance is None else functools.partial(self, instance)
Optimizer.__init__, Optimizer.update = Unreadable(Optimizer.__init__), Unreadable(Optimizer.update)
grad = Unreadable(grad)
""",
    "a name that misleads": """
real = Optimizer.update
def update(self, pytree, slopes): real(self, pytree, slopes)
Optimizer.update = update
""",
    "refuses by KeyError": """
real = Optimizer.__init__
def __init__(self, model, tx, *args, **kwargs): real(self, model, tx, wrt=kwargs.pop("wrt"))
Optimizer.__init__ = __init__
""",
    "refuses by ValueError": """
real = Optimizer.__init__
def __init__(self, model, tx, wrt=None):
    if wrt is None: raise ValueError("wrt has to be given")
    real(self, model, tx, wrt=wrt)
Optimizer.__init__ = __init__
""",
    "told by position only": """
real = Optimizer.__init__
def __init__(self, model, tx, wrt, /): real(self, model, tx, wrt=wrt)
Optimizer.__init__ = __init__
""",
    "told under another name": """
real = Optimizer.__init__
def __init__(self, model, tx, select=Param): real(self, model, tx, wrt=select)
Optimizer.__init__ = __init__
""",
    "gradient told under another name": """
by_argnums = grad
def by_filter(function, filter=Param): return by_argnums(function, DiffState(0, filter))
def grad(*args, **kwargs): return by_filter(*args, **kwargs)
""",
    "gradient without a default filter": """
by_argnums = grad
def grad(function, *, wrt): return by_argnums(function, DiffState(0, wrt))
""",
}

UNTOLD = {
    "optimizer": """
real = Optimizer.__init__
def __init__(self, model, tx, *, select=Param): real(self, model, tx, wrt=select)
Optimizer.__init__ = __init__
""",
    "gradient": """
by_argnums = grad
def by_filter(function, *, filter=Param): return by_argnums(function, DiffState(0, filter))
def grad(*args, **kwargs): return by_filter(*args, **kwargs)
""",
}
"""What is told in no form that the probes know."""

BARE = {
    "the optimizer refuses a filter": """
real = Optimizer.__init__
def __init__(self, model, tx, wrt=None):
    bare = isinstance(model, Variable)
    if bare != (wrt is None): raise ValueError("a filter chooses in a module, and in nothing else")
    real(self, model, tx, wrt=Variable if bare else wrt)
Optimizer.__init__ = __init__
""",
    "the gradient refuses a filter": """
by_argnums = grad
def grad(function, argnums=None):
    def slopes(model, *rest):
        bare = isinstance(model, Variable)
        if bare and argnums: raise ValueError("a filter chooses in a module, and in nothing else")
        return by_argnums(function, DiffState(0, Variable) if bare else argnums or DiffState(0, Param))(model, *rest)
    return slopes
""",
}
BARE["both refuse a filter"] = "".join(BARE.values())
"""A bare Variable is called otherwise than a module."""

BY_INDEX_ONLY = "del Variable.get_value, Variable.set_value, Variable.value\n"

NO_WRT = """
real = Optimizer.__init__
def __init__(self, model, tx): real(self, model, tx, wrt=Variable)
Optimizer.__init__ = __init__
"""
