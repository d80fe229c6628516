# What can be wrong between a deployment and the peers it is for, asked of the peers with their own command. Each check
# prints a line: MSP, ok or WRONG, what was looked at, and words.
# shellcheck shell=bash

WRONG=0

well() { printf '%s  ok     %s: %s\n' "$MSP" "$1" "$2"; }
wrong() {
    printf '%s  WRONG  %s: %s\n' "$MSP" "$1" "$2"
    WRONG=1
}

# examine_peer FILE : reaches the peer, as whom its file says; false if there is no point in asking more.
examine_peer() {
    local subject answer channels
    subject="peer $(variable_in "$1" CORE_PEER_ADDRESS)"
    if ! answer=$(as "$1" channel list 2>&1); then
        case $answer in
        *"connection refused"*) wrong "$subject" "nothing listens there: does the peer run?" ;;
        # The command says no more whatever the reason is.
        *"context deadline exceeded"*) wrong "$subject" "$(handshake_fault "$1")" ;;
        *x509* | *certificate*) wrong "$subject" "TLS: CORE_PEER_TLS_ROOTCERT_FILE is not the authority of its certificate, or that names another host: $(last_error "$answer")" ;;
        *"creator org unknown"* | *"not a member"* | *"MSP"*) wrong "$subject" "wrong MSP: it does not know CORE_PEER_LOCALMSPID $MSP with the certificate in CORE_PEER_MSPCONFIGPATH: $(last_error "$answer")" ;;
        *) wrong "$subject" "$(last_error "$answer")" ;;
        esac
        return 1
    fi
    channels=$(grep -E '^[a-z][a-z0-9.-]*$' <<<"$answer" || true)
    if ! grep -qxF "$CHANNEL" <<<"$channels"; then
        wrong "$subject" "it has not joined channel $CHANNEL; joined: ${channels:-none}"
        return 1
    fi
    well "$subject" "answers $MSP's administrator and has joined $CHANNEL"
}

# handshake_fault FILE : why no TLS connection to the peer stands, in words.
handshake_fault() {
    local answer
    answer=$(timeout 10 openssl s_client -connect "$(variable_in "$1" CORE_PEER_ADDRESS)" -verify_return_error \
        -CAfile "$(variable_in "$1" CORE_PEER_TLS_ROOTCERT_FILE)" </dev/null 2>&1 || true)
    case $answer in
    *"certificate verify failed"* | *"verify error"*) echo "TLS: CORE_PEER_TLS_ROOTCERT_FILE is not the authority of its certificate" ;;
    *"wrong version number"* | *"record layer failure"* | *"packet length too long"*) echo "it does not speak TLS, and CORE_PEER_TLS_ENABLED says that it does" ;;
    *"Verify return code: 0"*) echo "no answer: CORE_PEER_TLS_ENABLED is not true although it speaks TLS, or its certificate names another host" ;;
    *) echo "no answer: a firewall, a wrong host, or TLS on one side only (CORE_PEER_TLS_ENABLED)" ;;
    esac
}

last_error() { { grep -iE 'error' <<<"$1" || true; } | tail -n 1; }

# examine_definition FILE : what is committed, and whether the package that this deployment configures is the one approved.
examine_definition() {
    local committed approved package
    committed=$(as "$1" lifecycle chaincode querycommitted -C "$CHANNEL" -n "$CHAINCODE" 2>/dev/null) || {
        wrong "chaincode $CHAINCODE" "not committed on channel $CHANNEL: scripts/deploy commits it"
        return
    }
    [[ $committed =~ Sequence:\ ([0-9]+) ]] || fail "querycommitted says no sequence"
    approved=$(approved_package "$1" "${BASH_REMATCH[1]}")
    package=$(cat "$(member_directory "$MSP")/package-id" 2>/dev/null || true)
    if [[ -z $package ]]; then
        wrong "chaincode $CHAINCODE" "nothing is deployed for it in $(member_directory "$MSP")"
    elif [[ $approved != "$package" ]]; then
        wrong "chaincode $CHAINCODE" "wrong package id: $MSP approved '${approved:-none}', this deployment is for '$package': scripts/deploy approve"
    elif ! is_installed "$1" "$package"; then
        wrong "chaincode $CHAINCODE" "$package is approved but not installed on this peer: scripts/deploy approve installs it"
    else
        well "chaincode $CHAINCODE" "sequence ${BASH_REMATCH[1]} is committed, $package installed and approved"
    fi
}

# examine_roles FILE : an endorsement policy over peers ('AMSP.peer') holds only where certificates carry node roles.
examine_roles() {
    local block enabled
    block=$(mktemp)
    if ! as "$1" channel fetch config "$block" -c "$CHANNEL" "${ORDERER_ARGUMENTS[@]}" >/dev/null 2>&1; then
        wrong "node roles" "the channel's configuration cannot be fetched from the orderer"
    else
        enabled=$("${BIN}configtxlator" proto_decode --type common.Block --input "$block" | jq -r --arg msp "$MSP" \
            '.data.data[0].payload.data.config.channel_group.groups.Application.groups | to_entries[]
                | .value.values.MSP.value.config | select(.name == $msp) | .fabric_node_ous.enable')
        case $enabled in
        true) well "node roles" "NodeOUs are enabled" ;;
        '') wrong "node roles" "channel $CHANNEL has no organisation with the MSP id $MSP" ;;
        *) wrong "node roles" "NodeOUs are missing: no transaction satisfies a policy over '$MSP.peer'; enable them in its MSP (config.yaml) and update the channel" ;;
        esac
    fi
    rm -f "$block"
}

