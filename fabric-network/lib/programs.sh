# Where Fabric's programs and their sample configuration are, and which version they have.
# shellcheck shell=bash

# find_programs PROGRAM... : sets BIN (a directory with a trailing slash, or nothing when PATH has them). A network
# that exists keeps to the directory it was last started with unless FABRIC_BIN names another.
find_programs() {
    local program missing=() directory=${FABRIC_BIN:-}
    if [[ -z $directory && -f ${RUN:-}/programs ]]; then directory=$(<"$RUN/programs"); fi
    BIN=${directory:+${directory%/}/}
    for program in "$@"; do
        [[ -x $(type -P "$BIN$program") ]] || missing+=("$program")
    done
    ((${#missing[@]} == 0)) || fail "Fabric's programs ${missing[*]} are not in ${directory:-PATH (and FABRIC_BIN is not set)}.
Install them as Fabric's documentation says (https://hyperledger-fabric.readthedocs.io/en/latest/install.html):
    curl -sSLO https://raw.githubusercontent.com/hyperledger/fabric/main/scripts/install-fabric.sh && chmod +x install-fabric.sh
    ./install-fabric.sh --fabric-version 2.5.16 binary
and set FABRIC_BIN to the directory bin that it makes. Versions 2.5 and 3 serve. Or let scripts/network download do it."
    if [[ -n $BIN ]]; then BIN=$(cd "$BIN" && pwd)/; fi
}

keep_programs() { dirname "$(type -P "${BIN}peer")" >"$RUN/programs"; }

# The directory of Fabric's own core.yaml and orderer.yaml.
find_sample_configuration() {
    local directory
    for directory in "${FABRIC_CFG_PATH:-}" "$(dirname "$(type -P "${BIN}peer")")/../config"; do
        if [[ -n $directory && -f $directory/core.yaml && ( $# -eq 0 || -f $directory/$1 ) ]]; then
            SAMPLE_CONFIGURATION=$(cd "$directory" && pwd)
            return
        fi
    done
    fail "Fabric's sample configuration (core.yaml ${1:-}) is neither in FABRIC_CFG_PATH (${FABRIC_CFG_PATH:-not set}) nor in" \
        "config beside Fabric's programs, where its release archive puts it"
}

# 2.5, 3.1, ...
fabric_version() {
    local line
    while read -r line; do
        if [[ $line =~ ^Version:\ v?([0-9]+\.[0-9]+) ]]; then
            echo "${BASH_REMATCH[1]}"
            return
        fi
    done < <("${BIN}peer" version)
    fail "'peer version' names no version"
}

need_tools() {
    local tool
    for tool in "$@"; do
        type -P "$tool" >/dev/null || fail "the program '$tool' is needed and not installed"
    done
}

# download_programs VERSION : Fabric's release archive of programs, into RUN_ROOT/fabric-VERSION.
download_programs() {
    local version=${1#v} architecture directory url
    [[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || fail "download: '$1' is not a version such as 2.5.16"
    directory=$RUN_ROOT/fabric-$version
    case $(uname -sm) in
    'Linux x86_64') architecture=linux-amd64 ;;
    'Linux aarch64') architecture=linux-arm64 ;;
    *) fail "download: these scripts need Linux on x86_64 or aarch64, this is $(uname -sm)" ;;
    esac
    url=${FABRIC_RELEASES:-https://github.com/hyperledger/fabric/releases/download}/v$version/hyperledger-fabric-$architecture-$version.tar.gz
    if [[ ! -x $directory/bin/peer ]]; then
        rm -rf "$directory.new"
        mkdir -p "$directory.new"
        say "downloading $url"
        curl -sSfL "$url" | tar -xz -C "$directory.new" || fail "download: nothing usable came from $url"
        rm -rf "$directory"
        mv "$directory.new" "$directory"
    fi
    echo "export FABRIC_BIN=$(printf %q "$directory/bin")"
}
