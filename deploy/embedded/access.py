"""Who may connect to the embedded Postgres: every role by its password, through the unix socket.

A cluster that was created without passwords is converted when it starts.
"""

import hashlib
from pathlib import Path

from deploy.embedded import cluster
from deploy.embedded.layout import Layout
from deploy.embedded.process import write_whole

SUPERUSER = "postgres"
HBA = "# Godwit writes this file at every start.\nlocal all all scram-sha-256\n"


def require_passwords(binaries: Path, layout: Layout, superuser: str) -> None:
    """Give the superuser this password unless it has it already, and let nobody in without one. No server may run."""
    record = layout.postgres / "superuser.sha256"
    digest = hashlib.sha256(superuser.encode()).hexdigest()
    if not record.exists() or record.read_text() != digest:
        cluster.single_user(binaries, layout.cluster, f"alter role {SUPERUSER} password '{superuser}'")
        write_whole(record, digest)
    write_whole(layout.cluster / "pg_hba.conf", HBA)
