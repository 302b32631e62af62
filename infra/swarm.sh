#!/bin/sh
# Emitted from infra/deploy.toml by `cargo xtask emit`; edit that instead.
#
# What `cargo xtask deploy` runs, in this order, to be read or run by hand. `deploy` also checks the
# ground first, leaves a service alone that is as it should be, takes away variables, constraints and
# networks that are no longer in deploy.toml, waits, and gives its verdict.
set -eu
cd "$(dirname "$0")/.."

# Both binaries, static, and the Dockerfile, in one folder; the image is named by their hash.
context="${CARGO_TARGET_DIR:-target}/image"
image="${1:-$(cargo xtask image --prepare --image=someprefix/accountservice)}"
revision="$(git describe --always --abbrev=40 --dirty '--exclude=*' 2>/dev/null || echo unknown)"

# The image. The tag is the hash of its content: one that is there is the right one.
docker image inspect "$image" >/dev/null 2>&1 ||
  docker build \
    --tag="$image" \
    --label=org.opencontainers.image.revision="$revision" \
    "$context"

# Swarm runs it by its id: no registry knows it.
reference="$(docker image inspect '--format={{.Id}}' "$image")"

# The overlay network, attachable so that other containers can join it.
docker network inspect my_network >/dev/null 2>&1 ||
  docker network create \
    --driver=overlay \
    --attachable \
    my_network

# The service: updated in place if it is there, so that there is no gap.
if docker service inspect accountservice >/dev/null 2>&1; then
  docker service update \
    --detach \
    --no-resolve-image \
    --image="$reference" \
    --label-add=accountservice.image="$image" \
    --label-add=accountservice.plan=8e5ccac19749a04a \
    --container-label-add=accountservice.version=ba72c6b3cd990216 \
    --replicas=1 \
    --endpoint-mode=vip \
    --update-failure-action=rollback \
    --rollback-failure-action=pause \
    --update-order=start-first \
    --update-parallelism=1 \
    --update-delay=0s \
    --update-monitor=22s \
    --update-max-failure-ratio=0 \
    --rollback-order=start-first \
    --rollback-parallelism=1 \
    --rollback-delay=0s \
    --rollback-monitor=22s \
    --rollback-max-failure-ratio=0 \
    --read-only \
    --cap-drop=ALL \
    --mount-add=type=tmpfs,destination=/data,tmpfs-size=33554432,tmpfs-mode=1777 \
    --limit-memory=67108864 \
    --limit-cpu=1 \
    --limit-pids=128 \
    --restart-condition=any \
    --restart-delay=500ms \
    --stop-grace-period=7s \
    --publish-add=published=6767,target=6767,mode=ingress \
    --publish-rm=6767 \
    accountservice
else
  docker service create \
    --detach \
    --no-resolve-image \
    --name=accountservice \
    --label=accountservice.image="$image" \
    --label=accountservice.plan=8e5ccac19749a04a \
    --container-label=accountservice.version=ba72c6b3cd990216 \
    --replicas=1 \
    --endpoint-mode=vip \
    --update-failure-action=rollback \
    --rollback-failure-action=pause \
    --update-order=start-first \
    --update-parallelism=1 \
    --update-delay=0s \
    --update-monitor=22s \
    --update-max-failure-ratio=0 \
    --rollback-order=start-first \
    --rollback-parallelism=1 \
    --rollback-delay=0s \
    --rollback-monitor=22s \
    --rollback-max-failure-ratio=0 \
    --read-only \
    --cap-drop=ALL \
    --mount=type=tmpfs,destination=/data,tmpfs-size=33554432,tmpfs-mode=1777 \
    --limit-memory=67108864 \
    --limit-cpu=1 \
    --limit-pids=128 \
    --restart-condition=any \
    --restart-delay=500ms \
    --stop-grace-period=7s \
    --network=my_network \
    --publish=published=6767,target=6767,mode=ingress \
    "$reference"
fi
