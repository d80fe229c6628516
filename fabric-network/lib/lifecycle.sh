# Installing, approving and committing a chaincode definition, each as the administrator of an organisation whose peer
# command environment is in a file.
# shellcheck shell=bash

# as FILE COMMAND... : the peer command with that environment. FILE may export its variables or merely set them. With PEER_PATIENCE, in
# seconds, it is ended after that time.
as() {
    local file=$1
    shift
    (
        set +eu
        set -a
        # shellcheck source=/dev/null
        . "$file"
        : "${FABRIC_CFG_PATH:=$SAMPLE_CONFIGURATION}"
        FABRIC_LOGGING_SPEC=error:chaincodeCmd=info
        timeout --foreground "${PEER_PATIENCE:-0}" "${BIN}peer" "$@"
    )
}

# The value that a variable has in an environment file.
variable_in() {
    (
        set +eu
        # shellcheck source=/dev/null
        . "$1" >/dev/null
        printf '%s\n' "${!2}"
    )
}

# as, with everything it says on standard output; for what goes to the orderer: right after a start it may have no Raft
# leader yet, which is worth half a minute.
as_ordered() {
    local answer deadline=$((SECONDS + 30))
    until answer=$(as "$@" 2>&1); do
        if [[ $answer != *SERVICE_UNAVAILABLE* ]] || ((SECONDS >= deadline)); then
            printf '%s\n' "$answer"
            return 1
        fi
        sleep 1
    done
    printf '%s\n' "$answer"
}

# as, but says what went wrong with the last lines alone: the peer's usage text is no help here.
as_or_fail() {
    local answer
    answer=$(as "$@" 2>&1) || fail "$(variable_in "$1" CORE_PEER_LOCALMSPID): peer ${*:2:3}: $(grep -E 'Error|error' <<<"$answer" | tail -n 2)"
    printf '%s\n' "$answer"
}

is_installed() { answers "^Package ID: $2," as "$1" lifecycle chaincode queryinstalled; }

# install FILE PACKAGE PACKAGE-ID
install() {
    if is_installed "$1" "$3"; then return; fi
    as_or_fail "$1" lifecycle chaincode install "$2" >/dev/null
    is_installed "$1" "$3" || fail "$(variable_in "$1" CORE_PEER_ADDRESS): installed the package, but not under the id $3"
}

# The sequence of the committed definition; 0 if there is none.
committed_sequence() {
    local answer
    if answer=$(as "$1" lifecycle chaincode querycommitted -C "$CHANNEL" -n "$CHAINCODE" 2>&1); then
        [[ $answer =~ Sequence:\ ([0-9]+) ]] && echo "${BASH_REMATCH[1]}"
    elif [[ $answer == *"is not defined"* ]]; then
        echo 0
    else
        fail "$(variable_in "$1" CORE_PEER_LOCALMSPID): peer lifecycle chaincode querycommitted: $(grep Error <<<"$answer" | tail -n 1)"
    fi
}

definition() { printf '%s\n' -C "$CHANNEL" -n "$CHAINCODE" -v "$VERSION" --signature-policy "$POLICY" --sequence "$1"; }

# The package id that the organisation has approved at a sequence, if any.
approved_package() {
    as "$1" lifecycle chaincode queryapproved -C "$CHANNEL" -n "$CHAINCODE" --sequence "$2" 2>/dev/null |
        sed -n 's/.*package-id: \([^,]*\),.*/\1/p'
}

# approve FILE PACKAGE-ID SEQUENCE : true if the organisation now approves this definition at this sequence; false if the
# sequence is committed with another definition.
approve() {
    local answer arguments
    mapfile -t arguments < <(definition "$3")
    if answer=$(as_ordered "$1" lifecycle chaincode approveformyorg "${ORDERER_ARGUMENTS[@]}" "${arguments[@]}" --package-id "$2"); then
        return 0
    fi
    case $answer in
    *"with unchanged content"*) return 0 ;;
    # The same approval of a committed definition writes nothing, and a transaction without writes fails that policy.
    *ENDORSEMENT_POLICY_FAILURE*) [[ $(approved_package "$1" "$3") == "$2" ]] && return 0 ;;&
    *"attempted to redefine the current committed sequence"*) return 1 ;;
    # The approval's private part went with the disk of the organisation's only peer, and cannot be read to be written again. Its
    # hash is on the ledger, and with the package installed that is all the peer needs.
    *"private data matching public hash version is not available"*)
        (($3 <= $(committed_sequence "$1"))) ||
            fail "$(variable_in "$1" CORE_PEER_LOCALMSPID): its approval of sequence $3 was lost with its peer's disk; take another --version"
        say "$(variable_in "$1" CORE_PEER_LOCALMSPID): its approval was lost with its peer's disk; the hash on the ledger stands for it"
        return 0
        ;;
    *) fail "$(variable_in "$1" CORE_PEER_LOCALMSPID): peer lifecycle chaincode approveformyorg: $(grep -i error <<<"$answer" | tail -n 2)" ;;
    esac
}

# The members that have not approved the definition, as one peer sees it. Other organisations of the channel need not.
missing_approvals() {
    local arguments answer msp
    mapfile -t arguments < <(definition "$2")
    answer=$(as "$1" lifecycle chaincode checkcommitreadiness "${arguments[@]}" 2>&1) || true
    for msp in "${MEMBERS[@]}"; do
        grep -qxF "$msp: true" <<<"$answer" || echo "$msp"
    done
}

all_approve() { [[ -z $(missing_approvals "$1" "$2") ]]; }

# commit FILE SEQUENCE : endorsed by the peers of all ENDORSERS (ADDRESS,TLS-CERTIFICATE).
commit() {
    local arguments endorser answer
    mapfile -t arguments < <(definition "$2")
    for endorser in "${ENDORSERS[@]}"; do
        arguments+=(--peerAddresses "${endorser%%,*}" --tlsRootCertFiles "${endorser#*,}")
    done
    answer=$(as_ordered "$1" lifecycle chaincode commit "${ORDERER_ARGUMENTS[@]}" "${arguments[@]}") ||
        fail "$(variable_in "$1" CORE_PEER_LOCALMSPID): peer lifecycle chaincode commit: $(grep -i error <<<"$answer" | tail -n 2)"
}

# register_sidecar FILE ENDPOINT KEY-HASH : puts the organisation's sidecar on the ledger, where the others look it up.
register_sidecar() {
    local msp registered arguments=() endorser answer
    msp=$(variable_in "$1" CORE_PEER_LOCALMSPID)
    registered=$(as "$1" chaincode query -C "$CHANNEL" -n "$CHAINCODE" -c "{\"Args\":[\"ReadSidecar\",\"$msp\"]}" 2>/dev/null || true)
    if [[ $registered == *"\"endpoint\":\"$2\""*"\"keyHash\":\"$3\""* ]]; then return; fi
    for endorser in "${ENDORSERS[@]}"; do
        arguments+=(--peerAddresses "${endorser%%,*}" --tlsRootCertFiles "${endorser#*,}")
    done
    answer=$(as_ordered "$1" chaincode invoke "${ORDERER_ARGUMENTS[@]}" "${arguments[@]}" -C "$CHANNEL" -n "$CHAINCODE" \
        --waitForEvent -c "{\"Args\":[\"RegisterSidecar\",\"$2\",\"$3\",\"\"]}") ||
        fail "$msp: RegisterSidecar: $(grep -E 'Error|error' <<<"$answer" | tail -n 2)"
    say "$msp: sidecar $2 registered, key $3"
}
