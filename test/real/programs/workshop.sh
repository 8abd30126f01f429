# A long program of a POSIX shell: a workshop of small tools, each with tests whose results are numbered. What a line of
# it needs is the shell itself, so that it tries a kernel by what shells do: subshells, pipes, here-documents, traps,
# jobs, descriptors and temporary files. Nothing that it prints depends on process numbers, on time or on who is first:
# what runs at once is ordered by waiting.
#
# Functions leave their result in REPLY, because a command substitution would be a process each time.

LC_ALL=C
export LC_ALL
number=0
failed=0
newline='
'
tab='	'
folder=$(mktemp -d) || exit 2
cd "$folder" || exit 2

# --- The harness -----------------------------------------------------------------------------------------------------

# is <what> <expected> <actual>
is() {
  number=$((number + 1))
  if [ "$2" = "$3" ]; then
    printf 'ok %d - %s\n' "$number" "$1"
  else
    failed=$((failed + 1))
    printf 'not ok %d - %s\n# expected <%s>\n# actual   <%s>\n' "$number" "$1" "$2" "$3"
  fi
}

# Whether a command succeeds, or fails: succeeds <what> <command …>
succeeds() {
  what=$1
  shift
  if "$@"; then is "$what" 0 0; else is "$what" 0 "$?"; fi
}
fails() {
  what=$1
  shift
  if "$@"; then is "$what" failure success; else is "$what" failure failure; fi
}

section() { printf '\n# %s\n' "$*"; }

# Only the shell itself finishes, none of its subshells; $$ is the same in all of them.
finish() {
  status=$?
  [ "$(exec sh -c 'echo $PPID')" = $$ ] || return 0
  cd /
  rm -rf "$folder"
  if [ "$status" -ne 0 ]; then printf 'left early with %d\n' "$status"; fi
}
trap finish EXIT

# --- Strings ---------------------------------------------------------------------------------------------------------

# repeat <text> <times>
repeat() {
  REPLY=
  repeat_left=$2
  while [ "$repeat_left" -gt 0 ]; do
    REPLY=$REPLY$1
    repeat_left=$((repeat_left - 1))
  done
}

# reverse <text>
reverse() {
  REPLY=
  reverse_rest=$1
  while [ -n "$reverse_rest" ]; do
    reverse_tail=${reverse_rest#?}
    REPLY=${reverse_rest%"$reverse_tail"}$REPLY
    reverse_rest=$reverse_tail
  done
}

# replace <text> <what> <by>: every occurrence, from the left
replace() {
  replace_rest=$1
  REPLY=
  while :; do
    case $replace_rest in
      *"$2"*)
        REPLY=$REPLY${replace_rest%%"$2"*}$3
        replace_rest=${replace_rest#*"$2"}
        ;;
      *) break ;;
    esac
  done
  REPLY=$REPLY$replace_rest
}

