#!/bin/sh
# Emitted from infra/deploy.toml by `cargo xtask emit`; edit that instead.
#
# The commands of `cargo xtask deploy`, to be read or run by hand. `deploy` also checks first whether
# it can succeed, changes only what differs, removes variables, constraints and networks that are no
# longer in deploy.toml, waits, and reports the outcome.
set -eu
unset CDPATH IFS
export LC_ALL=C
case "$0" in */*) cd -P -- "${0%/*}/.." ;; *) cd -P .. ;; esac

# Both binaries, static, and the Dockerfile, in one folder; the image is named by their hash.
image="${1:-$(cargo xtask image --prepare --image=someprefix/accountservice)}"
context="${CARGO_TARGET_DIR:-target}/image/${image##*:}"
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

# What an update takes away first: other ports; secrets and configs, which it adds again.
stale="$(docker service inspect --format='
  {{range .Spec.EndpointSpec.Ports}}{{if not (and (eq .Protocol "tcp") (eq .PublishMode "ingress") (eq .PublishedPort 6767) (eq .TargetPort 6767))}}
    --publish-rm=target={{.TargetPort}},protocol={{.Protocol}},mode={{.PublishMode}}
  {{end}}{{end}}
  {{range .Spec.TaskTemplate.ContainerSpec.Secrets}} --secret-rm={{.SecretName}} {{end}}
  {{range .Spec.TaskTemplate.ContainerSpec.Configs}} --config-rm={{.ConfigName}} {{end}}
  ' accountservice 2>/dev/null || true)"

# The service: updated in place if it is there, so that there is no gap.
if docker service inspect accountservice >/dev/null 2>&1; then
  docker service update \
    --detach \
    --no-resolve-image \
    --image="$reference" \
    --replicas=1 \
    --endpoint-mode=vip \
    --update-failure-action=rollback \
    --update-order=start-first \
    --update-parallelism=1 \
    --update-delay=0s \
    --update-monitor=22s \
    --update-max-failure-ratio=0 \
    --rollback-failure-action=pause \
    --rollback-order=start-first \
    --rollback-parallelism=1 \
    --rollback-delay=0s \
    --rollback-monitor=22s \
    --rollback-max-failure-ratio=0 \
    --read-only=true \
    --cap-drop=ALL \
    --limit-memory=67108864 \
    --limit-cpu=1 \
    --limit-pids=128 \
    --restart-condition=any \
    --restart-delay=500ms \
    --stop-grace-period=7s \
    --label-add=xtask.image="$image" \
    --container-label-add=xtask.publish=6767:6767/ingress \
    --mount-add=type=tmpfs,destination=/data,tmpfs-size=33554432,tmpfs-mode=1777 \
    --env-add=ACCOUNTSERVICE_DRAIN_DELAY=0s \
    --env-add=ACCOUNTSERVICE_SHUTDOWN_TIMEOUT=4s \
    --publish-add=published=6767,target=6767,protocol=tcp,mode=ingress \
    $stale \
    accountservice
else
  docker service create \
    --detach \
    --no-resolve-image \
    --name=accountservice \
    --replicas=1 \
    --endpoint-mode=vip \
    --update-failure-action=rollback \
    --update-order=start-first \
    --update-parallelism=1 \
    --update-delay=0s \
    --update-monitor=22s \
    --update-max-failure-ratio=0 \
    --rollback-failure-action=pause \
    --rollback-order=start-first \
    --rollback-parallelism=1 \
    --rollback-delay=0s \
    --rollback-monitor=22s \
    --rollback-max-failure-ratio=0 \
    --read-only=true \
    --cap-drop=ALL \
    --limit-memory=67108864 \
    --limit-cpu=1 \
    --limit-pids=128 \
    --restart-condition=any \
    --restart-delay=500ms \
    --stop-grace-period=7s \
    --label=xtask.image="$image" \
    --container-label=xtask.publish=6767:6767/ingress \
    --mount=type=tmpfs,destination=/data,tmpfs-size=33554432,tmpfs-mode=1777 \
    --env=ACCOUNTSERVICE_DRAIN_DELAY=0s \
    --env=ACCOUNTSERVICE_SHUTDOWN_TIMEOUT=4s \
    --network=my_network \
    --publish=published=6767,target=6767,protocol=tcp,mode=ingress \
    "$reference"
fi
