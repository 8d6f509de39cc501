"""The CIS Docker Benchmark's recommendations on images (4) and containers (5), each with its check on one service.

Numbers and titles: version 1.6.0, which 1.7.0 keeps. The table RULES is the single source of the tests
(test_cis.py, and test_control.py for compose.prod.yaml) and of docs/evidence/cis.md.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

# grafana is from an image that is not built here.
SERVICES = ("builder", "torchserve", "edge", "load", "prometheus", "alertmanager", "node-exporter")
JOBS = ("builder", "load")
PORTS = {
    "torchserve": {"7070/tcp", "7071/tcp", "8080/tcp", "8081/tcp", "8082/tcp"},
    "edge": {"8000/tcp"},
    "prometheus": {"9090/tcp"},
    "alertmanager": {"9093/tcp"},
}
# One shell run per image: what may change users, and what has no business in a container.
LOOK_INSIDE = (
    "find / -xdev -type f -perm /6000 2>/dev/null; "
    "for name in sshd ssh sudo dockerd docker telnetd; do command -v $name; done; true"
)
SENSITIVE = ("/boot", "/dev", "/etc", "/lib", "/proc", "/sys", "/usr")
INSIDE_SENSITIVE = tuple(f"{folder}/" for folder in SENSITIVE)


@dataclass(frozen=True)
class Subject:
    """One service: docker inspect of its container and image, its image's history, its Dockerfile, a look inside.

    `found`: what LOOK_INSIDE printed. `withheld`: texts that are secrets on this machine.
    """

    service: str
    container: Mapping[str, Any]
    image: Mapping[str, Any]
    history: str
    dockerfile: str
    found: list[str]
    withheld: list[str]

    @property
    def host(self) -> Mapping[str, Any]:
        host: Mapping[str, Any] = self.container["HostConfig"]
        return host

    @property
    def runs(self) -> list[str]:
        """Returns the RUN instructions of its Dockerfile, each on one line."""
        joined = re.sub(r"\\\n(\s*#.*\n)*", " ", self.dockerfile)
        return re.findall(r"^RUN (.*)$", joined, re.MULTILINE)


Check = Callable[[Subject], None]


@dataclass(frozen=True)
class Rule:
    """`check` raises AssertionError; None: not for a compose project to satisfy, and `where` says whose it is.

    `where`: how it is satisfied. `exempt`: service → why the check is not for it.
    """

    id: str
    title: str
    check: Check | None
    where: str
    exempt: Mapping[str, str] = field(default_factory=dict)

    @property
    def services(self) -> tuple[str, ...]:
        return tuple(service for service in SERVICES if self.check and service not in self.exempt)


def has_user(subject: Subject) -> None:
    assert subject.image["Config"]["User"].split(":")[0] not in ("", "0", "root")
    assert subject.container["Config"]["User"].split(":")[0] not in ("", "0", "root")


def has_healthcheck(subject: Subject) -> None:
    test = subject.image["Config"]["Healthcheck"]["Test"]
    if subject.service in JOBS:
        assert test == ["NONE"], "a job's exit status is its health"
    else:
        assert test[0] == "CMD", f"found {test}"


def updates_and_installs_together(subject: Subject) -> None:
    updates = [run for run in subject.runs if "apt-get update" in run]
    assert all("apt-get install" in run for run in updates), updates


def has_no_setuid(subject: Subject) -> None:
    changing = [path for path in subject.found if path.startswith("/") and "/bin/ssh" not in path]
    assert not changing, changing


def copies_and_never_adds(subject: Subject) -> None:
    assert not re.findall(r"^ADD .*$", subject.dockerfile, re.MULTILINE)


def has_no_secrets(subject: Subject) -> None:
    """Finds credentials in URLs, variables named like one, and files that builds get as secrets; there may be none."""
    texts = "\n".join([subject.history, *subject.image["Config"]["Env"], *subject.container["Config"]["Env"]])
    assert not re.findall(r"://[^/\s:@]+:[^/\s@]+@", texts)
    assert not re.findall(r"^\w*(?:PASSWORD|SECRET|API_?KEY|CREDENTIAL|PRIVATE)\w*=.+$", texts, re.MULTILINE)
    assert not [line for line in subject.withheld if line in texts]


def installs_by_hash(subject: Subject) -> None:
    installs = [run for run in subject.runs if re.search("pip install|apt-get install", run)]
    assert installs
    assert all("--require-hashes" in run for run in installs if "pip install" in run), installs
    assert not [run for run in subject.runs if re.search(r"allow-unauthenticated|trusted=yes", run)]


def is_confined(subject: Subject) -> None:
    assert subject.container["AppArmorProfile"] != "unconfined"
    assert "apparmor=unconfined" not in options(subject)


def keeps_labels(subject: Subject) -> None:
    assert not [option for option in options(subject) if option.startswith("label=disable")]


def has_no_capabilities(subject: Subject) -> None:
    assert subject.host["CapDrop"] == ["ALL"]
    assert not subject.host["CapAdd"]


def is_not_privileged(subject: Subject) -> None:
    assert subject.host["Privileged"] is False


def mounts_nothing_of_the_system(subject: Subject) -> None:
    """/run/secrets are this machine's own certificates, read-only: a file of /etc is no folder of it."""
    sources = [mount["Source"] for mount in subject.container["Mounts"] if not is_secret(mount)]
    assert not [source for source in sources if source in ("/", *SENSITIVE) or source.startswith(INSIDE_SENSITIVE)]


