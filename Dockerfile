# syntax=docker/dockerfile:1

# Alpine's own target is musl, so the binary is static without a cross compiler, on amd64 and arm64
# alike: `docker buildx build --platform linux/amd64,linux/arm64 .` builds each on its platform.
FROM rust:1.95-alpine AS build
# The newest C library headers of this Alpine release are the right ones.
# hadolint ignore=DL3018
RUN apk add --no-cache ca-certificates musl-dev
WORKDIR /src
COPY . .
# One cache per platform: object files of one are of no use to the other.
ARG TARGETARCH
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,id=thingway-target-${TARGETARCH},target=/src/target,sharing=locked \
    cargo build --release --locked --bin thingway \
    && cp target/release/thingway /thingway

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /thingway /thingway
# Nobody in particular: the gateway writes nothing to disk.
USER 65532:65532
# A thingway.toml that is mounted here is read.
WORKDIR /etc/thingway
# Inside a container, loopback is reached by nobody. That strangers may come in still has to be
# said: `docker run -p 127.0.0.1:8080:8080 thingway --allow-anonymous`
ENV THINGWAY__HTTP__LISTEN=0.0.0.0:8080
EXPOSE 8080 1883 5683/udp
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s CMD ["/thingway", "healthcheck"]
ENTRYPOINT ["/thingway"]
