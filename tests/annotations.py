"""Check the annotations of `vae_lib`, shapes included, while the tests run.

Every call must fit the annotations of its function. Where it does not, the function has to refuse
the call itself, in its own words: then that error is what the caller sees. Where it accepts the
call, or returns something else than it promises, the test fails with an AssertionError. NumPy's
arrays may stand for tensors, as its numbers stand for numbers.
"""

import functools
import inspect
import numbers
import re
from collections.abc import Callable
from typing import SupportsIndex

import beartype
import jaxtyping

PARAMETERS = "Type-check error whilst checking the parameters"
ARRAY = re.compile(r"^Actual value: .*\(numpy\)$", re.MULTILINE)
# NumPy's numbers are numbers, and an integer is a real number, as for mypy
NUMBERS = beartype.FrozenDict({int: SupportsIndex, float: numbers.Real})
typechecked = beartype.beartype(conf=beartype.BeartypeConf(hint_overrides=NUMBERS))
_jaxtyped = jaxtyping.jaxtyped

# the explorer, figures, pictures and data are still to come; numba needs the kernel unwrapped
MODULES = [
    f"vae_lib.{name}"
    for name in (
        *("_checks", "_files", "checkpoint", "encoding", "engines.dask_index"),
        *("engines.faiss_index", "engines.recall"),
        *("evaluation", "garments", "inspection", "latent_model", "lifted", "linear_gaussian"),
        *("model", "objective", "pen", "pixels", "posteriors", "progress", "retrieval", "rules"),
        *("search.formulas", "search.scan", "threads", "training", "weights"),
    )
]


def jaxtyped(*, typechecker: Callable) -> Callable:
    """Replace `jaxtyping.jaxtyped`, which the import hook puts on every function and class."""

    def decorate(function):
        if inspect.isclass(function):
            if "__dataclass_fields__" in vars(function) and "__init__" in vars(function):
                function.__init__ = decorate(function.__init__)
            return function
        if not inspect.isfunction(function):  # a property or a class method
            return _jaxtyped(function, typechecker=typechecker)
        checked = _jaxtyped(function, typechecker=typechecker)

        @functools.wraps(function)
        def checked_or_refused(*args, **kwargs):
            try:
                return checked(*args, **kwargs)
            except jaxtyping.TypeCheckError as violation:
                if PARAMETERS in str(violation):
                    result = function(*args, **kwargs)  # refuses the call in its own words,
                    if ARRAY.search(str(violation)):  # or takes an array as a tensor
                        return result
                raise AssertionError(str(violation)) from None

        return checked_or_refused

    return decorate


def check_annotations() -> None:
    """Check the annotations of MODULES, which must not have been imported yet."""
    jaxtyping.jaxtyped = jaxtyped
    jaxtyping.install_import_hook(MODULES, "tests.annotations.typechecked")
