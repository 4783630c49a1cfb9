"""Import what the services import, once, before they are forked: starting needs no imports, and memory is shared."""

import gc
import importlib
from collections.abc import Callable, Iterable

from deploy.embedded.errors import CannotStart


def load(modules: Iterable[str], meanwhile: Callable[[], None]) -> None:
    """Import the modules, calling `meanwhile` after each. Raise CannotStart if an import fails."""
    gc.disable()  # none of this is garbage, and searching for it takes a quarter of the time
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:
            remedy = "run `make setup`" if isinstance(error, ModuleNotFoundError) else "import it to see where"
            raise CannotStart(f"cannot load {module} ({type(error).__name__}: {error}): {remedy}") from error
        meanwhile()
    gc.collect()
    gc.freeze()  # keeps the collectors of the forked processes from writing to, and so copying, the shared pages
    gc.enable()
