"""A private Slurm with accounting: one machine, one folder, nothing heard outside of loopback."""

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge", "slurmdbd", "mariadb-server")
PROGRAMS = (
    *("slurmctld", "slurmd", "slurmdbd", "sbatch", "sacct", "munged"),
    *("mariadbd", "mariadb-install-db"),
)
ROOT = Path(__file__).parents[2]
# Nobody has so much: it is what jobs may ask for, all of them together.
MEMORY_MB = 32000
# Longest wait for packages that are loaded.
LOADING_S = 90


class NoSlurmError(Exception):
    """Slurm cannot be had here; says why."""


def require_programs():
    """Install what is missing where that is possible, else raise `NoSlurmError`."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        with contextlib.suppress(subprocess.TimeoutExpired):
            _install()
        missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing:
        raise NoSlurmError(f"not installed: {', '.join(missing)}")
    # Slurm's daemons listen on the address of the host's name.
    try:
        address = socket.gethostbyname(socket.gethostname())
    except OSError as error:
        raise NoSlurmError(f"the host's name has no address: {error}") from error
    if not address.startswith("127."):
        raise NoSlurmError(f"the host's name is {address}, not a loopback address")


def _install():
    def apt_get(*arguments, seconds):
        # No long wait for a network that is not there.
        patience = ("Acquire::Retries=0", "Acquire::http::Timeout=10", "DPkg::Lock::Timeout=60")
        options = [word for option in patience for word in ("-o", option)]
        return subprocess.run(
            ["apt-get", *options, *arguments],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            # No pipe: apt's own processes may keep it open, and be waited for after the timeout.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
        ).returncode

    wanted = ("install", "-y", "--no-install-recommends", *PACKAGES)
    # Loading alone may be cut short; cutting an installation short would leave it broken.
    if apt_get(*wanted, "--download-only", seconds=LOADING_S):
        apt_get("update", seconds=60)
        if apt_get(*wanted, "--download-only", seconds=LOADING_S):
            return
    apt_get(*wanted, "--no-download", seconds=300)


def free_ports(count):
    """Return ports of loopback that nothing listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def processes_of(configuration):
    """Return what was started for this `slurm.conf`, jobs included: folders of /proc."""
    mine, found = f"SLURM_CONF={configuration}".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mine in (process / "environ").read_bytes().split(b"\0"):
                found.append(process)
    return found


def kill_all(processes):
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(process.name), signal.SIGKILL)


def kill_when_the_tests_end(configuration):
    """Wait for the end of the input, which tests that are killed close too; leave nothing."""
    sys.stdin.read()
    while found := processes_of(configuration):
        kill_all(found)
        time.sleep(0.1)