def has_no_ssh(subject: Subject) -> None:
    assert not [path for path in subject.found if re.search(r"/(sshd|ssh|telnetd)$", path)]


def publishes_no_privileged_port(subject: Subject) -> None:
    bindings = [binding for bound in subject.host["PortBindings"].values() for binding in bound]
    assert all(int(port.split("/")[0]) >= 1024 for port in subject.host["PortBindings"])
    assert all(int(binding["HostPort"] or 1024) >= 1024 for binding in bindings)


def publishes_only_what_is_needed(subject: Subject) -> None:
    published = set(subject.host["PortBindings"])
    assert published <= PORTS.get(subject.service, set()), published


def limits_memory(subject: Subject) -> None:
    assert subject.host["Memory"] > 0


def has_a_cpu_priority(subject: Subject) -> None:
    assert subject.host["CpuShares"] not in (0, 1024), "0 and 1024 are Docker's default"


def has_a_read_only_root(subject: Subject) -> None:
    assert subject.host["ReadonlyRootfs"] is True


def binds_to_one_address(subject: Subject) -> None:
    addresses = {binding["HostIp"] for bound in subject.host["PortBindings"].values() for binding in bound}
    assert addresses <= {"127.0.0.1"}, addresses


def restarts_five_times_at_most(subject: Subject) -> None:
    policy = subject.host["RestartPolicy"]
    expected = ("no", 0) if subject.service in JOBS else ("on-failure", 5)
    assert (policy["Name"], policy["MaximumRetryCount"]) == expected


def shares_no_namespace(key: str) -> Check:
    def check(subject: Subject) -> None:
        assert subject.host[key] != "host"

    return check


def has_no_devices(subject: Subject) -> None:
    assert not subject.host["Devices"]
    assert not subject.host["DeviceRequests"]


def sets_its_ulimits(subject: Subject) -> None:
    limits = {limit["Name"]: limit["Hard"] for limit in subject.host["Ulimits"] or []}
    assert limits == {"core": 0}


def shares_no_mount(subject: Subject) -> None:
    assert not [mount for mount in subject.container["Mounts"] if "shared" in mount.get("Propagation", "")]


def keeps_seccomp(subject: Subject) -> None:
    assert "seccomp=unconfined" not in options(subject)


def keeps_its_cgroup(subject: Subject) -> None:
    assert subject.host["CgroupParent"] == ""


def gains_no_privileges(subject: Subject) -> None:
    assert {"no-new-privileges:true", "no-new-privileges"} & set(options(subject))


def is_watched(subject: Subject) -> None:
    assert subject.container["Config"]["Healthcheck"]["Test"][0] == "CMD"


def limits_processes(subject: Subject) -> None:
    assert 0 < (subject.host["PidsLimit"] or 0) <= 4096


def has_its_own_network(subject: Subject) -> None:
    assert subject.host["NetworkMode"] not in ("default", "bridge", "host")


def mounts_no_socket(subject: Subject) -> None:
    assert not [mount for mount in subject.container["Mounts"] if mount.get("Source", "").endswith(".sock")]


def options(subject: Subject) -> list[str]:
    found: list[str] = subject.host["SecurityOpt"] or []
    return found


def is_secret(mount: Mapping[str, Any]) -> bool:
    return mount["Destination"].startswith("/run/secrets/") and not mount["RW"]


