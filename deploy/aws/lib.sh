# shellcheck shell=bash disable=SC2016,SC2034
# What up, status, deploy, demo and down share. It runs in bash 3.2, too, and needs ssh and the aws client besides.
#
# No state is kept on this computer: what belongs to Chordial has the tag Project=chordial, and machine 1, the
# swarm's manager, is called chordial-1.
set -euo pipefail

AWS_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$AWS_DIR/../.." && pwd)
ME=${0##*/}
work=$(mktemp -d)
export AWS_PAGER=""
unset SSH_AUTH_SOCK SSH_AGENT_PID

ACCOUNT=ec2-user   # Amazon Linux's
GATEWAY=8000
SERVICE=chordial_peer
LIMIT=9            # instances that run at once, in a Learner Lab
# Sizes that a Learner Lab allows and the image runs on, with dollars an hour: on demand, Linux, us-east-1 and us-west-2.
PRICES_OF="2025"
PRICES="t3.nano 0.0052 t3.micro 0.0104 t3.small 0.0208 t3.medium 0.0416 t3.large 0.0832
t2.nano 0.0058 t2.micro 0.0116 t2.small 0.0230 t2.medium 0.0464 t2.large 0.0928"
ADDRESS_PRICE=0.005   # of a public address
DISK=16               # GB, gp3 at 0.08 dollars a month
DISK_PRICE=0.00175

# shellcheck disable=SC2329
at_exit() {
    [ -z "${SSH_AGENT_PID:-}" ] || kill "$SSH_AGENT_PID" 2> /dev/null || true
    rm -rf "$work"
}
trap at_exit EXIT

say() { printf '%s\n' "$*"; }
step() { printf '\n== %s\n' "$*"; }
die() {
    printf '%s: %s\n' "$ME" "$*" >&2
    exit 1
}
# The comment at the head of the program is its help.
usage() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; }
# The next argument of an option that wants one.
value() { [ $# -ge 2 ] && [ -n "$2" ] || { usage >&2; die "$1 wants a value"; }; }

REGION=${AWS_REGION:-${AWS_DEFAULT_REGION:-}}
KEY_NAME=vockey
KEY_FILE=${CHORDIAL_KEY:-}
# common ARGS...: takes the options that all programs have; says in TAKEN how many arguments that were.
common() {
    TAKEN=0
    case $1 in
        --region) value "$@"; REGION=$2 TAKEN=2 ;;
        --key) value "$@"; KEY_FILE=$2 TAKEN=2 ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; printf '\n' >&2; die "\"$1\" is unknown" ;;
    esac
}

# --- AWS ---

# ask ARGS...: the aws client, as text. What it is refused is said with what to do about it.
ask() {
    local status=0
    aws --region "$REGION" --output text "$@" 2> "$work/refused" || status=$?
    [ "$status" -eq 0 ] || refused "$@"
}

refused() {
    local why renew="Start the lab, and copy \"AWS Details\" → \"AWS CLI: Show\" into ~/.aws/credentials"
    why=$(cat "$work/refused")
    case $why in
        *ExpiredToken* | *RequestExpired* | *"security token"*"expired"*)
            die "the credentials have expired, as they do with every session of the lab. $renew, whole." ;;
        *InvalidClientTokenId* | *AuthFailure* | *UnrecognizedClientException* | *SignatureDoesNotMatch* | *InvalidAccessKeyId*)
            die "AWS does not know these credentials (any more). $renew, whole." ;;
        *"Unable to locate credentials"* | *"Partial credentials"* | *"config profile"*)
            die "there are no credentials here. $renew." ;;
        *"Could not connect"* | *"Connect timeout"* | *"Read timeout"*)
            die "AWS in $REGION does not answer: is this computer on the network? ($why)" ;;
        *InstanceLimitExceeded* | *VcpuLimitExceeded*)
            die "the lab allows no more machines: end others first, or take fewer or smaller ones. ($why)" ;;
        *UnauthorizedOperation* | *AccessDenied*)
            die "the lab does not allow this: aws $1 $2. Its rules may have changed. ($why)" ;;
    esac
    die "aws $1 ${2:-} failed: $why"
}

