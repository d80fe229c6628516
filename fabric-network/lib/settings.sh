# What a network is made of. A setting comes from its flag, else from the environment (`--base-port` is
# IPO_NETWORK_BASE_PORT), else from the network as it was made, else it has the default below.
# shellcheck shell=bash

declare -A SETTING=(
    [organisations]="USBank BrokerA BrokerB"
    [peers]=1
    [orderers]=1
    [users]=1
    [channel]=ipochannel
    [chaincode]=ipo
    [base-port]=20000
    [batch-timeout]=500ms
    [peer-settings]=""
    [orderer-settings]=""
    [couchdb]=""
    [idemix]=""
    # Only of a network that others made and run (adoption.sh):
    [orderer]=""
    [orderer-ca]=""
    [orderer-hostname]=""
)
declare -A GIVEN=()
NETWORK=${IPO_NETWORK_NAME:-ipo}
RUN_ROOT=$NETWORK_ROOT/run

is_setting() { [[ -n $1 && -v SETTING[$1] ]]; }

# give SETTING VALUE : as a flag does.
give() { GIVEN[$1]=$2; }

# Takes over environment, flags and the settings of a network that exists; refuses what contradicts it.
settle_settings() {
    [[ $NETWORK =~ ^[A-Za-z0-9][A-Za-z0-9._-]*$ ]] ||
        fail "--name: '$NETWORK' is not a name of letters, digits, '.', '_' and '-'"
    RUN=$RUN_ROOT/$NETWORK
    local key variable value
    for key in "${!SETTING[@]}"; do
        variable=IPO_NETWORK_${key^^}
        variable=${variable//-/_}
        if [[ ! -v GIVEN[$key] && -n ${!variable:-} ]]; then GIVEN[$key]=${!variable}; fi
    done
    if [[ -v GIVEN[organisations] ]]; then
        value=${GIVEN[organisations]//,/ }
        read -ra ORGANISATIONS <<<"$value"
        GIVEN[organisations]="${ORGANISATIONS[*]}"
    fi

    if [[ -v GIVEN[couchdb] ]]; then GIVEN[couchdb]=${GIVEN[couchdb]//,/ }; fi
    if [[ ${GIVEN[idemix]:-} == *=* ]]; then GIVEN[idemix]=${GIVEN[idemix]%%=*}=$(realpath -m "${GIVEN[idemix]#*=}"); fi
    if [[ -n ${GIVEN[orderer-ca]:-} ]]; then GIVEN[orderer-ca]=$(realpath -m "${GIVEN[orderer-ca]}"); fi

    if [[ -f $RUN/settings ]]; then
        while IFS='=' read -r key value; do
            if [[ -v GIVEN[$key] && ${GIVEN[$key]} != "$value" ]]; then
                fail "--$key: network '$NETWORK' was made with '$value', not '${GIVEN[$key]}'." \
                    "Take another --name, or remove it: scripts/network down --remove --name $NETWORK"
            fi
            SETTING[$key]=$value
        done <"$RUN/settings"
    else
        for key in "${!GIVEN[@]}"; do SETTING[$key]=${GIVEN[$key]}; done
    fi
    read -ra ORGANISATIONS <<<"${SETTING[organisations]}"
    check_settings
}

check_settings() {
    local organisation number
    ((${#ORGANISATIONS[@]} >= 1 && ${#ORGANISATIONS[@]} <= 16)) ||
        fail "--organisations: ${#ORGANISATIONS[@]} given, 1 to 16 are allowed"
    local -A seen=()
    for organisation in "${ORGANISATIONS[@]}"; do
        [[ $organisation =~ ^[A-Za-z][A-Za-z0-9-]*$ ]] || is_adopted ||
            fail "--organisations: '$organisation' is not a letter followed by letters, digits and '-'"
        [[ ! -v seen[${organisation,,}] && ${organisation,,} != orderer ]] ||
            fail "--organisations: '$organisation' is taken (case does not count, and the ordering service is 'Orderer')"
        seen[${organisation,,}]=1
    done
    for number in peers:1:9 orderers:1:9 users:1:1000 base-port:1024:63000; do
        IFS=: read -r number low high <<<"$number"
        if ! [[ ${SETTING[$number]} =~ ^[0-9]{1,5}$ ]] || ((${SETTING[$number]} < low || ${SETTING[$number]} > high)); then
            fail "--$number: '${SETTING[$number]}' is not a number from $low to $high"
        fi
    done
    [[ ${SETTING[channel]} =~ ^[a-z][a-z0-9.-]{0,248}$ ]] ||
        fail "--channel: '${SETTING[channel]}' is not a lower-case letter followed by lower-case letters, digits, '.' and '-'"
    [[ ${SETTING[chaincode]} =~ ^[A-Za-z0-9]+([-_][A-Za-z0-9]+)*$ ]] ||
        fail "--chaincode: '${SETTING[chaincode]}' is not letters and digits with single '-' or '_' between them"
    [[ ${SETTING[batch-timeout]} =~ ^[0-9]+(ms|s|m)$ ]] ||
        fail "--batch-timeout: '${SETTING[batch-timeout]}' is not a duration such as 500ms or 2s"
    [[ -z ${SETTING[idemix]} || ${SETTING[idemix]} =~ ^[A-Za-z0-9][A-Za-z0-9.-]*=/. ]] ||
        fail "--idemix: '${SETTING[idemix]}' is not MSPID=DIRECTORY"
    check_couchdb
}

keep_settings() {
    local key
    mkdir -p "$RUN"
    for key in "${!SETTING[@]}"; do printf '%s=%s\n' "$key" "${SETTING[$key]}"; done | sort >"$RUN/settings"
}
