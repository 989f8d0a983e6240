"""A SLURM cluster of two nodes on this machine, by Debian's packages, started for the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from postgresql_server import free_port

PATIENCE_SECONDS = 300
_CONFIGURATION = """\
ClusterName=lrbench
SlurmctldHost=localhost(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
AuthInfo=cred_expire=5
SlurmctldPort={controller}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0,bf_interval=1
KillWait=5
JobRequeue=1
GresTypes=gpu
MailProg=/bin/true
NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port={first} CPUs=4 RealMemory=1000 Gres=gpu:1 State=UNKNOWN
NodeName=n2 NodeHostname=localhost NodeAddr=127.0.0.1 Port={second} CPUs=4 RealMemory=1000 Gres=gpu:1 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@dataclass(frozen=True)
class Cluster:
    """A running cluster; its commands need ``environment``."""

    folder: Path
    environment: Mapping[str, str]

    def ask(self, *command: str) -> str:
        """Return what a command of SLURM prints."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def states(self, job: int) -> dict[str, int]:
        """Number of tasks of a job by state, such as ``RUNNING``; empty once all have ended."""
        found: dict[str, int] = {}
        for state in self.ask("squeue", "--noheader", "--array", f"--job={job}", "--format=%T").split():
            found[state] = found.get(state, 0) + 1
        return found

    def wait(self, job: int) -> str:
        """Wait for a job's end; return its record."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.states(job):
            assert time.monotonic() < deadline, self.ask("scontrol", "show", "job", str(job))
            time.sleep(0.3)
        return self.ask("scontrol", "show", "job", str(job))

    def lose(self, node: str) -> None:
        """Kill a node's daemon with all that runs on it, as a machine that loses its power does, and bring it back.

        SLURM notices at once, by ``scontrol``, instead of after its ``SlurmdTimeout``. No other node may run a job.
        """
        doomed = [psutil.Process(int((self.folder / f"slurmd.{node}.pid").read_text()))]
        mark = f"SLURM_CONF={self.folder / 'slurm.conf'}".encode()
        for process in psutil.process_iter():
            with suppress(OSError, psutil.Error):
                is_step = process.name() == "slurmstepd"
                if is_step and mark in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0"):
                    doomed += [process, *process.children(recursive=True)]
        for process in doomed:
            with suppress(psutil.Error):
                process.kill()
        self.ask("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=lost")
        self.start(node)

    def start(self, node: str) -> None:
        """Start a node's daemon."""
        subprocess.run(["slurmd", "-N", node], env=self.environment, check=True, capture_output=True)

    def wait_until_idle(self) -> None:
        """Wait until every node has nothing to do."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.ask("sinfo", "--noheader", "--Node", "--format=%T").split() != ["idle", "idle"]:
            assert time.monotonic() < deadline, (self.folder / "slurmctld.log").read_text()[-2000:]
            time.sleep(0.2)


@pytest.fixture(scope="session")
def slurm_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two nodes with four processors each, one GPU in name, and a shared disk, as both are this machine."""
    if shutil.which("slurmctld") is None or shutil.which("slurmd") is None or shutil.which("sbatch") is None:
        pytest.skip("SLURM is not installed: apt-get install slurmctld slurmd slurm-client")
    if not Path("/sys/fs/cgroup/cgroup.controllers").exists() and not any(Path("/sys/fs/cgroup").glob("*")):
        pytest.skip("SLURM needs /sys/fs/cgroup, which is not mounted here")
    folder = tmp_path_factory.mktemp("slurm")
    for name in ("state", "spool.n1", "spool.n2"):
        (folder / name).mkdir()
    ports = {name: free_port() for name in ("controller", "first", "second")}
    user = pwd.getpwuid(os.getuid()).pw_name
    (folder / "slurm.conf").write_text(_CONFIGURATION.format(folder=folder, user=user, **ports))
    (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
    (folder / "gres.conf").write_text("NodeName=n[1-2] Name=gpu Count=1 File=/dev/null\n")
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    cluster = Cluster(folder, environment)
    subprocess.run(["slurmctld"], env=environment, check=True, capture_output=True)
    try:
        for node in ("n1", "n2"):
            cluster.start(node)
        cluster.wait_until_idle()
        yield cluster
    finally:
        subprocess.run(["scancel", "--state=RUNNING"], env=environment, check=False, capture_output=True)
        for pid in folder.glob("*.pid"):
            with suppress(ProcessLookupError):
                os.kill(int(pid.read_text()), signal.SIGTERM)
