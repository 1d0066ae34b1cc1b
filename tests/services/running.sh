# running DATA_DIR: whether the node that was started there runs. A number that another process has now is none.
running() {
    [ -f "$1/ready" ] && tr '\0' ' ' <"/proc/$(cat "$1/pid")/cmdline" 2>/dev/null | grep -qF " $1 "
}
