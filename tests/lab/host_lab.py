"""Three hosts in network namespaces, alpha, beta and air: OpenSSH on each, a bridge between them, no route out.

In a test, the fixture ``lab`` (tests/conftest.py) is a `HostLab` in its first state::

    async def test_cut(lab):
        host = lab.host["alpha"]                 # address, port, user, identity, known_hosts, root
        lab.run("alpha", "iperf3", "-s", "-1")   # a command on the host, its end awaited; lab.start(...) does not wait
        lab.cut("alpha"); lab.restore("alpha")   # the cable
        lab.kill_sessions("alpha")               # every sshd that serves a connection; the listener stays
        lab.stop_sshd("alpha"); lab.start_sshd("alpha")
        lab.rate("alpha", "1gbit")               # by a token bucket, both ways; None takes it off
        lab.leak("alpha")                        # a default route to a made-up internet (`internet`), and its DNS
        lab.leak("alpha", captive=True)          # the same, but a route to 8.8.8.8 alone
        lab.seal("alpha")                        # the air gap again

``lab.heal()`` brings back the first state and ends what was left running on the hosts; the fixture calls it after each
test. The console's own port, ``lab.console``, is in the namespace that the test runs in. By hand, as root::

    python tests/lab/host_lab.py    # brings a lab up, takes the verbs above on standard input, ends with it

Each lab has a slot of its own, held by a lock: its prefix (``gl3-alpha``) and addresses (10.77.3.0/24) are nobody
else's, whether by another pytest worker or another user of the machine, and what a killed run left in it is cleared.
All hosts share this machine's files and processes; sessions get PYTHONPATH and GLADIATOR_OPERATIONS of this process.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psutil
from lab_tools import Unavailable, demand, do, kill, listens, processes, program, slot, sshd_version, until

__all__ = ["HostLab", "LabHost", "Unavailable"]

NAMES = ("alpha", "beta", "air")
PASSED = ("PYTHONPATH", "GLADIATOR_OPERATIONS")
_NETNS = Path("/etc/netns")
_SEALED = "# air-gapped: no nameserver\n"
_SSHD = """\
Port 22
ListenAddress {address}
HostKey {directory}/host_key
PidFile none
AuthorizedKeysFile {keys}
AuthenticationMethods publickey
PermitRootLogin prohibit-password
AllowUsers root
StrictModes no
UsePAM no
UseDNS no
PrintMotd no
PrintLastLog no
AllowAgentForwarding yes
Subsystem sftp internal-sftp
SetEnv {environment}
{extra}
"""


@dataclass(frozen=True, slots=True)
class LabHost:
    """What a site's file says of a host, and where it is in the lab."""

    name: str
    namespace: str
    address: str
    address6: str
    port: int
    user: str
    identity: Path
    known_hosts: Path
    root: Path
    """An empty directory for the host's data and jobs."""
    directory: Path
    """Its key (``host_key``, ``host_key.pub``) and ``sshd.log``."""


