"""Loaded classes of Kafka, kept in a file: a broker starts in half the time.

Java spends most of a start on some thousands of classes out of 46 jars. One run that ends in
order writes them down as they lie in memory (JEP 350, dynamic class data sharing); later runs
map the file. It is made and tried once per machine, which takes some ten seconds, and a Java
that it does not fit ignores it.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from stream_cl.core.errors import UserError
from stream_cl.testing.kafka_source import Jars


def with_archive(jars: Jars, run: Callable[[Jars], None]) -> Jars:
    """The same jars with the archive, which is made now if it is not there.

    Args:
        jars: a folder that this project has filled; the archive lies beside it.
        run: starts a broker with the jars that it is given and stops it in order; a
            `UserError` says that it could not.
    """
    java = Path(jars.java).resolve()
    which = hashlib.sha256(f"{java} {java.stat().st_mtime_ns}".encode()).hexdigest()[:12]
    archive = jars.libs.with_name(f"{jars.libs.name}-{which}.jsa")
    with archive.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():
            half = archive.with_suffix(".half")
            half.touch()
            try:
                # Tried as well: Java crashes on a file that a full disk has cut short.
                for option in ("ArchiveClassesAtExit", "SharedArchiveFile"):
                    run(replace(jars, fetched=False, options=(f"-XX:{option}={half}",)))
            except UserError:
                half.unlink(missing_ok=True)
                half.touch()  # empty: a Java that cannot is not asked again
            half.rename(archive)
    if archive.stat().st_size == 0:
        return jars
    return replace(jars, options=(f"-XX:SharedArchiveFile={archive}",))
