# What an organisation of the network runs beside its peers: a chaincode server and, for the contract, a sidecar. They are
# described by the files that scripts/deploy writes.
# shellcheck shell=bash

deployment_directory() { echo "$RUN/deployment"; }
chaincode_node() { echo "$1-chaincode"; }
sidecar_node() { echo "$1-sidecar"; }

chaincode_port() { echo $(($(organisation_port "$1") + 50)); }
sidecar_port() { echo $(($(organisation_port "$1") + 51)); }
exchange_port() { echo $(($(organisation_port "$1") + 52)); }
sidecar_operations_port() { echo $(($(organisation_port "$1") + 53)); }

# The repository's own programs, built if need be.
build_programs() {
    local profile=$1 directory=$1
    if [[ $profile == dev ]]; then directory=debug; fi
    (cd "$REPOSITORY" && cargo build --locked --quiet --profile "$profile" -p ipo-chaincode -p mpc-sidecar --bins) ||
        fail "cargo cannot build the chaincode server and the sidecar"
    CHAINCODE_PROGRAM=${CARGO_TARGET_DIR:-$REPOSITORY/target}/$directory/ipo-chaincode
    SIDECAR_PROGRAM=${CARGO_TARGET_DIR:-$REPOSITORY/target}/$directory/mpc-sidecar
}

# run_deploy [STEP] [OPTION...] : scripts/deploy for this network.
run_deploy() {
    local arguments=() organisation p msp
    for organisation in "${ORGANISATIONS[@]}"; do
        msp=$(msp_of "$organisation")
        for p in $(peer_numbers); do
            arguments+=(--organisation "$(peer_environment "$(peer_node "$organisation" "$p")")")
        done
        arguments+=(--chaincode-address "$msp=127.0.0.1:$(chaincode_port "$organisation")"
            --sidecar-address "$msp=127.0.0.1:$(sidecar_port "$organisation")"
            --exchange-address "$msp=127.0.0.1:$(exchange_port "$organisation")"
            --operations-address "$msp=127.0.0.1:$(sidecar_operations_port "$organisation")")
    done
    FABRIC_BIN=${BIN%/} "$REPOSITORY/scripts/deploy" "$@" --channel "${SETTING[channel]}" --chaincode "${SETTING[chaincode]}" \
        --orderer "127.0.0.1:$(orderer_port 1)" --orderer-ca "$(orderer_ca)" --directory "$(deployment_directory)" \
        "${arguments[@]}"
}

# scripts/doctor for this network.
run_doctor() {
    local arguments=() organisation p
    for organisation in "${ORGANISATIONS[@]}"; do
        for p in $(peer_numbers); do
            arguments+=(--organisation "$(peer_environment "$(peer_node "$organisation" "$p")")")
        done
        arguments+=(--peer-settings "$(msp_of "$organisation")=$(process_directory "$(peer_node "$organisation" 0)")/start")
    done
    FABRIC_BIN=${BIN%/} "$REPOSITORY/scripts/doctor" --channel "${SETTING[channel]}" --chaincode "${SETTING[chaincode]}" \
        --orderer "127.0.0.1:$(orderer_port 1)" --orderer-ca "$(orderer_ca)" --directory "$(deployment_directory)" \
        "${arguments[@]}"
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
    local organisation directory COMMAND=("$CHAINCODE_PROGRAM")
    for organisation in "${ORGANISATIONS[@]}"; do
        directory=$(deployment_directory)/$(msp_of "$organisation")
        restart_process "$(chaincode_node "$organisation")" "$(chaincode_port "$organisation")" <"$directory/chaincode.env"
    done
    for organisation in "${ORGANISATIONS[@]}"; do
        wait_for_process "$(chaincode_node "$organisation")" 30 "listens" listens "$(chaincode_port "$organisation")"
    done
}

# What an application needs to know of the network, in RUN/network.json: where its organisation's peer answers, with which
# certificate authority, whose users there are, and what RegisterSidecar says of its sidecar.
write_description() {
    local organisation directory entries=()
    for organisation in "${ORGANISATIONS[@]}"; do
        directory=$(deployment_directory)/$(msp_of "$organisation")
        entries+=("$(
            cat <<JSON
    {
      "name": "$organisation",
      "msp": "$(msp_of "$organisation")",
      "peer": "127.0.0.1:$(peer_port "$organisation" 0)",
      "peerHostAlias": "peer0.$(domain_of "$organisation")",
      "tlsCa": "$(peer_directory "$organisation" 0)/tls/ca.crt",
      "users": "$(organisation_directory "$organisation")/users",
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
