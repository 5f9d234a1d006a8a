"""The studio as a Hugging Face Space: the folder that a Space runs, its hardware, the push to the Hub.

A Space installs the packages of `requirements.txt` and `packages.txt` in its folder and starts
`app.py`; the front matter of its README.md says with which Python and Gradio.
"""
