"""The Video to audio tab: new stereo audio for any video."""
