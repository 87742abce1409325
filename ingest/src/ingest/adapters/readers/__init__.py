"""One module for each kind of document; `documents.py` chooses."""
