"""Make ``import lrbench`` in a program give the LRBench that started it, whatever is installed in its Python."""

import os

__path__ = [os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 3))]
with open(os.path.join(__path__[0], "__init__.py"), encoding="utf-8") as _source:
    exec(compile(_source.read(), _source.name, "exec"))


def _refuse(*_arguments, **_values):  # type: ignore[no-untyped-def]
    raise SystemExit(
        'a program that LRBench trains cannot start trainings itself: call LRBench under if __name__ == "__main__":'
    )


run = tune = range = _refuse
