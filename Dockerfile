# The workstation's side of edgecnn: train, convert, verify, package. A device needs none of this.
#
#     docker build -t edgecnn .
#     docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" edgecnn demo
#
# Not in it: Chromium and npm (web bundles), strace (privacy checks need rights that a container
# does not have by default). edgecnn doctor says what is missing, and bundles say what was not
# checked.

FROM python:3.12-slim AS build
WORKDIR /source
# What is installed changes less often than the sources: a layer of its own, which is kept.
COPY constraints.txt ./
RUN python -m venv /opt/edgecnn \
    && /opt/edgecnn/bin/pip install --no-cache-dir -c constraints.txt hatchling tensorflow
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY deploy ./deploy
COPY toolchain/edgecnn ./toolchain/edgecnn
RUN /opt/edgecnn/bin/pip install --no-cache-dir --no-build-isolation -c constraints.txt ./deploy .

FROM python:3.12-slim
RUN useradd --create-home --uid 1000 edgecnn
COPY --from=build /opt/edgecnn /opt/edgecnn
# HOME: with --user, whoever runs it has none here, and caches have to go somewhere.
ENV PATH=/opt/edgecnn/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp
USER edgecnn
WORKDIR /work
ENTRYPOINT ["edgecnn"]
CMD ["--help"]
