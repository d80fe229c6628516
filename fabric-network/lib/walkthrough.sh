# The walk-through as a test: runs the lines of walkthrough.md against the running network and compares what is answered with
# what the document says. The form that a line and its expectation have is described there.
# shellcheck shell=bash

WALKTHROUGH=$NETWORK_ROOT/walkthrough.md
WALK_PATIENCE=120 # seconds for what is expected soon

# The names that the document uses, as sed expressions that replace them by this network's and by listings and tokens that
# nobody used. By way of numbers, so that no replacement is replaced again. Of two organisations the bank is the second broker too.
walk_names() {
    local suffix words values word i organisation
    suffix=$(date +%s)
    words=(fabric-network/run/ipo ipochannel '-n ipo\b' USBankMSP BrokerAMSP BrokerBMSP USBank BrokerA BrokerB)
    values=("$(printf %q "$RUN" | sed 's/[\\#&]/\\&/g')" "${SETTING[channel]}" "-n ${SETTING[chaincode]}")
    local -a parts=("${ORGANISATIONS[0]}" "${ORGANISATIONS[1]}" "${ORGANISATIONS[2]:-${ORGANISATIONS[0]}}")
    for organisation in "${parts[@]}"; do values+=("$(msp_of "$organisation")"); done
    values+=("${parts[@]}")
    for word in homes shops barns; do words+=("\\b$word\\b") values+=("$word-$suffix"); done
    for word in HOME SHOP BARN USD; do words+=("\\b$word\\b") values+=("$word$suffix"); done
    for i in "${!words[@]}"; do printf 's#%s#\x01%s\x02#g;' "${words[i]}" "$i"; done
    for i in "${!words[@]}"; do printf 's#\x01%s\x02#%s#g;' "$i" "${values[i]}"; done
}

