# CouchDB as the peers' state database, in place of LevelDB: servers that others run, one for each peer, since a peer names its
# databases after channel and chaincode, not after itself. Their account comes from COUCHDB_USER and COUCHDB_PASSWORD, never from the
# command line, and is kept where only its owner reads it, as the network's keys are.
# shellcheck shell=bash

on_couchdb() { [[ -n ${SETTING[couchdb]} ]]; }

check_couchdb() {
    local addresses address
    local -A seen=()
    read -ra addresses <<<"${SETTING[couchdb]}"
    ((${#addresses[@]} == 0 || ${#addresses[@]} == ${#ORGANISATIONS[@]} * SETTING[peers])) ||
        fail "--couchdb: ${#addresses[@]} given, $((${#ORGANISATIONS[@]} * SETTING[peers])) are needed: one for each peer"
    for address in "${addresses[@]}"; do
        [[ $address =~ ^[A-Za-z0-9.-]+:[0-9]{1,5}$ ]] || fail "--couchdb: '$address' is not HOST:PORT"
        [[ ! -v seen[$address] ]] || fail "--couchdb: '$address' is there twice; two peers cannot share one"
        seen[$address]=1
    done
}

# couchdb_of ORGANISATION PEER : its address.
couchdb_of() {
    local addresses
    read -ra addresses <<<"${SETTING[couchdb]}"
    echo "${addresses[($(index_of "$1") - 1) * SETTING[peers] + $2]}"
}

couchdb_account() { echo "$RUN/couchdb-account"; }

# Sets COUCHDB_USER and COUCHDB_PASSWORD: those of the environment are kept, else those that were kept are taken.
settle_couchdb_account() {
    if [[ -n ${COUCHDB_USER:-} && -n ${COUCHDB_PASSWORD:-} ]]; then
        [[ $COUCHDB_USER$COUCHDB_PASSWORD != *$'\n'* ]] || fail "COUCHDB_USER, COUCHDB_PASSWORD: a line break is not allowed"
        printf '%s\n' "$COUCHDB_USER" "$COUCHDB_PASSWORD" >"$(couchdb_account)"
    elif [[ -f $(couchdb_account) ]]; then
        { IFS= read -r COUCHDB_USER && IFS= read -r COUCHDB_PASSWORD; } <"$(couchdb_account)"
    else
        fail "--couchdb: the environment has no COUCHDB_USER and COUCHDB_PASSWORD, which a peer needs to use it"
    fi
}

# couchdb ADDRESS PATH [OPTION of curl...] : a request; the account is told to curl on its standard input.
couchdb() {
    local address=$1 path=$2 account="$COUCHDB_USER:$COUCHDB_PASSWORD"
    shift 2
    account=${account//\\/\\\\}
    printf 'user = "%s"\n' "${account//\"/\\\"}" | curl -sS -m 30 -K - "$@" "http://$address/$path"
}

# couchdb_databases ADDRESS : those that are not CouchDB's own; fails with what is wrong.
couchdb_databases() {
    local answer
    answer=$(couchdb "$1" _all_dbs 2>&1) || fail "CouchDB at $1: ${answer#curl: }"
    [[ $answer == \[* ]] || fail "CouchDB at $1: $answer"
    tr -d '[]"' <<<"$answer" | tr ',' '\n' | grep '^[^_]' || true
}

# A peer does not start on databases that are not its own.
check_couchdb_of() {
    local address found
    address=$(couchdb_of "$1" "$2")
    found=$(couchdb_databases "$address") || exit 1
    [[ -z $found || -d $RUN/data/$(peer_node "$1" "$2") ]] ||
        fail "CouchDB at $address is not empty, and no peer of this network has used it: it has ${found//$'\n'/, }"
}

prepare_couchdb() {
    local organisation p
    if ! on_couchdb; then return; fi
    settle_couchdb_account
    for organisation in "${ORGANISATIONS[@]}"; do
        for p in $(peer_numbers); do check_couchdb_of "$organisation" "$p"; done
    done
}

# Lines of a peer's environment.
state_database_settings() {
    if ! on_couchdb; then
        echo CORE_LEDGER_STATE_STATEDATABASE=goleveldb
        return
    fi
    cat <<ENVIRONMENT
CORE_LEDGER_STATE_STATEDATABASE=CouchDB
CORE_LEDGER_STATE_COUCHDBCONFIG_COUCHDBADDRESS=$(couchdb_of "$1" "$2")
CORE_LEDGER_STATE_COUCHDBCONFIG_USERNAME=$COUCHDB_USER
CORE_LEDGER_STATE_COUCHDBCONFIG_PASSWORD=$COUCHDB_PASSWORD
ENVIRONMENT
}

# Deletes what the peers have stored there: databases named after the channel's first 50 characters. Where no peer of this network has run,
# nothing is its own.
remove_couchdb_databases() {
    local organisation p
    if ! on_couchdb || [[ ! -f $(couchdb_account) ]]; then return; fi
    settle_couchdb_account
    for organisation in "${ORGANISATIONS[@]}"; do
        for p in $(peer_numbers); do
            if [[ -d $RUN/data/$(peer_node "$organisation" "$p") ]]; then remove_databases_at "$(couchdb_of "$organisation" "$p")"; fi
        done
    done
}

remove_databases_at() {
    local database found channel=${SETTING[channel]:0:50}
    channel=${channel//./\$}
    if ((${#SETTING[channel]} <= 50)); then channel+=_; fi
    if ! found=$(couchdb_databases "$1"); then
        say "its databases $channel... and fabric__internal stay there: delete them before a new network uses it"
        return
    fi
    for database in $found; do
        if [[ $database == "$channel"* || $database == fabric__internal ]]; then
            # In the names that peers give, this alone needs an escape.
            couchdb "$1" "${database//\$/%24}" -X DELETE >/dev/null || say "CouchDB at $1: $database stays"
        fi
    done
}
