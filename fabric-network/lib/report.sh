# What the scripts say to a person. All of it goes to standard error; standard output is for answers.
# shellcheck shell=bash

say() { printf '%s\n' "$*" >&2; }

fail() {
    printf '%s: %s\n' "${PROGRAM_NAME:-$(basename "$0")}" "$*" >&2
    exit 1
}

# wait_until SECONDS WHAT COMMAND... : runs COMMAND until it succeeds; fails naming WHAT when the time is over.
wait_until() {
    local seconds=$1 what=$2
    shift 2
    local deadline=$((SECONDS + seconds))
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || fail "$what: not after $seconds s"
        sleep 0.2
    done
}

# answers PATTERN COMMAND... : whether COMMAND succeeds and a line of its output matches (an extended regular expression).
# The output is read to its end first: a reader that leaves early would make the command fail.
answers() {
    local pattern=$1 answer
    shift
    answer=$("$@" 2>/dev/null) && grep -qE -- "$pattern" <<<"$answer"
}
