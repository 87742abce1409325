"""Downloads from a local server that breaks off, lies, and changes its mind."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from fixtures.file_server import FileServer
from fixtures.gguf_files import gguf_bytes
from slipway.errors import SlipwayError
from slipway.models import download as module
from slipway.models.download import checksum_kept, download, verify
from slipway.models.huggingface import RemoteFile, resolve
from slipway.models.names import HuggingFace
from slipway.process import free_port

pytestmark = pytest.mark.integration

CONTENT = gguf_bytes(weights=3_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
NAME = "/model-Q4_K_M.gguf"
GB = 10**9


@pytest.fixture
def server(file_server: FileServer) -> FileServer:
    file_server.files[NAME] = CONTENT
    return file_server


def fetch(server: FileServer, folder: Path, sha256: str = "", bytes_max: int = GB) -> Path:
    return download(RemoteFile(server.url + NAME, sha256), folder, bytes_max=bytes_max)


def nothing_but_notes(folder: Path) -> bool:
    return not list(folder.rglob("*.gguf"))


def test_a_file_comes_with_progress_and_its_checksum_is_kept(server: FileServer, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    path = download(
        RemoteFile(server.url + NAME),
        tmp_path,
        bytes_max=GB,
        progress=lambda there, total: seen.append((there, total)),
    )
    assert path.read_bytes() == CONTENT
    assert checksum_kept(path) == DIGEST
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [there for there, _ in seen] == sorted(there for there, _ in seen)
    assert sorted(file.name for file in path.parent.iterdir()) == [".lock", path.name, f"{path.name}.json"]


def test_a_file_that_is_there_is_not_asked_for_again(server: FileServer, tmp_path: Path) -> None:
    path = fetch(server, tmp_path)
    assert fetch(server, tmp_path) == path
    assert fetch(server, tmp_path, DIGEST.upper()) == path
    assert len(server.asked) == 1


def test_a_file_that_was_damaged_on_the_disk_comes_anew(server: FileServer, tmp_path: Path) -> None:
    path = fetch(server, tmp_path)
    path.write_bytes(CONTENT[:-1] + b"?")
    with pytest.raises(SlipwayError, match="has changed since it was downloaded"):
        verify(path)
    assert fetch(server, tmp_path).read_bytes() == CONTENT


def test_it_goes_on_where_it_broke_off(server: FileServer, tmp_path: Path) -> None:
    server.cuts = [1_000_000, 500_000]
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges_asked() == ["", "bytes=1000000-", "bytes=1500000-"]
    assert server.asked[1][1]["if-range"] == '"1"'


def test_it_goes_on_in_another_run(server: FileServer, tmp_path: Path) -> None:
    server.cuts = [1_000_000, 0, 0, 0, 0, 0]
    with pytest.raises(SlipwayError, match=r"keeps breaking off .*run the command again"):
        fetch(server, tmp_path)
    assert nothing_but_notes(tmp_path)
    server.asked.clear()
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges_asked() == ["bytes=1000000-"]


def test_a_server_without_ranges_starts_again(server: FileServer, tmp_path: Path) -> None:
    server.ranges, server.cuts = False, [1_000_000]
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges_asked() == ["", "bytes=1000000-"]


def test_a_file_that_changed_meanwhile_starts_again(server: FileServer, tmp_path: Path) -> None:
    server.cuts = [1_000_000, 0, 0, 0, 0, 0]
    with pytest.raises(SlipwayError):
        fetch(server, tmp_path)
    server.etag, server.files[NAME] = '"2"', CONTENT[::-1].replace(CONTENT[::-1][:4], b"GGUF", 1)
    assert fetch(server, tmp_path).read_bytes() == server.files[NAME]


def test_a_source_that_says_no_length_is_read_to_its_end(server: FileServer, tmp_path: Path) -> None:
    server.sends_length = False
    assert fetch(server, tmp_path).read_bytes() == CONTENT


def test_a_length_that_is_never_reached_fails(server: FileServer, tmp_path: Path) -> None:
    server.length_off_by = 10
    with pytest.raises(SlipwayError, match="keeps breaking off"):
        fetch(server, tmp_path)
    assert nothing_but_notes(tmp_path)


def test_a_server_that_is_busy_is_asked_again(server: FileServer, tmp_path: Path) -> None:
    server.statuses = [503, 429]
    assert fetch(server, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_ends_it_at_once(server: FileServer, tmp_path: Path, status: int) -> None:
    server.statuses = [status]
    with pytest.raises(SlipwayError, match=f"answered {status}"):
        fetch(server, tmp_path)
    assert len(server.asked) == 1


def test_another_checksum_than_was_asked_for_keeps_nothing(server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(SlipwayError, match=f"has the SHA-256 {DIGEST}, not {'0' * 64}"):
        fetch(server, tmp_path, "0" * 64)
    assert nothing_but_notes(tmp_path)
    assert not list(tmp_path.rglob("*.part*"))


def test_a_web_page_is_no_model(server: FileServer, tmp_path: Path) -> None:
    server.files[NAME] = b"<html>Sign in first</html>"
    with pytest.raises(SlipwayError, match="is not a GGUF file"):
        fetch(server, tmp_path)
    assert nothing_but_notes(tmp_path)
    server.files[NAME] = CONTENT
    assert fetch(server, tmp_path).read_bytes() == CONTENT


def test_a_file_over_the_limit_is_not_begun(server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(SlipwayError, match=r"more than the limit.*--max-gb"):
        fetch(server, tmp_path, bytes_max=1_000_000)
    server.sends_length = False
    with pytest.raises(SlipwayError, match="over the limit"):
        fetch(server, tmp_path, bytes_max=1_000_000)
    assert nothing_but_notes(tmp_path)


def test_a_disk_without_room_is_not_filled(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DISK_RESERVE_BYTES", 10**18)
    with pytest.raises(SlipwayError, match=r"The disk has .* free"):
        fetch(server, tmp_path)


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/m.gguf"
    with pytest.raises(SlipwayError, match=f"{url} cannot be downloaded: .*refused"):
        download(RemoteFile(url), tmp_path, bytes_max=GB)


def test_a_file_on_hugging_face_is_found_and_checked(file_server: FileServer, tmp_path: Path) -> None:
    other = gguf_bytes(weights=10)
    files = {"m-Q8_0.gguf": other, "m-Q4_K_M_L.gguf": other, "sub/m-Q4_K_M.gguf": CONTENT, "README.md": b""}
    digests = {name: (data, hashlib.sha256(data).hexdigest()) for name, data in files.items()}
    file_server.add_repository("org/m", digests)
    variables = {"HF_ENDPOINT": file_server.url, "HF_TOKEN": "hf_secret"}

    found = resolve(HuggingFace("org/m", quantisation="q4_k_m"), variables)
    named = resolve(HuggingFace("org/m", file="sub/m-Q4_K_M.gguf"), variables)

    assert found == named
    assert found.sha256 == DIGEST
    assert download(found, tmp_path, bytes_max=GB).read_bytes() == CONTENT
    assert {headers["authorization"] for _, headers in file_server.asked} == {"Bearer hf_secret"}


def test_what_hugging_face_lacks_is_said_with_what_it_has(file_server: FileServer) -> None:
    parts = {f"m-Q8_0-0000{number}-of-00002.gguf": (b"", "") for number in (1, 2)}
    file_server.add_repository("org/m", {"m-Q2_K.gguf": (b"", ""), "m-Q3_K.gguf": (b"", ""), **parts})
    variables = {"HF_ENDPOINT": file_server.url}

    with pytest.raises(SlipwayError, match=r"has no such GGUF file(.|\n)*m-Q2_K\.gguf"):
        resolve(HuggingFace("org/m", quantisation="Q4_K_M"), variables)
    with pytest.raises(SlipwayError, match="one part of many"):
        resolve(HuggingFace("org/m", file="m-Q8_0-00001-of-00002.gguf"), variables)
    with pytest.raises(SlipwayError, match=r"404.*private or gated.*HF_TOKEN"):
        resolve(HuggingFace("org/none", quantisation="Q4_K_M"), variables)
    file_server.files["/api/models/org/page"] = json.dumps(["not", "an", "object"]).encode()
    with pytest.raises(SlipwayError, match="did not answer as Hugging Face does"):
        resolve(HuggingFace("org/page", quantisation="Q4_K_M"), variables)
