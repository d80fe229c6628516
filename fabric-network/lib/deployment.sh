# What each organisation gets for a deployment, in DEPLOYMENT/MSP:
#
#     tls/              its certificate authority for services, and the certificates of chaincode, peer and sidecar
#     connection.json   how its peers dial its chaincode server
#     package.tar.gz    the package with that, and package-id
#     chaincode.env     the chaincode server's environment, one NAME=value a line
# shellcheck shell=bash

member_directory() { echo "$DEPLOYMENT/$1"; }

host_of() {
    local host=${1%:*}
    host=${host#[}
    echo "${host%]}"
}
port_of() { echo "${1##*:}"; }

# A service that is dialled on loopback listens there; any other on all interfaces.
listen_address() {
    case $(host_of "$1") in
    127.* | localhost | ::1) echo "$1" ;;
    *) echo "0.0.0.0:$(port_of "$1")" ;;
    esac
}

# prepare_member MSP : all files. What exists and still fits is kept, keys above all.
prepare_member() {
    local msp=$1 directory
    directory=$(member_directory "$msp")
    make_authority "$directory/tls" "$msp"
    issue_certificate "$directory/tls" chaincode serverAuth localhost 127.0.0.1 "$(host_of "${CHAINCODE_ADDRESS[$msp]}")"
    issue_certificate "$directory/tls" peer clientAuth
    connection_json "${CHAINCODE_ADDRESS[$msp]}" "$directory/tls" >"$directory/connection.json"
    make_package "$directory" "${CHAINCODE}_$VERSION"
    chaincode_environment "$msp" >"$directory/chaincode.env"
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
IPO_SIDECAR_ADDRESS=${SIDECAR_ADDRESS[$msp]}
ENVIRONMENT
}
