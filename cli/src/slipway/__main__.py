"""python -m slipway"""

from slipway.main import main

if __name__ == "__main__":
    main()
