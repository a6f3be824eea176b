# trtbench in a container of NVIDIA's, with the TensorRT (and, where it has one, the PyTorch) of that container.
#
#   docker build --tag trtbench .
#   docker run --rm --gpus all --user "$(id -u):$(id -g)" --volume "$PWD:/workspace" trtbench doctor
#   docker build --build-arg EXTRAS=gpu --tag trtbench-small .   # times engines that are there; docs/how_to/install.md
ARG BASE_IMAGE=nvcr.io/nvidia/tensorrt:25.11-py3
FROM ${BASE_IMAGE}

ARG EXTRAS=export,gpu,ort,report,rtx
COPY pyproject.toml README.md LICENSE /opt/trtbench/source/
COPY trtbench /opt/trtbench/source/trtbench
COPY containers /opt/trtbench/source/containers

# An environment of its own, which sees the packages of the image and replaces none of them: what the image has of
# these is all that pip may take. Without pip in it, since not every image has ensurepip.
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN python3 -m venv --without-pip --system-site-packages /opt/trtbench/env \
 && python3 -m pip list --format=freeze | { grep -iE '^(torch|torchvision|tensorrt)[^=]*==' || true; } > /opt/trtbench/image.txt \
 && python3 -m pip --python /opt/trtbench/env/bin/python install --no-cache-dir --constraint /opt/trtbench/image.txt "/opt/trtbench/source[${EXTRAS}]" \
 && useradd --uid 10001 --create-home trtbench \
 && install --directory --mode=1777 /workspace /home/trtbench

# Whoever runs it by --user, so that what is written is theirs, has a home and a name as well.
ENV HOME=/home/trtbench USER=trtbench
ENV PATH=/opt/trtbench/env/bin:/opt/tensorrt/bin:${PATH}
USER 10001
WORKDIR /workspace
# Not the entry point of the image, whose banner would stand in front of --json.
ENTRYPOINT ["trtbench"]
CMD ["--help"]
