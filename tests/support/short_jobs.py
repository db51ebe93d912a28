"""What makes a JVM of many short local jobs quick. A job's own path through Flink is the same with it and without."""

from __future__ import annotations

import os
from importlib import metadata
from zlib import crc32

from java_services import compile_service
from places import SUPPORT

from pyflink_triton.server.cache import cache_directory, make_once

_SHARED_RPC = SUPPORT / "rpc" / "SharedRpcSystem.java"


def prepare_short_jobs() -> None:
    """Set the environment for the JVM that PyFlink starts, before it starts.

    Each local job has a cluster of its own, and Flink loads the classes of its RPC system for each anew: three quarters
    of a short job's time. They are loaded once here.
    """
    # Jobs this short never warm up, and without the optimizing compiler each takes a third less time. Java's own caches
    # keep the classes of a job softly, and of thousands of jobs that is more than 10 GB: no soft reference is kept.
    os.environ.setdefault("JVM_ARGS", "-XX:TieredStopAtLevel=1 -XX:SoftRefLRUPolicyMSPerMB=0")
    name = f"shared-rpc-{metadata.version('apache-flink')}-{crc32(_SHARED_RPC.read_bytes()):08x}"
    classes = cache_directory() / name
    interface = "org.apache.flink.runtime.rpc.RpcSystemLoader"
    make_once(classes, "for tests", lambda partial: compile_service(_SHARED_RPC, interface, partial))
    os.environ.setdefault("HADOOP_CLASSPATH", str(classes))  # the one place where PyFlink takes more classes from
