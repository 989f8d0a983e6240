"""Starting Caffe's own processes for a job."""

from __future__ import annotations

from lrbench.engines.base import Job
from lrbench.engines.caffe.environment import WORKER, CaffeEnvironment
from lrbench.engines.process.client import WorkerClient

LOG_NAME = "caffe.log"


def start_worker(environment: CaffeEnvironment, job: Job, log_name: str = LOG_NAME) -> WorkerClient:
    """A worker in Caffe's own Python, in the job's folder."""
    command = environment.command((*environment.python, str(WORKER)), job.threads, job.engine.device)
    return WorkerClient("Caffe", command, job.folder / log_name)