# setting FILE NAME... : what a peer's settings say of peer.gossip.pvtData...: NAME is the last word, those before it its parents
# that matter. Of core.yaml the line below the parents, comments aside; of an environment the last assignment, as the peer sees it.
setting() {
    local file=$1 variable
    shift
    if grep -qE '^(export )?CORE_' "$file"; then
        variable=$(IFS=_ && echo "$*")
        sed -nE "s/^(export )?CORE_[A-Z_]*${variable^^}=['\"]?([^'\" ]*).*/\2/p" "$file" | tail -n 1
    else
        awk -v names="$*" 'BEGIN { count = split(names, name, " "); at = 1 }
            /^[[:space:]]*#/ { next }
            $1 == name[at] ":" { if (at == count) { print $2; exit } at++ }' "$file"
    fi
}

# examine_settings FILE PEERS : a peer's core.yaml, or a file with its environment; how many peers its organisation has.
examine_settings() {
    local subject="settings of $1" value
    if [[ $(setting "$1" skipPullingInvalidTransactionsDuringCommit) == true ]]; then
        well "$subject" "skipPullingInvalidTransactionsDuringCommit is on"
    else
        wrong "$subject" "peer.gossip.pvtData.skipPullingInvalidTransactionsDuringCommit is not true: another organisation's invalid transaction can stall this peer's commits for a minute"
    fi
    value=$(setting "$1" totalQueryLimit)
    if [[ -n $value && ! $value =~ ^[1-9][0-9]*$ ]]; then
        wrong "$subject" "ledger.state.totalQueryLimit is '$value'; a number of at least 1 is allowed"
    else
        well "$subject" "totalQueryLimit is ${value:-100000 by default}; the contract ranges on beyond it"
    fi
    value=$(setting "$1" implicitCollectionDisseminationPolicy requiredPeerCount)
    if ((${value:-0} >= $2)); then
        wrong "$subject" "implicitCollectionDisseminationPolicy requires $value other peers of the organisation for every order, and it has $(($2 - 1)): no order is taken"
    elif ((${value:-0} == $2 - 1 && ${value:-0} > 0)); then
        wrong "$subject" "implicitCollectionDisseminationPolicy requires all $value other peers of the organisation: no order is taken while one is down"
    fi
    value=$(setting "$1" implicitCollectionDisseminationPolicy maxPeerCount)
    if (($2 == 1)); then
        well "$subject" "one peer: private orders are on its disk alone, so the application keeps them until settlement"
    elif ((${value:-1} == 0)); then
        wrong "$subject" "implicitCollectionDisseminationPolicy hands private orders to no other peer (maxPeerCount is 0): they are on one disk alone until the others ask for them"
    else
        well "$subject" "private orders go to ${value:-1} more of the organisation's $2 peers at once"
    fi
}

# The endpoints on the ledger, and whether each is the one that this deployment configures.
examine_roster() {
    local record endpoint certificate
    record=$(as "$1" chaincode query -C "$CHANNEL" -n "$CHAINCODE" -c "{\"Args\":[\"ReadSidecar\",\"$MSP\"]}" 2>&1) || {
        record=$(last_error "$record")
        wrong "sidecar on the ledger" "${record:-the peer does not answer within $PEER_PATIENCE s: it waits for the chaincode server to register under the package id}"
        return
    }
    record=$(grep '^{' <<<"$record") # the command's own log lines are among it
    endpoint=$(jq -r .endpoint <<<"$record")
    ENDPOINTS+=("$MSP=$endpoint")
    certificate=$(member_directory "$MSP")/tls/sidecar.crt
    if [[ $(public_key_hash "$certificate") != "$(jq -r .keyHash <<<"$record")" && $(public_key_hash "$certificate") != "$(jq -r .nextKeyHash <<<"$record")" ]]; then
        wrong "sidecar on the ledger" "it is registered with another key than that of $certificate: scripts/deploy register"
    else
        well "sidecar on the ledger" "$endpoint, with the key of this deployment"
    fi
}

# examine_clock : the sidecar's clock, from the date in its answers, against this machine's.
examine_clock() {
    local address theirs skew
    address=$(sed -n '/^\[operations\]/,$ s/^listen = "\(.*\)"/\1/p' "$(member_directory "$MSP")/sidecar.toml" 2>/dev/null)
    if [[ -z $address ]]; then return; fi
    theirs=$(curl -s -m 5 -o /dev/null -D - "http://$address/healthz" | tr -d '\r' | sed -n 's/^[Dd]ate: //p' || true)
    if [[ -z $theirs ]]; then
        wrong "sidecar's health at $address" "no answer: does mpc-sidecar run?"
        return
    fi
    skew=$(($(date +%s) - $(date -d "$theirs" +%s)))
    if ((${skew#-} > 30)); then
        wrong "sidecar's clock" "it is ${skew#-} s from this one; beyond 60 s the contract refuses what depends on time"
    else
        well "sidecar's clock" "within ${skew#-} s of this one"
    fi
}
