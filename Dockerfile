# The interceptor's image, built by docker or podman with a registry:
#
#   docker build --tag REGISTRY/fsm-interceptor:VERSION .
#
# scripts/build-image.sh makes the same image from a build on this machine, without pulling anything.
FROM debian:12 AS build
WORKDIR /src
COPY scripts/install-packages.sh scripts/install-packages.sh
RUN scripts/install-packages.sh build image-contents
COPY . .
RUN cmake --preset release -DFSM_BUILD_TESTS=OFF \
    && cmake --build --preset release --target fsm-interceptor fsm-cni \
    && scripts/image-root.sh build/release /root-of-image

FROM scratch
COPY --from=build /root-of-image/ /
ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin
LABEL org.opencontainers.image.title=fsm-interceptor \
      org.opencontainers.image.licenses="Apache-2.0 AND GPL-2.0-only"
USER 0
ENTRYPOINT ["/app/fsm-interceptor"]