class PrivateSlurm:
    """Munge, MariaDB, slurmdbd, slurmctld and slurmd, every file of theirs below `folder`."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.daemons = {}
        self.guard = None
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SLURM_")},
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "MYSQL_UNIX_PORT": str(self.folder / "mysql.sock"),
            "PATH": f"{self.folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "src"),
        }

    def call(self, *command, timeout=10):
        """Run a client and return what it printed."""
        return subprocess.run(
            command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=True,
        ).stdout

    def _daemon(self, *command):
        # In the foreground (-D, -F), so that its id is known and it is ours to end.
        with (self.folder / f"{command[0]}.out").open("ab") as out:
            self.daemons[command[0]] = subprocess.Popen(
                command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def _await(self, *command, seconds=30, says=""):
        end = time.monotonic() + seconds
        while True:
            with contextlib.suppress(subprocess.SubprocessError):
                if says in self.call(*command, timeout=5):
                    return
            if time.monotonic() > end:
                raise NoSlurmError(f"no answer within {seconds} s: {' '.join(command)}")
            time.sleep(0.2)

    def start(self):
        """Start the daemons and wait for a node that takes jobs."""
        self.guard = subprocess.Popen(
            [sys.executable, __file__, self.environment["SLURM_CONF"]],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        self._write_configuration()
        self._start_munge()
        self._start_database()
        self.start_accounting()
        self.call("sacctmgr", "-i", "-Q", "add", "cluster", "tests")
        self.start_controller()
        self.start_node()
        for what in (("account", "lab"), ("user", getpass.getuser(), "account=lab")):
            self.call("sacctmgr", "-i", "-Q", "add", *what)

    def start_accounting(self):
        self._daemon("slurmdbd", "-D")
        self._await("sacctmgr", "-n", "show", "cluster")

    def start_controller(self):
        self._daemon("slurmctld", "-D")
        self._await("scontrol", "ping", says="UP")

    def halt_controller(self):
        """End the controller, not so suddenly that it forgets jobs it has not written down yet."""
        self.daemons["slurmctld"].terminate()
        self.daemons["slurmctld"].wait()

    def start_node(self):
        self._daemon("slurmd", "-D", "-N", socket.gethostname())
        self._await("sinfo", "-h", "-o", "%T", says="idle")

    def kill(self, name):
        """End a daemon at once, as a power cut would."""
        self.daemons[name].kill()
        self.daemons[name].wait()

    def kill_node(self):
        """End the node and all that runs on it, and let the controller know that it is down."""
        self.kill("slurmd")
        on_node = []
        for process in processes_of(self.environment["SLURM_CONF"]):
            with contextlib.suppress(OSError):
                environment = (process / "environ").read_bytes().split(b"\0")
                of_a_job = any(one.startswith(b"SLURM_JOB_ID=") for one in environment)
                if of_a_job or (process / "comm").read_text().startswith("slurmstepd"):
                    on_node.append(process)
        kill_all(on_node)
        self.call(
            "scontrol", "update", f"NodeName={socket.gethostname()}", "State=DOWN", "Reason=killed"
        )

    def _start_munge(self):
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(1024))
        # --force: pytest's folders are closed to others, which munge takes for a mistake.
        self._daemon(
            *("munged", "--foreground", "--force", "--num-threads=2", f"--key-file={key}"),
            *(f"--socket={self.folder / 'munge.sock'}", f"--pid-file={self.folder / 'munge.pid'}"),
            *(f"--seed-file={self.folder / 'munge.seed'}",),
        )
        self._await("munge", "-n", "-S", str(self.folder / "munge.sock"))

    def _start_database(self):
        user, data = f"--user={getpass.getuser()}", f"--datadir={self.folder / 'mysql'}"
        self.call(
            *("mariadb-install-db", "--no-defaults", user, data, "--skip-test-db"),
            "--auth-root-authentication-method=socket",
            timeout=60,
        )
        self._daemon(
            *("mariadbd", "--no-defaults", user, data, "--skip-networking"),
            *(f"--socket={self.folder / 'mysql.sock'}", "--innodb-buffer-pool-size=64M"),
            *("--innodb-lock-wait-timeout=900", "--innodb-flush-log-at-trx-commit=0"),
            f"--pid-file={self.folder / 'mysql.pid'}",
        )
        client = ("mariadb", "--no-defaults", f"--socket={self.folder / 'mysql.sock'}")
        client += ("-u", getpass.getuser(), "-e")
        self._await(*client, "SELECT 1")
        self.call(
            *client,
            "CREATE DATABASE slurm; CREATE USER 'slurm'@'localhost' IDENTIFIED BY 'slurm';"
            "GRANT ALL ON slurm.* TO 'slurm'@'localhost';",
        )

    def _write_configuration(self):
        folder, host, user = self.folder, socket.gethostname(), getpass.getuser()
        controller, accounting, node = free_ports(3)
        for name in ("state", "spool", "bin"):
            (folder / name).mkdir()
        (folder / "slurmdbd.conf").touch(mode=0o600)
        (folder / "slurmdbd.conf").write_text(f"""\
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CommunicationParameters=NoInAddrAny
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={accounting}
SlurmUser={user}
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
PidFile={folder}/slurmdbd.pid
LogFile={folder}/slurmdbd.log
""")
        # MessageTimeout: for so long every client tries to reach a controller that is down.
        (folder / "slurm.conf").write_text(f"""\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock,cred_expire=10
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
MessageTimeout=4
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdParameters=config_overrides
MailProg=/bin/true
MpiDefault=none
ReturnToService=2
SwitchType=switch/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=0
MinJobAge=600
KillWait=5
JobRequeue=1
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={accounting}
AccountingStoragePass={folder}/munge.sock
AccountingStoreFlags=job_comment
AccountingStorageTRES=gres/gpu
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 Port={node} CPUs=2 RealMemory={MEMORY_MB} Gres=gpu:1 \\
    State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=UNLIMITED DefaultTime=00:10:00 State=UP
""")
        # Slurm wants a device for a GPU; any will do, and CUDA finds none.
        (folder / "gres.conf").write_text("AutoDetect=off\nName=gpu File=/dev/null\n")
        # Without it slurmd looks for cgroups and stops where there are none.
        (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n")
        # The plugin's job step drops SLURM_CONF before it calls srun.
        wrapper = folder / "bin/srun"
        wrapper.write_text(
            f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {shutil.which("srun")} "$@"\n'
        )
        wrapper.chmod(0o755)

    def stop(self):
        """End every job and every daemon, also of a start that failed half way."""
        with contextlib.suppress(subprocess.SubprocessError, OSError):
            self.call("scancel", "--signal=KILL", "-u", getpass.getuser(), timeout=5)
        for daemon in reversed(self.daemons.values()):
            daemon.terminate()
            try:
                daemon.wait(timeout=8)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(daemon.pid, signal.SIGKILL)
                daemon.wait()
        if self.guard:
            self.guard.communicate(timeout=30)


if __name__ == "__main__":
    kill_when_the_tests_end(sys.argv[1])
