"""The table of all LR functions, in the order in which they are listed. A new function is a row in one of its parts.

Another package adds one by an entry point of the group ``lrbench.functions`` that bears the function's name and names
a ``Function``.
"""

from __future__ import annotations

import functools
import re
from importlib.metadata import entry_points

from lrbench.errors import PolicyError, did_you_mean
from lrbench.policies import cyclic
from lrbench.policies.composition import COMPOSITIONS
from lrbench.policies.decaying import DECAYS, PAPER_NONCYCLIC, SIG
from lrbench.policies.function import Function
from lrbench.policies.phased import PHASED
from lrbench.policies.plateau import CLOSED_LOOP

GROUP = "lrbench.functions"
TERMS = {
    "constant": ("FIX",),
    "cosineannealingwarm": ("SGDR",),
    "cosine": ("COSDECAY", "COS", "SGDR"),
    "exponential": ("EXP",),
    "inversesq": ("INVSQRT",),
    "linear": ("LINEAR",),
    "multistep": ("NSTEP",),
    "polynomial": ("POLYDECAY", "POLY"),
    "reducelronplateau": ("PLATEAU",),
    "sigmoid": ("SIG",),
    "triang": ("TRI",),
    "cyclic": ("TRI", "SIN", "COS"),
}
"""What others call LR functions, by the first letters in lower case: PyTorch's schedulers, Caffe's words, papers."""
PAPER_CYCLIC = ("TRI", "TRI2", "TRIEXP", "SIN", "SIN2", "SINEXP", "COS")


@functools.cache
def functions() -> tuple[Function, ...]:
    """All LR functions: the thirteen of arXiv:1908.06477, other cyclic ones, then all others, closed-loop ones last."""
    waves = {row.name: row for row in cyclic.rows()}
    thirteen = (*PAPER_NONCYCLIC, *(waves.pop(name) for name in PAPER_CYCLIC))
    return (*thirteen, *waves.values(), SIG, *DECAYS, *PHASED, *COMPOSITIONS, *CLOSED_LOOP)


def find_function(name: str) -> Function:
    """The function of that name.

    Raises:
        PolicyError: there is none; the message has the names that are near.
    """
    for function in functions():
        if function.name == name:
            return function
    for point in entry_points(group=GROUP, name=name):
        found = point.load()
        if not isinstance(found, Function) or found.name != name:
            raise PolicyError(f"{point.value} is not an lrbench.policies.Function named {name}", where=GROUP)
        return found
    hint = _known_term(name) or did_you_mean(name, [function.name for function in functions()])
    raise PolicyError(
        f'unknown LR function "{name}"', remedy=f"{hint} `lrbench policies list` shows all of them".strip()
    )


def _known_term(word: str) -> str:
    """``did you mean A or B?`` for a word such as ``cosine`` or ``MultiStepLR``; empty for any other."""
    letters = re.sub(r"[^a-z]", "", word.lower())
    found = next((names for term, names in TERMS.items() if letters.startswith(term)), ())
    return f"did you mean {' or '.join(found)}?" if found else ""
