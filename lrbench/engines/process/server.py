"""The child's end of the pipes: reads one JSON object a line from standard input, each followed by as many raw bytes as
its ``bytes`` says, and answers in the same form on standard output.

Imports nothing of LRBench and works with Python 3.5 and later, as it also runs inside old builds of Caffe.
"""

import json
import os
import resource
import sys
from typing import Any, Callable, Dict

Message = Dict[str, Any]
Reply = Callable[[Message], None]


def serve(
    make_worker: Callable[[Reply], Any],
    out_of_memory: Callable[[Exception], bool] = lambda error: isinstance(error, MemoryError),
) -> None:
    """Answer requests with the methods ``do_<op>(request, payload)`` of a worker, until the input ends.

    Args:
        make_worker: receives a function that sends an answer, also for news while a request is under way, and gives
            the worker; bytes under the key ``bytes`` of an answer travel raw behind it.
        out_of_memory: whether an error says that there was too little memory.
    """
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not mix with the answers
    source = sys.stdin.buffer

    def reply(answer: Message) -> None:
        payload = answer.pop("bytes", b"")
        answer["bytes"] = len(payload)
        out.write(json.dumps(answer).encode() + b"\n" + payload)
        out.flush()

    worker = make_worker(reply)
    for line in iter(source.readline, b""):
        request = json.loads(line.decode())
        payload = source.read(request.get("bytes", 0))
        try:
            reply(getattr(worker, "do_" + request["op"])(request, payload))
        except Exception as error:  # noqa: BLE001 - whatever it is, the other side must hear of it
            reply({"error": f"{type(error).__name__}: {error}".rstrip(": "), "out_of_memory": out_of_memory(error)})
    out.flush()
    os._exit(0)  # threads that prefetch data may hang in destructors at a normal exit


def usage() -> Message:
    """Processor seconds and peak memory of this process so far."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    return {"cpu_seconds": own.ru_utime + own.ru_stime, "peak_memory_bytes": own.ru_maxrss * 1024}
