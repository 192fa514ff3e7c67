# Runs the registry, and from time to time its garbage collection. The registry only reads while that goes on.
set -u
config=/etc/distribution/config.yml
[ -e "$config" ] || config=/etc/docker/registry/config.yml
root=$REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY
stamp=$root/kwo-collected
# As a map: the 2.8 ends at once if the variable names a key of it.
reading='REGISTRY_STORAGE_MAINTENANCE_READONLY={enabled: true}'
serving='' collecting='' timer='' due=''

say() { echo "kwo: $*" >&2; }

serve() {
    env "$@" registry serve "$config" &
    serving=$!
}

# Returns when the process is gone.
stop() {
    kill -TERM "$1" 2>/dev/null
    (sleep 20 && kill -KILL "$1") 2>/dev/null &
    guard=$!
    wait "$1" 2>/dev/null
    kill "$guard" 2>/dev/null
}

# The pod is to end.
quit() {
    trap '' TERM INT USR1
    for process in $timer $collecting $serving; do stop "$process"; done
    exit 0
}

# Does this program refuse a push when it runs read-only? An empty folder shows it, where nobody has to log in.
refuses() {
    env -u REGISTRY_AUTH -u REGISTRY_AUTH_HTPASSWD_REALM -u REGISTRY_AUTH_HTPASSWD_PATH \
        "$reading" REGISTRY_HTTP_ADDR=127.0.0.1:5099 \
        REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=/tmp/kwo-empty registry serve "$config" >/dev/null 2>&1 &
    asked=$!
    answer=''
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        sleep 1
        answer=$(wget -O /dev/null --post-data= http://127.0.0.1:5099/v2/kwo/blobs/uploads/ 2>&1)
        case $answer in *' 405 '*) break ;; esac
    done
    stop "$asked"
    case $answer in *' 405 '*) return 0 ;; *) return 1 ;; esac
}

collect() {
    # The time is noted first: what fails, or is cut, is tried at the next time and not at once.
    if ! date +%s >"$stamp"; then
        say 'nothing is collected: the volume cannot be written'
    elif ! refuses; then
        say 'nothing is collected: a read-only registry of this image accepts a push'
    else
        stop "$serving"
        serving=''
        # Every registry on the volume shares the lock while it runs.
        if flock -n -x 9; then
            serve "$reading"
            registry garbage-collect "$config" &
            collecting=$!
            (sleep 3600 && kill -KILL "$collecting") 2>/dev/null &
            limit=$!
            wait "$collecting"
            say "the garbage collection ended with $?"
            collecting=''
            kill "$limit" 2>/dev/null
            stop "$serving"
        else
            say 'nothing is collected: another registry uses the volume'
        fi
        flock -s 9
        serve
    fi
}

trap quit TERM INT
trap 'due=yes' USR1
if ! (: >>"$root/kwo-lock") || ! exec 9>>"$root/kwo-lock" || ! flock -s 9; then
    say 'nothing will be collected: the volume cannot be locked'
    exec registry serve "$config"
fi
serve
(
    while sleep 60; do
        now=$(date +%s)
        last=$(cat "$stamp" 2>/dev/null)
        case $last in
        '' | *[!0-9]*) echo "$now" >"$stamp" ;;
        *) [ "$last" -ge $((now - (now - KWO_COLLECT_AT) % KWO_COLLECT_EVERY)) ] || kill -USR1 $$ ;;
        esac
    done
) &
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
