# Orderers and peers: how each is configured (environment over Fabric's sample orderer.yaml and core.yaml) and started.
# shellcheck shell=bash

LOG_FORMAT='%{time:2006-01-02T15:04:05.000Z07:00} %{level:.4s} [%{module}] %{message}'

extra_settings() { tr ' ' '\n' <<<"$1"; }

# Fabric's samples as they are, but for one line of core.yaml that a 2.5 peer takes from no environment: without an
# endpoint the peer neither looks for Docker nor reports itself ill for want of it.
write_sample_configuration() {
    mkdir -p "$RUN/config"
    cp "$SAMPLE_CONFIGURATION/orderer.yaml" "$RUN/config/"
    sed 's#^\( *endpoint:\) *unix://.*docker\.sock *$#\1 ""#' "$SAMPLE_CONFIGURATION/core.yaml" >"$RUN/config/core.yaml"
}

orderer_settings() {
    local i=$1 directory data
    directory=$(orderer_directory "$i")
    data=$RUN/data/$(orderer_node "$i")
    cat <<ENVIRONMENT
FABRIC_CFG_PATH=$RUN/config
FABRIC_LOGGING_SPEC=info:grpc=error
FABRIC_LOGGING_FORMAT=$LOG_FORMAT
ORDERER_GENERAL_LISTENADDRESS=127.0.0.1
ORDERER_GENERAL_LISTENPORT=$(orderer_port "$i")
ORDERER_GENERAL_LOCALMSPID=OrdererMSP
ORDERER_GENERAL_LOCALMSPDIR=$directory/msp
ORDERER_GENERAL_BOOTSTRAPMETHOD=none
ORDERER_GENERAL_TLS_ENABLED=true
ORDERER_GENERAL_TLS_PRIVATEKEY=$directory/tls/server.key
ORDERER_GENERAL_TLS_CERTIFICATE=$directory/tls/server.crt
ORDERER_GENERAL_TLS_ROOTCAS=[$directory/tls/ca.crt]
ORDERER_GENERAL_CLUSTER_CLIENTCERTIFICATE=$directory/tls/server.crt
ORDERER_GENERAL_CLUSTER_CLIENTPRIVATEKEY=$directory/tls/server.key
ORDERER_GENERAL_CLUSTER_ROOTCAS=[$directory/tls/ca.crt]
ORDERER_CHANNELPARTICIPATION_ENABLED=true
ORDERER_ADMIN_LISTENADDRESS=127.0.0.1:$(orderer_admin_port "$i")
ORDERER_ADMIN_TLS_ENABLED=true
ORDERER_ADMIN_TLS_CERTIFICATE=$directory/tls/server.crt
ORDERER_ADMIN_TLS_PRIVATEKEY=$directory/tls/server.key
ORDERER_ADMIN_TLS_CLIENTAUTHREQUIRED=true
ORDERER_ADMIN_TLS_CLIENTROOTCAS=[$directory/tls/ca.crt]
ORDERER_OPERATIONS_LISTENADDRESS=127.0.0.1:$(orderer_operations_port "$i")
ORDERER_METRICS_PROVIDER=prometheus
ORDERER_FILELEDGER_LOCATION=$data
ORDERER_CONSENSUS_WALDIR=$data/etcdraft/wal
ORDERER_CONSENSUS_SNAPDIR=$data/etcdraft/snapshot
$(extra_settings "${SETTING[orderer-settings]}")
ENVIRONMENT
}

peer_settings() {
    local organisation=$1 p=$2 directory data port address bootstrap
    directory=$(peer_directory "$organisation" "$p")
    data=$RUN/data/$(peer_node "$organisation" "$p")
    port=$(peer_port "$organisation" "$p")
    address=127.0.0.1:$port
    # Gossip inside the organisation starts at its first peer; the first starts at the second if there is one.
    bootstrap=127.0.0.1:$(peer_port "$organisation" $((p == 0 && SETTING[peers] > 1 ? 1 : 0)))
    cat <<ENVIRONMENT
FABRIC_CFG_PATH=$RUN/config
FABRIC_LOGGING_SPEC=info:grpc=error
FABRIC_LOGGING_FORMAT=$LOG_FORMAT
CORE_PEER_ID=peer$p.$(domain_of "$organisation")
CORE_PEER_ADDRESS=$address
CORE_PEER_LISTENADDRESS=$address
CORE_PEER_LOCALMSPID=$(msp_of "$organisation")
CORE_PEER_MSPCONFIGPATH=$directory/msp
CORE_PEER_FILESYSTEMPATH=$data
CORE_LEDGER_SNAPSHOTS_ROOTDIR=$data/snapshots
$(state_database_settings "$organisation" "$p")
CORE_PEER_TLS_ENABLED=true
CORE_PEER_TLS_CERT_FILE=$directory/tls/server.crt
CORE_PEER_TLS_KEY_FILE=$directory/tls/server.key
CORE_PEER_TLS_ROOTCERT_FILE=$directory/tls/ca.crt
CORE_OPERATIONS_LISTENADDRESS=127.0.0.1:$(peer_operations_port "$organisation" "$p")
CORE_METRICS_PROVIDER=prometheus
CORE_PEER_GOSSIP_BOOTSTRAP=$bootstrap
CORE_PEER_GOSSIP_ENDPOINT=$address
CORE_PEER_GOSSIP_EXTERNALENDPOINT=$address
# A peer that was away is known again within seconds; the default is 25 s.
CORE_PEER_GOSSIP_RECONNECTINTERVAL=4s
# Otherwise another organisation's invalid transaction stalls this peer's commits for a minute.
CORE_PEER_GOSSIP_PVTDATA_SKIPPULLINGINVALIDTRANSACTIONSDURINGCOMMIT=true
# The default, stated: a range ends silently after so many keys. The contract ranges on, so raising it is not needed.
CORE_LEDGER_STATE_TOTALQUERYLIMIT=100000
# Chaincode runs as a service outside the peer; our own builder passes its address on.
CORE_CHAINCODE_EXTERNALBUILDERS=[{name: service, path: "$NETWORK_ROOT/builder"}]
# By default 7052 for every peer of a machine.
CORE_PEER_CHAINCODELISTENADDRESS=127.0.0.1:$(peer_chaincode_port "$organisation" "$p")
CORE_PEER_CHAINCODEADDRESS=127.0.0.1:$(peer_chaincode_port "$organisation" "$p")
$(extra_settings "${SETTING[peer-settings]}")
ENVIRONMENT
}