JOBS_END = dict.fromkeys(JOBS, "runs once: its exit status is its health")
DAEMON = "the machine's: "
RULES = (
    Rule("4.1", "A user for the container has been created", has_user, "`USER 1000`; `user:` of the builder"),
    Rule("4.2", "Containers use only trusted base images", None, "see below"),
    Rule("4.3", "Unnecessary packages are not installed", None, "`--no-install-recommends`; see 5.7 and 4.8"),
    Rule("4.4", "Images are scanned and rebuilt with patches", None, "[vulnerabilities.md](vulnerabilities.md)"),
    Rule("4.5", "Content trust is enabled", None, DAEMON + "`DOCKER_CONTENT_TRUST=1` for what it pulls"),
    Rule("4.6", "HEALTHCHECK is in the image", has_healthcheck, "healthcheck.sh; `NONE` said of the jobs"),
    Rule("4.7", "Update instructions are not used alone", updates_and_installs_together, "Dockerfiles"),
    Rule("4.8", "setuid and setgid permissions are removed", has_no_setuid, "last step of each Dockerfile"),
    Rule("4.9", "COPY is used instead of ADD", copies_and_never_adds, "Dockerfiles"),
    Rule("4.10", "Secrets are not stored in Dockerfiles", has_no_secrets, "BuildKit and compose secrets"),
    Rule("4.11", "Only verified packages are installed", installs_by_hash, "pip by hash, apt by signature"),
    Rule("4.12", "All signed artifacts are validated", None, "archives by sha256, before they are served"),
    Rule("5.1", "Swarm mode is not enabled, if not needed", None, DAEMON + "the stack needs no swarm"),
    Rule("5.2", "An AppArmor profile is enabled", is_confined, "Docker's own, where the kernel has AppArmor"),
    Rule("5.3", "SELinux security options are set", keeps_labels, "Docker's own, where the kernel has SELinux"),
    Rule("5.4", "Linux kernel capabilities are restricted", has_no_capabilities, "`cap_drop: [ALL]`"),
    Rule("5.5", "Privileged containers are not used", is_not_privileged, "compose.yaml"),
    Rule("5.6", "Sensitive host directories are not mounted", mounts_nothing_of_the_system, "compose.yaml"),
    Rule("5.7", "sshd is not run within containers", has_no_ssh, "no ssh, sshd or telnetd in any image"),
    Rule("5.8", "Privileged ports are not mapped", publishes_no_privileged_port, "7070 and up"),
    Rule("5.9", "Only needed ports are open", publishes_only_what_is_needed, "compose.yaml; compose.prod.yaml: one"),
    Rule("5.10", "The host's network namespace is not shared", shares_no_namespace("NetworkMode"), "compose.yaml"),
    Rule("5.11", "Memory usage is limited", limits_memory, "`mem_limit`"),
    Rule("5.12", "CPU priority is set appropriately", has_a_cpu_priority, "`cpu_shares`; ceiling: `…_CPUS`"),
    Rule("5.13", "The root filesystem is mounted read only", has_a_read_only_root, "`read_only: true`"),
    Rule("5.14", "Traffic is bound to a specific interface", binds_to_one_address, "`BIND_ADDRESS=127.0.0.1`"),
    Rule("5.15", "The restart policy is on-failure:5", restarts_five_times_at_most, "jobs: `restart: no`"),
    Rule("5.16", "The host's process namespace is not shared", shares_no_namespace("PidMode"), "compose.yaml"),
    Rule("5.17", "The host's IPC namespace is not shared", shares_no_namespace("IpcMode"), "compose.yaml"),
    Rule("5.18", "Host devices are not exposed", has_no_devices, "compose.gpu.yaml alone reserves GPUs"),
    Rule("5.19", "The default ulimit is overwritten if needed", sets_its_ulimits, "`ulimits`: no core dumps"),
    Rule("5.20", "Mount propagation is not shared", shares_no_mount, "compose.yaml"),
    Rule("5.21", "The host's UTS namespace is not shared", shares_no_namespace("UTSMode"), "compose.yaml"),
    Rule("5.22", "The default seccomp profile is not disabled", keeps_seccomp, "Docker's own"),
    Rule("5.23", "docker exec is not used as privileged", None, "test_cis.py reads scripts/stackcli for it"),
    Rule("5.24", "docker exec is not used as root", None, "test_cis.py reads scripts/stackcli for it"),
    Rule("5.25", "cgroup usage is confirmed", keeps_its_cgroup, "Docker's own"),
    Rule("5.26", "No additional privileges can be acquired", gains_no_privileges, "`no-new-privileges`"),
    Rule("5.27", "Container health is checked at runtime", is_watched, "`healthcheck:`", JOBS_END),
    Rule("5.28", "The latest version of the image is used", None, "`scripts/stack up` builds what changed"),
    Rule("5.29", "The PIDs cgroup limit is used", limits_processes, "`pids_limit`"),
    Rule("5.30", "The default bridge docker0 is not used", has_its_own_network, "networks `build`, `serve`"),
    Rule("5.31", "The host's user namespaces are not shared", shares_no_namespace("UsernsMode"), "compose.yaml"),
    Rule("5.32", "The Docker socket is not mounted", mounts_no_socket, "compose.yaml"),
)
