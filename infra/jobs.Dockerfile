# The image of Cloud Run Jobs (terraform/jobs.tf): the same source as the functions, with the command
# line. Build from the repository's root; the base comes by digest, so that a build is repeatable:
#   docker build -f infra/jobs.Dockerfile --build-arg PYTHON_IMAGE=python@sha256:... -t IMAGE .
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE}

WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir --require-hashes --only-binary=:all: -r requirements.txt

COPY pipeline.yaml main.py ./
COPY common common
COPY functions functions
COPY infra infra

USER 65532:65532
ENTRYPOINT ["python", "-m", "infra.cli.main"]
