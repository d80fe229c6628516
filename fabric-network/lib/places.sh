# Names, ports and directories of a network's parts: every one follows from the settings.
#
#     base + 1 ..            orderers         base + 20 + 1 ..  their admin ports   base + 40 + 1 .. operations
#     base + 100 i + 3 p     organisation i = 1 .., peer p = 0 ..: listener; + 1 chaincode listener; + 2 operations
#     base + 100 i + 50 ..   what the organisation runs beside its peers (see deployment.sh)
# shellcheck shell=bash

# A network that others made and run has its own MSP ids.
is_adopted() { [[ -n ${SETTING[orderer]} ]]; }
msp_of() { if is_adopted; then adopted_msp "$1"; else echo "$1MSP"; fi; }
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
orderer_address() { echo "${SETTING[orderer]:-127.0.0.1:$(orderer_port 1)}"; }
orderer_ca() { if is_adopted; then echo "${SETTING[orderer-ca]}"; else own_orderer_ca; fi; }
own_orderer_ca() { echo "$RUN/crypto/ordererOrganizations/orderer.example.com/tlsca/tlsca.orderer.example.com-cert.pem"; }

peer_numbers() { seq 0 $((SETTING[peers] - 1)); }
organisation_port() { echo $((${SETTING[base-port]} + 100 * $(index_of "$1"))); }
peer_port() { echo $(($(organisation_port "$1") + 3 * $2)); }
peer_chaincode_port() { echo $(($(peer_port "$1" "$2") + 1)); }
peer_operations_port() { echo $(($(peer_port "$1" "$2") + 2)); }
organisation_directory() { echo "$RUN/crypto/peerOrganizations/$(domain_of "$1")"; }
peer_directory() { echo "$(organisation_directory "$1")/peers/peer$2.$(domain_of "$1")"; }

orderer_node() { echo "orderer$1"; }
peer_node() { echo "$1-peer$2"; }
peer_nodes() {
    local p
    if is_adopted; then
        adopted_peers "$1"
    else
        for p in $(peer_numbers); do peer_node "$1" "$p"; done
    fi
}

genesis_block() { echo "$RUN/channel/${SETTING[channel]}.block"; }
peer_environment() { echo "$RUN/organisations/$1.sh"; } # ORGANISATION or ORGANISATION-peerN
