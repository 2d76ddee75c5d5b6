# shellcheck shell=bash
# Functions for the scripts of the tests: tools in fixed versions below the target directory, and the local runner.
# Sourced from the project's root.

target=${CARGO_TARGET_DIR:-$PWD/target}
tools=$target/tools

# locked_install PYTHON REQUIREMENTS [OPTION…]: installs exactly the packages of a locked file, each verified by its
# hash. Only wheels are installed, so no package runs code during the installation.
locked_install() {
  "$1" -m pip install --quiet --disable-pip-version-check --root-user-action ignore \
    --require-hashes --only-binary :all: --no-deps --requirement "$2" "${@:3}"
}

# locked_home NAME REQUIREMENTS: prints the folder for the packages of a locked file. The folder's name contains the
# file's checksum.
locked_home() { printf '%s/%s-%s' "$tools" "$1" "$(cksum < "$2" | cut -d ' ' -f 1)"; }

# cargo_tools: installs the Cargo subcommands of tests/tools and adds them to PATH.
cargo_tools() {
  local requirements=tests/tools/requirements.txt home
  home=$(locked_home cargo "$requirements")
  if [ ! -e "$home/complete" ]; then
    locked_install python3 "$requirements" --upgrade --target "$home"
    touch "$home/complete"
  fi
  export PATH="$home/bin:$PATH"
}

# python_environment FOLDER: creates a Python environment from the folder's requirements.txt and sets
# $python_environment to its path.
python_environment() {
  local requirements=$1/requirements.txt
  python_environment=$(locked_home "${1##*/}" "$requirements")
  [ ! -e "$python_environment/complete" ] || return 0
  python3 -m venv --clear "$python_environment"
  locked_install "$python_environment/bin/python" "$requirements"
  # Verifies that the locked file lists every package that its packages require.
  "$python_environment/bin/python" -m pip check --disable-pip-version-check >&2
  touch "$python_environment/complete"
}

# build_local_runner: builds the local runner as a user does, without the features that tests add, and exports its path
# as $RUNNER.
build_local_runner() {
  cargo build --quiet --locked -p local
  export RUNNER=$target/${CARGO_BUILD_TARGET:+$CARGO_BUILD_TARGET/}debug/local
}

# find_chromium: prints the path of the browser: $CHROMIUM, or the first of the usual names that there is.
find_chromium() {
  local name
  for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable; do
    if [ -n "$name" ] && command -v "$name"; then return; fi
  done
  return 1
}

# browser_tools: builds the local runner and installs what drives a browser. Exports $RUNNER and $CHROMIUM. As root on a
# Debian machine without a browser, installs one.
browser_tools() {
  local wanted=(chromium fonts-dejavu-core fonts-noto-color-emoji)
  if ! find_chromium > /dev/null && [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -q && apt-get install -q -y --no-install-recommends "${wanted[@]}"; } > /dev/null
  fi
  CHROMIUM=$(find_chromium) || { echo 'there is no Chromium: install it, or name it in CHROMIUM' >&2; return 1; }
  export CHROMIUM
  build_local_runner
  npm ci --prefix tests/browser --silent
}

# start_local_runner LOG [FLAG…]: starts the local runner and returns once it is ready; otherwise prints its log and
# fails.
start_local_runner() {
  local log=$1
  shift
  build_local_runner
  "$RUNNER" "$@" > "$log" 2>&1 &
  local_runner=$!
  for _ in {1..150}; do
    grep -q '^ready ' "$log" && return
    kill -0 "$local_runner" 2>/dev/null || break
    sleep 0.2
  done
  echo 'the local runner did not become ready:' >&2
  cat "$log" >&2
  return 1
}

# stop_local_runner: stops the local runner with SIGTERM, and fails if it ends with an error.
stop_local_runner() {
  [ -n "${local_runner:-}" ] || return 0
  kill -TERM "$local_runner" 2>/dev/null || true
  wait "$local_runner" || { echo "the local runner ended with status $?" >&2; return 1; }
  local_runner=
}

# start_watch LOG: starts `cargo lambda watch` for what is built, and returns once it takes calls on port 9000;
# otherwise prints its log and fails.
start_watch() {
  CARGO_TERM_COLOR=never \
    cargo lambda watch --wait --ignore-changes --invoke-address 127.0.0.1 > "$1" 2>&1 &
  watch=$!
  for _ in {1..150}; do
    (exec 3<> /dev/tcp/127.0.0.1/9000) 2>/dev/null && return
    kill -0 "$watch" 2>/dev/null || break
    sleep 0.2
  done
  echo 'cargo lambda watch did not become ready:' >&2
  cat "$1" >&2
  return 1
}

# stop_watch: stops `cargo lambda watch` and the functions that it runs. It handles SIGINT only once it listens.
stop_watch() {
  [ -n "${watch:-}" ] || return 0
  kill -INT "$watch" 2>/dev/null || true
  for _ in {1..50}; do
    kill -0 "$watch" 2>/dev/null || break
    sleep 0.2
  done
  kill -TERM "$watch" 2>/dev/null || true
  wait "$watch" || true
  watch=
}
