#!/bin/sh
# Writes compose.pinned.yaml: compose.yaml, in which every image has the digest that its tag has at the registry now.
#
#   sh deploy/pin.sh && docker compose --file compose.pinned.yaml up --detach
#
# Needs Docker with buildx, and the registry. A tag may be given to another image, a digest never is.
set -eu
cd "$(dirname "$0")/.."

script=$(mktemp)
trap 'rm -f "$script"' EXIT

digest() {
    found=$(docker buildx imagetools inspect "$1" --format '{{.Manifest.Digest}}')
    case $found in
    sha256:*) echo "$found" ;;
    *)
        echo "no digest for $1: $found" >&2
        return 1
        ;;
    esac
}

# Our own is made here, from a Python that is pinned instead.
for image in $(sed -n 's/^ *image: \([^ ]*\)$/\1/p' compose.yaml | sort -u | grep -v '^refnet:'); do
    pinned=$(digest "$image")
    echo "s#image: $image\$#image: $image@$pinned#" >>"$script"
done
python=$(sed -n 's/^ARG PYTHON=//p' deploy/Dockerfile)
pinned=$(digest "$python")
echo "s#dockerfile: deploy/Dockerfile}#dockerfile: deploy/Dockerfile, args: {PYTHON: \"$python@$pinned\"}}#" >>"$script"

sed -f "$script" compose.yaml >compose.pinned.yaml
echo "made compose.pinned.yaml"
