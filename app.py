"""Build the studio and launch it."""

from savg.studio import main

if __name__ == "__main__":
    main()
