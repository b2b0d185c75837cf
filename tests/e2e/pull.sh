# `openr1 pull` against a stand-in for the hub: what it fetches, the layout of the cache, names that resolve,
# who sees the token, and every fault: told, survived or resumed. Skipped without python3.
set -u
python=${OPENR1_PYTHON:-python3}
"$python" -c 'import http.server' 2>/dev/null || { echo "skipped: no python3"; exit 77; }
bad=0
golden=$OPENR1_SOURCE/tests/golden/models/llama_plain
tmp=$(mktemp -d)
server=
trap '[ -n "$server" ] && kill "$server" 2>/dev/null; rm -rf "$tmp"' EXIT
say() { echo "FAILED: $*"; bad=1; }
commit=0123456789abcdef0123456789abcdef01234567

for name in plain private gated flaky cut slow broken short whole evil nohash cached; do
  mkdir -p "$tmp/root/models/org/$name/sub dir"
  cp "$golden/config.json" "$golden/model.safetensors" "$tmp/root/models/org/$name"
  echo nested >"$tmp/root/models/org/$name/sub dir/a+b.txt"
done
mkdir -p "$tmp/root/datasets/org/numbers" "$tmp/root/models/org/moved"
echo '{"prompt":"1+1=","completion":"2"}' >"$tmp/root/datasets/org/numbers/train.jsonl"
: >"$tmp/root/datasets/org/numbers/empty"

stand_in=$OPENR1_SOURCE/tests/net/hub_server.py
"$python" "$stand_in" "$tmp/root" "$tmp/store.log" >"$tmp/url" 2>"$tmp/server.err" &
server=$!
i=0
while [ ! -s "$tmp/url" ] && [ $i -lt 100 ]; do sleep 0.1; i=$((i + 1)); done
[ -s "$tmp/url" ] || { cat "$tmp/server.err"; say "no server"; exit 1; }
HF_ENDPOINT=$(cat "$tmp/url")
export HF_ENDPOINT HF_HOME="$tmp/home" no_proxy=127.0.0.1 NO_COLOR=1
unset HF_TOKEN HF_TOKEN_PATH HF_HUB_CACHE HF_HUB_OFFLINE

pull() { "$OPENR1" pull "$@" >"$tmp/out" 2>"$tmp/err"; }
good() { pull "$@" || say "pull $*: $(cat "$tmp/err")"; }
refused() { # PATTERN ARGS...
  pattern=$1
  shift
  pull "$@" && say "pull $* succeeds"
  grep -q -e "$pattern" "$tmp/err" || say "pull $* does not say $pattern: $(cat "$tmp/err")"
}
whole() { # NAME: its snapshot holds what the hub has
  diff -r "$tmp/root/models/org/$1" "$tmp/home/hub/models--org--$1/snapshots/$commit" || say "$1 differs"
  ls "$tmp/home/hub/models--org--$1/blobs" | grep incomplete && say "$1 leaves parts behind"
}

# layout, as huggingface_hub has it
good org/plain
whole plain
place=$tmp/home/hub/models--org--plain
[ "$(cat "$tmp/out")" = "$place/snapshots/$commit" ] || say "it prints $(cat "$tmp/out")"
[ "$(cat "$place/refs/main")" = $commit ] || say "refs/main"
sum=$(sha256sum "$golden/model.safetensors" | cut -d' ' -f1)
[ "$(readlink "$place/snapshots/$commit/model.safetensors")" = "../../blobs/$sum" ] || say "its link"
case $(readlink "$place/snapshots/$commit/sub dir/a+b.txt") in
../../../blobs/*) ;;
*) say "link of a file in a folder" ;;
esac
"$OPENR1" inspect org/plain --tensors false | grep -q '^llama, 13992 parameters$' || say "name not found"
"$OPENR1" inspect org/other 2>&1 | grep -q 'openr1 pull org/other' || say "no word of pull"
cp "$tmp/store.log" "$tmp/before"
good org/plain
good org/plain --revision $commit
cmp -s "$tmp/store.log" "$tmp/before" || say "what is there is fetched again"

if "$python" -c 'import huggingface_hub' 2>/dev/null; then
  ask="from huggingface_hub import snapshot_download as f; print(f('org/plain', local_files_only=True))"
  theirs=$("$python" -c "$ask")
  [ "$theirs" = "$place/snapshots/$commit" ] || say "huggingface_hub finds $theirs"
else
  echo "skipped: $python has no huggingface_hub to read the cache with"
fi

# a part of the files, a dataset
rm -rf "$tmp/home"
good org/plain --include '*.json,sub dir/' --exclude 'c*'
[ "$(cd "$place/snapshots/$commit" && find . -type l)" = './sub dir/a+b.txt' ] || say "filters"
refused 'none of its 3 files' org/plain --include '*.bin'
good org/numbers --repo_type dataset
[ -s "$tmp/home/hub/datasets--org--numbers/snapshots/$commit/train.jsonl" ] || say "dataset"
"$OPENR1" data filter --help >/dev/null || say "data filter"

# who may
refused '401.*HF_TOKEN' org/private
HF_TOKEN=wrong refused 'not accepted' org/private
HF_TOKEN=good good org/private
whole private
mkdir -p "$tmp/home"
echo good >"$tmp/home/token"
rm -rf "$tmp/home/hub"
good org/private
whole private
rm "$tmp/home/token"
refused '403.*conditions' org/gated
refused '404' org/none
refused '404' org/plain --revision v2
refused 'no name of a repository' ../etc/passwd
refused 'no name of a repository' a/b/c
refused 'no revision' org/plain --revision ../x
refused 'cannot be: ../../../evil' org/evil
refused 'does not give the hash' org/nohash
HF_HUB_OFFLINE=1 refused 'HF_HUB_OFFLINE' org/plain --revision x
HF_ENDPOINT=ftp://x refused 'must begin with https' org/plain
good org/cached
whole cached
good org/moved
diff -r "$tmp/root/models/org/plain" "$tmp/home/hub/models--org--moved/snapshots/$commit" || say "moved"

# faults
good org/flaky
whole flaky
good org/cut
whole cut
grep -q 'cut/model.safetensors bytes=[1-9]' "$tmp/store.log" || say "no going on after a cut"
good org/whole
whole whole
refused 'has the hash' org/broken
[ -e "$tmp/home/hub/models--org--broken/refs" ] && say "a broken pull has a reference"
ls "$tmp/home/hub/models--org--broken/blobs" | grep -q "^$sum\$" && say "broken bytes have a good name"
refused 'ended after 1200 of' org/short

# killed half-way, then resumed
"$OPENR1" pull org/slow >"$tmp/out" 2>&1 &
pid=$!
part=$tmp/home/hub/models--org--slow/blobs/$sum.incomplete
i=0
while [ ! -s "$part" ] && [ $i -lt 200 ]; do sleep 0.1; i=$((i + 1)); done
kill -9 $pid
wait $pid 2>/dev/null
[ -s "$part" ] || say "nothing is kept of a killed pull"
[ -e "$tmp/home/hub/models--org--slow/refs/main" ] && say "a killed pull has a reference"
good org/slow
whole slow
grep -q 'slow/model.safetensors bytes=[1-9]' "$tmp/store.log" || say "no going on after a kill"
exit $bad