# trim <text>: without white space at either end
trim() {
  REPLY=$1
  REPLY=${REPLY#"${REPLY%%[! $tab]*}"}
  REPLY=${REPLY%"${REPLY##*[! $tab]}"}
}

# join <separator> <words …>
join() {
  join_by=$1
  shift
  REPLY=
  for join_word; do REPLY=$REPLY${REPLY:+$join_by}$join_word; done
}

# split <separator> <text>: one part a line
split() {
  split_ifs=$IFS
  IFS=$1
  set -f
  # shellcheck disable=SC2086
  set -- $2
  set +f
  IFS=$split_ifs
  join "$newline" "$@"
}

# pad <text> <width>: on the left if the width is negative
pad() {
  if [ "$2" -lt 0 ]; then
    pad_width=$((-$2 - ${#1}))
    repeat ' ' "$pad_width"
    REPLY=$REPLY$1
  else
    pad_width=$(($2 - ${#1}))
    repeat ' ' "$pad_width"
    REPLY=$1$REPLY
  fi
}

# upper <text>, letter by letter
letters=abcdefghijklmnopqrstuvwxyz
capitals=ABCDEFGHIJKLMNOPQRSTUVWXYZ
upper() {
  upper_rest=$1
  upper_made=
  while [ -n "$upper_rest" ]; do
    upper_tail=${upper_rest#?}
    upper_char=${upper_rest%"$upper_tail"}
    case $upper_char in
      [a-z])
        upper_before=${letters%%"$upper_char"*}
        upper_char=$capitals
        while [ -n "$upper_before" ]; do
          upper_before=${upper_before#?}
          upper_char=${upper_char#?}
        done
        upper_char=${upper_char%"${upper_char#?}"}
        ;;
    esac
    upper_made=$upper_made$upper_char
    upper_rest=$upper_tail
  done
  REPLY=$upper_made
}

is_palindrome() {
  reverse "$1"
  [ "$REPLY" = "$1" ]
}

section strings
repeat ab 3; is "repeated" ababab "$REPLY"
repeat x 0; is "repeated not at all" "" "$REPLY"
reverse "a b*c"; is "reversed" "c*b a" "$REPLY"
reverse ""; is "nothing reversed" "" "$REPLY"
replace "one two one" one 1; is "replaced" "1 two 1" "$REPLY"
replace "a*b*c" "*" "[]"; is "replaced what is a pattern elsewhere" "a[]b[]c" "$REPLY"
replace "aaa" aa b; is "replaced from the left" ba "$REPLY"
trim "  $tab in the middle $tab"; is "trimmed" "in the middle" "$REPLY"
trim "    "; is "nothing but blanks" "" "$REPLY"
join , a "b c" d; is "joined" "a,b c,d" "$REPLY"
split : "/bin:/usr/bin:*"; is "split" "/bin$newline/usr/bin$newline*" "$REPLY"
split , "a,,b"; is "empty parts are parts" "a$newline${newline}b" "$REPLY"
pad right 8; is "padded behind" "right   " "$REPLY"
pad left -8; is "padded in front" "    left" "$REPLY"
upper "mixed Case 42"; is "in capitals" "MIXED CASE 42" "$REPLY"
succeeds "a palindrome" is_palindrome "never odd or even${newline}neve ro ddo reven"
fails "not a palindrome" is_palindrome "nearly"

# --- Numbers ---------------------------------------------------------------------------------------------------------

# to_roman <number>, and back
to_roman() {
  REPLY=
  roman_left=$1
  for roman_pair in 1000:M 900:CM 500:D 400:CD 100:C 90:XC 50:L 40:XL 10:X 9:IX 5:V 4:IV 1:I; do
    while [ "$roman_left" -ge "${roman_pair%:*}" ]; do
      REPLY=$REPLY${roman_pair#*:}
      roman_left=$((roman_left - ${roman_pair%:*}))
    done
  done
}
from_roman() {
  REPLY=0
  roman_rest=$1
  for roman_pair in 900:CM 400:CD 90:XC 40:XL 9:IX 4:IV 1000:M 500:D 100:C 50:L 10:X 5:V 1:I; do
    while :; do
      case $roman_rest in
        *"${roman_pair#*:}"*)
          roman_rest=${roman_rest%%"${roman_pair#*:}"*}${roman_rest#*"${roman_pair#*:}"}
          REPLY=$((REPLY + ${roman_pair%:*}))
          ;;
        *) break ;;
      esac
    done
  done
}

# in_base <number> <base>
digits=0123456789abcdefghijklmnopqrstuvwxyz
in_base() {
  base_left=$1
  REPLY=
  while :; do
    base_rest=$digits
    base_skip=$((base_left % $2))
    while [ "$base_skip" -gt 0 ]; do
      base_rest=${base_rest#?}
      base_skip=$((base_skip - 1))
    done
    REPLY=${base_rest%"${base_rest#?}"}$REPLY
    base_left=$((base_left / $2))
    [ "$base_left" -gt 0 ] || break
  done
}

# power <base> <exponent> <modulus>
power() {
  REPLY=1
  power_base=$(($1 % $3))
  power_left=$2
  while [ "$power_left" -gt 0 ]; do
    [ $((power_left & 1)) -eq 0 ] || REPLY=$((REPLY * power_base % $3))
    power_base=$((power_base * power_base % $3))
    power_left=$((power_left >> 1))
  done
}

# root <number>: the largest integer whose square is not beyond it, by halving
root() {
  root_low=0
  root_high=$(($1 + 1))
  while [ $((root_high - root_low)) -gt 1 ]; do
    REPLY=$(((root_low + root_high) / 2))
    if [ $((REPLY * REPLY)) -le "$1" ]; then root_low=$REPLY; else root_high=$REPLY; fi
  done
  REPLY=$root_low
}

gcd() {
  gcd_a=$1 gcd_b=$2
  while [ "$gcd_b" -ne 0 ]; do
    gcd_next=$((gcd_a % gcd_b))
    gcd_a=$gcd_b
    gcd_b=$gcd_next
  done
  REPLY=$gcd_a
}

collatz() {
  REPLY=0
  collatz_at=$1
  while [ "$collatz_at" -ne 1 ]; do
    if [ $((collatz_at % 2)) -eq 0 ]; then collatz_at=$((collatz_at / 2)); else collatz_at=$((3 * collatz_at + 1)); fi
    REPLY=$((REPLY + 1))
  done
}

# A sum of decimal numbers of any length, digit by digit.
add_long() {
  add_a=$1 add_b=$2 add_carry=0
  REPLY=
  while [ -n "$add_a$add_b" ] || [ "$add_carry" -ne 0 ]; do
    add_x=${add_a#"${add_a%?}"} add_y=${add_b#"${add_b%?}"}
    add_carry=$((add_carry + ${add_x:-0} + ${add_y:-0}))
    REPLY=$((add_carry % 10))$REPLY
    add_carry=$((add_carry / 10))
    add_a=${add_a%?} add_b=${add_b%?}
  done
}

section numbers
for year in 1969:MCMLXIX 2026:MMXXVI 3999:MMMCMXCIX 4:IV; do
  to_roman "${year%:*}"; is "${year%:*} in Rome" "${year#*:}" "$REPLY"
  from_roman "${year#*:}"; is "and back" "${year%:*}" "$REPLY"
done
in_base 255 2; is "in base 2" 11111111 "$REPLY"
in_base 123456789 36; is "in base 36" 21i3v9 "$REPLY"
in_base 0 7; is "nothing in base 7" 0 "$REPLY"
power 3 200 1000007; is "a power" 959082 "$REPLY"
root 1000000; is "a root" 1000 "$REPLY"
root 99; is "a root that is none" 9 "$REPLY"
gcd 1071 462; is "the greatest common divisor" 21 "$REPLY"
collatz 27; is "steps from 27" 111 "$REPLY"
a=0 b=1 n=0
while [ "$n" -lt 100 ]; do add_long "$a" "$b"; a=$b b=$REPLY n=$((n + 1)); done
is "the hundredth of Fibonacci" 354224848179261915075 "$a"
is "wraps around" -9223372036854775808 $((9223372036854775807 + 1))
is "precedence" 3 $((1 | 2 & 3 ^ 3 == 3))
i=5; is "assignments in between" "5 8 16" "$i $((i += 3)) $((i <<= 1))"

# --- A calculator: a parser by recursive descent -----------------------------------------------------------------------
#
#   sum     = product { ("+" | "-") product }
#   product = power { ("*" | "/" | "%") power }
#   power   = unary [ "^" power ]
#   unary   = "-" unary | "(" sum ")" | number | name [ "=" sum ]

input=
problem=

skip_blanks() { input=${input#"${input%%[! ]*}"}; }

# next <character>: takes it if it comes next
next() {
  skip_blanks
  case $input in
    "$1"*)
      input=${input#?}
      return 0
      ;;
  esac
  return 1
}

parse_sum() {
  local left
  parse_product
  left=$REPLY
  while :; do
    if next +; then parse_product; left=$((left + REPLY))
    elif next -; then parse_product; left=$((left - REPLY))
    else break
    fi
  done
  REPLY=$left
}

parse_product() {
  local left operator
  parse_power
  left=$REPLY
  while :; do
    if next '*'; then operator='*'
    elif next /; then operator=/
    elif next %; then operator=%
    else break
    fi
    parse_power
    if [ "$operator" != '*' ] && [ "$REPLY" -eq 0 ]; then
      problem="division by zero"
      REPLY=1
    fi
    case $operator in
      '*') left=$((left * REPLY)) ;;
      /) left=$((left / REPLY)) ;;
      %) left=$((left % REPLY)) ;;
    esac
  done
  REPLY=$left
}

parse_power() {
  local base exponent
  parse_unary
  next ^ || return 0
  base=$REPLY
  parse_power
  exponent=$REPLY
  REPLY=1
  while [ "$exponent" -gt 0 ]; do
    REPLY=$((REPLY * base))
    exponent=$((exponent - 1))
  done
}

parse_unary() {
  local name
  skip_blanks
  case $input in
    -*)
      input=${input#?}
      parse_unary
      REPLY=$((-REPLY))
      ;;
    '('*)
      input=${input#?}
      parse_sum
      next ')' || problem=${problem:-"a parenthesis is open"}
      ;;
    [0-9]*)
      REPLY=${input%%[!0-9]*}
      input=${input#"$REPLY"}
      ;;
    [a-z]*)
      name=${input%%[!a-z]*}
      input=${input#"$name"}
      if next =; then
        parse_sum
        eval "var_$name=\$REPLY"
      else
        eval "REPLY=\${var_$name:-none}"
        [ "$REPLY" != none ] || { problem="nothing is called $name"; REPLY=0; }
      fi
      ;;
    *)
      problem=${problem:-"something is missing before '$input'"}
      REPLY=0
      ;;
  esac
}

calculate() {
  input=$1
  problem=
  parse_sum
  skip_blanks
  [ -z "$input" ] || problem=${problem:-"nobody expected '$input'"}
  [ -z "$problem" ] || REPLY="error: $problem"
}

section calculator
while IFS='|' read -r expression value; do
  calculate "$expression"
  is "$expression" "$value" "$REPLY"
done <<'END'
1 + 2 * 3|7
(1 + 2) * 3|9
2 ^ 3 ^ 2|512
-2 ^ 2|4
10 - 4 - 3|3
100 / 7 % 5|4
--5|5
x = 6|6
y = x * (x + 1)|42
y / x - 7|0
((((((((1))))))))|1
1 / 0|error: division by zero
(1 + 2|error: a parenthesis is open
1 + |error: something is missing before ''
1 2|error: nobody expected '2'
zz + 1|error: nothing is called zz
END

# --- Stacks, queues and sets --------------------------------------------------------------------------------------------

# push <stack> <value>; pop <stack>
push() {
  eval "depth=\$(( \${stack_$1:-0} + 1 ))"
  eval "stack_$1=$depth; stack_$1_$depth=\$2"
}
pop() {
  eval "depth=\${stack_$1:-0}"
  [ "$depth" -gt 0 ] || return 1
  eval "REPLY=\$stack_$1_$depth; stack_$1=$((depth - 1)); unset stack_$1_$depth"
}

# A calculator without parentheses: rpn <tokens …>
rpn() {
  for token; do
    case $token in
      [0-9]*) push rpn "$token" ;;
      *)
        pop rpn || return 1
        rpn_right=$REPLY
        pop rpn || return 1
        push rpn $((REPLY $token rpn_right))
        ;;
    esac
  done
  pop rpn
}

section stacks
push a one; push a "two  words"; push b three
pop a; is "last in, first out" "two  words" "$REPLY"
pop b; is "another stack" three "$REPLY"
pop a; is "what was below" one "$REPLY"
fails "an empty stack" pop a
set -f
rpn 5 1 2 + 4 '*' + 3 -; is "postfix" 14 "$REPLY"
rpn 2 3 4 '*' '<<'; is "a shift" 8192 "$REPLY"
fails "too few" rpn 1 +
set +f

# --- Sorting ---------------------------------------------------------------------------------------------------------------

insertion_sort() {
  sorted=
  for item; do
    made= placed=
    for other in $sorted; do
      if [ -z "$placed" ] && [ "$item" -lt "$other" ]; then
        made="$made $item"
        placed=yes
      fi
      made="$made $other"
    done
    [ -n "$placed" ] || made="$made $item"
    sorted=$made
  done
  REPLY=${sorted# }
}

# In place, in numbered variables.
quick_sort() {
  [ "$1" -lt "$2" ] || return 0
  local low high pivot
  low=$1 high=$2
  eval "pivot=\$cell_$(((low + high) / 2))"
  while [ "$low" -le "$high" ]; do
    while eval "[ \$cell_$low -lt $pivot ]"; do low=$((low + 1)); done
    while eval "[ \$cell_$high -gt $pivot ]"; do high=$((high - 1)); done
    if [ "$low" -le "$high" ]; then
      eval "swap=\$cell_$low; cell_$low=\$cell_$high; cell_$high=\$swap"
      low=$((low + 1))
      high=$((high - 1))
    fi
  done
  quick_sort "$1" "$high"
  quick_sort "$low" "$2"
}

section sorting
insertion_sort 5 3 9 1 1 8; is "by insertion" "1 1 3 5 8 9" "$REPLY"
insertion_sort; is "nothing" "" "$REPLY"
random=42
n=0
while [ "$n" -lt 60 ]; do
  random=$(((random * 1103515245 + 12345) % 2147483648))
  eval "cell_$n=$((random / 65536 % 1000))"
  n=$((n + 1))
done
quick_sort 0 59
n=1 inverted=0
while [ "$n" -lt 60 ]; do
  eval "[ \$cell_$((n - 1)) -le \$cell_$n ]" || inverted=$((inverted + 1))
  n=$((n + 1))
done
is "quickly" "0 10 987" "$inverted $cell_0 $cell_59"
is "as sort does" "$(n=0; while [ "$n" -lt 60 ]; do eval "echo \$cell_$n"; n=$((n + 1)); done | sort -n | cksum)" \
  "$(n=0; while [ "$n" -lt 60 ]; do eval "echo \$cell_$n"; n=$((n + 1)); done | cksum)"

# --- JSON, as a table ------------------------------------------------------------------------------------------------------
#
# A parser that leaves one line for each scalar: its path, and its value.

json_string() {
  input=${input#\"}
  REPLY=
  while :; do
    json_part=${input%%[\"\\]*}
    REPLY=$REPLY$json_part
    input=${input#"$json_part"}
    case $input in
      \"*) input=${input#?}; return 0 ;;
      \\n*) REPLY=$REPLY$newline; input=${input#??} ;;
      \\t*) REPLY=$REPLY$tab; input=${input#??} ;;
      \\?*) input=${input#?}; json_part=${input#?}; REPLY=$REPLY${input%"$json_part"}; input=$json_part ;;
      *) problem="a string has no end"; return 1 ;;
    esac
  done
}

json_value() {
  local path index
  path=$1
  json_blanks
  case $input in
    '{'*)
      input=${input#?}
      json_blanks
      while [ "${input#\}}" = "$input" ]; do
        case $input in \"*) ;; *) problem="a name was expected at '$input'"; return 1 ;; esac
        json_string || return 1
        json_blanks
        case $input in :*) input=${input#?} ;; *) problem="a colon was expected"; return 1 ;; esac
        json_value "$path.$REPLY" || return 1
        json_blanks
        case $input in ,*) input=${input#?}; json_blanks ;; esac
      done
      input=${input#?}
      ;;
    '['*)
      input=${input#?}
      index=0
      json_blanks
      while [ "${input#\]}" = "$input" ]; do
        json_value "$path[$index]" || return 1
        index=$((index + 1))
        json_blanks
        case $input in ,*) input=${input#?}; json_blanks ;; esac
      done
      input=${input#?}
      ;;
    \"*)
      json_string || return 1
      json_found "$path" "$REPLY"
      ;;
    [-0-9tfn]*)
      REPLY=${input%%[!-+.0-9a-zA-Z]*}
      input=${input#"$REPLY"}
      json_found "$path" "$REPLY"
      ;;
    *)
      problem="nothing can be made of '$input'"
      return 1
      ;;
  esac
}

json_blanks() { input=${input#"${input%%[! $tab$newline]*}"}; }
json_found() { scalars="$scalars${scalars:+$newline}${1#.}=$2"; }

parse_json() {
  input=$1
  scalars=
  problem=
  json_value "" || return 1
  json_blanks
  [ -z "$input" ] || { problem="there is more: '$input'"; return 1; }
}

document='{
  "course": "Operating systems",
  "open": true, "seats": 120, "none": null,
  "topics": ["processes", "memory", ["pages", {"size": 4096}], []],
  "say": "a \"quoted\"\ttab",
  "people": [ {"name": "Ada", "points": 97}, {"name": "Linus", "points": 58}, {"name": "Grace", "points": 88} ]
}'

section json
succeeds "parsed" parse_json "$document"
is "scalars" 'course=Operating systems
open=true
seats=120
none=null
topics[0]=processes
topics[1]=memory
topics[2][0]=pages
topics[2][1].size=4096
say=a "quoted"	tab
people[0].name=Ada
people[0].points=97
people[1].name=Linus
people[1].points=58
people[2].name=Grace
people[2].points=88' "$scalars"
fails "a string without an end" parse_json '{"a": "b'
is "and why" "a string has no end" "$problem"
fails "two documents" parse_json '1 2'
is "and why not" "there is more: '2'" "$problem"
fails "no name" parse_json '{1: 2}'
succeeds "empty ones" parse_json ' [ ] '
is "have no scalars" "" "$scalars"
parse_json "$document"
table=$(
  printf '+-------+--------+\n'
  printf '%s\n' "$scalars" | while IFS== read -r path value; do
    case $path in
      people*name) name=$value ;;
      people*points) printf '| %-5s | %6s |\n' "$name" "$value" ;;
    esac
  done
  printf '+-------+--------+\n'
)
is "as a table" '+-------+--------+
| Ada   |     97 |
| Linus |     58 |
| Grace |     88 |
+-------+--------+' "$table"

# --- A small make -------------------------------------------------------------------------------------------------------------
#
# Rules are lines "target: sources" with indented commands. What is made is what is older than a source, or not there.

# read_rules: from standard input; target <n>, sources <n> and commands <n> in variables
read_rules() {
  rules=0
  while IFS= read -r line; do
    case $line in
      '#'* | '') ;;
      "$tab"*) eval "commands_$rules=\${commands_$rules}\${line#?}\$newline" ;;
      *:*)
        rules=$((rules + 1))
        trim "${line#*:}"
        eval "target_$rules=\${line%%:*} sources_$rules=\$REPLY commands_$rules="
        ;;
      *)
        problem="no rule: $line"
        return 1
        ;;
    esac
  done
}

rule_of() {
  REPLY=1
  while [ "$REPLY" -le "$rules" ]; do
    eval "[ \"\$target_$REPLY\" = \"\$1\" ]" && return 0
    REPLY=$((REPLY + 1))
  done
  return 1
}

# make <target>: 1 where nothing can be done
make() {
  local rule source stale target
  target=$1
  case " $visiting " in *" $target "*) problem="$target depends on itself"; return 1 ;; esac
  case " $done_targets " in *" $target "*) return 0 ;; esac
  if ! rule_of "$target"; then
    [ -e "$target" ] && return 0
    problem="nothing makes $target"
    return 1
  fi
  rule=$REPLY
  visiting="$visiting $target"
  stale=
  [ -e "$target" ] || stale=yes
  eval "set -- \$sources_$rule"
  for source; do
    make "$source" || return 1
    # What was made in this run is newer, however coarse the clock of files is.
    case " $made_targets " in *" $source "*) stale=yes ;; esac
    [ ! "$source" -nt "$target" ] || stale=yes
  done
  visiting=${visiting% "$target"}
  done_targets="$done_targets $target"
  [ -n "$stale" ] || return 0
  made_targets="$made_targets $target"
  eval "eval \"\$commands_$rule\"" || { problem="making $target failed"; return 1; }
}

run_make() {
  visiting= done_targets= made_targets= problem=
  make "$1"
}

section make
mkdir project && cd project || exit 2
printf 'int a;\n' > a.c
printf 'int b;\n' > b.c
read_rules <<'END'
# What a student has in the first week.
program: a.o b.o
	cat a.o b.o > program
a.o: a.c common.h
	{ cat common.h; sed s/int/object/ a.c; } > a.o
b.o: b.c
	sed s/int/object/ b.c > b.o
common.h:
	echo "/* made */" > common.h
circle: square
square: circle
broken: a.c
	false
lost: found
END
is "rules" 8 "$rules"
succeeds "made" run_make program
is "in order" " common.h a.o b.o program" "$made_targets"
is "what came of it" "/* made */${newline}object a;${newline}object b;" "$(cat program)"
succeeds "again" run_make program
is "there is nothing to do" "" "$made_targets"
touch -d 2001-01-01 a.c common.h; touch -d 2002-01-01 a.o b.o program; touch -d 2003-01-01 b.c
succeeds "after a change" run_make program
is "only what follows from it" " b.o program" "$made_targets"
fails "a circle" run_make circle
is "is found" "circle depends on itself" "$problem"
fails "a command that fails" run_make broken
is "is told of" "making broken failed" "$problem"
fails "a source that is nowhere" run_make lost
is "has a name" "nothing makes found" "$problem"
cd ..

# --- A ledger ------------------------------------------------------------------------------------------------------------------
#
# Lines "date from to cents what"; balances by account, sorted, and a check that they come to nothing.

# money <cents>
money() {
  money_sign=
  money_cents=$1
  [ "$money_cents" -ge 0 ] || { money_sign=-; money_cents=$((-money_cents)); }
  money_rest=$((money_cents % 100))
  [ "$money_rest" -ge 10 ] || money_rest=0$money_rest
  REPLY=$money_sign$((money_cents / 100)).$money_rest
}

# post <account> <cents>
post() {
  case " $accounts " in
    *" $1 "*) ;;
    *) accounts="$accounts $1"; eval "balance_$1=0" ;;
  esac
  eval "balance_$1=\$((balance_$1 + $2))"
}

read_ledger() {
  accounts= entries=0 problems=
  while read -r date from to cents what; do
    case $date:$cents in
      [0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]:*[!0-9]* | [!0-9]*)
        problems="$problems $date"
        continue
        ;;
    esac
    post "$from" "-$cents"
    post "$to" "$cents"
    entries=$((entries + 1))
    largest=${largest:-$cents}
    [ "$cents" -le "$largest" ] || { largest=$cents; largest_what=$what; }
  done
}

section ledger
cat > journal <<'END'
2026-01-01 opening cash 100000 what there was
2026-01-02 cash rent 65050 January
2026-01-02 cash food 1999 bread, and more
today cash food 1 no date
2026-01-03 salary cash 250005 work
2026-01-04 cash food x1 no number
2026-01-05 food cash 99 a deposit
END
read_ledger < journal
is "entries" 5 "$entries"
is "what is none" " today 2026-01-04" "$problems"
total=0
report=
for account in $accounts; do
  eval "cents=\$balance_$account"
  total=$((total + cents))
  money "$cents"
  pad "$account" 8; line=$REPLY
  money "$cents"; pad "$REPLY" -9
  report="$report$line$REPLY$newline"
done
is "comes to nothing" 0 "$total"
is "balances" "cash      2830.55
food        19.00
opening  -1000.00
rent       650.50
salary   -2500.05
" "$(printf %s "$report" | sort)$newline"
is "the largest" work "$largest_what"
money -5; is "a few cents" -0.05 "$REPLY"

# --- A way out: breadth first through rooms ------------------------------------------------------------------------------------

rooms='
hall north library
hall east kitchen
library up attic
kitchen down cellar
cellar east tunnel
attic out roof
tunnel north garden
roof down garden
garden gate freedom
'

# solve <from> <to>: the directions, the fewest that there are
solve() {
  queue=$1 seen=" $1 "
  eval "way_$1="
  while [ -n "$queue" ]; do
    here=${queue%% *}
    case $queue in *' '*) queue=${queue#* } ;; *) queue= ;; esac
    [ "$here" != "$2" ] || { eval "REPLY=\$way_$here"; return 0; }
    while read -r from direction to; do
      [ "$from" = "$here" ] || continue
      case $seen in *" $to "*) continue ;; esac
      seen="$seen$to "
      queue="$queue${queue:+ }$to"
      eval "way_$to=\"\${way_$here:+\$way_$here }$direction\""
    done <<END
$rooms
END
  done
  return 1
}

section "a way out"
solve hall freedom; is "the shortest way" "north up out down gate" "$REPLY"
solve kitchen garden; is "from elsewhere" "down east north" "$REPLY"
fails "no way back" solve garden hall
rooms="$rooms${newline}hall window garden"
solve hall freedom; is "a shorter one" "window gate" "$REPLY"

# --- Life ------------------------------------------------------------------------------------------------------------------------

# cell <row> <column>: 1 if it lives; the world is a torus
cell() {
  eval "REPLY=\$row_$((($1 + rows) % rows))"
  cell_at=$((($2 + columns) % columns))
  while [ "$cell_at" -gt 0 ]; do REPLY=${REPLY#?}; cell_at=$((cell_at - 1)); done
  case $REPLY in '#'*) REPLY=1 ;; *) REPLY=0 ;; esac
}