# write_peer_environment ORGANISATION NODE ADDRESS TLS-CA USERS DOMAIN : the environment with which the peer command speaks to one
# peer, as its organisation's administrator or, with AS=User1, as a user, whose MSPs are USERS/Admin@DOMAIN/msp and so on. The
# organisation's first peer is the one that its own file names.
write_peer_environment() {
    local organisation=$1 node=$2 file
    file=$(peer_environment "$node")
    mkdir -p "$(dirname "$file")"
    cat >"$file" <<ENVIRONMENT
# The peer command as $organisation: . $node.sh, or AS=User1 . $node.sh
export FABRIC_CFG_PATH=$(printf %q "$RUN/config")
export FABRIC_LOGGING_SPEC=\${FABRIC_LOGGING_SPEC:-error:chaincodeCmd=info}
export CORE_PEER_ADDRESS=$3
export CORE_PEER_LOCALMSPID=$(msp_of "$organisation")
export CORE_PEER_MSPCONFIGPATH=$(printf %q "$5")/\${AS:-Admin}@$6/msp
export CORE_PEER_TLS_ENABLED=true
export CORE_PEER_TLS_ROOTCERT_FILE=$(printf %q "$4")
. $(printf %q "$(common_environment)")
ENVIRONMENT
    if [[ $node == *-peer0 ]]; then ln -sfn "$node.sh" "$(peer_environment "$organisation")"; fi
}

common_environment() { peer_environment .network; }

# What `peer chaincode invoke` needs besides, as arrays: the orderer, and a peer of every organisation.
write_common_environment() {
    local organisation endorsers=() file hostname=()
    [[ -f $(common_environment) ]] || : >"$(common_environment)"
    if [[ -n ${SETTING[orderer-hostname]} ]]; then hostname=(--ordererTLSHostnameOverride "${SETTING[orderer-hostname]}"); fi
    for organisation in "${ORGANISATIONS[@]}"; do
        file=$(peer_environment "$organisation")
        endorsers+=(--peerAddresses "$(variable_in "$file" CORE_PEER_ADDRESS)"
            --tlsRootCertFiles "$(variable_in "$file" CORE_PEER_TLS_ROOTCERT_FILE)")
    done
    {
        printf 'ORDERER=(%s)\n' "$(printf '%q ' -o "$(orderer_address)" --tls --cafile "$(orderer_ca)" "${hostname[@]}")"
        printf 'ENDORSERS=(%s)\n' "$(printf '%q ' "${endorsers[@]}")"
        if [[ -n $BIN ]]; then
            # shellcheck disable=SC2016
            printf 'case :$PATH: in *:%q:*) ;; *) PATH=%q:$PATH ;; esac\n' "${BIN%/}" "${BIN%/}"
        fi
    } >"$(common_environment).new"
    mv "$(common_environment).new" "$(common_environment)"
}

write_environments() {
    local organisation p node
    for organisation in "${ORGANISATIONS[@]}"; do
        for p in $(peer_numbers); do
            node=$(peer_node "$organisation" "$p")
            write_peer_environment "$organisation" "$node" "127.0.0.1:$(peer_port "$organisation" "$p")" \
                "$(peer_directory "$organisation" "$p")/tls/ca.crt" "$(organisation_directory "$organisation")/users" \
                "$(domain_of "$organisation")"
        done
    done
    write_common_environment
}

start_orderers() {
    local i
    for i in $(orderer_numbers); do start_orderer "$i"; done
}

start_orderer() {
    local node
    node=$(orderer_node "$1")
    orderer_settings "$1" | describe_process "$node" "${BIN}orderer"
    start_process "$node" "$(orderer_port "$1")" "$(orderer_admin_port "$1")" "$(orderer_operations_port "$1")"
}

start_peers() {
    local organisation p
    for organisation in "${ORGANISATIONS[@]}"; do
        for p in $(peer_numbers); do start_peer "$organisation" "$p"; done
    done
}

start_peer() {
    local node
    node=$(peer_node "$1" "$2")
    peer_settings "$1" "$2" | describe_process "$node" "${BIN}peer" node start
    start_process "$node" "$(peer_port "$1" "$2")" "$(peer_chaincode_port "$1" "$2")" "$(peer_operations_port "$1" "$2")"
}
