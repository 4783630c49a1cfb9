"""The memory of all processes of a stack."""

import psutil

from deploy.embedded.layout import Layout


def proportional_megabytes(layout: Layout) -> int:
    """Return the sum of the proportional set sizes, which counts pages shared by forked processes only once."""
    parents = [psutil.Process(int(file.read_text())) for file in layout.run.glob("*.pid")]
    processes = {process for parent in parents for process in (parent, *parent.children(recursive=True))}
    return sum(_proportional(process) for process in processes) // 2**20


def _proportional(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:  # it has ended meanwhile, or we may not inspect it
        return 0
