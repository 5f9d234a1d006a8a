"""The Dataset tab: browsing a built or published dataset."""