# Is all there that this needs? Credentials first of what AWS could complain about.
check() {
    command -v aws > /dev/null ||
        die "the aws client is missing: https://docs.aws.amazon.com/cli/ says how to install it; the lab's terminal has it."
    command -v ssh > /dev/null || die "ssh is missing: install OpenSSH's client."
    [ -n "$REGION" ] || REGION=$(aws configure get region 2> /dev/null) || true
    REGION=${REGION:-us-east-1}
    case $REGION in
        us-east-1 | us-west-2) ;;
        *) die "a Learner Lab has us-east-1 and us-west-2 only, not $REGION (--region, AWS_REGION)." ;;
    esac
    ask sts get-caller-identity > /dev/null
}

# The file of the key pair, readable by its owner only, as ssh wants it.
check_key() {
    local file
    if [ -z "$KEY_FILE" ]; then
        for file in ~/.ssh/labsuser.pem labsuser.pem "$ROOT/labsuser.pem" ~/Downloads/labsuser.pem; do
            [ ! -f "$file" ] || { KEY_FILE=$file; break; }
        done
    fi
    [ -n "$KEY_FILE" ] || die "the key is missing: \"AWS Details\" → \"Download PEM\", and save labsuser.pem in ~/.ssh;" \
        "or name it: --key FILE, CHORDIAL_KEY."
    [ -r "$KEY_FILE" ] || die "the key $KEY_FILE cannot be read."
    chmod 600 "$KEY_FILE" 2> /dev/null || true
    SSH=(-i "$KEY_FILE" -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=15 -o LogLevel=ERROR
        # A machine is known by its identifier, for its address is another one every day.
        -o StrictHostKeyChecking=accept-new -o "UserKnownHostsFile=$HOME/.ssh/known_hosts_chordial")
    [ -d ~/.ssh ] || mkdir -m 700 ~/.ssh
}

# NUMBERS of the machines that there are, and by number: ID, STATE, PUBLIC, PRIVATE and TYPE.
load_machines() {
    local name id state public private type
    NUMBERS=() ID=() STATE=() PUBLIC=() PRIVATE=() TYPE=()
    ask ec2 describe-instances \
        --filters Name=tag:Project,Values=chordial Name=instance-state-name,Values=pending,running,stopping,stopped \
        --query 'Reservations[].Instances[].[Tags[?Key==`Name`]|[0].Value,InstanceId,State.Name,PublicIpAddress,PrivateIpAddress,InstanceType]' \
        | sed 's/^chordial-//' | sort -n > "$work/machines"
    while read -r name id state public private type; do
        case $name in '' | *[!0-9]*) continue ;; esac
        NUMBERS+=("$name")
        ID[name]=$id STATE[name]=$state PUBLIC[name]=$public PRIVATE[name]=$private TYPE[name]=$type
    done < "$work/machines"
}

# For programs that want all machines to run.
need_machines() {
    local i
    load_machines
    [ "${#NUMBERS[@]}" -gt 0 ] || die "there are no machines of Chordial in $REGION: deploy/aws/up makes them."
    for i in "${NUMBERS[@]}"; do
        [ "${STATE[i]}" = running ] || die "machine $i is ${STATE[i]}: deploy/aws/up starts it again."
    done
}

# --- the machines ---

# on I COMMAND: in machine I's shell. `into` is the same, with standard input.
into() { ssh "${SSH[@]}" -o "HostKeyAlias=${ID[$1]}" "$ACCOUNT@${PUBLIC[$1]}" "$2"; }
on() { into "$@" < /dev/null; }
# peer I WORDS...: a command in the container of machine I's peer.
peer() {
    local i=$1
    shift
    on "$i" "docker exec \$(docker ps --quiet --filter label=com.docker.swarm.service.name=$SERVICE | head -n 1) $*"
}

# eventually SECONDS WHAT COMMAND...: until it succeeds; WHAT is for the complaint.
eventually() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" > "$work/try" 2>&1; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            sed 's/^/    /' "$work/try" >&2
            die "$what: in vain"
        fi
        sleep 1
    done
}

