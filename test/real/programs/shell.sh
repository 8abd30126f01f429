# What a POSIX shell asks of a kernel, as a harness with numbered results. Nothing that it prints depends on process
# numbers, on time or on who is first: what runs at once is ordered by waiting.

count=0
failed=0
folder=$(mktemp -d)
cd "$folder" || exit 2
trap 'cd /; rm -rf "$folder"' EXIT

# is <what> <expected> <actual>
is() {
  count=$((count + 1))
  if [ "$2" = "$3" ]; then
    printf 'ok %d - %s\n' "$count" "$1"
  else
    failed=$((failed + 1))
    printf 'not ok %d - %s\n# expected <%s>\n# actual   <%s>\n' "$count" "$1" "$2" "$3"
  fi
}

section() { printf '\n# %s\n' "$*"; }

section arithmetic
is precedence 14 $((2 + 3 * 4))
is parentheses 20 $(((2 + 3) * 4))
is remainder -1 $((-7 % 3))
is bits 10 $((0x0f & 0x3a))
is shifts 1099511627776 $((1 << 40))
is conditional 5 $((3 > 2 ? 5 : 7))
is "the largest number" 9223372036854775807 $((0x7fffffffffffffff))
i=0; sum=0
while [ $((i += 1)) -le 100 ]; do sum=$((sum + i)); done
is "a sum by assignment" 5050 "$sum"

gcd() { if [ "$2" -eq 0 ]; then echo "$1"; else gcd "$2" $(($1 % $2)); fi; }
is "recursion through subshells" 21 "$(gcd 1071 462)"

is_prime() {
  d=2
  while [ $((d * d)) -le "$1" ]; do
    [ $(($1 % d)) -eq 0 ] && return 1
    d=$((d + 1))
  done
}
primes=
n=2
while [ "$n" -lt 50 ]; do is_prime "$n" && primes="$primes $n"; n=$((n + 1)); done
is primes " 2 3 5 7 11 13 17 19 23 29 31 37 41 43 47" "$primes"

section expansion
path=/usr/local/lib/libfoo.so.1.2
is "shortest suffix" /usr/local/lib/libfoo.so.1 "${path%.*}"
is "longest suffix" /usr/local/lib/libfoo "${path%%.*}"
is "shortest prefix" usr/local/lib/libfoo.so.1.2 "${path#*/}"
is "longest prefix" libfoo.so.1.2 "${path##*/}"
is length 28 "${#path}"
unset nothing; empty=
is "default when unset" x "${nothing-x}"
is "default when empty" "" "${empty-x}"
is "default when unset or empty" x "${empty:-x}"
is alternative y "${path:+y}"
: "${nothing:=given}"
is assignment given "$nothing"
is "error in a subshell" "status 2" "$( (unset gone; : "${gone:?}") 2>/dev/null; echo "status $?")"
set -- "a b" c "d  e"
is "number of arguments" 3 $#
joined=; for word in "$@"; do joined="$joined<$word>"; done
is '"$@"' "<a b><c><d  e>" "$joined"
joined=; for word in $*; do joined="$joined<$word>"; done
is 'unquoted $*' "<a><b><c><d><e>" "$joined"
is '"$*" with another IFS' "a b,c,d  e" "$(IFS=,; echo "$*")"
shift 2
is shift "d  e" "$1"
fields() { IFS=:; set -- $1; echo "$# $1 $3"; }
is "fields by IFS" "4 root 0" "$(fields root:x:0:rest)"
is nested "inner outer" "$(echo "$(echo inner) outer")"

section patterns
kind() {
  case $1 in
    [0-9]*[!0-9]*) echo mixed ;;
    *[!0-9]*) echo word ;;
    ?) echo digit ;;
    "") echo empty ;;
    *) echo number ;;
  esac
}
for word in 5 55 5a5 hello ""; do printf '%s ' "$(kind "$word")"; done > kinds
is "case" "digit number mixed word empty " "$(cat kinds)"
mkdir -p tree/a tree/b
: > tree/a/one.c; : > tree/a/two.h; : > tree/b/three.c; : > tree/.hidden
is "a glob over directories" "tree/a/one.c tree/b/three.c" "$(echo tree/*/*.c)"
is "a glob without a match" "tree/*.none" "$(echo tree/*.none)"
is "hidden files" tree/.hidden "$(echo tree/.h*)"
is "no globbing" "*" "$(set -f; echo *)"