generation() {
  y=0
  while [ "$y" -lt "$rows" ]; do
    x=0 line=
    while [ "$x" -lt "$columns" ]; do
      around=0
      for dy in -1 0 1; do
        for dx in -1 0 1; do
          [ "$dy$dx" != 00 ] || continue
          cell $((y + dy)) $((x + dx))
          around=$((around + REPLY))
        done
      done
      cell "$y" "$x"
      case $around$REPLY in 3? | 21) line="$line#" ;; *) line=$line. ;; esac
      x=$((x + 1))
    done
    eval "next_$y=\$line"
    y=$((y + 1))
  done
  y=0
  while [ "$y" -lt "$rows" ]; do eval "row_$y=\$next_$y"; y=$((y + 1)); done
}

section life
rows=6 columns=6
row_0=.#.... row_1=..#... row_2=###... row_3=...... row_4=...... row_5=......
for n in 1 2 3 4; do generation; done
is "a glider goes down and right" "....../..#.../...#../.###../....../......" "$row_0/$row_1/$row_2/$row_3/$row_4/$row_5"

# --- Eight instructions ------------------------------------------------------------------------------------------------------------

# interpret <program> <input>
interpret() {
  program=$1 typed=$2 REPLY=
  length=${#program}
  n=0
  while [ "$n" -lt "$length" ]; do
    rest=${program#?}
    eval "op_$n=\${program%\"\$rest\"}"
    eval "op=\$op_$n"
    case $op in
      '[') push loops "$n" ;;
      ']') kept=$REPLY; pop loops; eval "jump_$n=$REPLY jump_$REPLY=$n"; REPLY=$kept ;;
    esac
    program=$rest
    n=$((n + 1))
  done
  n=0 at=0 tape_0=0
  while [ "$n" -lt "$length" ]; do
    eval "op=\$op_$n"
    case $op in
      '>') at=$((at + 1)); eval ": \${tape_$at:=0}" ;;
      '<') at=$((at - 1)) ;;
      +) eval "tape_$at=\$(((tape_$at + 1) % 256))" ;;
      -) eval "tape_$at=\$(((tape_$at + 255) % 256))" ;;
      .) eval "REPLY=\"\$REPLY \$tape_$at\"" ;;
      ,) eval "tape_$at=\${typed%% *}"; typed=${typed#* } ;;
      '[') eval "[ \$tape_$at -ne 0 ] || n=\$jump_$n" ;;
      ']') eval "[ \$tape_$at -eq 0 ] || n=\$jump_$n" ;;
    esac
    n=$((n + 1))
  done
  n=0
  while eval "[ -n \"\${tape_$n:-}\" ]"; do unset "tape_$n"; n=$((n + 1)); done
}

