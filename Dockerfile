# An image with the server: see docs/operating.md.
#
#   docker build -t faaspot .
#   docker run -d --name faaspot -p 127.0.0.1:8080:8080 -v faaspot:/data faaspot

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY . .
RUN make build && install -d -m 0700 /data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/bin/fas /usr/local/bin/fas
COPY --from=build --chown=65532:65532 /data /data
# The profile with the admin token is next to the data.
ENV FAASPOT_LISTEN=0.0.0.0:8080 FAASPOT_DATA=/data FAASPOT_CONFIG=/data/fasconf.yaml PATH=/usr/local/bin
USER 65532:65532
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=10s --start-period=2m CMD ["fas", "ready"]
ENTRYPOINT ["fas"]
CMD ["serve"]
