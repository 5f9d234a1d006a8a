"""The parts of a listening test: design, assignment, stimuli, screening sounds, folder."""
