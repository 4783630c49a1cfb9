"""Import what the services import, once, before they are forked: a start costs no imports, and memory is shared."""

import gc
import importlib
from collections.abc import Callable, Iterable

from deploy.embedded.errors import CannotStart


def load(modules: Iterable[str], meanwhile: Callable[[], None]) -> None:
    """Import all of them, calling `meanwhile` after each. Raises CannotStart where that fails."""
    gc.disable()  # nothing of this is garbage, and looking for it takes a quarter of the time
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:
            remedy = "run `make setup`" if isinstance(error, ModuleNotFoundError) else "import it to see where"
            raise CannotStart(f"cannot load {module} ({type(error).__name__}: {error}): {remedy}") from error
        meanwhile()
    gc.collect()
    gc.freeze()  # so that no process's collector writes to, and thereby copies, the shared pages
    gc.enable()