section "eight instructions"
interpret ',>,<[->+<]>.' '30 12'; is "a sum" " 42" "$REPLY"
interpret '++++++++[>++++++++<-]>+.+.+.' ''; is "letters" " 65 66 67" "$REPLY"
interpret ',[.-]' 4; is "counting down" " 4 3 2 1" "$REPLY"
interpret '-.' ''; is "around" " 255" "$REPLY"

# --- Options -------------------------------------------------------------------------------------------------------------------------

# options <arguments …>: what getopts makes of them
options() {
  OPTIND=1
  verbose=0 level= names=
  while getopts :vl:n: option; do
    case $option in
      v) verbose=$((verbose + 1)) ;;
      l) level=$OPTARG ;;
      n) names="$names$OPTARG;" ;;
      :) REPLY="-$OPTARG needs an argument"; return 2 ;;
      *) REPLY="-$OPTARG is not known"; return 2 ;;
    esac
  done
  shift $((OPTIND - 1))
  REPLY="v=$verbose l=$level n=$names rest=$*"
}

section options
options -vv -l3 -n "a b" -nc file -v; is "given" "v=2 l=3 n=a b;c; rest=file -v" "$REPLY"
options -v -- -l; is "ended" "v=1 l= n= rest=-l" "$REPLY"
fails "unknown" options -x
is "and which" "-x is not known" "$REPLY"
fails "without its argument" options -l
is "which one" "-l needs an argument" "$REPLY"

