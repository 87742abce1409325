"""The embedded Postgres under difficulties."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from slipway import postgres
from slipway.config import Config
from slipway.embedded import serve
from slipway.errors import PartFailed
from slipway.postgres import find_place

pytestmark = pytest.mark.integration

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's server needs none of this")
"""Root's server where there are no user namespaces."""


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))
    folder.chmod(0o711)
    monkeypatch.setattr(postgres, "_shared_folder", lambda _config: folder)  # it exists: root's data is there
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    "lock", [f"{os.getpid()}\n", "", "nonsense\n"], ids=["a number in use", "empty", "nonsense"]
)
def test_it_starts_over_the_lock_of_a_killed_one(tmp_path_factory: pytest.TempPathFactory, lock: str) -> None:
    home = tmp_path_factory.getbasetemp() / "lock"
    if not (home / "postgres").exists():
        with serve("postgres", home):
            pass
    data = find_place(Config(home, home, {})).data
    (data / "postmaster.pid").write_text(lock)  # the number may have gone to another program
    with serve("postgres", home):
        pass


@as_root
def test_it_runs_as_another_user_outside_the_checkout(shared: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with serve("postgres", tmp_path):
        data = shared / "postgres" / "data"
        assert data.stat().st_uid != 0
        assert (
            Path(f"/proc/{(data / 'postmaster.pid').read_text().split()[0]}").stat().st_uid
            == data.stat().st_uid
        )
    with serve("postgres", tmp_path):  # and again, with the data that is there
        pass


@as_root
def test_programs_out_of_that_users_reach_are_copied(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = postgres._programs()
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    for folder in (programs.parent, programs.parents[1].with_name(f"{postgres.WHEEL}.libs")):
        if folder.exists():
            shutil.copytree(folder, hidden / folder.relative_to(programs.parents[2]), symlinks=True)
    monkeypatch.setattr(postgres, "_programs", lambda: hidden / programs.relative_to(programs.parents[2]))
    place = find_place(Config(tmp_path, tmp_path, {}))
    assert place.programs.is_relative_to(shared)
    assert postgres._run(place.command("initdb", "--version")).returncode == 0  # it finds its libraries
    assert find_place(Config(tmp_path, tmp_path, {})) == place  # one copy is enough


@as_root
def test_a_folder_that_somebody_else_made_is_refused(shared: Path, tmp_path: Path) -> None:
    os.chown(shared, 65534, 65534)
    with pytest.raises(PartFailed, match="is not root's"), serve("postgres", tmp_path):
        pass
