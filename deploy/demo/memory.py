"""What all processes of a stack take together."""

import psutil

from deploy.embedded.layout import Layout


def proportional_megabytes(layout: Layout) -> int:
    """Their proportional set sizes added up: pages that forked processes share count once, as they are there once."""
    parents = [psutil.Process(int(file.read_text())) for file in layout.run.glob("*.pid")]
    processes = {process for parent in parents for process in (parent, *parent.children(recursive=True))}
    return sum(_proportional(process) for process in processes) // 2**20


def _proportional(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:  # ended meanwhile, or not ours to look at
        return 0