section "functions and options"
verbose=0; output=; rest=
parse() {
  OPTIND=1
  while getopts :vo: option; do
    case $option in
      v) verbose=$((verbose + 1)) ;;
      o) output=$OPTARG ;;
      :) echo "-$OPTARG needs a value" ;;
      \?) echo "-$OPTARG is unknown" ;;
    esac
  done
  shift $((OPTIND - 1))
  rest=$*
}
parse -vv -o file x y
is getopts "2 file x y" "$verbose $output $rest"
is "an option without its value" "-o needs a value" "$(parse -o)"
is "an unknown option" "-z is unknown" "$(parse -z)"
scope() { local inner=1; outer=2; }
inner=0; outer=0; scope
is "local variables" "0 2" "$inner $outer"
is "an environment for one command" "here, not kept" "$(HERE=here sh -c 'printf "$HERE, "'; echo "${HERE:-not kept}")"
export SHOWN=shown
is "an exported variable" shown "$(sh -c 'echo $SHOWN')"
is eval 7 "$(name=seven; eval "$name=7"; echo $seven)"

section redirections
printf 'one\ntwo\nthree\n' > lines
is "append" 4 "$(echo four >> lines; grep -c . lines)"
is "standard error apart" "out" "$( { echo out; echo err >&2; } 2>errors)"
is "what went there" err "$(cat errors)"
is "order of redirections" "err" "$( { echo err >&2; } 2>&1 >/dev/null)"
exec 3> third; echo to three >&3; exec 3>&-
is "a descriptor of its own" "to three" "$(cat third)"
is "a closed descriptor" closed "$( (echo x >&3) 2>/dev/null || echo closed)"
exec 4< lines; read -r first <&4; read -r second <&4; exec 4<&-
is "a shared offset" "one two" "$first $second"
is "noclobber" "kept four" "$(set -C; (echo x > lines) 2>/dev/null || echo "kept $(tail -n 1 lines)")"
name=world
is "a here-document" "hello world 3" "$(cat <<END
hello $name $((1 + 2))
END
)"
is "a quoted here-document" 'hello $name' "$(cat <<'END'
hello $name
END
)"
is "a here-document with tabs" "indented" "$(cat <<-END
	indented
	END
)"
is "a read and write descriptor" "xwo" "$(printf two > rw; exec 5<> rw; printf x >&5; exec 5>&-; cat rw)"
big() { i=0; while [ $i -lt 2000 ]; do echo "line $i of a long here-document"; i=$((i + 1)); done; }
long=$(big)
is "a here-document longer than a pipe" 2000 "$(wc -l <<END | tr -d ' '
$long
END
)"

section pipelines
is "the status of the last" 3 "$(true | (exit 3); echo $?)"
is "negation" 0 "$(! false | false; echo $?)"
is "a long one" "1 2 3 4 5 6 7 8 9 10 " "$(seq 10 | sort -rn | sed 's/$/ /' | sort -n | tr -d '\n' | cat | cat)"
is "a reader that leaves early" "1 2" "$(seq 30000 | head -n 2 | tr '\n' ' ' | sed 's/ $//')"
is "a loop as a writer" 10 "$(for i in 1 2 3 4; do echo $i; done | { sum=0; while read -r n; do sum=$((sum + n)); done; echo $sum; })"
is "fields of read" "[a] [b c  d]" "$(echo 'a b c  d' | { read -r x y; echo "[$x] [$y]"; })"
is "a backslash in read" 'a\b' "$(printf '%s\n' 'a\b' | { read -r x; printf '%s' "$x"; })"
mkfifo fifo
(seq 1 500 > fifo) &
is "a named pipe" 125250 "$(sum=0; while read -r n; do sum=$((sum + n)); done < fifo; echo $sum)"
wait
is "words by frequency" "3 the 2 cat 1 sat" "$(printf 'the cat the sat\nthe cat\n' | tr ' ' '\n' | sort | uniq -c | sort -rn | sed 's/^ *//' | tr '\n' ' ' | sed 's/ $//')"

