# What an organisation of the network runs beside its peers: a chaincode server and, for the contract, a sidecar. They are
# described by the files that scripts/deploy writes.
# shellcheck shell=bash

deployment_directory() { echo "$RUN/deployment"; }
chaincode_node() { echo "$1-chaincode"; }
sidecar_node() { echo "$1-sidecar"; }

chaincode_port() { echo $(($(organisation_port "$1") + 50)); } # unless it is deployed elsewhere
sidecar_port() { echo $(($(organisation_port "$1") + 51)); }
exchange_port() { echo $(($(organisation_port "$1") + 52)); }
sidecar_operations_port() { echo $(($(organisation_port "$1") + 53)); }

# The repository's own programs, built if need be.
build_programs() {
    local profile=$1 directory=$1
    if [[ $profile == dev ]]; then directory=debug; fi
    need_tools cargo
    say "building ipo-chaincode and mpc-sidecar, profile $profile (the first time this takes minutes)"
    (cd "$REPOSITORY" && cargo build --locked --quiet --profile "$profile" -p ipo-chaincode -p mpc-sidecar --bins) ||
        fail "cargo cannot build the chaincode server and the sidecar"
    CHAINCODE_PROGRAM=${CARGO_TARGET_DIR:-$REPOSITORY/target}/$directory/ipo-chaincode
    SIDECAR_PROGRAM=${CARGO_TARGET_DIR:-$REPOSITORY/target}/$directory/mpc-sidecar
}

# The options that scripts/deploy and scripts/doctor both take, into NETWORK_ARGUMENTS.
gather_network_arguments() {
    local organisation node
    NETWORK_ARGUMENTS=(--channel "${SETTING[channel]}" --chaincode "${SETTING[chaincode]}" --orderer "$(orderer_address)"
        --orderer-ca "$(orderer_ca)" --directory "$(deployment_directory)")
    if [[ -n ${SETTING[orderer-hostname]} ]]; then NETWORK_ARGUMENTS+=(--orderer-hostname "${SETTING[orderer-hostname]}"); fi
    for organisation in "${ORGANISATIONS[@]}"; do
        for node in $(peer_nodes "$organisation"); do NETWORK_ARGUMENTS+=(--organisation "$(peer_environment "$node")"); done
    done
}

# run_deploy [STEP] [OPTION...] : scripts/deploy for this network.
run_deploy() {
    local arguments=() organisation msp NETWORK_ARGUMENTS
    gather_network_arguments
    for organisation in "${ORGANISATIONS[@]}"; do
        msp=$(msp_of "$organisation")
        arguments+=(--chaincode-address "$msp=127.0.0.1:$(chaincode_port "$organisation")"
            --sidecar-address "$msp=127.0.0.1:$(sidecar_port "$organisation")"
            --exchange-address "$msp=127.0.0.1:$(exchange_port "$organisation")"
            --operations-address "$msp=127.0.0.1:$(sidecar_operations_port "$organisation")")
    done
    # What the caller gives comes last: it overrules. What is deployed is started here, nobody needs to be told to.
    FABRIC_BIN=${BIN%/} IPO_DEPLOY_STARTED_HERE=1 "$REPOSITORY/scripts/deploy" "${NETWORK_ARGUMENTS[@]}" "${arguments[@]}" "$@"
}

# run_doctor [OPTION...] : scripts/doctor for this network. The settings of our own peers are at hand.
run_doctor() {
    local organisation node NETWORK_ARGUMENTS
    gather_network_arguments
    if ! is_adopted; then
        for organisation in "${ORGANISATIONS[@]}"; do
            for node in $(peer_nodes "$organisation"); do
                if [[ -f $(process_directory "$node")/start ]]; then
                    NETWORK_ARGUMENTS+=(--peer-configuration "$(msp_of "$organisation")=$(process_directory "$node")/start")
                fi
            done
        done
    fi
    FABRIC_BIN=${BIN%/} "$REPOSITORY/scripts/doctor" "${NETWORK_ARGUMENTS[@]}" "$@"
}

start_sidecars() {
    local organisation directory COMMAND
    for organisation in "${ORGANISATIONS[@]}"; do
        directory=$(deployment_directory)/$(msp_of "$organisation")
        COMMAND=("$SIDECAR_PROGRAM" --config "$directory/sidecar.toml")
        restart_process "$(sidecar_node "$organisation")" "$(sidecar_port "$organisation")" \
            "$(exchange_port "$organisation")" "$(sidecar_operations_port "$organisation")" </dev/null
    done
    for organisation in "${ORGANISATIONS[@]}"; do
        wait_for_process "$(sidecar_node "$organisation")" 30 "ready" \
            curl -sf -m 2 "http://127.0.0.1:$(sidecar_operations_port "$organisation")/readyz"
    done
}

start_chaincodes() {
    local organisation environment COMMAND=("$CHAINCODE_PROGRAM") port
    for organisation in "${ORGANISATIONS[@]}"; do
        environment=$(deployment_directory)/$(msp_of "$organisation")/chaincode.env
        port=$(sed -n 's/^CHAINCODE_SERVER_ADDRESS=.*://p' "$environment")
        restart_process "$(chaincode_node "$organisation")" "$port" <"$environment"
        wait_for_process "$(chaincode_node "$organisation")" 30 "listens" listens "$port"
    done
}

# What an application needs to know of the network, in RUN/network.json: where its organisation's peer answers, with which
# certificate authority, whose users there are, and what RegisterSidecar says of its sidecar.
write_description() {
    local organisation directory environment address authority entries=()
    for organisation in "${ORGANISATIONS[@]}"; do
        directory=$(deployment_directory)/$(msp_of "$organisation")
        environment=$(peer_environment "$organisation")
        address=$(variable_in "$environment" CORE_PEER_ADDRESS)
        authority=$(variable_in "$environment" CORE_PEER_TLS_ROOTCERT_FILE)
        entries+=("$(
            cat <<JSON
    {
      "name": "$organisation",
      "msp": "$(msp_of "$organisation")",
      "peer": "$address",
      "peerHostAlias": "$(certified_name "$address" "$authority")",
      "tlsCa": "$authority",
      "users": "$(dirname "$(dirname "$(variable_in "$environment" CORE_PEER_MSPCONFIGPATH)")")",
      "sidecarEndpoint": "127.0.0.1:$(exchange_port "$organisation")",
      "sidecarKeyHash": "$(public_key_hash "$directory/tls/sidecar.crt")",
      "sidecarOperations": "127.0.0.1:$(sidecar_operations_port "$organisation")"
    }
JSON
        )")
    done
    cat >"$RUN/network.json" <<JSON
{
  "channel": "${SETTING[channel]}",
  "chaincode": "${SETTING[chaincode]}",
  "organisations": [
$(printf '%s,\n' "${entries[@]}" | sed '$ s/,$//')
  ]
}
JSON
}

# certified_name ADDRESS AUTHORITY-FILE : a host name for which a server's certificate is good, by which a client can ask for it when
# it dials an IP address.
certified_name() {
    local names
    names=$(openssl s_client -connect "$1" -CAfile "$2" </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName) ||
        fail "the peer at $1 shows no TLS certificate"
    [[ $names =~ DNS:([^,[:space:]]+) ]] || fail "the certificate of the peer at $1 names no host"
    echo "${BASH_REMATCH[1]}"
}
