# Long-running processes of a network: each has a directory RUN/processes/NAME with `start` (a script that sets the
# environment and becomes the program), `log`, and while it runs `pid`: process id and start time.
#
# A process counts as ours if it has that id and that start time and carries the mark that it was started with; nothing
# else is ever signalled, so a stale pid file is harmless.
# shellcheck shell=bash

process_directory() { echo "$RUN/processes/$1"; }

# describe_process NAME PROGRAM [ARGUMENT...] < lines NAME=value : writes its start script.
describe_process() {
    local directory line
    directory=$(process_directory "$1")
    shift
    mkdir -p "$directory"
    {
        echo '#!/usr/bin/env bash'
        while IFS= read -r line; do
            if [[ $line == [!#]*=* ]]; then printf 'export %s=%q\n' "${line%%=*}" "${line#*=}"; fi
        done
        printf 'cd %q && exec' "$RUN"
        printf ' %q' "$@"
        echo
    } >"$directory/start"
}

# Field 22 of /proc/PID/stat; the second, in parentheses, may hold anything.
start_time() {
    local stat fields
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    read -ra fields <<<"${stat##*) }"
    echo "${fields[19]}"
}

carries_mark() { grep -qzxF "IPO_NETWORK_PROCESS=$(process_directory "$2")" "/proc/$1/environ" 2>/dev/null; }

# Prints the process id if NAME runs.
running() {
    local pid started
    { read -r pid started <"$(process_directory "$1")/pid"; } 2>/dev/null || return 1
    [[ $(start_time "$pid") == "$started" ]] && carries_mark "$pid" "$1" || return 1
    echo "$pid"
}

# Whether something listens on a port of this machine.
listens() { (: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# start_process NAME [PORT...] : refuses when somebody else listens on one of these ports of this machine.
start_process() {
    local name=$1 directory pid port
    shift
    if running "$name" >/dev/null; then return; fi
    for port in "$@"; do
        if listens "$port"; then
            fail "$name: another process listens on port $port; end it, or take another --base-port"
        fi
    done
    directory=$(process_directory "$name")
    # Descriptor 9 is the network's lock: a daemon must not inherit it.
    IPO_NETWORK_PROCESS=$directory setsid bash "$directory/start" >>"$directory/log" 2>&1 </dev/null 9>&- &
    pid=$!
    printf '%s %s\n' "$pid" "$(start_time "$pid")" >"$directory/pid"
    until carries_mark "$pid" "$name"; do
        kill -0 "$pid" 2>/dev/null || fail_as_ended "$name"
    done
    disown "$pid"
}

# stop_process NAME [SIGNAL] : waits for its end; after 15 s it is killed.
stop_process() {
    local name=$1 signal=${2:-TERM} pid deadline=$((SECONDS + 15))
    if pid=$(running "$name"); then
        kill -s "$signal" "$pid"
        while running "$name" >/dev/null; do
            if ((SECONDS >= deadline)); then
                say "$name ($pid) did not end within 15 s: killed"
                kill -s KILL "$pid"
                deadline=$((SECONDS + 15))
            fi
            sleep 0.1
        done
    fi
    rm -f "$(process_directory "$name")/pid"
}

fail_as_ended() {
    fail "$1 ended; the end of its log, $(process_directory "$1")/log:
$(tail -n 5 "$(process_directory "$1")/log")"
}

# wait_for_process NAME SECONDS WHAT COMMAND... : until COMMAND succeeds; fails when NAME ends or the time is over.
wait_for_process() {
    local name=$1 seconds=$2 what=$3 deadline=$((SECONDS + $2))
    shift 3
    until "$@" >/dev/null 2>&1; do
        # While the start script becomes the program, it has no environment to know it by.
        running "$name" >/dev/null || { sleep 0.2 && running "$name" >/dev/null; } || fail_as_ended "$name"
        ((SECONDS < deadline)) || fail "$name: $what: not after $seconds s; see $(process_directory "$name")/log"
        sleep 0.2
    done
}

# restart_process NAME [PORT...] < as describe_process's lines, in $COMMAND its program and arguments : starts it, or starts
# it anew if it runs with another command or environment, or its program has been replaced.
restart_process() {
    local name=$1 start pid before=''
    shift
    start=$(process_directory "$name")/start
    if [[ -f $start ]]; then before=$(<"$start"); fi
    describe_process "$name" "${COMMAND[@]}"
    if pid=$(running "$name") && [[ $(<"$start") != "$before" || $(readlink "/proc/$pid/exe") == *' (deleted)' ]]; then
        stop_process "$name"
    fi
    start_process "$name" "$@"
}

process_names() {
    local directory
    for directory in "$RUN"/processes/*/; do
        if [[ -d $directory ]]; then basename "$directory"; fi
    done
}
