# burstlab as an image for clusters: docker build -t registry.example.org/burstlab:0.1 .
ARG BASE=debian:bookworm-slim
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
# Cargo features for GPUs, e.g. --build-arg FEATURES=cuda.
ARG FEATURES=
RUN cargo build --release --locked --bin burstlab --features "$FEATURES" && strip target/release/burstlab

# The program needs a C library and a shell for the commands of its jobs, and on a GPU the libraries that its features load
# when they start: BASE names an image that has them and is no older than Debian 12.
FROM $BASE
RUN groupadd --gid 10001 burstlab \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp burstlab \
    && mkdir /burstlab \
    && chown burstlab:burstlab /burstlab
COPY --from=build /source/target/release/burstlab /usr/local/bin/burstlab
USER 10001:10001
WORKDIR /burstlab
ENTRYPOINT ["burstlab"]
CMD ["--help"]