# --- Documents in between --------------------------------------------------------------------------------------------------------------

# fill: a template from standard input, {{name}} by the variable of that name
fill() {
  while IFS= read -r line || [ -n "$line" ]; do
    while :; do
      case $line in
        *'{{'*'}}'*)
          name=${line#*'{{'}
          name=${name%%'}}'*}
          eval "value=\${$name-}"
          replace "$line" "{{$name}}" "$value"
          line=$REPLY
          ;;
        *) break ;;
      esac
    done
    printf '%s\n' "$line"
  done
}

# read_settings: sections and keys to variables
read_settings() {
  part=
  while IFS= read -r line; do
    trim "$line"
    case $REPLY in
      '' | ';'*) ;;
      '['*']') part=${REPLY#?}; part=${part%?} ;;
      *=*) key=${REPLY%%=*}; trim "${REPLY#*=}"; value=$REPLY; trim "$key"; eval "set_${part}_$REPLY=\$value" ;;
    esac
  done
}

section documents
user=Ada course="Systems & Co" empty=
is "a template" "Dear Ada, Ada!${newline}Systems & Co: []" "$(fill <<'END'
Dear {{user}}, {{user}}!
{{course}}: [{{empty}}]
END
)"
read_settings <<END
; made for $user
[server]
  port = 8080
  name=  the one  