reach() { eventually 240 "machine $1 (${ID[$1]}, ${PUBLIC[$1]}) by ssh" on "$1" true; }

fetch() {
    local status line
    exec 3<> "/dev/tcp/$1/$2" || return 1
    printf 'GET %s HTTP/1.0\r\nHost: %s:%s\r\nConnection: close\r\n\r\n' "$3" "$1" "$2" >&3
    IFS= read -r status <&3
    while IFS= read -r line <&3 && [ "$line" != $'\r' ]; do :; done
    cat <&3
    [[ $status == *" 200 "* ]]
}
# http ADDRESS PORT PATH: the body of a GET, by bash alone; fails after 10 s, and where the status is not 200.
http() {
    local getter guard status=0
    fetch "$@" 2> /dev/null &
    getter=$!
    { sleep 10; kill "$getter"; } > /dev/null 2>&1 &
    guard=$!
    wait "$getter" 2> /dev/null || status=1
    kill "$guard" 2> /dev/null && wait "$guard" 2> /dev/null || true
    return "$status"
}

# public_url I: machine I's file with the address that its peer gives to callers; the peer reads it again and again. It is
# written in place, since the container has this very file.
public_url() { on "$1" "mkdir -p /srv/chordial/share && echo http://${PUBLIC[$1]}:$GATEWAY > /srv/chordial/public_url"; }

# ring_has N I: do N peers form one ring, with all views in agreement, as machine I's peer finds?
ring_has() {
    local ring
    ring=$(peer "$2" chord-cli --output json ring check) || { printf '%s\n' "$ring"; return 1; }
    [ "$(grep -c '"gateway"' <<< "$ring")" = "$1" ] || { peer "$2" chord-cli ring; return 1; }
}

# --- the image and the stack ---

# The image that the stack runs, nothing where there is none.
deployed() { on 1 "docker service inspect --format '{{.Spec.TaskTemplate.ContainerSpec.Image}}' $SERVICE 2> /dev/null" || true; }
has_image() { on "$1" "docker image inspect $2 > /dev/null 2>&1"; }

