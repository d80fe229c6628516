# Long-running processes of a network: each has a directory RUN/processes/NAME with `start` (a script that sets the
# environment and becomes the program), `log`, and while it runs `pid`: process id, its start time, its program.
# The three together tell whether a process is the one that was started here; nothing else is ever signalled.
# shellcheck shell=bash

process_directory() { echo "$RUN/processes/$1"; }

# describe_process NAME PROGRAM [ARGUMENT...] < lines NAME=value : writes its start script.
describe_process() {
    local directory name value
    directory=$(process_directory "$1")
    shift
    mkdir -p "$directory"
    {
        echo '#!/usr/bin/env bash'
        while IFS='=' read -r name value; do
            if [[ -n $name && $name != \#* ]]; then printf 'export %s=%q\n' "$name" "$value"; fi
        done
        printf 'cd %q && exec' "$RUN"
        printf ' %q' "$@"
        echo
    } >"$directory/start"
    printf '%s\n' "$(realpath "$(type -P "$1")")" >"$directory/program"
}

# Field 22 of /proc/PID/stat; the second, in parentheses, may hold anything.
start_time() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    stat=${stat##*) }
    local fields
    read -ra fields <<<"$stat"
    echo "${fields[19]}"
}

# Prints the process id if NAME runs.
running() {
    local pid started program
    { read -r pid started program <"$(process_directory "$1")/pid"; } 2>/dev/null || return 1
    [[ $(start_time "$pid") == "$started" && $(readlink "/proc/$pid/exe") == "$program"* ]] 2>/dev/null || return 1
    echo "$pid"
}

# start_process NAME PORT... : refuses when somebody else listens on a port (on this machine).
start_process() {
    local name=$1 directory pid program port
    shift
    if running "$name" >/dev/null; then return; fi
    for port in "$@"; do
        if (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            fail "$name: another process listens on port $port; take another --base-port or end it"
        fi
    done
    directory=$(process_directory "$name")
    read -r program <"$directory/program"
    # Descriptor 9 is the network's lock: a daemon must not inherit it.
    setsid bash "$directory/start" >>"$directory/log" 2>&1 </dev/null 9>&- &
    pid=$!
    printf '%s %s %s\n' "$pid" "$(start_time "$pid")" "$program" >"$directory/pid"
    until [[ $(readlink "/proc/$pid/exe" 2>/dev/null) == "$program" ]]; do
        kill -0 "$pid" 2>/dev/null || fail "$name did not start; the end of $directory/log:
$(tail -n 5 "$directory/log")"
        sleep 0.02
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

# fail_if_ended NAME... : for a wait that would otherwise not notice.
fail_if_ended() {
    local name
    for name in "$@"; do
        running "$name" >/dev/null || fail "$name ended; the end of its log, $(process_directory "$name")/log:
$(tail -n 5 "$(process_directory "$name")/log")"
    done
}

process_names() {
    local directory
    for directory in "$RUN"/processes/*/; do
        if [[ -d $directory ]]; then basename "$directory"; fi
    done
}
