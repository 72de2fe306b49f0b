# lib.sh - what the scripts of tests/windows share. Sourced; they run inside tests/windows/wine.
set -uo pipefail

windows_root=$WINEPREFIX/drive_c
home=$windows_root/ProgramData/Farmhand

fail() {
    echo "FAILED: $*" >&2
    [ ! -f "$home/log/agent.log" ] || sed 's/^/  agent.log: /' "$home/log/agent.log" >&2
    [ ! -f "$home/log/agent.err" ] || sed 's/^/  agent.err: /' "$home/log/agent.err" >&2
    exit 1
}

step() { echo "-- $*"; }

# Wine ends its services when the last other program ends: this one stays until the prefix goes.
hold_wine() {
    mkfifo "$WINEPREFIX/hold"
    exec 7<>"$WINEPREFIX/hold"
    wine cmd.exe /c pause <"$WINEPREFIX/hold" >/dev/null 2>&1 &
    until_true 30 'wine sc.exe query RpcSs | grep -q STATE' || fail "Wine's services do not come up"
}

# until_true SECONDS COMMAND - whether the command comes true within that time
until_true() {
    local end=$((SECONDS + $1))
    until eval "$2" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.2
    done
}

# says EXPECTED-EXIT PATTERN COMMAND... - the command ends with that code and its output holds the pattern
says() {
    local code=$1 pattern=$2 output got
    shift 2
    output=$("$@" 2>&1 | tr -d '\r')
    got=${PIPESTATUS[0]}
    [ "$got" = "$code" ] || fail "$* ended with $got, not $code: $output"
    grep -q -- "$pattern" <<<"$output" || fail "$* did not say \"$pattern\": $output"
}

# The number that sc.exe shows as STATE: 1 stopped, 2 start pending, 3 stop pending, 4 running; nothing: no service.
state_of() { wine sc.exe query "$1" 2>/dev/null | tr -d '\r' | sed -n 's/^ *STATE *: *\([0-9]*\).*/\1/p'; }

registry() { wine reg.exe query "$1" /v "$2" 2>/dev/null | tr -d '\r'; }
