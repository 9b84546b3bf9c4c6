#!/bin/busybox sh
# PID 1 of a guest: makes the root from the image's disk, starts the image's process, answers the host, powers off.
#
# busybox runs as a standalone shell: its applets need no links, and a word without a slash is always an applet. That
# is why the image's own programs are only ever executed by path, and why the image's root is entered with our shell
# (nsenter finds it through /proc/self/exe) before a name is looked up in the image's PATH.
#
# Everything forks as little as possible: under emulation one fork and exec costs 10 to 20 ms.

say() { echo "tare: $*"; }

fail() {
    say "failed: $*"
    poweroff -f
}

/bin/busybox mount -t proc proc /proc  # by path: applets are found through /proc/self/exe
read -r parameters </proc/cmdline
for word in $parameters; do
    case $word in
        tare.probe) say "probe passed"; poweroff -f ;;
        tare.address=*) address=${word#*=} ;;
        tare.netmask=*) netmask=${word#*=} ;;
        tare.gateway=*) gateway=${word#*=} ;;
        tare.hostname=*) echo "${word#*=}" >/proc/sys/kernel/hostname ;;
    esac
done
say "init"

mount -t devtmpfs dev /dev
mount -t sysfs sys /sys
. /tare/modules             # sets $modules
modprobe -a $modules || fail "load $modules"

mount -t erofs -o ro /dev/vda /lower || fail "mount the root disk"
mount -t tmpfs -o mode=0755 rw /rw
mkdir /rw/upper /rw/work
mount -t overlay -o lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work overlay /root || fail "mount the root"
. /tare/process             # sets $uid $gid $cwd $path $environment $argv
mkdir -p /root/proc /root/sys /root/dev "/root$cwd"
mount -t proc proc /root/proc
mount -t sysfs -o ro sys /root/sys
mount -t devtmpfs dev /root/dev

ifconfig lo 127.0.0.1 up
if [ -n "$address" ]; then
    ifconfig eth0 "$address" netmask "$netmask" up || fail "set the address $address"
fi
if [ -n "$gateway" ]; then
    route add default gw "$gateway" || fail "set the route through $gateway"
fi

# Runs inside the image's root as the image's user: finds $1 in the image's PATH and becomes it, with the image's
# environment and nothing else. The statuses 126 and 127 are those of POSIX sh: not executable, not found.
enter='
path=$1 environment=$2; shift 2
case $1 in
    */*) found=$1 ;;
    *)  IFS=:
        for place in $path; do
            if [ -f "$place/$1" ] && [ -x "$place/$1" ]; then found=$place/$1; break; fi
        done
        unset IFS
        if [ -z "$found" ]; then echo "tare: $1: not found in $path" >&2; exit 127; fi ;;
esac
shift
eval "exec env -i $environment \"\$found\" \"\$@\""'
launcher='nsenter -F -r/root -w"/root$cwd" -S "$uid" -G "$gid" -- sh -c "$enter" sh "$path" "$environment"'

# exec, so that the pid is the process's own and not a shell's that waits for it: signals must reach it.
eval "exec $launcher $argv" </dev/null &
process=$!
say "process started"

# One request a line: "exec ID SECONDS WORDS" or "stop"; WORDS are shell words in base64. One answer: a line
# "ID STATUS", then a line of base64 for standard output and one for standard error.
answer() {
    # A subshell, because only its redirections are not ours for a while, too: what we say of the command's death
    # ("Terminated") belongs on the console.
    eval "(exec timeout -s KILL $2 $launcher $(echo "$3" | base64 -d)) </dev/null >/rw/stdout 2>/rw/stderr"
    echo "$1 $?"
    base64 -w 0 /rw/stdout
    echo
    base64 -w 0 /rw/stderr
    echo
}

serve() {
    for port in /dev/vport*; do :; done
    exec 3<>"$port" || return
    while :; do
        # An end of file only means that nobody on the host has the channel open.
        read -r verb id seconds words <&3 || { sleep 1; continue; }
        case $verb in
            exec) answer "$id" "$seconds" "$words" >&3 ;;
            stop) kill -TERM "$process" ;;
        esac
    done
}
serve &

rm -r /lib
wait "$process"
say "exit $?"
poweroff -f
