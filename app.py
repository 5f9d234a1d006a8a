"""Build the studio and launch it."""

from savg.studio import build, launch

if __name__ == "__main__":
    launch(build())
