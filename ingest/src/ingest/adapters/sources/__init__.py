"""One module for each kind of source; `ingest.main` chooses by the URL."""
