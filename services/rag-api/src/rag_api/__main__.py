"""python -m rag_api"""

from rag_api.main import main

if __name__ == "__main__":
    main()
