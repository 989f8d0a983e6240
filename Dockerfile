# The CPU image: LRBench and real Caffe, from the same scripts/setup that a checkout uses.
#   docker build -t lrbench .
#   docker run --rm -v "$PWD/results:/lrbench/results" lrbench run configs/quickstart.yaml -j 2
# For GPUs, build from an image that has a CUDA Caffe, and let LRBENCH_CAFFE name the Python that imports it.
FROM debian:bookworm-slim
ENV LRBENCH_HOME=/var/lib/lrbench
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3 python3-venv mmdebstrap debian-archive-keyring \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /lrbench
COPY . .
RUN scripts/setup digits
ENV PATH=/lrbench/.venv/bin:$PATH
VOLUME /lrbench/results
ENTRYPOINT ["lrbench"]
CMD ["--help"]