section processes
(exit 7) & is_of=$!
wait "$is_of"; is "the status of a child" 7 $?
pids=
for code in 3 1 2; do (exit $code) & pids="$pids $!"; done
codes=; for pid in $pids; do wait "$pid"; codes="$codes $?"; done
is "children in any order" " 3 1 2" "$codes"
sleep 1000 & child=$!
kill "$child"; wait "$child" 2>/dev/null; is "ended by SIGTERM" 143 $?
sleep 1000 & child=$!
kill -KILL "$child"; wait "$child" 2>/dev/null; is "ended by SIGKILL" 137 $?
is "nobody of that number" gone "$(kill -0 "$child" 2>/dev/null || echo gone)"
is "a program that is not there" 127 "$(./none 2>/dev/null; echo $?)"
: > plain; chmod 644 plain
is "a file that is no program" 126 "$(./plain 2>/dev/null; echo $?)"
printf '#!/bin/sh\necho "script $# $1"\n' > script; chmod 755 script
is "a script by its first line" "script 2 a b" "$(./script 'a b' c)"
is "exec in its place" replaced "$(exec echo replaced; echo not reached)"
is "a subshell keeps its changes" "outer $folder" "$(x=outer; (x=inner; cd /); echo "$x $(pwd)")"
is "a pid is the parent's in a subshell" same "$(me=$$; [ "$me" = "$$" ] && echo same)"

section signals
caught=; trap 'caught="$caught usr1"' USR1; trap 'caught="$caught usr2"' USR2
kill -USR1 $$; kill -USR2 $$; kill -USR1 $$
is "traps" " usr1 usr2 usr1" "$caught"
trap '' USR1; kill -USR1 $$; is "ignored" " usr1 usr2 usr1" "$caught"
is "ignored by a child, too" survived "$(sh -c 'kill -USR1 $$; echo survived')"
trap - USR1 USR2
is "the default again" 138 "$(sh -c 'kill -USR1 $$' 2>/dev/null; echo $?)"
is "a trap at the end" "body end" "$(trap 'printf end' EXIT; printf 'body ')"
is "a trap at exit with its status" "end 5" "$( (trap 'printf "end "' EXIT; exit 5); echo $?)"
(trap 'echo told > told; exit 0' TERM; : > ready; while :; do sleep 0.01; done) & child=$!
until [ -e ready ]; do sleep 0.01; done
kill "$child"; wait "$child"; is "a child that cleans up" "0 told" "$? $(cat told)"

section files
printf abc > f; ln f g; ln -s f h
is "two names" 2 "$(stat -c %h f)"
printf d >> g; is "one content" abcd "$(cat h)"
rm f; is "a link to nowhere" "dangling abcd" "$([ -L h ] && [ ! -e h ] && echo dangling) $(cat g)"
is "a removed file that is open" text "$(echo text > t; exec 6< t; rm t; cat <&6)"
is modes "640 rw-r-----" "$(: > m; chmod u=rw,g=r,o= m; stat -c %a m) $(ls -l m | cut -c 2-10)"
is umask 600 "$(umask 077; : > masked; stat -c %a masked)"
touch -d 2001-01-01 old; touch -d 2002-02-02 new
is "older and newer" newer "$([ new -nt old ] && [ ! new -ot old ] && echo newer)"
is "a tree" "tree tree/.hidden tree/a tree/a/one.c tree/a/two.h tree/b tree/b/three.c" "$(find tree | LC_ALL=C sort | tr '\n' ' ' | sed 's/ $//')"
mv tree/a tree/b/; is "a directory that moved" "tree/b/a/one.c" "$(find tree -name one.c)"
is "not into itself" refused "$(mv tree tree/b/ 2>/dev/null || echo refused)"
dd if=/dev/zero of=holes bs=1 count=1 seek=100000 2>/dev/null
is "a hole" "100001 1" "$(stat -c %s holes) $(tr -d '\0' < holes | wc -c | sed 's/0/1/')"
seq 1 2000 > all; split -l 300 all part.; is "split" 7 "$(ls part.* | wc -l)"
is "a checksum" "$(sha256sum < all)" "$(cat part.* | sha256sum)"

section printf
is "numbers" "00042 ff 0x10 +7" "$(printf '%05d %x %#x %+d' 42 255 16 7)"
is "strings" "[  right] [left  ] [cu]" "$(printf '[%7s] [%-6s] [%.2s]' right left cut)"
is "a format again and again" "a-b-c-" "$(printf '%s-' a b c)"
is "escapes" "a	b" "$(printf 'a\tb')"
is "octal" "AB" "$(printf '\101%b' '\0102')"

printf '\n1..%d, %d failed\n' "$count" "$failed"
exit "$failed"
