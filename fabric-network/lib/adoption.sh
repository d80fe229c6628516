# A network that others made and run: its peers and orderer are only told of, so that contract, demo and test run on it as on one of
# our own. What its own scripts say of a peer is kept resolved in RUN/organisations.
# shellcheck shell=bash

# adopt FILE... : each the peer command's environment as an administrator of one peer. Sets ORGANISATIONS.
adopt() {
    local file msp organisation configuration users folder numbers=() p address
    local -A peers=() msp_ids=()
    mkdir -p "$RUN/organisations"
    ORGANISATIONS=()
    for file in "$@"; do
        [[ -f $file ]] || fail "--organisation: there is no file '$file'"
        [[ $file == */* ]] || file=./$file
        msp=$(need_variable "$file" CORE_PEER_LOCALMSPID)
        [[ $msp =~ ^[A-Za-z0-9][A-Za-z0-9._-]*$ ]] || fail "--organisation: '$file' sets CORE_PEER_LOCALMSPID to '$msp'"
        organisation=${msp%MSP}
        if [[ ! -v peers[$organisation] ]]; then
            ORGANISATIONS+=("$organisation")
            peers[$organisation]=0
            msp_ids[$organisation]=$msp
            printf '%s\n' "$msp" >"$RUN/organisations/$organisation.msp"
        fi
        [[ ${msp_ids[$organisation]} == "$msp" ]] || fail "--organisation: ${msp_ids[$organisation]} and $msp cannot be told apart here"
        p=${peers[$organisation]}
        peers[$organisation]=$((p + 1))
        address=$(need_variable "$file" CORE_PEER_ADDRESS)
        configuration=$(realpath -m "$(need_variable "$file" CORE_PEER_MSPCONFIGPATH)")
        folder=$(basename "$(dirname "$configuration")")
        users=$(dirname "$(dirname "$configuration")")
        [[ $configuration == */Admin@*/msp && -d $users ]] ||
            fail "--organisation: CORE_PEER_MSPCONFIGPATH of '$file' is '$configuration'; USERS/Admin@DOMAIN/msp is expected, with" \
                "the organisation's users beside it in USERS"
        write_peer_environment "$organisation" "$(peer_node "$organisation" "$p")" "$address" \
            "$(realpath -m "$(need_variable "$file" CORE_PEER_TLS_ROOTCERT_FILE)")" "$users" "${folder#Admin@}"
    done
    ((${#ORGANISATIONS[@]} > 0)) || fail "adopt: no --organisation given"
    SETTING[organisations]="${ORGANISATIONS[*]}"
}

need_variable() {
    local value
    value=$(variable_in "$1" "$2")
    [[ -n $value ]] || fail "--organisation: '$1' sets no $2"
    echo "$value"
}

adopted_msp() { cat "$RUN/organisations/$1.msp"; }

adopted_peers() {
    local p=0
    while [[ -f $(peer_environment "$(peer_node "$1" "$p")") ]]; do
        peer_node "$1" "$p"
        p=$((p + 1))
    done
}
