#!/bin/sh
# Makes what compose.yaml needs and does not hold: passwords in ./secrets, and the settings in ./.env.
#
#   sh deploy/secrets.sh              for Redis
#   sh deploy/secrets.sh rabbitmq     for RabbitMQ
#
# What is there already is left alone, so it can be given again; a file that was removed is made anew.
set -eu
umask 077
cd "$(dirname "$0")/.."

broker=${1:-core}
case $broker in
core | rabbitmq) ;;
*)
    echo "usage: sh deploy/secrets.sh [core|rabbitmq]" >&2
    exit 2
    ;;
esac

mkdir -p secrets
[ -d vault ] || mkdir -m 755 vault

random() {
    od -An -v -N24 -tx1 /dev/urandom | tr -d ' \n'
}

# keep NAME: what is on stdin, if the file is not there yet. Others cannot enter the folder; the file itself can be read,
# for a container is another user, and gets that file alone.
keep() {
    if [ -e "secrets/$1" ]; then
        cat >/dev/null
        return
    fi
    cat >"secrets/.$1.new"
    chmod 644 "secrets/.$1.new"
    mv "secrets/.$1.new" "secrets/$1"
    echo "made secrets/$1"
}

# part NAME: a password alone, made once, for those files that hold it in an address or among settings.
part() {
    random | keep "$1" >&2
    cat "secrets/$1"
}

postgres=$(part postgres_password)
printf 'postgresql://refnet:%s@postgres:5432/refnet\n' "$postgres" | keep database_url
if [ "$broker" = core ]; then
    redis=$(part redis_password)
    printf 'redis://:%s@redis:6379/0\n' "$redis" | keep broker_url
    printf 'include /etc/redis/refnet.conf\nbind * -::*\nrequirepass %s\n' "$redis" | keep redis.conf
else
    rabbitmq=$(part rabbitmq_password)
    printf 'amqp://refnet:%s@rabbitmq:5672//\n' "$rabbitmq" | keep broker_url
    # Half of what the container may have; beyond it RabbitMQ takes no more messages, until some have gone.
    printf 'default_user = refnet\ndefault_pass = %s\nvm_memory_high_watermark.absolute = 512MiB\n' "$rabbitmq" |
        keep rabbitmq.conf
fi
{ random && echo; } | keep signing_keys
printf 'admin:%s\n' "$(random)" | keep flower_basic_auth
random | keep grafana_password
# Yours, if you have one: without it all the world shares one pool.
: | keep semantic_scholar_key
# Of a language model, if you turn one on (REFNET_LLM_MODEL in .env).
: | keep openai_key
: | keep anthropic_key

if [ "$(id -u)" = 0 ]; then
    # Not as root: the image's own user writes the notes.
    chown 10001:10001 vault
    user=10001 group=10001
else
    user=$(id -u) group=$(id -g)
fi
if [ ! -e .env ]; then
    cat >.env <<END
COMPOSE_PROFILES=$broker
REFNET_SECRETS=./secrets
REFNET_UID=$user
REFNET_GID=$group
END
    echo "made .env"
fi
