#!/bin/sh
# Installs kwo from a release on the web, or upgrades it:
#
#     sh install.sh --base-url https://releases.example.com/kwo [--version VERSION] [--prefix DIR] [--key FILE] [--downgrade]
#
# It checks the signature of the sums by a public SSH key, the tarball by the sums, and the program by its own version.
# Only then it writes, the program last. Whatever fails before leaves the machine as it was. It needs no root with a
# --prefix that you can write to, and nothing that is not on most machines: curl or wget, tar, gzip, ssh-keygen.
#
# Everything is in one pair of braces, which a shell reads to their end before it does anything: half a download does nothing.
{
set -eu

# `.ci/release` writes the public key of the release here.
release_key=''

usage() {
    cat <<'END'
usage: install.sh --base-url URL [--version VERSION] [--prefix DIR] [--key FILE] [--downgrade]

  --base-url URL     where the releases are: URL/VERSION/ and URL/latest/ (or the variable KWO_BASE_URL)
  --version VERSION  this version, instead of the newest one
  --prefix DIR       the folder above bin and share (/usr/local for root, ~/.local for others)
  --key FILE         the public SSH keys, one a line, of which one must have signed the release
  --downgrade        allow a version older than the one that is installed
END
}

# Nobody may read it any more: that is no reason to stop half-way.
say() { printf '%s\n' "$*" || :; }
# What others wrote, on one line and without control characters.
plain() { head -c 600 "$1" | tr '\n\t' '  ' | tr -cd '\040-\176'; }
fail() {
    printf 'install.sh: %s\n' "$1" >&2
    [ $# -lt 2 ] || printf '  what to do: %s\n' "$2" >&2
    [ -n "${began-}" ] || printf '  nothing was changed\n' >&2
    exit 1
}
# A path as a shell takes it.
quoted() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"; }
has() { command -v "$1" >/dev/null 2>&1; }

# https, or plain http on this very machine.
check_url() {
    case $1 in
    *[!A-Za-z0-9:/._~%+@[\]-]*) fail 'the address has characters that no address of releases has' 'give --base-url https://HOST/FOLDER' ;;
    esac
    authority=${1#*://}
    authority=${authority%%/*}
    case $authority in
    '' | *@*) fail "$1 names no host, or a user" 'give --base-url https://HOST/FOLDER' ;;
    esac
    case $1 in
    https://*) secure=yes ;;
    http://*)
        secure=no
        case $authority in
        \[::1]*) host='[::1]' ;;
        *) host=${authority%%:*} ;;
        esac
        port=${authority#"$host"}
        case $host in
        127.0.0.1 | localhost | '[::1]') ;;
        *) fail "$1 is plain http, where anybody on the way can read and change what comes" 'use https; only 127.0.0.1, [::1] and localhost may be plain' ;;
        esac
        case $port in
        '' | :[0-9]*) ;;
        *) fail "$1 names no host" 'give --base-url https://HOST/FOLDER' ;;
        esac
        case ${port#:} in
        *[!0-9]*) fail "$1 has no port that is a number" 'give --base-url https://HOST/FOLDER' ;;
        esac
        ;;
    *) fail "$1 is no https address" 'give --base-url https://HOST/FOLDER' ;;
    esac
}

# fetch ADDRESS FILE BLOCKS: no file gets longer than this number of 512 bytes.
fetch() {
    if has curl; then
        if [ "$secure" = yes ]; then protocols='=https'; else protocols='=http,https'; fi
        (
            ulimit -f "$3"
            exec curl -q --fail --silent --show-error --location --max-redirs 5 --proto "$protocols" --proto-redir '=https' \
                --connect-timeout 30 --speed-limit 1000 --speed-time 60 --max-time 1800 --output "$2" "$1"
        ) 2>"$work/said" && return
    else
        # It cannot be told to follow only to https, so it follows nowhere.
        (
            ulimit -f "$3"
            bound=''
            ! has timeout || bound='timeout 1800'
            # shellcheck disable=SC2086 # no word, or two
            exec $bound wget --no-config --no-verbose --max-redirect=0 --timeout=60 --tries=2 --output-document="$2" "$1"
        ) 2>"$work/said" && return
    fi
    [ -s "$work/said" ] || printf 'it is longer than a file of a release may be' >"$work/said"
    fail "cannot get $1: $(plain "$work/said")" 'look at the address and the network; a version that was never released is not there'
}

sum_of() {
    if has sha256sum; then sha256sum <"$1"; else shasum -a 256 <"$1"; fi | cut -d ' ' -f 1
}

# The keys as ssh-keygen reads signers: kinds and keys alone, so that no line of the file says more.
signers() {
    : >"$work/signers"
    while read -r kind key rest || [ -n "${kind-}" ]; do
        : "${rest-}"
        case $kind in
        '' | '#'*) continue ;;
        ssh-ed25519 | ssh-rsa | ecdsa-sha2-nistp256 | ecdsa-sha2-nistp384 | ecdsa-sha2-nistp521 | \
            sk-ssh-ed25519@openssh.com | sk-ecdsa-sha2-nistp256@openssh.com) ;;
        *) fail "a line of the keys is no public SSH key" 'expected lines such as: ssh-ed25519 AAAA… name' ;;
        esac
        case $key in
        '' | *[!A-Za-z0-9+/=]*) fail "a line of the keys is no public SSH key" 'expected lines such as: ssh-ed25519 AAAA… name' ;;
        esac
        printf 'kwo-release namespaces="kwo-release" %s %s\n' "$kind" "$key" >>"$work/signers"
    done <"$1"
    [ -s "$work/signers" ] || fail 'there is no key to check the release with' 'get the public key of the release from somebody whom you trust, and give it with --key FILE'
}

# Is the first version older than the second one?
older() {
    [ "$1" != "$2" ] && [ "$(printf '%s\n%s\n' "$1" "$2" | tr - '~' | sort -V | head -n 1)" = "$(printf '%s' "$1" | tr - '~')" ]
}

is_version() {
    printf '%s\n' "$1" | grep -qE '^[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}(-[0-9A-Za-z.-]{1,40})?(\+[0-9A-Za-z.-]{1,40})?$' &&
        [ "$(printf '%s' "$1" | wc -l)" -eq 0 ]
}

# Makes a folder with those above it, and keeps in mind which are new.
folder() {
    [ -d "${1:-/}" ] && return
    folder "${1%/*}" && mkdir "$1" 2>"$work/said" && printf '%s\n' "$1" >>"$work/folders"
}

# The folder of this run beside a place. Its name is nobody else's: neither another run nor a planted link is in the way.
beside() { printf '%s' "$prefix/${1%/*}/.kwo-new.$run"; }

# stage FILE PLACE MODE: copies it beside its place, where it goes to in one step later.
stage() {
    [ ! -d "$prefix/$2" ] || fail "$prefix/$2 is a folder, and a file of kwo goes there" 'move it away'
    part=$(beside "$2")
    if ! {
        folder "$prefix/${2%/*}" &&
            { grep -qxF "$part" "$work/parts" || { mkdir -m 700 "$part" && printf '%s\n' "$part" >>"$work/parts"; }; } &&
            cp "$1" "$part/${2##*/}" && chmod "$3" "$part/${2##*/}"
    } 2>"$work/said"; then
        fail "cannot write below ${prefix:-/}: $(plain "$work/said")" 'run it as root, name another folder with --prefix, or make room'
    fi
    printf '%s\n' "$2" >>"$work/all"
}

# Puts what was staged for a place there.
put() { mv -f "$(beside "$1")/${1##*/}" "$prefix/$1"; }

# Where root runs what is there, nobody else may change it.
only_roots() {
    there=$1
    while [ ! -d "${there:-/}" ]; do there=${there%/*}; done
    if [ -n "$(find "${there:-/}" -prune ! -user 0 -print)" ]; then
        fail "somebody else than root owns ${there:-/}" 'name a folder of root with --prefix, or install as the owner of that folder'
    fi
    # The bits of the group also stand for whatever an access list allows. kwo self-update judges alike.
    if [ -n "$(find "${there:-/}" -prune \( -perm -0002 -o -perm -0020 \) -print)" ]; then
        fail "others than root may write to ${there:-/}" "if what is in it is right, run: chmod go-w $(quoted "${there:-/}"); or name another folder with --prefix"
    fi
}

# owner FILE: fails where a package manager keeps it, or does not know.
owner() {
    if has dpkg; then
        ! dpkg -S "$1" >"$work/said" 2>&1 || fail "$1 belongs to a Debian package" 'upgrade the package: apt install ./kwo_VERSION-1_ARCH.deb'
        grep -q 'no path found matching pattern' "$work/said" || fail "dpkg does not say whether $1 belongs to a package: $(plain "$work/said")" 'repair dpkg, or name another folder with --prefix'
    fi
    if has rpm; then
        ! rpm -qf "$1" >"$work/said" 2>&1 || fail "$1 belongs to an RPM package" 'upgrade the package: dnf install ./kwo-VERSION-1.ARCH.rpm'
        # A broken database says so as well.
        { grep -q 'is not owned by any package' "$work/said" && ! grep -q '^error:' "$work/said"; } || fail "rpm does not say whether $1 belongs to a package: $(plain "$work/said")" 'repair the database of rpm, or name another folder with --prefix'
    fi
}

# shellcheck disable=SC2317 # a trap calls it
clean() {
    [ -n "${work-}" ] || return 0
    if [ -f "$work/parts" ]; then
        while read -r part; do rm -rf "$part"; done <"$work/parts"
    fi
    if [ -z "${began-}" ] && [ -f "$work/folders" ]; then
        sort -r "$work/folders" | while read -r new; do rmdir "$new" 2>/dev/null || :; done
    fi
    rm -rf "$work"
}

main() {
    base=${KWO_BASE_URL-} version='' prefix='' keys='' downgrade=''
    while [ $# -gt 0 ]; do
        case $1 in
        --base-url | --version | --prefix | --key)
            [ -n "${2-}" ] || { usage >&2; fail "$1 needs a value"; }
            case $1 in
            --base-url) base=$2 ;;
            --version) version=${2#v} ;;
            --prefix) prefix=$2 ;;
            --key) keys=$2 ;;
            esac
            shift 2
            ;;
        --downgrade) downgrade=yes; shift ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; fail "unknown option: $1" ;;
        esac
    done
    LC_ALL=C
    export LC_ALL
    umask 022

    has curl || has wget || fail 'there is no curl and no wget to download with' 'install curl'
    # wget of busybox would follow to anywhere.
    has curl || wget --help 2>&1 | grep -q -e --max-redirect || fail 'this wget cannot be told where not to go' 'install curl'
    has sha256sum || has shasum || fail 'there is no sha256sum to check sums with' 'install coreutils'
    has ssh-keygen || fail 'there is no ssh-keygen, so the signature cannot be checked' 'install the OpenSSH client (Debian: openssh-client, Fedora: openssh, Alpine: openssh-keygen)'
    for needed in tar gzip mktemp sort cut tr grep sed head wc find; do
        has "$needed" || fail "there is no $needed" 'install it'
    done
    [ "$(uname -s)" = Linux ] || fail 'this is not Linux, and there are no other programs of kwo'
    case $(uname -m) in
    x86_64 | amd64) machine=x86_64 ;;
    aarch64 | arm64) machine=aarch64 ;;
    *) fail 'there is no program of kwo for this processor' 'build it from source' ;;
    esac
    [ -n "$base" ] || { usage >&2; fail 'where are the releases?' 'give --base-url URL, or set KWO_BASE_URL'; }
    base=${base%/}
    check_url "$base"
    [ -z "$version" ] || is_version "$version" || fail 'that is no version' 'expected a version such as 1.2.3'
    if [ -z "$prefix" ]; then
        if [ "$(id -u)" = 0 ]; then prefix=/usr/local; else prefix=${HOME-}/.local; fi
        [ "$prefix" != /.local ] || fail 'HOME is not set' 'name a folder with --prefix'
    fi
    case $prefix in
    /*) ;;
    *) prefix=$(pwd)/$prefix ;;
    esac
    # As package managers write it: without a slash at the end, and without links.
    while [ "${prefix%/}" != "$prefix" ]; do prefix=${prefix%/}; done
    if [ -d "${prefix:-/}" ]; then
        prefix=$(cd "${prefix:-/}" && pwd -P)
        [ "$prefix" != / ] || prefix=''
    fi
    if [ "$(id -u)" = 0 ]; then
        only_roots "$prefix/bin"
        only_roots "$prefix/share"
    fi

    work=$(mktemp -d "${TMPDIR:-/tmp}/kwo.XXXXXXXXXX")
    trap clean EXIT
    run=${work##*.}
    : >"$work/parts"
    trap 'exit 129' HUP
    trap '' PIPE
    trap 'exit 130' INT
    trap 'exit 143' TERM
    if [ -n "$keys" ]; then
        { [ -f "$keys" ] && [ -r "$keys" ]; } || fail "$keys is no file that can be read" 'give the file of the public key with --key'
    else
        printf '%s\n' "$release_key" >"$work/keys"
        keys=$work/keys
    fi
    signers "$keys"

    # The signature first: nothing that it does not cover is looked into.
    from=$base/${version:-latest}
    fetch "$from/SHA256SUMS" "$work/sums" 256
    fetch "$from/SHA256SUMS.sig" "$work/signature" 256
    ssh-keygen -Y verify -n kwo-release -I kwo-release -f "$work/signers" -s "$work/signature" \
        <"$work/sums" >"$work/said" 2>&1 ||
        fail "the signature of $from/SHA256SUMS is not by the key of the release: $(plain "$work/said")" \
            'do not use this release; ask whoever gave you the address and the key (ssh-keygen has to be of OpenSSH 8.2 or newer)'
    ! grep -qvE '^[0-9a-f]{64}  [A-Za-z0-9][A-Za-z0-9._~+-]*$' "$work/sums" ||
        fail "$from/SHA256SUMS has a line that is no sum with the name of a file"
    grep -E "  kwo-[^ ]*-$machine-linux\.tar\.gz\$" "$work/sums" >"$work/line" || fail "the release at $from has no program for $machine"
    [ "$(wc -l <"$work/line")" -eq 1 ] || fail "the release at $from has several programs for $machine"
    read -r sum file <"$work/line"
    # What is signed says which version it is; the address does not count.
    found=${file#kwo-}
    found=${found%"-$machine-linux.tar.gz"}
    is_version "$found" || fail "the release at $from has no version"
    [ -z "$version" ] || [ "$version" = "$found" ] ||
        fail "$from has the release $found, and not $version" 'whoever serves it gives out another release than the one asked for'
    version=$found

    program=$prefix/bin/kwo
    if [ -e "$program" ] || [ -L "$program" ]; then
        [ -f "$program" ] || fail "$program is there and no program" 'move it away, or name another folder with --prefix'
        owner "$(cd "$prefix/bin" && pwd -P)/kwo"
        current=$("$program" --version 2>/dev/null | head -n 1) || :
        current=${current#kwo }
        if [ -z "$downgrade" ] && is_version "$current" && older "$version" "$current"; then
            fail "$version is older than $current, which is installed" 'give --downgrade if that is what you want; if you asked for the newest version, whoever serves it holds newer ones back'
        fi
    fi

    fetch "$base/$version/$file" "$work/tarball" 524288
    [ "$(sum_of "$work/tarball")" = "$sum" ] ||
        fail "$base/$version/$file is not the file that was signed: its sum differs" 'it was cut off or changed on the way; try again, or use another address'
    name=${file%.tar.gz}
    { tar -tzf "$work/tarball" >"$work/list" && tar -tvzf "$work/tarball" >"$work/long"; } 2>"$work/said" ||
        fail "$file is no tarball: $(plain "$work/said")"
    pattern=$(printf '%s' "$name" | sed 's/[.+]/\\&/g')
    if grep -qvE "^$pattern(/[A-Za-z0-9._+-]+)*/?\$" "$work/list" || grep -qE '(^|/)\.\.(/|$)' "$work/list" || grep -qv '^[-d]' "$work/long"; then
        fail "$file holds something besides files in $name"
    fi
    tar -xzof "$work/tarball" -C "$work" "$name" 2>"$work/said" || fail "cannot unpack $file: $(plain "$work/said")" 'is there room in the folder for temporary files?'
    [ -f "$work/$name/kwo" ] || fail "there is no program in $file"

    for page in "$work/$name"/man/*.1; do
        [ ! -f "$page" ] || stage "$page" "share/man/man1/${page##*/}" 644
    done
    while read -r of place; do
        [ ! -f "$work/$name/$of" ] || stage "$work/$name/$of" "$place" 644
    done <<END
completions/kwo.bash share/bash-completion/completions/kwo
completions/kwo.fish share/fish/vendor_completions.d/kwo.fish
completions/kwo.zsh share/zsh/site-functions/_kwo
LICENSE share/doc/kwo/LICENSE
END
    stage "$work/$name/kwo" bin/kwo 755
    new=$(beside bin/kwo)/kwo
    tried=$("$new" --version 2>"$work/said") || tried=
    [ "$tried" = "kwo $version" ] || fail "the new program does not run here: $(plain "$work/said")" 'is it for this machine?'
    # Not in place of an older one where this is the same program once more.
    if [ -f "$program" ] && [ "$(sum_of "$program")" != "$(sum_of "$new")" ]; then
        stage "$program" bin/kwo.previous 755
    fi

    # From here on only names change, and the program is last.
    began=yes
    while read -r place; do
        [ "$place" != bin/kwo ] || continue
        put "$place" ||
            fail "cannot put $prefix/$place in place; the program is still the previous one" 'run it again'
        case $place in
        share/man/*) pages=$((${pages-0} + 1)) ;;
        bin/kwo.previous) say "kept the program that was there as $prefix/$place" ;;
        *) say "installed $prefix/$place" ;;
        esac
    done <"$work/all"
    case ${pages-0} in
    1) say "installed 1 man page in $prefix/share/man/man1" ;;
    *) say "installed ${pages-0} man pages in $prefix/share/man/man1" ;;
    esac
    put bin/kwo || fail "cannot put $program in place; the program is still the previous one" 'run it again'
    say "installed $program"
    say "kwo $version is installed; its signature is good"
    if [ "$program" != /usr/bin/kwo ] && [ -e /usr/bin/kwo ]; then
        say "note: /usr/bin/kwo is there too, from a package perhaps; the PATH decides which of both runs"
    fi
    case :$PATH: in
    *":$prefix/bin:"*) ;;
    *) say "next: $prefix/bin is not in your PATH; add it" ;;
    esac
    exit 0
}

main "$@"
}
