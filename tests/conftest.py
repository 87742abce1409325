"""What every test may use."""

pytest_plugins = ["fixtures.embedded", "fixtures.model_servers", "fixtures.stack"]