# obtain [FILE|REF]: IMAGE, on the manager: loaded, pulled, or built there from these sources.
obtain() {
    local loaded
    if [ -z "${1:-}" ]; then
        build
    elif [ -f "$1" ]; then
        IMAGE=chordial:file-$(cksum < "$1" | cut -d ' ' -f 1)
        has_image 1 "$IMAGE" && return
        say "machine 1 gets the image of $1"
        loaded=$(into 1 "docker load" < "$1" | sed -n 's/^Loaded image\( ID\)\{0,1\}: //p' | head -n 1)
        [ -n "$loaded" ] || die "$1 holds no image: make one with \"docker save chordial > FILE\"."
        on 1 "docker tag $loaded $IMAGE"
    else
        case $1 in /* | ./* | *.tar | *.tar.gz | *.tgz) die "there is no file $1 (--image FILE|REF)." ;; esac
        IMAGE=$1
        on 1 "docker pull --quiet $IMAGE" > /dev/null || die "there is no file $1 here, and machine 1 cannot pull it."
    fi
}

# The sources as a tar: what is committed, or all of it where this is no clone.
sources() {
    if [ -e "$ROOT/.git" ]; then git -C "$ROOT" archive HEAD; else tar -c -C "$ROOT" --exclude ./target .; fi
}

build() {
    local revision
    if [ -e "$ROOT/.git" ]; then
        command -v git > /dev/null || die "git is missing, which says what is committed; or name an image: --image FILE|REF."
        revision=$(git -C "$ROOT" rev-parse --short=12 HEAD)
        [ -z "$(git -C "$ROOT" status --porcelain)" ] || say "note: what is not committed is not built"
    else
        revision=$(sources | cksum | cut -d ' ' -f 1)
    fi
    IMAGE=chordial:$revision
    has_image 1 "$IMAGE" && return
    say "machine 1 builds $IMAGE from these sources; on a small machine that may take an hour (--image takes a ready one)"
    sources | into 1 "rm -rf chordial/sources && mkdir -p chordial/sources && tar -x -C chordial/sources"
    on 1 "cd chordial/sources && timeout 120m docker build --build-arg REVISION=$revision -f deploy/Dockerfile -t $IMAGE ." ||
        die "machine 1 could not build the image; what docker says of it stands above. Again goes on where it broke off."
}

# distribute: from machine 1 to the others, over their private addresses; the key stays here, in an agent.
distribute() {
    local i
    for i in "${NUMBERS[@]}"; do
        has_image "$i" "$IMAGE" && continue
        if [ -z "${SSH_AGENT_PID:-}" ]; then
            eval "$(ssh-agent -s)" > /dev/null
            ssh-add -q "$KEY_FILE" 2> /dev/null || die "the key $KEY_FILE cannot be loaded into ssh-agent."
        fi
        say "machine $i gets $IMAGE from machine 1"
        ssh "${SSH[@]}" -A -o "HostKeyAlias=${ID[1]}" "$ACCOUNT@${PUBLIC[1]}" "set -o pipefail; docker save $IMAGE | gzip -1 |
            ssh -o BatchMode=yes -o ConnectTimeout=10 -o LogLevel=ERROR -o StrictHostKeyChecking=accept-new \
                $ACCOUNT@${PRIVATE[$i]} 'docker load --quiet'" < /dev/null > /dev/null || die "machine $i did not get the image."
    done
}

# deploy_stack: deploy/stack.yml with IMAGE, then waits until all peers run it as one ring.
deploy_stack() {
    local config=""
    # A swarm's config never changes: another text gets another name.
    [ ! -f "$ROOT/deploy/peer.toml" ] || config="CHORDIAL_CONFIG_NAME=chordial-peer-$(cksum < "$ROOT/deploy/peer.toml" | cut -d ' ' -f 1)"
    tar -c -C "$ROOT" deploy | into 1 "mkdir -p chordial && tar -x -C chordial"
    on 1 "cd chordial && CHORDIAL_IMAGE=$IMAGE $config docker stack deploy --resolve-image never -c deploy/stack.yml chordial" ||
        die "docker refuses the stack; it says why above."
    # An update takes one machine after the other.
    eventually $((120 + 60 * ${#NUMBERS[@]})) "$IMAGE on all machines" updated
    eventually 120 "one ring of ${#NUMBERS[@]} peers" ring_has "${#NUMBERS[@]}" 1
}
updated() {
    local state
    state=$(on 1 "docker service inspect --format '{{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}' $SERVICE
        docker service ps --format '{{.Image}} {{.Node}} {{.CurrentState}} {{.Error}}' --filter desired-state=running $SERVICE")
    printf '%s\n' "$state"
    case $state in *rollback* | updating*) return 1 ;; esac
    # A machine that lost power may be listed with its old task besides.
    [ "$(sed -n "s|^$IMAGE \([^ ]*\) Running.*|\1|p" <<< "$state" | sort -u | wc -l)" -ge "${#NUMBERS[@]}" ]
}

# --- what people are told ---

price() {
    # shellcheck disable=SC2086
    set -- "$1" $PRICES
    local type=$1
    shift
    while [ $# -ge 2 ]; do
        [ "$1" != "$type" ] || { printf '%s\n' "$2"; return; }
        shift 2
    done
    return 1
}
types() {
    # shellcheck disable=SC2086
    printf '%s ' $PRICES | tr ' ' '\n' | grep t | xargs
}

cost() {
    local i each=0
    for i in "${NUMBERS[@]}"; do each="$each + $(price "${TYPE[i]}" || echo 0) + $ADDRESS_PRICE + $DISK_PRICE"; done
    awk "BEGIN { all = $each; printf \"Cost: about %.3f dollars an hour while they run, %.2f for a session of four hours \", all, 4 * all }"
    say "(prices of $PRICES_OF: machines, public addresses, disks). deploy/aws/down ends it."
}

urls() {
    local i
    for i in "${NUMBERS[@]}"; do say "  machine $i   http://${PUBLIC[i]}:$GATEWAY/   ssh -i $KEY_FILE $ACCOUNT@${PUBLIC[i]}"; done
}