class HostLab:
    """A lab that is up from ``with`` on. Raises Unavailable, with the reason, where it can't be."""

    def __init__(self) -> None:
        self.host: dict[str, LabHost] = {}
        self.console = ""
        """The address of the console's port."""
        self._sshd: dict[str, subprocess.Popen[bytes]] = {}
        self._started: list[subprocess.Popen[bytes]] = []
        self._leaking: set[str] = set()
        self._rated: set[str] = set()

    def __enter__(self) -> HostLab:
        demand()
        self._lock, self.slot = slot()
        self.prefix = f"gl{self.slot}"
        for left in Path(tempfile.gettempdir()).glob(f"{self.prefix}-*"):  # by a killed run: the slot is ours
            shutil.rmtree(left, ignore_errors=True)
        self.directory = Path(tempfile.mkdtemp(prefix=f"{self.prefix}-"))
        try:
            self._clear()
            self._up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._clear()
        for process in (*self._sshd.values(), *self._started):
            process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)
        os.close(self._lock)

    # Commands on a host

    def arguments(self, name: str, *command: str) -> list[str]:
        """The argument list that runs a command on a host."""
        return ["ip", "netns", "exec", self.host[name].namespace, *command]

    def run(self, name: str, *command: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Runs a command on a host to its end, its output as text."""
        return subprocess.run(self.arguments(name, *command), capture_output=True, text=True, timeout=timeout)

    def start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        """Starts a command on a host, its output in pipes; it ends with the test at the latest."""
        process = subprocess.Popen(
            self.arguments(name, *command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._started.append(process)
        return process

    def ssh(self, name: str, *command: str) -> list[str]:
        """The argument list of OpenSSH's client for a command on a host."""
        return ["ssh", "-F", str(self.directory / "ssh_config"), name, *command]

    # What can happen to a host

    def cut(self, name: str) -> None:
        """Pulls the host's cable."""
        do("ip", "-n", self._switch, "link", "set", f"p-{name}", "down")

    def restore(self, name: str) -> None:
        """Plugs it in again."""
        do("ip", "-n", self._switch, "link", "set", f"p-{name}", "up")

    def sessions(self, name: str) -> list[psutil.Process]:
        """The sshd processes that serve the host's connections."""
        listener = self._sshd[name].pid
        with contextlib.suppress(psutil.NoSuchProcess):
            return [p for p in psutil.Process(listener).children(recursive=True) if program(p).startswith("sshd")]
        return []

    def kill_sessions(self, name: str) -> int:
        """Kills them all, by SIGKILL, and says how many; what they had started is left alone."""
        found = self.sessions(name)
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        return len(found)

    def stop_sshd(self, name: str) -> None:
        """Ends the host's listener: connections are refused. Those that are up stay up."""
        self._sshd[name].kill()
        self._sshd[name].wait()

    def start_sshd(self, name: str) -> None:
        """Starts the host's listener and waits until it listens."""
        host = self.host[name]
        with (host.directory / "sshd.out").open("wb") as said:
            self._sshd[name] = subprocess.Popen(
                self.arguments(
                    name,
                    shutil.which("sshd") or "/usr/sbin/sshd",
                    *("-D", "-f", str(host.directory / "sshd_config"), "-E", str(host.directory / "sshd.log")),
                ),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
        until(lambda: listens(host.address), f"sshd of {name} does not listen, see {host.directory}/sshd.log")

    def listener(self, name: str) -> psutil.Process:
        """The host's listening sshd, to be stopped and continued by signals."""
        return psutil.Process(self._sshd[name].pid)

    def rate(self, name: str, rate: str | None) -> None:
        """Limits the host's link, both ways, to ``rate`` in tc's words, such as ``1gbit``; None ends that."""
        ends = ((self._switch, f"p-{name}"), (self.host[name].namespace, "eth0"))
        for namespace, device in ends:
            if rate is not None:
                limits = ("tbf", "rate", rate, "burst", "256k", "latency", "50ms")
                do("tc", "-n", namespace, "qdisc", "replace", "dev", device, "root", *limits)
            elif name in self._rated:
                do("tc", "-n", namespace, "qdisc", "del", "dev", device, "root")
        (self._rated.discard if rate is None else self._rated.add)(name)

    def leak(self, name: str, *, captive: bool = False) -> None:
        """Gives the host a route to a made-up internet; ``captive`` to 8.8.8.8 alone, which also resolves names."""
        self.seal(name)
        self._internet()
        self._leaking.add(name)
        namespace, inet, wan, number = self.host[name].namespace, f"{self.prefix}-inet", f"w-{name}", _number(name)
        near, far, far6 = f"203.0.113.{number}", "203.0.113.1", f"2001:db8:{number}::1"
        do("ip", "link", "add", "wan0", "netns", namespace, "type", "veth", "peer", "name", wan, "netns", inet)
        do("ip", "-n", inet, "addr", "add", f"{far}/32", "peer", f"{near}/32", "dev", wan)
        do("ip", "-n", inet, "addr", "add", f"{far6}/64", "dev", wan, "nodad")
        do("ip", "-n", inet, "link", "set", wan, "up")
        # Every address is the made-up internet's own, so the way back needs a route before that rule.
        do("ip", "-n", inet, "route", "replace", f"{near}/32", "dev", wan, "table", "local")
        do("ip", "-n", inet, "-6", "route", "replace", f"2001:db8:{number}::/64", "dev", wan, "table", "local")
        do("ip", "-n", namespace, "addr", "add", f"{near}/32", "dev", "wan0")
        do("ip", "-n", namespace, "link", "set", "wan0", "up")
        do("ip", "-n", namespace, "addr", "add", f"2001:db8:{number}::2/64", "dev", "wan0", "nodad")
        if captive:
            do("ip", "-n", namespace, "route", "add", "8.8.8.8/32", "via", far, "dev", "wan0", "onlink")
        else:
            do("ip", "-n", namespace, "route", "add", "default", "via", far, "dev", "wan0", "onlink")
            do("ip", "-n", namespace, "-6", "route", "add", "default", "via", far6)
        (_NETNS / namespace / "resolv.conf").write_text("nameserver 8.8.8.8\n")

    def seal(self, name: str) -> None:
        """Takes the leak away."""
        if name in self._leaking:
            self._leaking.discard(name)
            do("ip", "-n", self.host[name].namespace, "link", "del", "wan0")
            (_NETNS / self.host[name].namespace / "resolv.conf").write_text(_SEALED)

    def heal(self) -> None:
        """The first state again: links up, unlimited and sealed, sshd listening, nothing else running, roots empty."""
        for name in NAMES:
            self.restore(name)
            self.rate(name, None)
            self.seal(name)
            self.listener(name).resume() if self._sshd[name].poll() is None else self.start_sshd(name)
            for process in processes(self.host[name].namespace):
                if process.pid != self._sshd[name].pid:
                    kill(process)
        while self._started:
            with self._started.pop() as process:
                process.kill()
        for name in NAMES:
            until(lambda n=name: len(processes(self.host[n].namespace)) <= 1, f"processes of {name} do not end")
            shutil.rmtree(self.host[name].root)
            self.host[name].root.mkdir()

    # How it is made

    @property
    def _switch(self) -> str:
        return f"{self.prefix}-sw"

    def _up(self) -> None:
        Path("/run/sshd").mkdir(exist_ok=True)
        network, switch, port = f"10.77.{self.slot}", self._switch, f"{self.prefix}-con"
        self.console = f"{network}.254"
        do("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(self.directory / "id"))
        shutil.copy(self.directory / "id.pub", self.directory / "authorized_keys")
        do("ip", "netns", "add", switch)
        do("ip", "-n", switch, "link", "set", "lo", "up")
        do("ip", "-n", switch, "link", "add", "br0", "type", "bridge")
        do("ip", "-n", switch, "link", "set", "br0", "up")
        do("ip", "link", "add", port, "type", "veth", "peer", "name", "p-con", "netns", switch)
        do("ip", "-n", switch, "link", "set", "p-con", "master", "br0", "up")
        do("ip", "addr", "add", f"{self.console}/24", "dev", port)
        do("ip", "link", "set", port, "up")
        for name in NAMES:
            directory = self.directory / name
            self.host[name] = LabHost(
                name,
                f"{self.prefix}-{name}",
                f"{network}.{_number(name)}",
                f"fd77:{self.slot:x}::{_number(name)}",
                22,
                "root",
                self.directory / "id",
                self.directory / "known_hosts",
                directory / "root",
                directory,
            )
        for host in self.host.values():
            self._host_up(host)
            self.start_sshd(host.name)

    def _host_up(self, host: LabHost) -> None:
        host.root.mkdir(parents=True)
        files = _NETNS / host.namespace
        files.mkdir(parents=True)
        (files / "hosts").write_text(
            "127.0.0.1 localhost\n" + "".join(f"{h.address} {h.name} {h.name}.local\n" for h in self.host.values())
        )
        (files / "resolv.conf").write_text(_SEALED)
        (files / "nsswitch.conf").write_text("passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n")
        do("ip", "netns", "add", host.namespace)
        do("ip", "-n", host.namespace, "link", "set", "lo", "up")
        peer = ("peer", "name", f"p-{host.name}", "netns", self._switch)
        do("ip", "link", "add", "eth0", "netns", host.namespace, "type", "veth", *peer)
        do("ip", "-n", self._switch, "link", "set", f"p-{host.name}", "master", "br0", "up")
        do("ip", "-n", host.namespace, "addr", "add", f"{host.address}/24", "dev", "eth0")
        do("ip", "-n", host.namespace, "addr", "add", f"{host.address6}/64", "dev", "eth0", "nodad")
        do("ip", "-n", host.namespace, "link", "set", "eth0", "up")
        key = host.directory / "host_key"
        do("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", host.name, "-f", str(key))
        with host.known_hosts.open("a") as known:
            known.write(f"{host.address} {' '.join(Path(f'{key}.pub').read_text().split()[:2])}\n")
        with (self.directory / "ssh_config").open("a") as client:
            client.write(
                f"Host {host.name}\n HostName {host.address}\n User {host.user}\n IdentityFile {host.identity}\n"
                f" IdentitiesOnly yes\n UserKnownHostsFile {host.known_hosts}\n StrictHostKeyChecking yes\n"
                f" ForwardAgent no\n LogLevel ERROR\n"
            )
        environment = " ".join(f'{name}="{os.environ[name]}"' for name in PASSED if os.environ.get(name))
        (host.directory / "sshd_config").write_text(
            _SSHD.format(
                address=host.address,
                directory=host.directory,
                keys=self.directory / "authorized_keys",
                environment=environment or "GLADIATOR_LAB=1",
                # Newer servers keep a client away that failed to log in; tests fail on purpose.
                extra="PerSourcePenalties no" if sshd_version() >= (9, 8) else "",
            )
        )

    def _internet(self) -> None:
        inet = f"{self.prefix}-inet"
        if (Path("/run/netns") / inet).exists():
            return
        do("ip", "netns", "add", inet)
        do("ip", "-n", inet, "link", "set", "lo", "up")
        do("ip", "-n", inet, "route", "add", "local", "default", "dev", "lo", "table", "local")
        do("ip", "-n", inet, "-6", "route", "add", "local", "2000::/3", "dev", "lo", "table", "local")
        do("ip", "-n", inet, "addr", "add", "2001:4860:4860::8888/128", "dev", "lo", "nodad")
        server = Path(__file__).with_name("internet.py")
        process = subprocess.Popen(
            ["ip", "netns", "exec", inet, sys.executable, "-P", str(server), str(self.directory)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        self._sshd["the made-up internet"] = process
        assert process.stdout is not None
        if process.stdout.readline() != b"ready\n":
            raise RuntimeError("the made-up internet did not start")

    def _clear(self) -> None:
        """Takes down whatever is up in this slot, also what a killed run left."""
        for name in (*NAMES, "inet", "sw"):
            namespace = f"{self.prefix}-{name}"
            if (Path("/run/netns") / namespace).exists():
                for process in processes(namespace):
                    kill(process)
                until(lambda n=namespace: not processes(n), f"processes in {namespace} do not end")
                do("ip", "netns", "del", namespace)
            shutil.rmtree(_NETNS / namespace, ignore_errors=True)
        subprocess.run(["ip", "link", "del", f"{self.prefix}-con"], stderr=subprocess.DEVNULL)


def _number(name: str) -> int:
    return 11 + NAMES.index(name)


def _by_hand() -> None:
    verbs = ("cut", "restore", "kill_sessions", "stop_sshd", "start_sshd", "rate", "leak", "captive", "seal", "heal")
    with HostLab() as lab:
        print(f"up: {', '.join(f'{h.name} {h.address}' for h in lab.host.values())}; console {lab.console}")
        print(
            f"{shlex.join(lab.ssh('alpha'))}\nverbs: VERB [HOST [RATE]]: {' '.join(verbs)}; run HOST COMMAND",
            flush=True,
        )
        for line in sys.stdin:
            verb, *given = shlex.split(line) or [""]
            try:
                if verb == "run":
                    subprocess.run(lab.arguments(*given))
                elif verb == "captive":
                    lab.leak(*given, captive=True)
                elif verb in verbs:
                    getattr(lab, verb)(*(None if word == "off" else word for word in given))
                print("ok" if verb in (*verbs, "run") else f"one of: {' '.join(verbs)}", flush=True)
            except (RuntimeError, KeyError, TypeError) as error:
                print(error, flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        _by_hand()
