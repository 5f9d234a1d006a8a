"""What a listening test is made of: design, assignment, stimuli, screening sounds, its folder."""
