# docker build -t labelgram .                         --build-arg EXTRAS="redis heic s3 proxy" --build-arg MODEL=artifacts/pets.onnx
# docker run -e BOT_TOKEN=... -v labelgram:/state labelgram                                  --read-only works with -v
# For x86-64 and arm64: of what it installs there are wheels for both.

# The full image has binutils, by which symbols for debuggers are taken out.
FROM python:3.11 AS build
WORKDIR /labelgram
ARG EXTRAS=""
ARG MODEL=artifacts/mask.onnx
COPY . .
RUN python -m deploy.slug build --no-archive --extras "$EXTRAS" --model "$MODEL" --out /dist

FROM python:3.11-slim
RUN install --directory --owner=1000 --group=1000 /state
COPY --from=build /dist/slug /labelgram
ENV STATE_DIR=/state METRICS_PORT=9090 PYTHONDONTWRITEBYTECODE=1
USER 1000:1000
WORKDIR /state
EXPOSE 8080 9090
# podman builds images without it unless told --format docker.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["python", "/labelgram/bot/monitoring/probe.py"]
ENTRYPOINT ["/labelgram/run"]
