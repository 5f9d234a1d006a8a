# The studio on a CPU or, with NVIDIA's container toolkit, a GPU. Not built in the tests.
#   docker build -t savg-studio . && docker run --rm -p 7860:7860 savg-studio
FROM python:3.12-slim-bookworm

RUN useradd --create-home --uid 1000 savg
ENV PYTHONUNBUFFERED=1 GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=7860 GRADIO_ANALYTICS_ENABLED=False
WORKDIR /home/savg/studio

# The packages first: this layer stays while the lock does.
COPY requirements/app.txt requirements/app.txt
RUN python -m pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements/app.txt

COPY --chown=savg pyproject.toml README.md LICENSE app.py space_requirements.txt ./
COPY --chown=savg savg savg
COPY --chown=savg assets assets
RUN python -m pip install --no-cache-dir --no-deps --no-build-isolation --editable . && \
    python -m compileall -q savg

USER savg
EXPOSE 7860
CMD ["python", "app.py"]
