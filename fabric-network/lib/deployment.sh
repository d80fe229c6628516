# What each organisation gets for a deployment, in DEPLOYMENT/MSP:
#
#     tls/              its certificate authority for services, and the certificates of chaincode, peer and sidecar
#     connection.json   how its peers dial its chaincode server
#     package.tar.gz    the package with that, and package-id
#     chaincode.env     the chaincode server's environment, one NAME=value a line
#     sidecar.toml      the sidecar's configuration; sidecar/ is where it keeps what it must not forget
#
# and in DEPLOYMENT/trust/ every member's certificate authority, for the sidecars to know each other.
# shellcheck shell=bash

member_directory() { echo "$DEPLOYMENT/$1"; }

host_of() {
    local host=${1%:*}
    host=${host#[}
    echo "${host%]}"
}
port_of() { echo "${1##*:}"; }

is_loopback() {
    case $(host_of "$1") in
    127.* | localhost | ::1) return 0 ;;
    *) return 1 ;;
    esac
}

# A service that is dialled on loopback listens there; any other on all interfaces.
listen_address() {
    if ! is_loopback "$1"; then
        echo "0.0.0.0:$(port_of "$1")"
    elif [[ $(host_of "$1") == localhost ]]; then
        echo "127.0.0.1:$(port_of "$1")"
    else
        echo "$1"
    fi
}

# prepare_member MSP : all files. What exists and still fits is kept, keys above all.
prepare_member() {
    local msp=$1 directory
    directory=$(member_directory "$msp")
    make_authority "$directory/tls" "$msp"
    mkdir -p "$DEPLOYMENT/trust"
    cp "$directory/tls/ca.crt" "$(trusted_authority "$msp")"
    # The chaincode server is the sidecar's client, and the sidecars are each other's.
    issue_certificate "$directory/tls" peer clientAuth
    issue_certificate "$directory/tls" chaincode serverAuth,clientAuth \
        localhost 127.0.0.1 "$(host_of "${CHAINCODE_ADDRESS[$msp]}")"
    issue_certificate "$directory/tls" sidecar serverAuth,clientAuth \
        localhost 127.0.0.1 "$(host_of "${SIDECAR_ADDRESS[$msp]}")" "$(host_of "${EXCHANGE_ADDRESS[$msp]}")"
    connection_json "${CHAINCODE_ADDRESS[$msp]}" "$directory/tls" >"$directory/connection.json"
    make_package "$directory" "${CHAINCODE}_$VERSION"
    chaincode_environment "$msp" >"$directory/chaincode.env"
    sidecar_configuration "$msp" >"$directory/sidecar.toml"
}

chaincode_environment() {
    local msp=$1 directory
    directory=$(member_directory "$msp")
    cat <<ENVIRONMENT
CHAINCODE_ID=$(<"$directory/package-id")
CHAINCODE_SERVER_ADDRESS=$(listen_address "${CHAINCODE_ADDRESS[$msp]}")
CHAINCODE_TLS_DISABLED=false
CHAINCODE_TLS_KEY=$directory/tls/chaincode.key
CHAINCODE_TLS_CERT=$directory/tls/chaincode.crt
CHAINCODE_CLIENT_CA_CERT=$directory/tls/ca.crt
CORE_PEER_LOCALMSPID=$msp
ENVIRONMENT
    # Orders go this way in the clear: without TLS only inside one machine.
    if is_loopback "${SIDECAR_ADDRESS[$msp]}"; then
        echo "IPO_SIDECAR_ADDRESS=http://${SIDECAR_ADDRESS[$msp]}"
    else
        cat <<ENVIRONMENT
IPO_SIDECAR_ADDRESS=https://${SIDECAR_ADDRESS[$msp]}
IPO_SIDECAR_CA_CERT=$directory/tls/ca.crt
IPO_SIDECAR_CLIENT_CERT=$directory/tls/chaincode.crt
IPO_SIDECAR_CLIENT_KEY=$directory/tls/chaincode.key
ENVIRONMENT
    fi
}

trusted_authority() { echo "$DEPLOYMENT/trust/$1.crt"; }

# The sidecar reads its addresses as IP addresses and its files' names from where this file is.
sidecar_configuration() {
    local msp=$1 other
    cat <<TOML
msp = "$msp"
storage = "sidecar"

# For the own chaincode servers.
[chaincode]
listen = "$(listen_address "${SIDECAR_ADDRESS[$msp]}")"
TOML
    if ! is_loopback "${SIDECAR_ADDRESS[$msp]}"; then
        echo 'tls = { cert = "tls/sidecar.crt", key = "tls/sidecar.key", client_ca = "tls/ca.crt" }'
    fi
    cat <<TOML

# For the other organisations' sidecars.
[peers]
listen = "$(listen_address "${EXCHANGE_ADDRESS[$msp]}")"
cert = "tls/sidecar.crt"
key = "tls/sidecar.key"

[peers.ca]
TOML
    for other in "${MEMBERS[@]}"; do
        if [[ $other != "$msp" ]]; then echo "\"$other\" = \"../trust/$other.crt\""; fi
    done
    cat <<TOML

# Health and metrics.
[operations]
listen = "${OPERATIONS_ADDRESS[$msp]}"
TOML
}
