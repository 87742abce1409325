"""`python -m model_server chat` and `python -m model_server embeddings`."""

from model_server.main import main

main()