# Reads the document's bash blocks into WALK_LINE (number), WALK_COMMAND and WALK_EXPECTED: a step is what stands between empty
# lines, its trailing comment is what is expected of it.
read_walkthrough() {
    local line number=0 inside='' command='' expected='' first=0
    WALK_LINE=() WALK_COMMAND=() WALK_EXPECTED=()
    while IFS= read -r line; do
        number=$((number + 1))
        if [[ -z $inside ]]; then
            if [[ $line == '```bash' ]]; then inside=1; fi
            continue
        fi
        case $line in
        '' | '```')
            if [[ -n $command ]]; then
                WALK_LINE+=("$first") WALK_COMMAND+=("$command") WALK_EXPECTED+=("$expected")
            elif [[ -n $expected ]]; then
                fail "$WALKTHROUGH:$number: an expectation without a command"
            fi
            command='' expected=''
            if [[ -n $line ]]; then inside=''; fi
            ;;
        '#'*) expected+=${expected:+ }${line#\# } ;;
        *)
            [[ -z $expected ]] || fail "$WALKTHROUGH:$number: a command right below an expectation"
            if [[ -z $command ]]; then first=$number; fi
            command+=${command:+$'\n'}$line
            ;;
        esac
    done < <(sed "$(walk_names)" "$WALKTHROUGH")
    ((${#WALK_LINE[@]} > 0)) || fail "$WALKTHROUGH has no line to run"
}

# What the peer command answered: of `invoke` the payload, a JSON text in a quoted string; of anything else what it printed.
walk_answer() {
    local payload
    payload=$(cat "$1/out" "$1/err" | sed -nE 's/.*payload:("([^"\\]|\\.)*").*/\1/p' | tail -n 1)
    if [[ -n $payload ]]; then jq -r . <<<"$payload"; else cat "$1/out"; fi
}

# walk_matches DIRECTORY STATUS EXPECTED : whether what a command left there is what was expected; prints why not.
walk_matches() {
    local directory=$1 status=$2 expected=$3
    case $expected in
    'refused: '*)
        if ((status == 0)); then
            echo "it was not refused; it answered: $(walk_answer "$directory")"
            return 1
        fi
        if ! cat "$directory/out" "$directory/err" | grep -qF -- "${expected#refused: }"; then
            echo "it was refused otherwise: $(cat "$directory/err" "$directory/out")"
            return 1
        fi
        ;;
    *)
        if ((status != 0)); then
            echo "it failed: $(cat "$directory/err" "$directory/out")"
            return 1
        fi
        [[ -n $expected ]] || return 0
        expected=${expected#=> }
        # A text is answered as it is, without quotation marks.
        if [[ $(walk_answer "$directory") == "$expected" ]]; then return 0; fi
        if ! walk_answer "$directory" | jq -e --argjson expected "$expected" '
            def covers($part): . as $all | ($part | type) as $type
                | if $part == "..." then true
                  elif type != $type then false
                  elif $type == "object" then all($part | keys[]; . as $key | ($all | has($key)) and ($all[$key] | covers($part[$key])))
                  elif $type == "array" then length == ($part | length) and all(range(length); . as $i | $all[$i] | covers($part[$i]))
                  else $all == $part end;
            covers($expected)' >/dev/null 2>&1; then
            echo "it answered: $(walk_answer "$directory")"
            return 1
        fi
        ;;
    esac
}

# Runs the document's lines in one shell, as a person would type them, up to the first that does not do what the document says.
# Prints a line for each; leaves the numbers in PASSED and FAILED. That no function of the contract is left out counts as one more.
walk() {
    local directory number omissions
    read_walkthrough
    directory=$(mktemp -d)
    (
        set +eu -o pipefail
        for number in "${!WALK_LINE[@]}"; do
            walk_step "$number" "$directory" || exit 0
        done
    )
    PASSED=$(<"$directory/passed") FAILED=0
    rm -rf "$directory"
    if ((PASSED < ${#WALK_LINE[@]})); then
        FAILED=1
        say "not reached: $((${#WALK_LINE[@]} - PASSED - 1)) more lines"
        return
    fi
    omissions=$(walk_omissions)
    if [[ -n $omissions ]]; then
        FAILED=1
        echo "FAILED  walkthrough.md calls none of these functions of the contract: $omissions"
    else
        PASSED=$((PASSED + 1))
    fi
}

# The functions that the deployed contract has and no line calls.
walk_omissions() {
    local metadata name
    metadata=$(
        # shellcheck source=/dev/null
        . "$(peer_environment "${ORGANISATIONS[0]}")"
        FABRIC_LOGGING_SPEC=error "${BIN}peer" chaincode query -C "${SETTING[channel]}" -n "${SETTING[chaincode]}" \
            -c '{"Args":["org.hyperledger.fabric:GetMetadata"]}' | jq -r '.contracts.ipo, .contracts.token | .transactions[].name'
    ) || fail "the contract does not describe itself"
    for name in $metadata; do
        grep -qE "\"(token:)?$name\"" <<<"${WALK_COMMAND[*]}" || echo "$name"
    done
}

# walk_step NUMBER DIRECTORY : in the shell that all lines share.
walk_step() {
    local walk_text=${WALK_COMMAND[$1]} walk_expected=${WALK_EXPECTED[$1]} walk_directory=$2 walk_until walk_status walk_why
    local walk_name="walkthrough.md:${WALK_LINE[$1]}"
    walk_until=$SECONDS
    if [[ $walk_expected == 'soon '* ]]; then
        walk_expected=${walk_expected#soon }
        walk_until=$((SECONDS + WALK_PATIENCE))
    fi
    echo "$1" >"$walk_directory/passed"
    while true; do
        eval "$walk_text" >"$walk_directory/out" 2>"$walk_directory/err" </dev/null
        walk_status=$?
        if walk_why=$(walk_matches "$walk_directory" "$walk_status" "$walk_expected"); then break; fi
        # An invocation that succeeded is not repeated: it has happened.
        if ((SECONDS >= walk_until)) || [[ $walk_status == 0 && $walk_text == *'chaincode invoke'* ]]; then
            printf 'FAILED  %s\n%s\nexpected %s\n%s\n' "$walk_name" "$walk_text" "$walk_expected" "$walk_why"
            return 1
        fi
        sleep 0.2
    done
    echo "$(($1 + 1))" >"$walk_directory/passed"
    printf 'ok      %-22s %s\n' "$walk_name" "$(walk_title "$walk_text" "$walk_expected")"
}

# What a line does, in a few words: the function that it calls, and whether that is to be refused.
walk_title() {
    local title
    title=$(grep -oE '"Args":\["[A-Za-z:.]+' <<<"$1" | tail -n 1 | sed 's/.*"//')
    if [[ -z $title ]]; then title=$(tail -n 1 <<<"$1" | cut -c 1-60); fi
    if [[ $2 == refused:* ]]; then title+=", $2"; fi
    echo "$title"
}
