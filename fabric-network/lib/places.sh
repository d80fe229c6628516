# Names, ports and directories of a network's parts: every one follows from the settings.
#
#     base + 1 ..            orderers         base + 20 + 1 ..  their admin ports   base + 40 + 1 .. operations
#     base + 100 i + 3 p     organisation i = 1 .., peer p = 0 ..: listener; + 1 chaincode listener; + 2 operations
#     base + 100 i + 50 ..   what the organisation runs beside its peers (see deployment.sh)
# shellcheck shell=bash

msp_of() { echo "$1MSP"; }
domain_of() { echo "${1,,}.example.com"; }

index_of() {
    local i
    for i in "${!ORGANISATIONS[@]}"; do
        if [[ ${ORGANISATIONS[i]} == "$1" ]]; then
            echo $((i + 1))
            return
        fi
    done
    fail "'$1' is not an organisation of network '$NETWORK' (${ORGANISATIONS[*]})"
}

orderer_numbers() { seq "${SETTING[orderers]}"; }
orderer_port() { echo $((${SETTING[base-port]} + $1)); }
orderer_admin_port() { echo $((${SETTING[base-port]} + 20 + $1)); }
orderer_operations_port() { echo $((${SETTING[base-port]} + 40 + $1)); }
orderer_directory() { echo "$RUN/crypto/ordererOrganizations/orderer.example.com/orderers/orderer$1.orderer.example.com"; }
orderer_ca() { echo "$RUN/crypto/ordererOrganizations/orderer.example.com/tlsca/tlsca.orderer.example.com-cert.pem"; }

peer_numbers() { seq 0 $((SETTING[peers] - 1)); }
organisation_port() { echo $((${SETTING[base-port]} + 100 * $(index_of "$1"))); }
peer_port() { echo $(($(organisation_port "$1") + 3 * $2)); }
peer_chaincode_port() { echo $(($(peer_port "$1" "$2") + 1)); }
peer_operations_port() { echo $(($(peer_port "$1" "$2") + 2)); }
organisation_directory() { echo "$RUN/crypto/peerOrganizations/$(domain_of "$1")"; }
peer_directory() { echo "$(organisation_directory "$1")/peers/peer$2.$(domain_of "$1")"; }

orderer_node() { echo "orderer$1"; }
peer_node() { echo "$1-peer$2"; }

genesis_block() { echo "$RUN/channel/${SETTING[channel]}.block"; }
peer_environment() { echo "$RUN/organisations/$1.sh"; } # ORGANISATION or ORGANISATION-peerN
