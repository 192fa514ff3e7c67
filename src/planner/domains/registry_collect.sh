# Runs the registry, and from time to time its garbage collection. The registry only reads while that goes on.
set -u
config=/etc/distribution/config.yml
[ -e "$config" ] || config=/etc/docker/registry/config.yml
root=$REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY
# The time of the last one is that of the file: a full volume has no room for what would be in it.
stamp=$root/kwo-collected
started=$(date +%s)
# As a map: the 2.8 ends at once if the variable names a key of it.
reading='REGISTRY_STORAGE_MAINTENANCE_READONLY={enabled: true}'
serving='' asked='' collecting='' timer='' locked='' due=''

say() { echo "kwo: $*" >&2; }

serve() {
    env "$@" registry serve "$config" &
    serving=$!
}

# Returns when the process is gone.
stop() {
    kill -TERM "$1" 2>/dev/null
    # Only a registry has the lock.
    (sleep 20 && kill -KILL "$1") 2>/dev/null 9>&- &
    guard=$!
    wait "$1" 2>/dev/null
    kill "$guard" 2>/dev/null
}

# The pod is to end.
quit() {
    trap '' TERM INT USR1
    for process in $timer $asked $collecting $serving; do stop "$process"; done
    exit 0
}

# The storage in the configuration is a folder, and all of its keys are known.
is_folder() {
    kind=$(awk '
        /^[^ #\r]/ { inside = /^storage:[ \r]*(#.*)?$/; next }
        !inside || /^ *(#.*)?\r?$/ { next }
        { match($0, /^ */); if (!width) width = RLENGTH; if (RLENGTH > width) next; sub(/^ */, "") }
        /^filesystem:/ { folder = 1 }
        !/^(cache|delete|filesystem|maintenance|redirect|tag):/ { other = 1 }
        END { if (folder && !other) print "folder" }' "$config")
    known='^REGISTRY_STORAGE(_(CACHE|DELETE|FILESYSTEM|MAINTENANCE|REDIRECT|TAG)[_=]|=filesystem$)'
    [ "$kind" = folder ] && ! env | grep -i '^REGISTRY_STORAGE' | grep -Eqvi "$known"
}

# Why it would do harm to collect here; nothing where it does none.
harm() {
    for program in awk env grep timeout wget; do
        command -v "$program" >/dev/null || { echo "the image has no $program" && return; }
    done
    if { env && cat "$config"; } | grep -qi redis; then
        # A push would leave out the layers that it still knows.
        echo 'the registry may use Redis, which goes on to know layers that are gone'
    elif ! is_folder; then
        echo 'the registry may store in another place than the folder of its volume'
    elif env | grep -q '^REGISTRY_PROXY_REMOTEURL=' || grep -q '^.\{0,1\}proxy' "$config"; then
        echo 'the registry is a cache of another one, and stores also what somebody pulls'
    fi
}

# Does this program refuse a push when it runs read-only? An empty folder shows it, where nobody has to log in.
try() {
    env -u REGISTRY_AUTH -u REGISTRY_AUTH_HTPASSWD_REALM -u REGISTRY_AUTH_HTPASSWD_PATH \
        "$reading" REGISTRY_HTTP_ADDR=127.0.0.1:5099 REGISTRY_HTTP_DEBUG_ADDR= \
        REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=/tmp/kwo-empty registry serve "$config" >/dev/null 2>&1 &
    asked=$!
    push=unknown
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        sleep 1
        if answer=$(env -u http_proxy -u HTTP_PROXY -u https_proxy -u HTTPS_PROXY timeout 5 \
            wget -O /dev/null --post-data= http://127.0.0.1:5099/v2/kwo/blobs/uploads/ 2>&1); then
            push=accepted
            break
        fi
        case $answer in *' 405 '*) push=refused && break ;; esac
    done
    stop "$asked"
    asked=''
}

collect() {
    # The time is noted first: what fails, or is cut, is tried at the next time and not at once.
    if ! touch "$stamp"; then
        say 'nothing is collected: the volume cannot be written'
        return
    fi
    why=$(harm)
    if [ -n "$why" ]; then
        say "nothing is collected: $why"
        return
    fi
    try
    if [ "$push" = accepted ]; then
        say 'nothing is collected: a read-only registry of this image accepts a push'
    elif [ "$push" = unknown ]; then
        say 'nothing is collected: no answer shows whether a read-only registry of this image refuses a push'
    else
        stop "$serving"
        serving=''
        # Every pod with this script shares the lock while its registry runs.
        if flock -n -x 9; then
            serve "$reading"
            registry garbage-collect "$config" &
            collecting=$!
            (sleep 3600 && kill -KILL "$collecting") 2>/dev/null 9>&- &
            limit=$!
            wait "$collecting"
            say "the garbage collection ended with $?"
            collecting=''
            kill "$limit" 2>/dev/null
            stop "$serving"
        else
            say 'nothing is collected: another pod that runs this script uses the volume'
        fi
        flock -s 9
        serve
    fi
}

trap quit TERM INT
trap 'due=yes' USR1
if (: >>"$root/kwo-lock") && exec 9>>"$root/kwo-lock" && flock -s 9; then
    locked=yes
fi
if [ $# -gt 0 ]; then
    say 'nothing will be collected: the container has args, and the registry runs with them'
    # The same that the image makes of them.
    case $1 in
    *.yml | *.yaml) set -- registry serve "$@" ;;
    serve | garbage-collect | help | -*) set -- registry "$@" ;;
    esac
    exec "$@"
fi
if [ -z "$locked" ]; then
    say 'nothing will be collected: the volume cannot be locked'
    exec registry serve "$config"
fi
[ -e "$stamp" ] || touch "$stamp"
serve
(
    told=''
    while sleep 60; do
        now=$(date +%s)
        last=$(stat -c %Y "$stamp" 2>/dev/null) || last=$started
        time=$((now - (now - KWO_COLLECT_AT) % KWO_COLLECT_EVERY))
        if [ "$last" -gt "$now" ]; then
            # The clock was wrong.
            touch "$stamp"
        elif [ "$last" -lt 86400 ]; then
            # Somebody asks for it.
            kill -USR1 $$
        elif [ "$last" -lt "$time" ] && [ $((now - time)) -lt 3600 ] && [ "$time" != "$told" ]; then
            # Not later: that would be in the middle of the day.
            told=$time
            kill -USR1 $$
        fi
    done
) 9>&- &
timer=$!
while :; do
    wait "$serving"
    code=$?
    # A signal ends the wait, too. A registry that ended by itself is started by the kubelet.
    [ -n "$due" ] || exit "$code"
    due=''
    trap '' USR1
    collect
    trap 'due=yes' USR1
done
