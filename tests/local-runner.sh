# For the scripts beside it: starts and stops the local runner.

# start_local_runner LOG [FLAG…]: returns once it is ready, or fails with its log.
start_local_runner() {
  local log=$1 attempt
  shift
  # As its user builds it: with the features that it asks for itself, and none that tests add.
  cargo build --quiet --locked -p local
  "${CARGO_TARGET_DIR:-target}/debug/local" "$@" > "$log" 2>&1 &
  local_runner=$!
  for attempt in $(seq 1 150); do
    grep -q '^ready ' "$log" && return
    kill -0 "$local_runner" 2>/dev/null || break
    sleep 0.2
  done
  echo 'the local runner did not become ready:' >&2
  cat "$log" >&2
  return 1
}

# Ends it as an operator would, and fails if it does not end by itself.
stop_local_runner() {
  [ -n "${local_runner:-}" ] || return 0
  kill -TERM "$local_runner" 2>/dev/null || true
  wait "$local_runner" || { echo "the local runner ended with status $?" >&2; return 1; }
  local_runner=
}
