# The channel: its configuration, its genesis block, and joining it.
# shellcheck shell=bash

# policies INDENT READERS WRITERS ADMINS [ENDORSEMENT] : each a list of principals, any one of which suffices.
principal_policies() {
    local indent=$1 names=(Readers Writers Admins Endorsement) i
    shift
    for ((i = 0; i < $#; i++)); do
        printf '%*s%s: {Type: Signature, Rule: "OR(%s)"}\n' "$indent" '' "${names[i]}" "${*:i+1:1}"
    done
}

group_policies() {
    local indent=$1
    printf '%*sReaders: {Type: ImplicitMeta, Rule: "ANY Readers"}\n' "$indent" ''
    printf '%*sWriters: {Type: ImplicitMeta, Rule: "ANY Writers"}\n' "$indent" ''
    printf '%*sAdmins: {Type: ImplicitMeta, Rule: "MAJORITY Admins"}\n' "$indent" ''
}

orderer_section() {
    local i
    cat <<YAML
    Orderer:
      OrdererType: etcdraft
      BatchTimeout: ${SETTING[batch-timeout]}
      BatchSize: {MaxMessageCount: 500, AbsoluteMaxBytes: 10 MB, PreferredMaxBytes: 2 MB}
      Capabilities: {V2_0: true}
      EtcdRaft:
        Options: {TickInterval: 500ms, ElectionTick: 10, HeartbeatTick: 1, MaxInflightBlocks: 5, SnapshotIntervalSize: 16 MB}
        Consenters:
YAML
    for i in $(orderer_numbers); do
        cat <<YAML
          - Host: 127.0.0.1
            Port: $(orderer_port "$i")
            ClientTLSCert: $(orderer_directory "$i")/tls/server.crt
            ServerTLSCert: $(orderer_directory "$i")/tls/server.crt
YAML
    done
    echo "      Policies:"
    group_policies 8
    cat <<YAML
        BlockValidation: {Type: ImplicitMeta, Rule: "ANY Writers"}
      Organizations:
        - Name: OrdererMSP
          ID: OrdererMSP
          MSPDir: $RUN/crypto/ordererOrganizations/orderer.example.com/msp
          Policies:
YAML
    principal_policies 12 "'OrdererMSP.member'" "'OrdererMSP.member'" "'OrdererMSP.admin'"
    echo "          OrdererEndpoints:"
    for i in $(orderer_numbers); do echo "            - 127.0.0.1:$(orderer_port "$i")"; done
}

application_section() {
    local organisation msp
    cat <<YAML
    Application:
      Capabilities: {V2_5: true}
      Policies:
YAML
    group_policies 8
    # The contract's own endorsement policy is part of its definition (scripts/deploy): this is only the default.
    cat <<YAML
        LifecycleEndorsement: {Type: ImplicitMeta, Rule: "MAJORITY Endorsement"}
        Endorsement: {Type: ImplicitMeta, Rule: "MAJORITY Endorsement"}
      Organizations:
YAML
    for organisation in "${ORGANISATIONS[@]}"; do
        msp=$(msp_of "$organisation")
        cat <<YAML
        - Name: $msp
          ID: $msp
          MSPDir: $(organisation_directory "$organisation")/msp
          AnchorPeers: [{Host: 127.0.0.1, Port: $(peer_port "$organisation" 0)}]
          Policies:
YAML
        principal_policies 12 "'$msp.admin', '$msp.peer', '$msp.client'" "'$msp.admin', '$msp.client'" \
            "'$msp.admin'" "'$msp.peer'"
    done
    idemix_organisation
}

# An organisation of clients alone. Idemix knows members and administrators.
idemix_organisation() {
    local msp=${SETTING[idemix]%%=*}
    if [[ -z $msp ]]; then return; fi
    cat <<YAML
        - Name: $msp
          ID: $msp
          MSPType: idemix
          MSPDir: ${SETTING[idemix]#*=}
          Policies:
YAML
    principal_policies 12 "'$msp.member'" "'$msp.member'" "'$msp.admin'" "'$msp.member'"
}

# The channel's capability level is that of the programs: an older orderer or peer could not join. At level 3 none has an Idemix MSP.
channel_configuration() {
    local capability=V2_0
    if [[ $(fabric_version) == 3.* && -z ${SETTING[idemix]} ]]; then capability=V3_0; fi
    cat <<YAML
Profiles:
  Channel:
    Capabilities: {$capability: true}
    Policies:
YAML
    group_policies 6
    orderer_section
    application_section
}

make_genesis_block() {
    if [[ -f $(genesis_block) ]]; then return; fi
    mkdir -p "$RUN/channel"
    channel_configuration >"$RUN/channel/configtx.yaml"
    FABRIC_CFG_PATH=$RUN/channel "${BIN}configtxgen" -profile Channel -channelID "${SETTING[channel]}" \
        -outputBlock "$(genesis_block).new" 2>"$RUN/channel/configtxgen.log" ||
        fail "configtxgen: $(tail -n 3 "$RUN/channel/configtxgen.log")"
    mv "$(genesis_block).new" "$(genesis_block)"
}

# osnadmin ORDERER COMMAND... over the orderer's admin port, as that orderer.
orderer_admin() {
    local i=$1 directory
    directory=$(orderer_directory "$i")
    shift
    "${BIN}osnadmin" channel "$@" -o "127.0.0.1:$(orderer_admin_port "$i")" --ca-file "$(orderer_ca)" \
        --client-cert "$directory/tls/server.crt" --client-key "$directory/tls/server.key"
}

orderer_has_channel() {
    answers '^Status: 200' orderer_admin "$1" list --channelID "${SETTING[channel]}"
}

join_orderers() {
    local i
    for i in $(orderer_numbers); do
        wait_for_process "$(orderer_node "$i")" 60 "answer on its admin port" orderer_admin "$i" list
        orderer_has_channel "$i" ||
            answers '^Status: 201' orderer_admin "$i" join --channelID "${SETTING[channel]}" --config-block "$(genesis_block)" ||
            fail "orderer$i cannot join channel ${SETTING[channel]}; see scripts/network logs orderer$i"
    done
    wait_until 60 "orderers: a Raft leader for channel ${SETTING[channel]}" orderers_have_leader
}

orderers_have_leader() {
    local i
    for i in $(orderer_numbers); do
        answers "^consensus_etcdraft_leader_changes\{channel=\"${SETTING[channel]}\"\} [1-9]" \
            curl -sf -m 2 "http://127.0.0.1:$(orderer_operations_port "$i")/metrics" || return 1
    done
}

join_peers() {
    local organisation p joining=() job
    for organisation in "${ORGANISATIONS[@]}"; do
        for p in $(peer_numbers); do
            join_peer "$organisation" "$p" &
            joining+=($!)
        done
    done
    for job in "${joining[@]}"; do wait "$job" || exit 1; done
}

join_peer() {
    local node port
    node=$(peer_node "$1" "$2")
    port=$(peer_operations_port "$1" "$2")
    wait_for_process "$node" 60 "ready" curl -sf -m 2 "http://127.0.0.1:$port/healthz"
    # shellcheck source=/dev/null
    . "$(peer_environment "$node")"
    if answers "^${SETTING[channel]//./\\.}$" "${BIN}peer" channel list; then return; fi
    local answer
    # Right after a start it may not have opened its channels yet: then it has this one all the same.
    answer=$("${BIN}peer" channel join -b "$(genesis_block)" 2>&1) || [[ $answer == *"already exists"* ]] ||
        fail "$node: $(tail -n 1 <<<"$answer")"
}

# Until gossip knows the others, discovery finds no endorsers of theirs and private data has nowhere to go.
wait_for_gossip() {
    local organisation p
    for organisation in "${ORGANISATIONS[@]}"; do
        for p in $(peer_numbers); do
            wait_for_process "$(peer_node "$organisation" "$p")" 60 "gossip with all other peers" peer_knows_all "$organisation" "$p"
        done
    done
}

peer_knows_all() {
    local others=$((${#ORGANISATIONS[@]} * SETTING[peers] - 1))
    answers "^gossip_membership_total_peers_known\{channel=\"${SETTING[channel]}\"\} $others$" \
        curl -sf -m 2 "http://127.0.0.1:$(peer_operations_port "$1" "$2")/metrics"
}