[client]
port=99 = 100
END
is "settings" "8080/the one/99 = 100" "$set_server_port/$set_server_name/$set_client_port"
is "expanded" "5 Ada \$user" "$(cat <<END
$((2 + 3)) ${user} \$user
END
)"
is "not expanded" '$((2 + 3)) `date` \' "$(cat <<'END'
$((2 + 3)) `date` \
END
)"
is "without tabs" "in${newline}out" "$(cat <<-END
	in
			out
	END
)"
is "two at once" "second first" "$({ read -r one; read -r two <&3; echo "$two $one"; } <<A 3<<B
first
A
second
B
)"

# --- Descriptors and files ----------------------------------------------------------------------------------------------------------

section descriptors
exec 3> log 4>&1
echo one >&3
echo two >&3
exec 3>&-
is "written through one" "one${newline}two" "$(cat log)"
fails "a closed one" eval '{ echo three >&3; } 2> /dev/null'
exec 3<> log
read -r first <&3
printf 'TWO' >&3
exec 3<&-
is "read and written through one" "one${newline}TWO" "$first$newline$(tail -n 1 log)"
is "standard error apart" "out/err" "$( { echo out; echo err >&2; } 2> errors )/$(cat errors)"
is "exchanged" "err" "$( { echo out; echo err >&2; } 3>&1 1> /dev/null 2>&3 )"
(set -C; fails "not over a file that is there" eval 'true > log' 2> /dev/null; printf '%s %s' "$number" "$failed" > counts)
read -r number failed < counts
succeeds "over it nonetheless" eval '(set -C; true >| log)'
succeeds "and it is empty" test ! -s log
is "appended" "1${newline}2${newline}3" "$(for n in 1 2 3; do echo "$n" >> grown; done; cat grown)"
while read -r a b && read -r c <&5; do pairs="$pairs$a$b$c;"; done <<A 5<<B
1 2
3 4
A
x
y
z
B
is "two inputs in step" "12x;34y;" "$pairs"
mkfifo queue
{ for n in 1 2 3; do echo "item $n"; done > queue; } &
taken=$(while read -r item; do printf '%s,' "${item#item }"; done < queue)
wait
is "through a FIFO" "1,2,3," "$taken"
mkdir -p "tree/a b" tree/c; : > "tree/a b/x.c"; : > tree/c/y.c; : > tree/c/.hidden; ln -s c tree/link
set -- tree/*/*.c; is "matched" "3 tree/a b/x.c tree/c/y.c" "$# $1 $2"
set -- tree/c/* tree/none*; is "not hidden ones, and what is not there stays" "tree/c/y.c tree/none*" "$*"
set -- tree/[!a-b]; is "a class" "tree/c" "$*"
succeeds "a link" test -L tree/link -a -d tree/link
cd tree/link; is "by the link" "$folder/tree/link $folder/tree/c" "$(pwd) $(pwd -P)"; cd "$folder" || exit 2

# --- Signals and traps ----------------------------------------------------------------------------------------------------------------

section traps
got=
trap 'got="$got usr1"' USR1
trap 'got="$got usr2"' USR2
kill -USR1 $$; kill -USR2 $$; kill -USR1 $$
is "in order" " usr1 usr2 usr1" "$got"
is "not in a subshell" "140" "$(exec 2> /dev/null; (kill -USR2 "$(exec sh -c 'echo $PPID')"; echo survived); echo $?)"
trap '' USR1
is "ignored, by children too" survived "$(sh -c 'kill -USR1 $$; echo survived')"
trap - USR1 USR2
is "at the end of a subshell" "inside bye" "$( (trap 'printf " bye"' EXIT; printf inside) )"
is "with its status" "bye 7" "$( (trap 'printf "bye "' EXIT; exit 7); echo $?)"
is "ended by a signal" 143 "$(exec 2> /dev/null; sh -c 'kill -TERM $$'; echo $?)"
is "in a loop that it ends" "stopped after 3" "$(
  trap 'echo "stopped after $n"; exit' TERM
  n=0
  while :; do n=$((n + 1)); [ "$n" -lt 3 ] || kill -TERM "$(exec sh -c 'echo $PPID')"; done
)"

# --- Jobs -------------------------------------------------------------------------------------------------------------------------------

section jobs
(exit 3) & first=$!
(exit 4) & second=$!
wait "$second"; is "the second first" 4 $?
wait "$first"; is "and the first" 3 $?
fails "nobody's" wait 999999 2> /dev/null
for n in 1 2 3 4 5; do (echo "$((n * n))" > "square.$n") & done
wait
is "five at once" "1 4 9 16 25" "$(cat square.? | tr '\n' ' ' | sed 's/ $//')"
mkfifo to from
while read -r line; do
  case $line in quit) break ;; *) calculate "$line"; echo "$REPLY" ;; esac
done < to > from &
exec 6> to 7< from
echo '6 * 7' >&6; read -r one <&7
echo '(1 + 1) ^ 10' >&6; read -r two <&7
echo quit >&6
wait $!; is "a server and its answers" "0 42 1024" "$? $one $two"
exec 6>&- 7<&-
mkfifo ready
(echo yes > ready; exec sleep 1000) & sleeper=$!
read -r one < ready
kill "$sleeper"
wait "$sleeper" 2> /dev/null; is "a job that was killed" 143 $?
is "a pipeline's status" "1 0" "$(true | false; printf %s "$?"; ! false; printf ' %s' $?)"
is "many in a row" 500 "$(n=0; while [ "$n" -lt 500 ]; do echo "$n"; n=$((n + 1)); done | while read -r x; do echo "$x"; done | cat | wc -l | tr -d ' ')"
is "a reader that leaves" "0 1 2" "$(n=0; while echo "$n"; do n=$((n + 1)); done 2> /dev/null | { read -r a; read -r b; read -r c; echo "$a $b $c"; })"

# --- What a shell itself is particular about --------------------------------------------------------------------------------------------

section particulars
set -- a "b c" ""
is "arguments kept apart" "3 1" "$(count() { printf %s $#; }; count "$@"; printf ' '; count "$*")"
is "by the first of IFS" "a-b c-" "$(IFS=-; echo "$*")"
unset unset_one
is "assigned by default" "made made" "${unset_one:=made} $unset_one"
is "an error that ends a subshell" "2" "$( (: "${nothing_here:?}") 2> /dev/null; [ $? -ne 0 ] && echo 2)"
is "a length, and whether there is one" 3y "${#user}${user:+y}${nothing_here:+n}"
is "nested" "x" "${nothing_here:-${also_nothing:-x}}"
is "patterns of suffixes" "a.b|a|b.c|c" "$(v=a.b.c; echo "${v%.*}|${v%%.*}|${v#*.}|${v##*.}")"
is "a quoted pattern" "a*c|b*c" "$(v='a*c'; echo "${v#'*'}|b${v#a}")"
is "read takes what is left" "one|two three " "$(printf 'one  two three \n' | { IFS=' ' read -r a b; echo "$a|$b "; })"
is "read with a backslash" 'ab|a\b' "$(printf 'a\\b\n' | { read a; printf '%s|' "$a"; }; printf 'a\\b\n' | { read -r a; printf %s "$a"; })"
is "a last line without an end" "1 last" "$(printf last | { read -r a; echo "$? $a"; })"
is "cases" "glob any" "$(for v in a.c '*'; do case $v in \*) printf any ;; *.[ch]) printf 'glob ' ;; esac; done)"
is "no case" "0" "$(case x in y) false ;; esac; echo $?)"
is "loops inside one another" "1a 2a 2b" "$(for n in 1 2 3; do for l in a b; do [ "$n$l" != 1b ] || continue 2; [ "$n" != 3 ] || break 2; printf '%s ' "$n$l"; done; done | sed 's/ $//')"
is "a function in its own terms" "fact 120" "$(fact() { if [ "$1" -le 1 ]; then echo 1; else echo $(($1 * $(fact $(($1 - 1))))); fi; }; echo "fact $(fact 5)")"
is "variables of a subshell" "outer inner outer" "$(v=outer; printf '%s ' $v; (v=inner; printf '%s ' $v); echo $v)"
is "for one command only" "x-set-" "$(v=set sh -c 'printf "x-%s-" "$v"')"
is "set -e ends it" "before" "$(set -e; echo before; false; echo after)"
is "but not in a condition" "before after" "$(set -e; if false; then :; fi; false || echo before | tr '\n' ' '; echo after)"
is "set -u" "ended" "$( (set -u; : "$no_such_thing"; echo went on) 2> /dev/null || echo ended)"
is "eval of eval" "three" "$(one=two two=three; eval "eval echo \\\$\$one")"
is "printf" "00042|ff|  x|x  |A%|0x1f" "$(printf '%05d|%x|%3s|%-3s|\101%%|%#x' 42 255 x x 31)"
is "printf again and again" "1=a 2=b " "$(printf '%d=%s ' 1 a 2 b)"
is "here by a dot" "sourced with mine" "$(echo 'said="sourced with $word"' > file.sh; word=mine; . ./file.sh; echo "$said")"
is "an alias of nothing" "127" "$(no_such_command_here 2> /dev/null; echo $?)"
is "not executable" "126" "$(: > plain; ./plain 2> /dev/null; echo $?)"
is "ulimit" "20" "$(ulimit -n 20; ulimit -n)"
is "umask" "-rw------- -rw-r-----" "$(umask 077; : > m1; umask 027; : > m2; ls -l m1 m2 | cut -c1-10 | tr '\n' ' ' | sed 's/ $//')"
is "the command that was not" "type" "$(command -v cd > /dev/null && command -V if > /dev/null && echo type)"

printf '\n1..%d, %d failed\n' "$number" "$failed"
exit "$((failed != 0))"
