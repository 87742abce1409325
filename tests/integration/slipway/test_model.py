"""`slipway model list`, `use` and `test`, as a user runs them."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fixtures.file_server import FileServer
from fixtures.gguf_files import gguf_bytes, write_gguf
from fixtures.openai_server import MODEL, OpenAIServer
from model_server.packaged import CHAT_WEIGHTS, packaged
from slipway.config import load_config
from slipway.environment import environment
from slipway.main import main
from slipway.models import obtain
from slipway.models.choice import BUNDLED, read_choice
from slipway.parts import CHAT_MODEL, is_external, part
from slipway.process import ProcessId, free_port
from slipway.state import State, write_state

pytestmark = pytest.mark.integration

CHECKS = ("answers", "streams", "follows a JSON schema", "calls tools")
KEY = "sk-nobody-may-see-this"
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, and an environment that chooses no model."""
    for name in (*CHAT_MODEL, "HF_TOKEN", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{free_port()}")
    return tmp_path / "home"


@pytest.fixture
def run(home: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run `slipway model …`; give its exit code and all that it printed. No key is ever among that."""
    monkeypatch.setenv("COLUMNS", "200")
    printed: list[str] = []

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["slipway", "model", *arguments])
        try:
            main()
            code = 0
        except SystemExit as error:
            code = int(error.code or 0)
        printed.append("".join(capfd.readouterr()))
        return code, printed[-1]

    yield run
    assert KEY not in "".join(printed)


def use_remote(run: Run, server: OpenAIServer, *more: str) -> tuple[int, str]:
    return run("use", "--base-url", server.url, "--model", MODEL, *more)


def test_an_endpoint_is_tried_and_chosen(run: Run, home: Path, openai_server: OpenAIServer) -> None:
    code, text = use_remote(run, openai_server)

    assert code == 0
    assert "The capital of France is [bold]Paris[/bold]." in text  # a model's words are not markup
    assert [re.search(rf"✓ +{check}", text) is not None for check in CHECKS] == [True] * 4
    assert "Start Slipway to use it" in text
    assert read_choice(home).base_url == openai_server.url
    config = load_config()
    assert is_external(part("chat-model"), config)
    assert environment(config, CHAT_MODEL)["MODEL_NAME"] == MODEL


def test_who_runs_slipway_is_told_to_restart_it(run: Run, home: Path, openai_server: OpenAIServer) -> None:
    home.mkdir()
    me = ProcessId.of(os.getpid())
    assert me
    write_state(home, State(me, phase="ready"))
    assert "Restart Slipway to use it: slipway down && slipway up" in use_remote(run, openai_server)[1]


def test_what_a_model_cannot_is_shown_and_does_not_keep_it_from_use(
    run: Run, home: Path, openai_server: OpenAIServer
) -> None:
    openai_server.has_schemas = openai_server.has_tools = False
    code, text = use_remote(run, openai_server)
    assert code == 0
    assert re.search(r"✗ +follows a JSON schema .*not JSON: The capital", text)
    assert re.search(r"✗ +calls tools .*it called none", text)
    assert read_choice(home).model == MODEL


@pytest.mark.parametrize("ability", ["answers", "streams"])
def test_a_model_without_what_is_needed_leaves_the_former_choice(
    run: Run, home: Path, openai_server: OpenAIServer, ability: str
) -> None:
    assert use_remote(run, openai_server)[0] == 0
    before = (home / "model.json").read_bytes()
    setattr(openai_server, ability, False)
    code, text = run("use", "--base-url", openai_server.url, "--model", "another")
    assert code == 1
    assert re.search(rf"✗ +{ability}", text)
    assert "another cannot be used" in text
    assert (home / "model.json").read_bytes() == before


def test_a_key_comes_from_a_variable_and_is_stored_nowhere(
    run: Run, home: Path, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    openai_server.key = KEY
    assert use_remote(run, openai_server)[0] == 1  # without the key
    assert run("use", "--base-url", openai_server.url, "--model", MODEL, "--api-key-env", "THEIR_KEY") == (
        1,
        "slipway: The variable THEIR_KEY is not set, neither here nor in .env.\n",
    )
    monkeypatch.setenv("THEIR_KEY", KEY)
    assert use_remote(run, openai_server, "--api-key-env", "THEIR_KEY")[0] == 0
    assert run("test")[0] == 0
    assert environment(load_config(), CHAT_MODEL)["MODEL_API_KEY"] == KEY
    assert not [path for path in home.rglob("*") if path.is_file() and KEY in path.read_text()]
    monkeypatch.delenv("THEIR_KEY")
    code, text = run("test")
    assert code == 1
    assert "THEIR_KEY, which holds the key of their-model, is not set" in text


def test_a_provider_that_repeats_the_key_in_its_refusal_is_not_repeated(
    run: Run, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    openai_server.key = "sk-another"
    monkeypatch.setenv("THEIR_KEY", KEY)
    code, text = use_remote(run, openai_server, "--api-key-env", "THEIR_KEY")
    assert code == 1
    assert "Incorrect API key provided: Bearer (the key)" in text


def test_a_key_that_was_typed_is_kept_for_its_owner_only(
    run: Run, home: Path, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    openai_server.key = KEY
    monkeypatch.setattr("getpass.getpass", lambda _prompt: KEY)
    assert use_remote(run, openai_server, "--ask-api-key")[0] == 0
    kept = home / obtain.KEY_FILE
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == (KEY, 0o600)
    assert KEY not in (home / "model.json").read_text()
    assert run("test")[0] == 0
    assert environment(load_config(), CHAT_MODEL)["MODEL_API_KEY"] == KEY


def test_the_environment_goes_before_the_choice_and_its_key_stays(
    run: Run, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    openai_server.key = KEY
    monkeypatch.setenv("THEIR_KEY", KEY)
    assert use_remote(run, openai_server, "--api-key-env", "THEIR_KEY")[0] == 0
    monkeypatch.setenv("MODEL_BASE_URL", "http://elsewhere.test/v1")
    variables = environment(load_config(), CHAT_MODEL)
    assert variables["MODEL_BASE_URL"] == "http://elsewhere.test/v1"
    assert "MODEL_API_KEY" not in variables
    assert "goes before the choice" in run("list")[1]


def test_an_endpoint_that_is_not_there_is_not_chosen(run: Run, home: Path) -> None:
    code, text = run("use", "--base-url", f"http://127.0.0.1:{free_port()}/v1", "--model", MODEL)
    assert code == 1
    assert "it does not answer" in text
    assert read_choice(home) == BUNDLED


def test_ollamas_models_are_listed_and_used(
    run: Run, home: Path, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", openai_server.url.removesuffix("/v1"))
    assert f"slipway model use ollama:{MODEL}" in run("list")[1]
    assert run("use", f"ollama:{MODEL}")[0] == 0
    listed = json.loads(run("list", "--json")[1])
    assert [model["name"] for model in listed if model["chosen"]] == [MODEL]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("use",), "Name a model"),
        (("use", "wizard"), "'wizard' names no model. The forms are"),
        (("use", "./missing.gguf"), "There is no file missing.gguf"),
        (("use", "--base-url", "http://h/v1"), "needs both --base-url and --model"),
        (("use", "--base-url", "http://u:p@h/v1", "--model", "m"), "a key goes into --api-key-env"),
        (("use", "--base-url", "ftp://h/v1", "--model", "m"), "must be like https://host/v1"),
        (("use", "https://host.test/model.bin"), "does not end in the name of a GGUF file"),
    ],
)
def test_a_wrong_command_says_what_is_wrong(
    run: Run, home: Path, arguments: tuple[str, ...], message: str
) -> None:
    code, text = run(*arguments)
    assert code == 1
    assert message in " ".join(text.split())
    assert read_choice(home) == BUNDLED


def test_files_that_are_no_chat_model_are_refused(run: Run, tmp_path: Path) -> None:
    base = write_gguf(tmp_path / "base.gguf", {"general.architecture": "llama"})
    assert "has no chat template" in run("use", str(base))[1]
    page = tmp_path / "page.gguf"
    page.write_text("<html>")
    assert "is not a GGUF file" in run("use", str(page))[1]


def test_a_download_that_cannot_be_loaded_is_kept_but_not_chosen(
    run: Run, home: Path, file_server: FileServer
) -> None:
    content = gguf_bytes(weights=1000)
    file_server.files["/broken.gguf"] = content
    code, text = run("use", f"{file_server.url}/broken.gguf", "--sha256", hashlib.sha256(content).hexdigest())
    assert code == 1
    assert "The model broken does not start" in text
    assert "llama.cpp cannot load" in text
    assert read_choice(home) == BUNDLED
    assert "broken" in run("list")[1]


def test_a_model_from_hugging_face_is_fetched_served_and_chosen(
    run: Run, home: Path, file_server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = packaged(*CHAT_WEIGHTS).read_bytes()
    digest = hashlib.sha256(weights).hexdigest()
    file_server.add_repository("org/small", {"small-Q4_1.gguf": (weights, digest)})
    file_server.cuts = [len(weights) // 2 + 5]  # the first answer, the list of files, is shorter
    monkeypatch.setenv("HF_ENDPOINT", file_server.url)

    code, text = run("use", "org/small:Q4_1")

    assert code == 0
    assert "small-q4_1.gguf" in text.lower()
    assert re.search(r"✓ +streams", text)
    assert re.search(r"✗ +calls tools .*cannot call tools", text)
    choice = read_choice(home)
    assert Path(choice.path).read_bytes() == weights
    assert environment(load_config())["MODEL_SERVER_CHAT_MODEL"] == choice.path
    assert run("list")[1].count("●") == 1
