"""What every test may use."""

pytest_plugins = [
    "fixtures.embedded",
    "fixtures.file_server",
    "fixtures.model_servers",
    "fixtures.openai_server",
    "fixtures.stack",
]
